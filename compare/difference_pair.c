// Which rows that have no equal correspond all the same, so that a wrong value can be named by its
// column. Rows correspond when they agree on most, and agreement weighs more in a column that tells
// rows apart (an id) than in one that does not (a status), more in what the statement sorts by, and most in what
// names a row. While both sides are few every row is tried with every other; beyond that, rows are paired through the columns whose values are unique
// on both sides, the one with most such values first. What still has no partner is paired by place.
#include "compare/difference_rows.h"
#include <stdlib.h>

enum {
    MAX_TRIED = 65536, // pairs tried, in all
    MAX_COLUMNS = 16,  // looked at for unique values
    MAX_PASSES = 3,    // columns that rows are paired through
    FULL_WEIGHT = 16,  // of a column in which all rows differ
    KEY_WEIGHT = 64, // times that of another column: a sort key's; and that again: what names a row
};

struct candidate {
    uint32_t weight; // of the columns in which they agree
    uint32_t distance;
    uint32_t old_at, new_at; // among the rows that are left
};

struct pairing {
    struct rows *rows;
    const struct match *match;
    size_t *partners; // by place among old's rows that are left: place among new's, SIZE_MAX: none
    bool *is_taken;   // by place among new's
};

struct unique { // one row's value of one column
    uint64_t digest;
    size_t at;
};

static int
unique_order(const void *one, const void *other)
{
    const struct unique *a = one;
    const struct unique *b = other;
    if (a->digest != b->digest)
        return a->digest < b->digest ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

static void
join(struct pairing *pairing, size_t old_at, size_t new_at)
{
    pairing->partners[old_at] = new_at;
    pairing->is_taken[new_at] = true;
}

static bool
is_free(const struct pairing *pairing, size_t side, size_t at)
{
    return side == 0 ? pairing->partners[at] == SIZE_MAX : !pairing->is_taken[at];
}

static int
digest_order(const void *one, const void *other)
{
    const uint64_t *a = one;
    const uint64_t *b = other;
    return (*a > *b) - (*a < *b);
}

// How well a column tells rows apart: 1 to FULL_WEIGHT. `digests` are all rows' of this column.
static uint32_t
weight_of(uint64_t *digests, size_t count)
{
    size_t distinct = 1;
    qsort(digests, count, sizeof *digests, digest_order);
    for (size_t i = 1; i < count; i++)
        distinct += digests[i] != digests[i - 1];
    return 1 + (uint32_t)((FULL_WEIGHT - 1) * distinct / count);
}

static int
candidate_order(const void *one, const void *other)
{
    const struct candidate *a = one;
    const struct candidate *b = other;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return (a->old_at > b->old_at) - (a->old_at < b->old_at);
}

static void
weigh(struct pairing *pairing, struct candidate *candidates, uint64_t *digests, uint64_t *sorted)
{
    const size_t *counts = pairing->match->count;
    for (size_t column = 0; column < pairing->rows->column_count; column++) {
        size_t count = 0;
        for (size_t side = 0; side < 2; side++)
            for (size_t i = 0; i < counts[side]; i++, count++)
                digests[count] = sorted[count] =
                    rows_column_digest(pairing->rows, side, pairing->match->left[side][i], column);
        uint32_t weight = weight_of(sorted, count);
        if (pairing->rows->columns[column].is_key)
            weight *= KEY_WEIGHT;
        if (pairing->rows->columns[column].is_row_key)
            weight *= KEY_WEIGHT * KEY_WEIGHT;
        for (size_t i = 0; i < counts[0] * counts[1]; i++)
            if (digests[candidates[i].old_at] == digests[counts[0] + candidates[i].new_at])
                candidates[i].weight += weight;
    }
}

// Every row with every other, best first.
static bool
pair_by_agreement(struct pairing *pairing)
{
    const struct match *match = pairing->match;
    size_t total = match->count[0] * match->count[1];
    struct candidate *candidates = calloc(total, sizeof *candidates);
    uint64_t *digests = calloc(2 * (match->count[0] + match->count[1]), sizeof *digests);
    bool has_memory = candidates != NULL && digests != NULL;
    for (size_t i = 0; has_memory && i < total; i++) {
        size_t old_at = i / match->count[1];
        size_t new_at = i % match->count[1];
        size_t old_row = match->left[0][old_at];
        size_t new_row = match->left[1][new_at];
        size_t distance = old_row > new_row ? old_row - new_row : new_row - old_row;
        candidates[i] = (struct candidate){
            .distance = distance < UINT32_MAX ? (uint32_t)distance : UINT32_MAX,
            .old_at = (uint32_t)old_at,
            .new_at = (uint32_t)new_at,
        };
    }
    if (has_memory) {
        weigh(pairing, candidates, digests, digests + match->count[0] + match->count[1]);
        qsort(candidates, total, sizeof *candidates, candidate_order);
        for (size_t i = 0; i < total && candidates[i].weight > 0; i++)
            if (is_free(pairing, 0, candidates[i].old_at) &&
                is_free(pairing, 1, candidates[i].new_at))
                join(pairing, candidates[i].old_at, candidates[i].new_at);
    }
    free(candidates);
    free(digests);
    return has_memory;
}

static size_t
uniques_of(struct pairing *pairing, size_t side, size_t column, struct unique *uniques)
{
    size_t count = 0;
    for (size_t i = 0; i < pairing->match->count[side]; i++)
        if (is_free(pairing, side, i))
            uniques[count++] = (struct unique){
                rows_column_digest(pairing->rows, side, pairing->match->left[side][i], column), i};
    qsort(uniques, count, sizeof *uniques, unique_order);
    return count;
}

static size_t
run_length(const struct unique *uniques, size_t at, size_t count)
{
    size_t end = at;
    while (end < count && uniques[end].digest == uniques[at].digest)
        end++;
    return end - at;
}

// Values that one row of each side has: counts them, and joins their rows if told to.
static size_t
walk_uniques(struct pairing *pairing, size_t column, struct unique *room[2], bool joins)
{
    size_t counts[2] = {uniques_of(pairing, 0, column, room[0]),
                        uniques_of(pairing, 1, column, room[1])};
    size_t at[2] = {0, 0};
    size_t found = 0;
    while (at[0] < counts[0] && at[1] < counts[1]) {
        size_t runs[2] = {run_length(room[0], at[0], counts[0]),
                          run_length(room[1], at[1], counts[1])};
        uint64_t digests[2] = {room[0][at[0]].digest, room[1][at[1]].digest};
        if (digests[0] == digests[1] && runs[0] == 1 && runs[1] == 1) {
            found++;
            if (joins)
                join(pairing, room[0][at[0]].at, room[1][at[1]].at);
        }
        at[0] += digests[0] <= digests[1] ? runs[0] : 0;
        at[1] += digests[1] <= digests[0] ? runs[1] : 0;
    }
    return found;
}

static bool
pair_by_unique_values(struct pairing *pairing)
{
    struct unique *room[2];
    for (size_t side = 0; side < 2; side++)
        room[side] = calloc(pairing->match->count[side], sizeof *room[side]);
    bool has_memory = room[0] != NULL && room[1] != NULL;
    size_t columns = pairing->rows->column_count;
    if (columns > MAX_COLUMNS)
        columns = MAX_COLUMNS;
    size_t pairs_left = pairing->match->count[0] < pairing->match->count[1]
                            ? pairing->match->count[0]
                            : pairing->match->count[1];
    for (int pass = 0; pass < MAX_PASSES && has_memory; pass++) {
        size_t best = 0, most = 0;
        for (size_t column = 0; column < columns; column++) {
            size_t found = walk_uniques(pairing, column, room, false);
            if (pairing->rows->columns[column].is_key)
                found *= 2;
            if (found > most) {
                most = found;
                best = column;
            }
        }
        size_t joined = most > 0 ? walk_uniques(pairing, best, room, true) : 0;
        if (joined == 0 || joined == pairs_left)
            break;
        pairs_left -= joined;
    }
    free(room[0]);
    free(room[1]);
    return has_memory;
}

// What is left over, in the order of both sides.
static void
pair_by_place(struct pairing *pairing)
{
    size_t new_at = 0;
    for (size_t i = 0; i < pairing->match->count[0]; i++) {
        if (!is_free(pairing, 0, i))
            continue;
        while (new_at < pairing->match->count[1] && !is_free(pairing, 1, new_at))
            new_at++;
        if (new_at == pairing->match->count[1])
            return;
        join(pairing, i, new_at);
    }
}

bool
pair_rows(struct rows *rows, const struct match *match, struct row_pair **pairs, size_t *count)
{
    const size_t *counts = match->count;
    struct pairing pairing = {.rows = rows, .match = match};
    pairing.partners = calloc(counts[0] + 1, sizeof *pairing.partners);
    pairing.is_taken = calloc(counts[1] + 1, sizeof *pairing.is_taken);
    *pairs = calloc(counts[0] + 1, sizeof **pairs);
    *count = 0;
    bool has_memory = pairing.partners != NULL && pairing.is_taken != NULL && *pairs != NULL;
    for (size_t i = 0; has_memory && i < counts[0]; i++)
        pairing.partners[i] = SIZE_MAX;
    if (has_memory && counts[0] > 0 && counts[1] > 0)
        has_memory = counts[0] <= MAX_TRIED / counts[1] ? pair_by_agreement(&pairing)
                                                        : pair_by_unique_values(&pairing);
    if (has_memory)
        pair_by_place(&pairing);
    for (size_t i = 0; has_memory && i < counts[0]; i++)
        if (pairing.partners[i] != SIZE_MAX)
            (*pairs)[(*count)++] =
                (struct row_pair){match->left[0][i], match->left[1][pairing.partners[i]]};
    free(pairing.partners);
    free(pairing.is_taken);
    if (!has_memory || rows->failed) {
        free(*pairs);
        *pairs = NULL;
        return false;
    }
    return true;
}
