// A hash table of shapes behind one read-write lock. Look-ups hold the read lock for a bucket's
// walk; only shadow threads write. Over SHAPES_LIMIT the longest unused of a few entries picked in
// turn goes: close enough to the longest unused of all, and its cost does not grow with the table.
// What an old catalog's epoch left behind ages out the same way, as the epoch is part of the key.

#include "proxy/shadow/shapes.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 14, EVICTION_SAMPLE = 8 };

struct entry {
    struct entry *next;
    struct shape *shape;
    atomic_uint_fast64_t last_used; // of the table's clock
};

struct shapes {
    pthread_rwlock_t lock;
    struct entry *buckets[BUCKETS];
    size_t count;
    size_t hand; // bucket at which the next eviction looks first
    atomic_uint_fast64_t clock;
};

struct shapes *
shapes_new(void)
{
    struct shapes *shapes = calloc(1, sizeof(*shapes));
    if (!shapes)
        return NULL;
    pthread_rwlock_init(&shapes->lock, NULL);
    return shapes;
}

void
shape_columns_unref(struct shape_columns **columns)
{
    struct shape_columns *gone = *columns;
    *columns = NULL;
    if (!gone || atomic_fetch_sub(&gone->references, 1) != 1)
        return;
    reply_columns_free(gone->columns, gone->count);
    free(gone);
}

void
shape_rewrite_unref(struct shape_rewrite **rewrite)
{
    struct shape_rewrite *gone = *rewrite;
    *rewrite = NULL;
    if (!gone || atomic_fetch_sub(&gone->references, 1) != 1)
        return;
    free(gone->sql);
    free(gone->new_sql);
    free(gone);
}

void
shape_unref(struct shape **shape)
{
    struct shape *gone = *shape;
    *shape = NULL;
    if (!gone || atomic_fetch_sub(&gone->references, 1) != 1)
        return;
    analysis_unref(&gone->analysis);
    shape_columns_unref(&gone->columns[SIDE_OLD]);
    shape_columns_unref(&gone->columns[SIDE_NEW]);
    shape_rewrite_unref(&gone->rewrite);
    free(gone);
}

void
shapes_free(struct shapes **shapes)
{
    struct shapes *gone = *shapes;
    *shapes = NULL;
    if (!gone)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *entry = gone->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            shape_unref(&entry->shape);
            free(entry);
        }
    }
    pthread_rwlock_destroy(&gone->lock);
    free(gone);
}

static struct entry *
entry_find(struct shapes *shapes, const struct shape_key *key)
{
    struct entry *entry = shapes->buckets[key->low % BUCKETS];
    while (entry && (entry->shape->key.low != key->low || entry->shape->key.high != key->high))
        entry = entry->next;
    return entry;
}

static struct shape *
entry_use(struct shapes *shapes, struct entry *entry)
{
    uint64_t now = atomic_fetch_add_explicit(&shapes->clock, 1, memory_order_relaxed);
    atomic_store_explicit(&entry->last_used, now, memory_order_relaxed);
    atomic_fetch_add(&entry->shape->references, 1);
    return entry->shape;
}

struct shape *
shapes_find(struct shapes *shapes, const struct shape_key *key)
{
    pthread_rwlock_rdlock(&shapes->lock);
    struct entry *entry = entry_find(shapes, key);
    struct shape *shape = entry ? entry_use(shapes, entry) : NULL;
    pthread_rwlock_unlock(&shapes->lock);
    return shape;
}

// Unlinks the longest unused of the next few entries. The write lock is held.
static void
evict_one(struct shapes *shapes)
{
    struct entry **oldest = NULL;
    unsigned seen = 0;
    for (size_t turn = 0; turn < BUCKETS && seen < EVICTION_SAMPLE; turn++) {
        shapes->hand = (shapes->hand + 1) % BUCKETS;
        for (struct entry **link = &shapes->buckets[shapes->hand]; *link; link = &(*link)->next) {
            seen++;
            if (!oldest || atomic_load(&(*link)->last_used) < atomic_load(&(*oldest)->last_used))
                oldest = link;
        }
    }
    if (!oldest)
        return;
    struct entry *gone = *oldest;
    *oldest = gone->next;
    shape_unref(&gone->shape);
    free(gone);
    shapes->count--;
}

struct shape *
shapes_put(struct shapes *shapes, const struct shape_key *key, struct analysis **analysis)
{
    struct shape *fresh = calloc(1, sizeof(*fresh));
    struct entry *link = calloc(1, sizeof(*link));
    if (!fresh || !link) {
        free(fresh);
        free(link);
        analysis_unref(analysis);
        return NULL;
    }
    atomic_init(&fresh->references, 1);
    fresh->key = *key;
    fresh->analysis = *analysis;
    *analysis = NULL;
    link->shape = fresh;

    pthread_rwlock_wrlock(&shapes->lock);
    struct entry *entry = entry_find(shapes, key);
    if (!entry) {
        if (shapes->count >= SHAPES_LIMIT)
            evict_one(shapes);
        link->next = shapes->buckets[key->low % BUCKETS];
        shapes->buckets[key->low % BUCKETS] = link;
        shapes->count++;
        entry = link;
        link = NULL;
    }
    struct shape *shape = entry_use(shapes, entry);
    pthread_rwlock_unlock(&shapes->lock);

    if (link) {
        shape_unref(&link->shape);
        free(link);
    }
    return shape;
}

static struct shape_columns *
columns_copy(const struct reply_column *columns, size_t count)
{
    struct shape_columns *copy = calloc(1, sizeof(*copy));
    if (!copy)
        return NULL;
    atomic_init(&copy->references, 1);
    copy->count = count;
    copy->columns = reply_columns_copy(columns, count);
    if (!copy->columns)
        shape_columns_unref(&copy);
    for (size_t i = 0; copy && i < count; i++)
        copy->columns[i].format = 0;
    return copy;
}

struct shape_columns *
shape_columns(struct shapes *shapes, struct shape *shape, enum side side)
{
    pthread_rwlock_rdlock(&shapes->lock);
    struct shape_columns *columns = shape->columns[side];
    if (columns)
        atomic_fetch_add(&columns->references, 1);
    pthread_rwlock_unlock(&shapes->lock);
    return columns;
}

void
shape_learn(struct shapes *shapes, struct shape *shape, enum side side,
            const struct reply_column *columns, size_t count)
{
    pthread_rwlock_rdlock(&shapes->lock);
    const struct shape_columns *known = shape->columns[side];
    bool is_known =
        known && known->count == count && reply_columns_are_same(known->columns, columns, count);
    pthread_rwlock_unlock(&shapes->lock);
    if (is_known)
        return;
    struct shape_columns *fresh = columns_copy(columns, count);
    if (!fresh)
        return;
    pthread_rwlock_wrlock(&shapes->lock);
    struct shape_columns *gone = shape->columns[side];
    shape->columns[side] = fresh;
    pthread_rwlock_unlock(&shapes->lock);
    shape_columns_unref(&gone);
}

struct shape_rewrite *
shape_rewrite(struct shapes *shapes, struct shape *shape)
{
    pthread_rwlock_rdlock(&shapes->lock);
    struct shape_rewrite *rewrite = shape->rewrite;
    if (rewrite)
        atomic_fetch_add(&rewrite->references, 1);
    pthread_rwlock_unlock(&shapes->lock);
    return rewrite;
}

void
shape_learn_rewrite(struct shapes *shapes, struct shape *shape, const char *sql, size_t length,
                    const char *new_sql, bool is_whole)
{
    struct shape_rewrite *known = shape_rewrite(shapes, shape);
    bool is_known = known && strlen(known->sql) == length && memcmp(known->sql, sql, length) == 0;
    shape_rewrite_unref(&known);
    if (is_known)
        return;
    struct shape_rewrite *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return;
    atomic_init(&fresh->references, 1);
    fresh->sql = strndup(sql, length);
    fresh->new_sql = strdup(new_sql);
    fresh->is_whole = is_whole;
    if (!fresh->sql || !fresh->new_sql) {
        shape_rewrite_unref(&fresh);
        return;
    }
    pthread_rwlock_wrlock(&shapes->lock);
    struct shape_rewrite *gone = shape->rewrite;
    shape->rewrite = fresh;
    pthread_rwlock_unlock(&shapes->lock);
    shape_rewrite_unref(&gone);
}
