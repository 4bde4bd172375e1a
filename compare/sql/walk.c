// What every part of the walk uses: memory, bounds, tables found, results remembered.
#include "compare/sql/walk.h"

#include <stdlib.h>
#include <string.h>

void
walk_init(struct walk *walk, const struct analysis_context *context, bool is_old)
{
    memset(walk, 0, sizeof(*walk));
    walk->context = context;
    walk->is_old = is_old;
    walk->catalog = is_old ? context->old_catalog : context->new_catalog;
    walk->other = is_old ? context->new_catalog : context->old_catalog;
    walk->search_path = is_old ? context->old_search_path : context->new_search_path;
}

void
walk_fini(struct walk *walk)
{
    for (struct walk_tree *tree = walk->trees; tree != NULL; tree = tree->next)
        parse_tree_fini(&tree->tree);
    free(walk->memo);
    arena_fini(&walk->arena);
}

void *
walk_take(struct walk *walk, size_t size)
{
    void *piece = arena_take(&walk->arena, size);
    if (piece == NULL)
        walk->no_memory = true;
    return piece;
}

void
walk_refuse(struct walk *walk)
{
    walk->is_unproven = true;
    walk->is_harmful = true;
}

void
walk_blame(struct walk *walk, const struct catalog_function *function)
{
    if (walk->blamed == NULL)
        walk->blamed = function;
}

void
walk_refuse_function(struct walk *walk, const struct catalog_function *function)
{
    walk_blame(walk, function);
    walk_refuse(walk);
}

bool
walk_step(struct walk *walk)
{
    if (walk->no_memory || walk->steps > WALK_MAX_STEPS) {
        walk_refuse(walk);
        return false;
    }
    walk->steps++;
    return true;
}

void
walk_sink(struct walk *walk, unsigned value)
{
    if ((value & (VALUE_VOLATILE)) != 0)
        walk->is_volatile = true;
    if ((value & VALUE_ANY_OPEN) != 0)
        walk->is_open = true;
}

void
walk_source(struct walk *walk, const struct column *column)
{
    struct sources *sources = walk->sources;
    if (sources == NULL)
        return;
    int table = column == NULL ? -1 : column->table;
    const char *origin = table < 0 ? NULL : column->origin;
    bool is_same = !sources->has_any || sources->table == table;
    bool is_one = !sources->has_any || (sources->origin != NULL && origin != NULL &&
                                        strcmp(sources->origin, origin) == 0);
    *sources = (struct sources){true, is_same ? table : -1, is_same && is_one ? origin : NULL};
}

// Gives room for one more than `count`: the array itself, or a larger copy.
void *
walk_grow(struct walk *walk, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity == 0 ? 8 : *capacity * 2;
    void *copy = walk_take(walk, larger * size);
    if (copy == NULL)
        return NULL;
    if (count > 0)
        memcpy(copy, array, count * size);
    *capacity = larger;
    return copy;
}

int
walk_table(struct walk *walk, const char *name, uint32_t oid)
{
    for (size_t i = 0; i < walk->table_count; i++)
        if (walk->tables[i].oid == oid && strcmp(walk->tables[i].name, name) == 0) {
            walk->tables[i].is_meant = walk->tables[i].is_meant || !walk->is_aside;
            return (int)i;
        }
    struct walk_table *tables =
        walk_grow(walk, walk->tables, walk->table_count, &walk->table_capacity, sizeof(*tables));
    if (tables == NULL)
        return -1;
    walk->tables = tables;
    tables[walk->table_count] = (struct walk_table){name, oid, !walk->is_aside};
    return (int)walk->table_count++;
}

// Where an entry is or would be: open addressing, capacity a power of two.
static struct memo *
memo_place(struct memo *memo, size_t capacity, enum memo_kind kind, uint32_t oid, const char *name)
{
    uint32_t hash = oid * 2654435761u + (uint32_t)kind * 97;
    if (name != NULL)
        for (const char *c = name; *c != '\0'; c++)
            hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (size_t i = hash & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        struct memo *entry = &memo[i];
        bool is_free = entry->oid == 0 && entry->name == NULL;
        if (is_free || (entry->kind == kind && entry->oid == oid &&
                        (name == entry->name ||
                         (name != NULL && entry->name != NULL && strcmp(name, entry->name) == 0))))
            return entry;
    }
}

struct memo *
memo_find(struct walk *walk, enum memo_kind kind, uint32_t oid, const char *name)
{
    if (walk->memo_count == 0)
        return NULL;
    struct memo *entry = memo_place(walk->memo, walk->memo_capacity, kind, oid, name);
    return entry->oid == 0 && entry->name == NULL ? NULL : entry;
}

void
memo_add(struct walk *walk, enum memo_kind kind, uint32_t oid, const char *name)
{
    if ((walk->memo_count + 1) * 2 > walk->memo_capacity) {
        size_t capacity = walk->memo_capacity == 0 ? 64 : walk->memo_capacity * 2;
        struct memo *larger = calloc(capacity, sizeof(*larger));
        if (larger == NULL) {
            walk->no_memory = true;
            return;
        }
        for (size_t i = 0; i < walk->memo_capacity; i++) {
            const struct memo *entry = &walk->memo[i];
            if (entry->oid != 0 || entry->name != NULL)
                *memo_place(larger, capacity, entry->kind, entry->oid, entry->name) = *entry;
        }
        free(walk->memo);
        walk->memo = larger;
        walk->memo_capacity = capacity;
    }
    struct memo *entry = memo_place(walk->memo, walk->memo_capacity, kind, oid, name);
    *entry = (struct memo){kind, oid, name, 0, NULL};
    walk->memo_count++;
}

void
memo_set(struct walk *walk, enum memo_kind kind, uint32_t oid, unsigned value,
         const struct item *item)
{
    struct memo *entry = memo_find(walk, kind, oid, NULL);
    if (entry != NULL) {
        entry->value = value;
        entry->item = item;
    }
}
