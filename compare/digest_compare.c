// Two digests: do they agree, and if not, which rows are to be looked at? A selection takes whole buckets,
// or a range where only the order differs, as many as can be kept. Pure.
#include "compare/digest_parts.h"
#include <string.h>

enum difference_of { NO_DIFFERENCE, INEXACT_DIFFERENCE, EXACT_DIFFERENCE };

static bool
sums_agree(const struct digest_sum *one, const struct digest_sum *other)
{
    return one->low == other->low && one->high == other->high;
}

static enum difference_of
bucket_difference(const struct digest *one, const struct digest *other, size_t bucket)
{
    if (one->buckets[bucket].count != other->buckets[bucket].count ||
        !sums_agree(&one->buckets[bucket].exact, &other->buckets[bucket].exact))
        return EXACT_DIFFERENCE;
    if (one->full != NULL && !sums_agree(&one->full[bucket], &other->full[bucket]))
        return INEXACT_DIFFERENCE;
    return NO_DIFFERENCE;
}

static enum difference_of
largest_difference(const struct digest *one, const struct digest *other)
{
    enum difference_of largest = NO_DIFFERENCE;
    for (size_t i = 0; i < DIGEST_BUCKETS && largest != EXACT_DIFFERENCE; i++) {
        enum difference_of difference = bucket_difference(one, other, i);
        largest = difference > largest ? difference : largest;
    }
    return largest;
}

static bool
ranges_agree(const struct digest *one, const struct digest *other)
{
    return one->ranges == NULL ||
           (one->range_shift == other->range_shift &&
            memcmp(one->ranges, other->ranges, DIGEST_RANGES * sizeof *one->ranges) == 0);
}

enum digest_relation
digest_compare(const struct digest *one, const struct digest *other)
{
    switch (largest_difference(one, other)) {
    case EXACT_DIFFERENCE:
        return DIGEST_ROWS;
    case INEXACT_DIFFERENCE:
        return DIGEST_INEXACT;
    case NO_DIFFERENCE:
        break;
    }
    return ranges_agree(one, other) ? DIGEST_SAME : DIGEST_ORDER;
}

// --- selecting --------------------------------------------------------------------------------

static bool
is_in(const struct digest_selection *selection, size_t bucket)
{
    return selection->buckets[bucket / 8] >> bucket % 8 & 1;
}

struct choice {
    const struct digest *digests[2];
    struct digest_selection *selection;
    enum difference_of wanted;
    double row_bytes; // on average
    double bytes, rows;
    bool has_any, has_all;
};

// As many of the differing buckets as can be kept. `even`: those with as many rows on both sides.
static void
choose(struct choice *choice, bool even)
{
    const struct digest *const *digests = choice->digests;
    for (size_t i = 0; i < DIGEST_BUCKETS; i++) {
        uint64_t counts[2] = {digests[0]->buckets[i].count, digests[1]->buckets[i].count};
        if (bucket_difference(digests[0], digests[1], i) < choice->wanted ||
            is_in(choice->selection, i) || (even && counts[0] != counts[1]))
            continue;
        double rows = (double)(counts[0] > counts[1] ? counts[0] : counts[1]);
        // Rows differ in length: half of the room stays free, but for a bucket alone.
        double room = choice->has_any ? 0.5 : 1;
        if ((choice->rows + rows) * choice->row_bytes > room * DIGEST_KEPT_BYTES ||
            choice->rows + rows > room * DIGEST_KEPT_ROWS) {
            choice->has_all = false;
            continue;
        }
        choice->rows += rows;
        choice->has_any = true;
        choice->selection->buckets[i / 8] |= (uint8_t)(1u << i % 8);
    }
}

static double
row_bytes(const struct digest *digest)
{
    // Each row has its length and its count of values before it.
    return digest->count > 0 ? (double)digest->keepable / (double)digest->count + 6 : 0;
}

static bool
select_buckets(struct choice *choice)
{
    choice->has_all = true;
    choose(choice, false);
    if (choice->has_all)
        return choice->has_any;
    // Too many: then rows that correspond are looked at first, since a bucket of them is whole on both sides.
    struct choice few = *choice;
    memset(few.selection, 0, sizeof *few.selection);
    few.rows = 0;
    few.has_any = false;
    choose(&few, true);
    if (!few.has_any)
        choose(&few, false);
    *choice = few;
    return few.has_any;
}

static bool
select_range(const struct digest *one, const struct digest *other,
             struct digest_selection *selection)
{
    for (uint64_t i = 0; i < DIGEST_RANGES; i++) {
        if (sums_agree(&one->ranges[i], &other->ranges[i]))
            continue;
        selection->is_by_place = true;
        selection->from = i << one->range_shift;
        selection->until = (i + 1) << one->range_shift;
        return true;
    }
    return false;
}

bool
digest_select(const struct digest *old_digest, const struct digest *new_digest,
              struct digest_selection *selection)
{
    memset(selection, 0, sizeof *selection);
    struct choice choice = {.digests = {old_digest, new_digest}, .selection = selection};
    choice.wanted = largest_difference(old_digest, new_digest);
    if (choice.wanted == NO_DIFFERENCE)
        return !ranges_agree(old_digest, new_digest) &&
               select_range(old_digest, new_digest, selection);
    double bytes[2] = {row_bytes(old_digest), row_bytes(new_digest)};
    choice.row_bytes = bytes[0] > bytes[1] ? bytes[0] : bytes[1];
    return select_buckets(&choice);
}

// --- the rest ---------------------------------------------------------------------------------

bool
digest_rest_agrees(const struct digest *one, const struct digest *other,
                   const struct digest_selection *selection)
{
    for (size_t i = 0; i < DIGEST_BUCKETS; i++)
        if (!is_in(selection, i) && bucket_difference(one, other, i) != NO_DIFFERENCE)
            return false;
    return one->plan->order_is_open || ranges_agree(one, other);
}

bool
digest_selected_agree(const struct digest *one, const struct digest *other,
                      const struct digest_selection *selection)
{
    for (size_t i = 0; i < DIGEST_BUCKETS; i++)
        if ((selection->is_by_place || is_in(selection, i)) &&
            bucket_difference(one, other, i) != NO_DIFFERENCE)
            return false;
    return !selection->is_by_place || ranges_agree(one, other);
}

bool
digest_rest_counts_agree(const struct digest *one, const struct digest *other,
                         const struct digest_selection *selection)
{
    uint64_t counts[2] = {0, 0};
    for (size_t i = 0; i < DIGEST_BUCKETS; i++) {
        if (is_in(selection, i))
            continue;
        counts[0] += one->buckets[i].count;
        counts[1] += other->buckets[i].count;
    }
    return counts[0] == counts[1];
}

bool
digest_is_uncertain(const struct digest *digest, const struct digest_selection *selection)
{
    for (size_t i = 0; i < DIGEST_BUCKETS; i++)
        if ((selection->is_by_place || is_in(selection, i)) &&
            (digest->uncertain[i / 8] >> i % 8 & 1) != 0)
            return true;
    return false;
}

// --- the order --------------------------------------------------------------------------------

static bool
is_in_order(struct rows *rows, size_t place, bool by_keys, size_t *column)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        if ((rows->columns[i].is_key || !by_keys) && !rows_column_equal(rows, i, place, place)) {
            *column = i;
            return false;
        }
    }
    return true;
}

bool
digest_find_order(const struct result *old_kept, const struct result *new_kept,
                  const struct determinacy *determinacy, const struct difference_rules *rules,
                  struct difference *difference)
{
    struct rows rows;
    *difference = (struct difference){.class = DIFFERENCE_NONE, .column = SIZE_MAX};
    if (!rows_init(&rows, old_kept, new_kept, determinacy, rules, ROWS_ACCEPTED)) {
        bool has_memory = !rows.failed;
        rows_fini(&rows);
        return has_memory;
    }
    rows_find(&rows);
    size_t count =
        old_kept->row_count < new_kept->row_count ? old_kept->row_count : new_kept->row_count;
    for (size_t place = 0; place < count; place++) {
        size_t column = 0;
        if (is_in_order(&rows, place, determinacy->order == ORDER_VISIBLE, &column))
            continue;
        if (difference->rows++ > 0)
            continue;
        difference->class = DIFFERENCE_ORDER;
        difference->column = rows.columns[column].at[0];
        difference->is_open = determinacy->order == ORDER_HIDDEN && !determinacy->is_total;
        difference->sample_count = 1;
        difference->samples[0] = (struct difference_sample){
            .old_row = place,
            .new_row = place,
            .column = difference->column,
            .old_value = *rows_cell(&rows, 0, place, column),
            .new_value = *rows_cell(&rows, 1, place, column),
        };
    }
    bool has_memory = !rows.failed;
    rows_fini(&rows);
    return has_memory;
}
