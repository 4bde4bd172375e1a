// Takes rows of the same bytes away from both sides, wherever they stand, before any value is parsed:
// a permuted result costs two hashes of its bytes and a table of its rows. Rows are held to be the
// same when XXH3 of their bytes is, as everywhere in this folder. Pure; memory in proportion to the
// rows that are left.
#include "compare/difference_rows.h"
#include <stdlib.h>
#include <xxhash.h>

enum { UNUSED = 0, NONE = UINT32_MAX, BATCH = 16 };

// Of a table with open addressing: old's rows of one digest, as a list. Places are counted from 1.
struct slot {
    uint64_t digest;
    uint32_t first; // place among old's rows that are left; NONE: all of them are taken
};

struct table {
    struct slot *slots;
    size_t mask;
    uint32_t *next; // by place, from 1
};

// Digests of some rows in a row, so that the memory which the table needs for one comes while those of
// the others are computed.
struct batch {
    uint64_t digests[BATCH];
    size_t from, end; // places from 0
};

static bool
table_init(struct table *table, size_t count)
{
    size_t capacity = 16;
    while (capacity < 2 * count)
        capacity *= 2;
    table->slots = calloc(capacity, sizeof *table->slots);
    table->next = malloc((count + 1) * sizeof *table->next);
    table->mask = capacity - 1;
    return table->slots != NULL && table->next != NULL;
}

static void
table_fini(struct table *table)
{
    free(table->slots);
    free(table->next);
}

static struct slot *
table_find(const struct table *table, uint64_t digest)
{
    size_t at = digest & table->mask;
    while (table->slots[at].first != UNUSED && table->slots[at].digest != digest)
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

static void
batch_fill(struct batch *batch, const struct rows *rows, const struct match *match, size_t side,
           const struct table *table)
{
    for (size_t i = batch->from; i < batch->end; i++) {
        size_t length;
        const uint8_t *body = rows_body(rows, side, match->left[side][i], &length);
        uint64_t digest = XXH3_64bits(body, length);
        batch->digests[i - batch->from] = digest;
        __builtin_prefetch(&table->slots[digest & table->mask], 1);
    }
}

// From the last to the first, so that rows of one digest are taken in their order.
static void
add_old_rows(const struct rows *rows, const struct match *match, struct table *table)
{
    struct batch batch = {.end = match->count[0]};
    while (batch.end > 0) {
        batch.from = batch.end > BATCH ? batch.end - BATCH : 0;
        batch_fill(&batch, rows, match, 0, table);
        for (size_t i = batch.end; i-- > batch.from;) {
            uint64_t digest = batch.digests[i - batch.from];
            struct slot *slot = table_find(table, digest);
            table->next[i + 1] = slot->first != UNUSED ? slot->first : NONE;
            *slot = (struct slot){digest, (uint32_t)i + 1};
        }
        batch.end = batch.from;
    }
}

static void
take_new_rows(const struct rows *rows, struct match *match, struct table *table, bool *is_taken)
{
    size_t kept = 0, count = match->count[1];
    struct batch batch = {0};
    while (batch.from < count) {
        batch.end = count - batch.from > BATCH ? batch.from + BATCH : count;
        batch_fill(&batch, rows, match, 1, table);
        for (size_t i = batch.from; i < batch.end; i++) {
            struct slot *slot = table_find(table, batch.digests[i - batch.from]);
            if (slot->first == UNUSED || slot->first == NONE) {
                match->left[1][kept++] = match->left[1][i];
                continue;
            }
            is_taken[slot->first - 1] = true;
            slot->first = table->next[slot->first];
        }
        batch.from = batch.end;
    }
    match->count[1] = kept;
}

bool
match_bytes(const struct rows *rows, struct match *match)
{
    struct table table;
    if (match->count[0] >= NONE - 1)
        return true; // digests of forms will do
    bool has_memory = table_init(&table, match->count[0]);
    bool *is_taken = calloc(match->count[0] + 1, sizeof *is_taken);
    has_memory &= is_taken != NULL;
    if (has_memory) {
        size_t kept = 0;
        add_old_rows(rows, match, &table);
        take_new_rows(rows, match, &table, is_taken);
        for (size_t i = 0; i < match->count[0]; i++)
            if (!is_taken[i])
                match->left[0][kept++] = match->left[0][i];
        match->count[0] = kept;
    }
    table_fini(&table);
    free(is_taken);
    return has_memory;
}
