// The digest of one reading: each row is a hash of its cells' forms, and the hashes are added up, so that
// their order does not matter; that of the sort keys is added up with the row's number, so that it does.
//
//     a bucket .. the rows with one hash of what identifies them: their number, and the sum of their hashes
//     a range ... consecutive rows: the sum of hash(number, sort keys). When there are more rows than ranges
//                 hold, neighbours are added together and every range is twice as long
//
// What identifies a row is the sort keys where they are unique, else the column with the most values among
// the first rows, which wait in a sample until it is chosen; so a row with one wrong value is in one
// bucket on both sides, and looking at a few buckets shows which column it is. Columns with a tolerance, and
// those whose difference is accepted, have a sum apart. Pure; the shadow thread's.
#include "compare/digest_parts.h"
#include <stdlib.h>
#include <string.h>

static struct digest_sum
sum_of(XXH128_hash_t hash)
{
    return (struct digest_sum){hash.low64, hash.high64};
}

// --- life -------------------------------------------------------------------------------------

static bool
make_tables(struct digest *digest)
{
    const struct digest_plan *plan = digest->plan;
    size_t width = plan->rows.column_count;
    digest->buckets = calloc(DIGEST_BUCKETS, sizeof *digest->buckets);
    digest->uncertain = calloc(DIGEST_BUCKETS / 8, 1);
    digest->cells = calloc(width + 1, sizeof *digest->cells);
    digest->picked = calloc(width + 1, sizeof *digest->picked);
    digest->state = XXH3_createState();
    if (digest->buckets == NULL || digest->uncertain == NULL || digest->cells == NULL ||
        digest->picked == NULL || digest->state == NULL)
        return false;
    if (plan->has_inexact) {
        digest->full = calloc(DIGEST_BUCKETS, sizeof *digest->full);
        if (digest->full == NULL)
            return false;
    }
    if (plan->order != ORDER_NONE) {
        digest->ranges = calloc(DIGEST_RANGES, sizeof *digest->ranges);
        if (digest->ranges == NULL)
            return false;
    }
    if (plan->partition == PARTITION_UNKNOWN) {
        digest->sample = calloc(DIGEST_SAMPLE_ROWS, sizeof *digest->sample);
        if (digest->sample == NULL)
            return false;
    }
    return true;
}

struct digest *
digest_new(struct digest_plan *plan, bool is_new, const struct digest_selection *selection,
           struct result *kept)
{
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL)
        return NULL;
    digest->plan = plan;
    digest->side = is_new;
    digest->selection = selection;
    digest->kept = kept;
    writer_init(&digest->row);
    writer_init(&digest->value);
    writer_init(&digest->form);
    if (!make_tables(digest))
        digest_free(&digest);
    return digest;
}

void
digest_free(struct digest **digest)
{
    struct digest *freed = *digest;
    *digest = NULL;
    if (freed == NULL)
        return;
    writer_fini(&freed->row);
    writer_fini(&freed->value);
    writer_fini(&freed->form);
    XXH3_freeState(freed->state);
    free(freed->buckets);
    free(freed->full);
    free(freed->uncertain);
    free(freed->ranges);
    free(freed->sample);
    free(freed->cells);
    free(freed->picked);
    free(freed);
}

// --- one row's hashes -------------------------------------------------------------------------

static XXH128_hash_t
hash_picked(struct digest *digest, bool (*is_picked)(const struct rows_column *column))
{
    const struct rows *rows = &digest->plan->rows;
    size_t count = 0;
    for (size_t i = 0; i < rows->column_count; i++)
        if (is_picked(&rows->columns[i]))
            digest->picked[count++] = digest->cells[i];
    return XXH3_128bits(digest->picked, count * sizeof *digest->picked);
}

static bool
is_key(const struct rows_column *column)
{
    return column->is_key;
}

static XXH128_hash_t
hash_all(const struct digest *digest)
{
    return XXH3_128bits(digest->cells, digest->plan->rows.column_count * sizeof *digest->cells);
}

// --- buckets ----------------------------------------------------------------------------------

static size_t
bucket_of(struct digest *digest, XXH128_hash_t exact)
{
    uint64_t identity = exact.low64;
    if (digest->plan->partition == PARTITION_KEYS)
        identity = hash_picked(digest, is_key).low64;
    else if (digest->plan->partition == PARTITION_COLUMN)
        identity = digest->cells[digest->plan->partition_column].low64;
    return (size_t)(identity % DIGEST_BUCKETS);
}

static void
add_to_bucket(struct digest *digest, size_t bucket, XXH128_hash_t exact, XXH128_hash_t full,
              bool is_uncertain)
{
    struct digest_sum sum = sum_of(exact);
    digest_sum_add(&digest->buckets[bucket].exact, &sum);
    digest->buckets[bucket].count++;
    if (digest->full != NULL) {
        sum = sum_of(full);
        digest_sum_add(&digest->full[bucket], &sum);
    }
    if (is_uncertain)
        digest->uncertain[bucket / 8] |= (uint8_t)(1u << bucket % 8);
}

static int
number_order(const void *one, const void *other)
{
    const uint64_t *a = one;
    const uint64_t *b = other;
    return (*a > *b) - (*a < *b);
}

static size_t
distinct_values(const struct digest *digest, size_t column)
{
    uint64_t values[DIGEST_SAMPLE_ROWS];
    size_t distinct = digest->sample_count > 0;
    for (size_t i = 0; i < digest->sample_count; i++)
        values[i] = digest->sample[i].columns[column];
    qsort(values, digest->sample_count, sizeof *values, number_order);
    for (size_t i = 1; i < digest->sample_count; i++)
        distinct += values[i] != values[i - 1];
    return distinct;
}

static void
choose_partition(struct digest *digest)
{
    struct digest_plan *plan = digest->plan;
    size_t most = digest->sample_count / 2;
    plan->partition = PARTITION_ROW;
    for (size_t i = 0; i < plan->rows.column_count && i < DIGEST_SAMPLE_COLUMNS; i++) {
        if (!digest_column_is_exact(&plan->rows.columns[i]))
            continue;
        size_t distinct = distinct_values(digest, i);
        if (distinct > most) {
            most = distinct;
            plan->partition = PARTITION_COLUMN;
            plan->partition_column = i;
        }
    }
}

static void
empty_sample(struct digest *digest)
{
    if (digest->plan->partition == PARTITION_UNKNOWN && digest->sample_count > 0)
        choose_partition(digest);
    for (size_t i = 0; i < digest->sample_count; i++) {
        const struct digest_sample *row = &digest->sample[i];
        uint64_t identity = digest->plan->partition == PARTITION_COLUMN
                                ? row->columns[digest->plan->partition_column]
                                : row->exact.low64;
        add_to_bucket(digest, (size_t)(identity % DIGEST_BUCKETS), row->exact, row->full,
                      row->is_uncertain);
    }
    digest->sample_count = 0;
    free(digest->sample);
    digest->sample = NULL;
}

static void
add_to_sample(struct digest *digest, XXH128_hash_t exact, XXH128_hash_t full)
{
    struct digest_sample *row = &digest->sample[digest->sample_count++];
    *row = (struct digest_sample){
        .exact = exact, .full = full, .is_uncertain = digest->is_row_uncertain};
    for (size_t i = 0; i < digest->plan->rows.column_count && i < DIGEST_SAMPLE_COLUMNS; i++)
        row->columns[i] = digest->cells[i].low64;
    if (digest->sample_count == DIGEST_SAMPLE_ROWS)
        empty_sample(digest);
}

// --- ranges -----------------------------------------------------------------------------------

static void
lengthen_ranges(struct digest *digest)
{
    struct digest_sum *ranges = digest->ranges;
    for (size_t i = 0; i < DIGEST_RANGES / 2; i++) {
        struct digest_sum joined = ranges[2 * i];
        digest_sum_add(&joined, &ranges[2 * i + 1]);
        ranges[i] = joined;
    }
    memset(ranges + DIGEST_RANGES / 2, 0, DIGEST_RANGES / 2 * sizeof *ranges);
    digest->range_shift++;
}

static void
add_to_range(struct digest *digest, XXH128_hash_t full)
{
    XXH128_hash_t keys = digest->plan->order == ORDER_VISIBLE ? hash_picked(digest, is_key) : full;
    uint64_t place[3] = {digest->count, keys.low64, keys.high64};
    struct digest_sum sum = sum_of(XXH3_128bits(place, sizeof place));
    while (digest->count >> digest->range_shift >= DIGEST_RANGES)
        lengthen_ranges(digest);
    digest_sum_add(&digest->ranges[digest->count >> digest->range_shift], &sum);
}

// --- rows -------------------------------------------------------------------------------------

static enum digest_status
keep(struct digest *digest)
{
    struct result *kept = digest->kept;
    if (digest->is_row_too_long || kept->row_count >= DIGEST_KEPT_ROWS ||
        kept->rows_length + digest->row.length >= DIGEST_KEPT_BYTES) {
        digest->has_overflown = true;
        return DIGEST_OK;
    }
    switch (result_add(kept, 'D', digest->row.bytes, digest->row.length)) {
    case RESULT_OK:
        return DIGEST_OK;
    case RESULT_NO_MEMORY:
        return DIGEST_NO_MEMORY;
    default:
        return DIGEST_JUNK;
    }
}

enum digest_status
digest_add(struct digest *digest)
{
    const struct digest_selection *selection = digest->selection;
    XXH128_hash_t full = hash_all(digest);
    XXH128_hash_t exact = digest->full != NULL ? hash_picked(digest, digest_column_is_exact) : full;
    bool is_selected = selection != NULL && selection->is_by_place &&
                       digest->count >= selection->from && digest->count < selection->until;
    if (digest->sample != NULL) {
        add_to_sample(digest, exact, full);
    } else {
        size_t bucket = bucket_of(digest, exact);
        add_to_bucket(digest, bucket, exact, full, digest->is_row_uncertain);
        if (selection != NULL && !selection->is_by_place)
            is_selected = selection->buckets[bucket / 8] >> bucket % 8 & 1;
    }
    if (digest->ranges != NULL)
        add_to_range(digest, full);
    digest->count++;
    return is_selected ? keep(digest) : DIGEST_OK;
}

void
digest_end(struct digest *digest)
{
    if (digest->sample != NULL)
        empty_sample(digest);
    writer_fini(&digest->row);
    writer_fini(&digest->value);
    writer_fini(&digest->form);
}

uint64_t
digest_rows(const struct digest *digest)
{
    return digest->count;
}

uint64_t
digest_bytes(const struct digest *digest)
{
    return digest->bytes;
}

uint64_t
digest_mark(const struct digest *digest)
{
    struct digest_sum sum = {digest->count, 0};
    for (size_t i = 0; i < DIGEST_BUCKETS; i++) {
        digest_sum_add(&sum, &digest->buckets[i].exact);
        if (digest->full != NULL)
            digest_sum_add(&sum, &digest->full[i]);
    }
    for (size_t i = 0; digest->ranges != NULL && i < DIGEST_RANGES; i++)
        digest_sum_add(&sum, &digest->ranges[i]);
    return sum.low ^ sum.high;
}

bool
digest_is_unreadable(const struct digest *digest)
{
    return digest->is_unreadable;
}

bool
digest_has_overflown(const struct digest *digest)
{
    return digest->has_overflown;
}
