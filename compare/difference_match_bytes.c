// Takes rows of the same bytes away from both sides, wherever they stand, before any value is parsed:
// a permuted result costs two hashes of its bytes and a table of its rows. Rows are held to be the
// same when XXH3 of their bytes is, as everywhere in this folder. Pure; memory in proportion to the
// rows that are left.
#include "compare/difference_rows.h"
#include <stdlib.h>
#include <xxhash.h>

enum { NONE = UINT32_MAX };

struct slot { // of a table with open addressing: old's rows of one digest, as a list
    uint64_t digest;
    uint32_t first; // place among old's rows that are left; NONE: all of them are taken
    bool is_used;
};

struct table {
    struct slot *slots;
    size_t mask;
    uint32_t *next; // by place among old's rows that are left
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
    while (table->slots[at].is_used && table->slots[at].digest != digest)
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

static uint64_t
digest_of(const struct rows *rows, size_t side, size_t row)
{
    size_t length;
    const uint8_t *body = rows_body(rows, side, row, &length);
    return XXH3_64bits(body, length);
}

// From the last to the first, so that rows of one digest are taken in their order.
static void
add_old_rows(const struct rows *rows, const struct match *match, struct table *table)
{
    for (size_t i = match->count[0]; i-- > 0;) {
        uint64_t digest = digest_of(rows, 0, match->left[0][i]);
        struct slot *slot = table_find(table, digest);
        table->next[i] = slot->is_used ? slot->first : NONE;
        *slot = (struct slot){digest, (uint32_t)i, true};
    }
}

bool
match_bytes(const struct rows *rows, struct match *match)
{
    struct table table;
    if (match->count[0] >= NONE)
        return true; // digests of forms will do
    bool has_memory = table_init(&table, match->count[0]);
    bool *is_taken = calloc(match->count[0] + 1, sizeof *is_taken);
    has_memory &= is_taken != NULL;
    if (has_memory) {
        size_t kept = 0;
        add_old_rows(rows, match, &table);
        for (size_t i = 0; i < match->count[1]; i++) {
            struct slot *slot = table_find(&table, digest_of(rows, 1, match->left[1][i]));
            if (!slot->is_used || slot->first == NONE) {
                match->left[1][kept++] = match->left[1][i];
                continue;
            }
            is_taken[slot->first] = true;
            slot->first = table.next[slot->first];
        }
        match->count[1] = kept;
        kept = 0;
        for (size_t i = 0; i < match->count[0]; i++)
            if (!is_taken[i])
                match->left[0][kept++] = match->left[0][i];
        match->count[0] = kept;
    }
    table_fini(&table);
    free(is_taken);
    return has_memory;
}
