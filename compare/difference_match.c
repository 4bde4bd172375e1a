// Takes equal rows away from both sides. First row by row, which settles nearly every result at the
// cost of reading it; then rows of the same bytes wherever they stand (difference_match_bytes.c); what
// is left then as multisets of values, by sorted digests: O(n log n) whatever the two orders are. Columns with a tolerance are not in the digests; within rows of one digest they are
// matched by number, nearest first, in a window of bounded length.
#include "compare/difference_rows.h"
#include <math.h>
#include <stdlib.h>

enum { WINDOW = 64 }; // partners tried for one row among those within tolerance

struct entry {
    uint64_t digest;
    double approximate;
    size_t row;
    bool is_matched;
};

void
match_fini(struct match *match)
{
    free(match->left[0]);
    free(match->left[1]);
}

static bool
keys_equal(struct rows *rows, size_t row)
{
    for (size_t i = 0; i < rows->column_count; i++)
        if (rows->columns[i].is_key && !rows_column_equal(rows, i, row, row))
            return false;
    return true;
}

static bool
has_keys(const struct rows *rows)
{
    for (size_t i = 0; i < rows->column_count; i++)
        if (rows->columns[i].is_key)
            return true;
    return false;
}

// A row that does not stand at its place is no fault in itself; what says the order may not differ.
static void
note_disorder(struct rows *rows, struct match *match, size_t row, bool is_keyed, bool has_all_keys)
{
    bool agrees = is_keyed && keys_equal(rows, row);
    match->keys_agree &= agrees || !is_keyed;
    if ((!agrees || !has_all_keys) && match->disordered++ == 0)
        match->first_disordered = row;
}

// Row by row: what stands at the same place and is equal needs no more. Without an order the bytes
// are asked first: where they say nothing, the rows' values may.
static void
match_in_place(struct rows *rows, const struct determinacy *determinacy, struct match *match)
{
    size_t counts[2] = {rows->results[0]->row_count, rows->results[1]->row_count};
    bool has_order = determinacy->order != ORDER_NONE;
    bool is_keyed = has_order && has_keys(rows);
    bool by_bytes = !has_order && rows->is_alike;
    for (size_t row = 0; row < counts[0] || row < counts[1]; row++) {
        if (row < counts[0] && row < counts[1]) {
            if (by_bytes ? rows_identical(rows, row, row) : rows_equal(rows, row, row))
                continue;
            if (has_order)
                note_disorder(rows, match, row, is_keyed, determinacy->order == ORDER_VISIBLE);
        }
        for (size_t side = 0; side < 2; side++)
            if (row < counts[side])
                match->left[side][match->count[side]++] = row;
    }
    match->keys_agree &= counts[0] == counts[1];
    match->is_same_sequence = match->count[0] == 0 && match->count[1] == 0;
}

// Of rows that are left, those that stand at the same place and have equal values.
static void
match_values_in_place(struct rows *rows, struct match *match)
{
    size_t at[2] = {0, 0}, kept[2] = {0, 0};
    while (at[0] < match->count[0] || at[1] < match->count[1]) {
        size_t numbers[2];
        for (size_t side = 0; side < 2; side++)
            numbers[side] = at[side] < match->count[side] ? match->left[side][at[side]] : SIZE_MAX;
        bool is_pair = numbers[0] == numbers[1];
        bool is_gone = is_pair && rows_equal(rows, numbers[0], numbers[1]);
        for (size_t side = 0; side < 2; side++) {
            if (numbers[side] > numbers[1 - side])
                continue;
            at[side]++;
            if (!is_gone)
                match->left[side][kept[side]++] = numbers[side];
        }
    }
    match->count[0] = kept[0];
    match->count[1] = kept[1];
}

static int
entry_order(const void *one, const void *other)
{
    const struct entry *a = one;
    const struct entry *b = other;
    if (a->digest != b->digest)
        return a->digest < b->digest ? -1 : 1;
    if (a->approximate != b->approximate)
        return a->approximate < b->approximate ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static struct entry *
entries_of(struct rows *rows, size_t side, const struct match *match)
{
    bool is_exact = rows_are_exact(rows);
    struct entry *entries = calloc(match->count[side] + 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < match->count[side]; i++) {
        size_t row = match->left[side][i];
        entries[i].row = row;
        entries[i].digest = rows_digest(rows, side, row);
        entries[i].approximate = is_exact ? 0 : rows_approximate(rows, side, row);
    }
    if (entries != NULL)
        qsort(entries, match->count[side], sizeof *entries, entry_order);
    return entries;
}

// How far from a number its partner may be, and a little more: this only bounds the search.
static double
reach_from(const struct rows *rows, double value)
{
    double tolerance = 0, slack = 0;
    for (size_t i = 0; i < rows->column_count; i++) {
        if (rows->columns[i].pair.is_exact)
            continue;
        tolerance = fmax(tolerance, rows->columns[i].pair.tolerance);
        slack = fmax(slack, rows->columns[i].pair.slack);
    }
    return isinf(value) ? 0 : 2 * (slack + tolerance * fabs(value) / fmax(1 - tolerance, 1e-3));
}

// One old row against the new ones of its digest. `from`: no row before it can be a partner.
static void
match_inexact(struct rows *rows, struct entry *old_entry, struct entry *from, struct entry *end,
              double reach)
{
    unsigned tried = 0;
    for (struct entry *entry = from; entry < end && tried < WINDOW; entry++) {
        if (entry->is_matched)
            continue;
        if (entry->approximate > old_entry->approximate + reach)
            return;
        tried++;
        if (rows_inexact_equal(rows, old_entry->row, entry->row)) {
            old_entry->is_matched = entry->is_matched = true;
            return;
        }
    }
}

static void
match_group(struct rows *rows, struct entry *old_at, struct entry *old_end, struct entry *new_at,
            struct entry *new_end, bool is_exact)
{
    for (; old_at < old_end && new_at < new_end; old_at++) {
        if (is_exact) {
            old_at->is_matched = new_at->is_matched = true;
            new_at++;
            continue;
        }
        double value = old_at->approximate;
        double reach = reach_from(rows, value);
        while (new_at < new_end && (new_at->is_matched || new_at->approximate < value - reach))
            new_at++;
        match_inexact(rows, old_at, new_at, new_end, reach);
    }
}

static void
match_entries(struct rows *rows, struct entry *entries[2], const size_t counts[2])
{
    bool is_exact = rows_are_exact(rows);
    size_t at[2] = {0, 0};
    while (at[0] < counts[0] && at[1] < counts[1]) {
        uint64_t digests[2] = {entries[0][at[0]].digest, entries[1][at[1]].digest};
        uint64_t digest = digests[0] < digests[1] ? digests[0] : digests[1];
        size_t ends[2] = {at[0], at[1]};
        for (size_t side = 0; side < 2; side++)
            while (ends[side] < counts[side] && entries[side][ends[side]].digest == digest)
                ends[side]++;
        match_group(rows, entries[0] + at[0], entries[0] + ends[0], entries[1] + at[1],
                    entries[1] + ends[1], is_exact);
        at[0] = ends[0];
        at[1] = ends[1];
    }
}

static int
number_order(const void *one, const void *other)
{
    const size_t *a = one;
    const size_t *b = other;
    return (*a > *b) - (*a < *b);
}

static bool
match_anywhere(struct rows *rows, struct match *match)
{
    struct entry *entries[2] = {entries_of(rows, 0, match), entries_of(rows, 1, match)};
    bool has_memory = entries[0] != NULL && entries[1] != NULL;
    if (has_memory)
        match_entries(rows, entries, match->count);
    for (size_t side = 0; side < 2 && has_memory; side++) {
        size_t left = 0;
        for (size_t i = 0; i < match->count[side]; i++)
            if (!entries[side][i].is_matched)
                match->left[side][left++] = entries[side][i].row;
        match->count[side] = left;
        qsort(match->left[side], left, sizeof(size_t), number_order);
    }
    free(entries[0]);
    free(entries[1]);
    return has_memory;
}

static bool
has_left(const struct match *match)
{
    return match->count[0] > 0 && match->count[1] > 0;
}

bool
match_rows(struct rows *rows, const struct determinacy *determinacy, struct match *match)
{
    *match = (struct match){.keys_agree = true};
    for (size_t side = 0; side < 2; side++) {
        match->left[side] = calloc(rows->results[side]->row_count + 1, sizeof(size_t));
        if (match->left[side] == NULL)
            return false;
    }
    match_in_place(rows, determinacy, match);
    if (rows->is_alike && has_left(match) && !match_bytes(rows, match))
        return false;
    if (rows->is_alike && determinacy->order == ORDER_NONE)
        match_values_in_place(rows, match);
    if (has_left(match) && !match_anywhere(rows, match))
        return false;
    return !rows->failed;
}
