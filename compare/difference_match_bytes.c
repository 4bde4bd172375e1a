// Takes rows of the same bytes away from both sides, wherever they stand, before any value is parsed:
// a permuted result costs a hash of each row's bytes and two passes over 16 bytes a row. The digests
// are first parted by their upper bits, so that the table in which one side's are looked up for the
// other's stays in the processor's cache, however large the results are. Rows are held to be the same
// when XXH3 of their bytes is, as everywhere in this folder. Pure; memory in proportion to the rows
// that are left.
#include "compare/difference_rows.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { UNUSED = 0, NONE = UINT32_MAX, PART_ROWS = 1024, MOST_BITS = 10 };

struct digest {
    uint64_t hash;
    uint32_t place; // among its side's rows that are left
};

struct parts { // one side's digests, part by part, and in each by place
    struct digest *digests;
    size_t *ends;   // of each part
    bool *is_taken; // by place
};

// Of a table with open addressing: old's rows of one digest, as a list. Numbers in the part are
// counted from 1.
struct slot {
    uint64_t hash;
    uint32_t first; // NONE: all of them are taken
};

struct table { // of one part at a time
    struct slot *slots;
    size_t mask;
    uint32_t *next; // by number
};

static unsigned
bits_for(size_t count)
{
    unsigned bits = 1;
    while (bits < MOST_BITS && count >> bits > PART_ROWS)
        bits++;
    return bits;
}

static size_t
part_of(uint64_t hash, unsigned bits)
{
    return hash >> (64 - bits);
}

static bool
parts_init(struct parts *parts, const struct rows *rows, const struct match *match, size_t side,
           unsigned bits, uint64_t *hashes)
{
    size_t count = match->count[side], parted = 0;
    parts->digests = malloc((count + 1) * sizeof *parts->digests);
    parts->ends = calloc((size_t)1 << bits, sizeof *parts->ends);
    parts->is_taken = calloc(count + 1, sizeof *parts->is_taken);
    if (parts->digests == NULL || parts->ends == NULL || parts->is_taken == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t length;
        const uint8_t *body = rows_body(rows, side, match->left[side][i], &length);
        hashes[i] = XXH3_64bits(body, length);
        parts->ends[part_of(hashes[i], bits)]++;
    }
    for (size_t part = 0; part >> bits == 0; part++) { // where it begins, until it is filled
        size_t size = parts->ends[part];
        parts->ends[part] = parted;
        parted += size;
    }
    for (size_t i = 0; i < count; i++)
        parts->digests[parts->ends[part_of(hashes[i], bits)]++] =
            (struct digest){hashes[i], (uint32_t)i};
    return true;
}

static void
parts_fini(struct parts *parts)
{
    free(parts->digests);
    free(parts->ends);
    free(parts->is_taken);
}

static size_t
parts_start(const struct parts *parts, size_t part)
{
    return part > 0 ? parts->ends[part - 1] : 0;
}

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
table_init(struct table *table, const struct parts *parts, unsigned bits)
{
    size_t most = 0;
    for (size_t part = 0; part >> bits == 0; part++) {
        size_t size = parts->ends[part] - parts_start(parts, part);
        most = size > most ? size : most;
    }
    table->slots = malloc(capacity_for(most) * sizeof *table->slots);
    table->next = malloc((most + 1) * sizeof *table->next);
    return table->slots != NULL && table->next != NULL;
}

static void
table_fini(struct table *table)
{
    free(table->slots);
    free(table->next);
}

static struct slot *
table_find(const struct table *table, uint64_t hash)
{
    size_t at = hash & table->mask;
    while (table->slots[at].first != UNUSED && table->slots[at].hash != hash)
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

// From the last to the first, so that rows of one digest are taken in their order.
static void
table_fill(struct table *table, const struct digest *digests, size_t count)
{
    size_t capacity = capacity_for(count);
    table->mask = capacity - 1;
    memset(table->slots, 0, capacity * sizeof *table->slots);
    for (size_t i = count; i > 0; i--) {
        uint64_t hash = digests[i - 1].hash;
        struct slot *slot = table_find(table, hash);
        table->next[i] = slot->first != UNUSED ? slot->first : NONE;
        *slot = (struct slot){hash, (uint32_t)i};
    }
}

static void
take_part(struct table *table, struct parts parts[2], size_t part)
{
    size_t starts[2] = {parts_start(&parts[0], part), parts_start(&parts[1], part)};
    const struct digest *old_digests = parts[0].digests + starts[0];
    table_fill(table, old_digests, parts[0].ends[part] - starts[0]);
    for (size_t i = starts[1]; i < parts[1].ends[part]; i++) {
        const struct digest *digest = &parts[1].digests[i];
        struct slot *slot = table_find(table, digest->hash);
        if (slot->first == UNUSED || slot->first == NONE)
            continue;
        parts[0].is_taken[old_digests[slot->first - 1].place] = true;
        parts[1].is_taken[digest->place] = true;
        slot->first = table->next[slot->first];
    }
}

static void
keep_others(struct match *match, size_t side, const bool *is_taken)
{
    size_t kept = 0;
    for (size_t i = 0; i < match->count[side]; i++)
        if (!is_taken[i])
            match->left[side][kept++] = match->left[side][i];
    match->count[side] = kept;
}

bool
match_bytes(const struct rows *rows, struct match *match)
{
    const size_t *counts = match->count;
    size_t most = counts[0] > counts[1] ? counts[0] : counts[1];
    if (most >= NONE - 1)
        return true; // digests of forms will do
    unsigned bits = bits_for(counts[0]);
    struct parts parts[2] = {0};
    struct table table = {0};
    uint64_t *hashes = malloc((most + 1) * sizeof *hashes); // of one side, then of the other
    bool has_memory = hashes != NULL && parts_init(&parts[0], rows, match, 0, bits, hashes) &&
                      parts_init(&parts[1], rows, match, 1, bits, hashes) &&
                      table_init(&table, &parts[0], bits);
    if (has_memory) {
        for (size_t part = 0; part >> bits == 0; part++)
            take_part(&table, parts, part);
        keep_others(match, 0, parts[0].is_taken);
        keep_others(match, 1, parts[1].is_taken);
    }
    table_fini(&table);
    parts_fini(&parts[0]);
    parts_fini(&parts[1]);
    free(hashes);
    return has_memory;
}
