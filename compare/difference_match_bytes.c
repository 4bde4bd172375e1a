// Takes rows of the same bytes away from both sides, wherever they stand, before any value is parsed.
// Where the order says nothing the rows' bytes are read once, both sides side by side: what stands at
// the same place and is the same is gone, of all others the digest is taken while the bytes are at
// hand. Digests are parted (difference_parts.c), and each part's are held against each other in a small
// table. Rows are held to be the same when XXH3 of their bytes is, as everywhere in this folder. Pure;
// memory in proportion to the rows that differ at their place.
#include "compare/difference_parts.h"
#include "compare/difference_rows.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

// Of a table with open addressing: how many of old's rows have this digest, and how many of those are
// taken by new's.
struct slot {
    uint64_t hash;
    uint32_t count; // 0: unused
    uint32_t taken;
};

struct table { // of one part at a time
    struct slot *slots;
    size_t capacity, mask;
};

static size_t
capacity_for(size_t count)
{
    size_t capacity = 16;
    while (capacity < 2 * count)
        capacity *= 2;
    return capacity;
}

// With room for the largest part.
static bool
table_init(struct table *table, const struct parts *parts)
{
    size_t most = 0;
    for (size_t part = 0; part >> parts->bits == 0; part++)
        most = parts->parts[part].count > most ? parts->parts[part].count : most;
    table->slots = malloc(capacity_for(most) * sizeof *table->slots);
    return table->slots != NULL;
}

static struct slot *
table_find(const struct table *table, uint64_t hash)
{
    size_t at = hash & table->mask;
    while (table->slots[at].count != 0 && table->slots[at].hash != hash)
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

static void
table_fill(struct table *table, const struct part *part)
{
    size_t capacity = capacity_for(part->count);
    table->mask = capacity - 1;
    memset(table->slots, 0, capacity * sizeof *table->slots);
    struct parts_walk walk = parts_walk_over(part);
    for (const struct parts_digest *digest; (digest = parts_next(&walk)) != NULL;) {
        struct slot *slot = table_find(table, digest->hash);
        slot->hash = digest->hash;
        slot->count++;
    }
}

static void
leave(struct match *match, size_t side, size_t row)
{
    match->left[side][match->count[side]++] = row;
}

// Of rows that are the same the first are taken first.
static void
match_part(struct table *table, const struct part *old_part, const struct part *new_part,
           struct match *match)
{
    size_t taken = 0;
    table_fill(table, old_part);
    struct parts_walk walk = parts_walk_over(new_part);
    for (const struct parts_digest *digest; (digest = parts_next(&walk)) != NULL;) {
        struct slot *slot = table_find(table, digest->hash);
        if (slot->taken == slot->count) {
            leave(match, 1, digest->row);
        } else {
            slot->taken++;
            taken++;
        }
    }
    if (taken == old_part->count)
        return;
    walk = parts_walk_over(old_part);
    for (const struct parts_digest *digest; (digest = parts_next(&walk)) != NULL;) {
        struct slot *slot = table_find(table, digest->hash);
        if (slot->taken > 0)
            slot->taken--;
        else
            leave(match, 0, digest->row);
    }
}

static int
number_order(const void *one, const void *other)
{
    const size_t *a = one;
    const size_t *b = other;
    return (*a > *b) - (*a < *b);
}

// What both sides' parts have in common is gone; the others are left, by number.
static bool
match_parts(const struct parts parts[2], struct match *match)
{
    struct table table;
    if (!table_init(&table, &parts[0]))
        return false;
    match->count[0] = match->count[1] = 0;
    for (size_t part = 0; part >> parts[0].bits == 0; part++)
        match_part(&table, &parts[0].parts[part], &parts[1].parts[part], match);
    for (size_t side = 0; side < 2; side++)
        qsort(match->left[side], match->count[side], sizeof(size_t), number_order);
    free(table.slots);
    return true;
}

// Takes the digests of those rows that are to be matched.
typedef void collector(struct rows *rows, const struct match *match, struct parts parts[2]);

static bool
match_by(collector *collect, struct rows *rows, const size_t counts[2], struct match *match)
{
    struct parts parts[2] = {0};
    unsigned bits = parts_bits_for(counts[0]);
    bool has_memory = counts[0] < UINT32_MAX && parts_init(&parts[0], counts[0], bits) &&
                      parts_init(&parts[1], counts[1], bits);
    if (has_memory) {
        collect(rows, match, parts);
        has_memory = match_parts(parts, match);
    }
    parts_fini(&parts[0]);
    parts_fini(&parts[1]);
    return has_memory;
}

static void
collect_left(struct rows *rows, const struct match *match, struct parts parts[2])
{
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < match->count[side]; i++) {
            size_t length;
            const uint8_t *body = rows_body(rows, side, match->left[side][i], &length);
            parts_add(&parts[side], XXH3_64bits(body, length), match->left[side][i]);
        }
}

static void
collect_all(struct rows *rows, const struct match *match, struct parts parts[2])
{
    (void)match;
    for (size_t row = 0;; row++) {
        const uint8_t *bodies[2];
        size_t lengths[2];
        for (size_t side = 0; side < 2; side++)
            bodies[side] = rows_next(rows, side, &lengths[side]);
        if (bodies[0] == NULL && bodies[1] == NULL)
            return;
        if (bodies[0] != NULL && bodies[1] != NULL && lengths[0] == lengths[1] &&
            memcmp(bodies[0], bodies[1], lengths[0]) == 0)
            continue;
        for (size_t side = 0; side < 2; side++)
            if (bodies[side] != NULL)
                parts_add(&parts[side], XXH3_64bits(bodies[side], lengths[side]), row);
    }
}

bool
match_bytes_left(struct rows *rows, struct match *match)
{
    const size_t counts[2] = {match->count[0], match->count[1]};
    return match_by(collect_left, rows, counts, match);
}

bool
match_bytes(struct rows *rows, struct match *match)
{
    const size_t counts[2] = {rows->results[0]->row_count, rows->results[1]->row_count};
    match->keys_agree = counts[0] == counts[1];
    return match_by(collect_all, rows, counts, match);
}
