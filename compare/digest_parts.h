// The inside of a digest, for the files that make it up: digest_plan.c (how), digest_row.c (one row,
// piece by piece), digest.c (sums, buckets, ranges), digest_compare.c (two of them). Inside compare/ only.
#ifndef COMPARE_DIGEST_PARTS_H
#define COMPARE_DIGEST_PARTS_H

#include "compare/difference_rows.h"
#include "compare/digest.h"
#include <xxhash.h>

enum {
    DIGEST_SAMPLE_ROWS = 256,   // looked at to find the column that tells rows apart
    DIGEST_SAMPLE_COLUMNS = 16, // the first ones
};

enum digest_partition { // what puts a row into its bucket, so that a changed row stays in its own
    PARTITION_UNKNOWN,  // no rows were seen yet
    PARTITION_KEYS,     // a total ORDER BY
    PARTITION_COLUMN,   // the column that tells the first rows apart best
    PARTITION_ROW,      // no column does
};

struct digest_plan {
    struct result heads[2]; // copies
    struct rows rows;       // over these: the columns that are compared, and how they meet
    size_t *compared[2];    // by a side's own column: its number among these, SIZE_MAX: none; owned
    bool is_comparable;
    bool has_inexact; // columns with a tolerance or an `accept` rule, which have a sum apart
    enum order_kind order;
    bool order_is_open;              // ties can't be seen
    enum digest_partition partition; // found by the first digest that sees rows
    size_t partition_column;
};

struct digest_sum { // a multiset of hashes: added up, in 128 bits
    uint64_t low, high;
};

struct digest_bucket {
    struct digest_sum exact; // of the rows' exact columns
    uint64_t count;
};

// How one cell is taken in.
enum cell_way {
    CELL_WHOLE, // collected, then read by its type
    CELL_BYTES, // its form is its bytes
    CELL_HEX,   // bytea as text: decoded on the way
    CELL_RAW,   // too large for its type: its bytes
    CELL_SKIPPED,
};

enum row_stage { ROW_COUNT, ROW_LENGTH, ROW_VALUE };

struct digest {
    struct digest_plan *plan; // borrowed
    size_t side;              // 0 old, 1 new

    // What all rows came to.
    uint64_t count, bytes;
    uint64_t keepable;             // bytes that keeping all rows would take
    struct digest_bucket *buckets; // DIGEST_BUCKETS
    struct digest_sum *full;       // the same of all columns, to the bit; NULL: no inexact columns
    uint8_t *uncertain;            // a bit a bucket
    struct digest_sum *ranges;     // DIGEST_RANGES, of the order; NULL: there is none
    unsigned range_shift;          // rows in a range: 1 << range_shift
    bool is_unreadable, has_overflown;

    // The first rows, until the partition is known.
    struct digest_sample *sample;
    size_t sample_count;

    // What is kept.
    const struct digest_selection *selection; // borrowed; NULL: nothing
    struct result *kept;
    struct writer row; // the body of the row under way, as it would be kept

    // The row under way.
    enum row_stage stage;
    uint8_t head[4]; // of a count or length that comes in pieces
    size_t head_seen;
    size_t width, column;
    size_t cell_length, cell_left;
    enum cell_way way;
    bool is_row_uncertain, is_row_too_long;
    struct writer value, form; // one cell's
    XXH3_state_t *state;       // a long cell's
    uint8_t half, has_half;    // CELL_HEX: a digit that waits for its partner
    uint64_t form_length;
    XXH128_hash_t *cells;  // by compared column
    XXH128_hash_t *picked; // room to hash some of these
};

struct digest_sample {
    XXH128_hash_t exact, full;
    uint64_t columns[DIGEST_SAMPLE_COLUMNS];
    bool is_uncertain;
};

// digest_row.c calls this at each row's end. The row's body is in `row` if something is selected.
enum digest_status digest_add(struct digest *digest);

// Equal forms are its only equality, and a difference in it is one.
static inline bool
digest_column_is_exact(const struct rows_column *column)
{
    return column->pair.is_exact && !column->is_accepted;
}

static inline void
digest_sum_add(struct digest_sum *sum, const struct digest_sum *more)
{
    sum->low += more->low;
    sum->high += more->high + (sum->low < more->low);
}

#endif
