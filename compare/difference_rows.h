// The rows of two results side by side: which column is held against which, and how; rows by number,
// cell by cell; digests. Inside compare/ only: what difference.c, difference_match.c and
// difference_pair.c share.
#ifndef COMPARE_DIFFERENCE_ROWS_H
#define COMPARE_DIFFERENCE_ROWS_H

#include "compare/difference.h"

struct rows_column { // one column pair that is compared
    size_t at[2];    // its number in old's and in new's result
    struct type_pair pair;
    bool is_key;      // of the visible ORDER BY
    bool is_row_key;  // of what names a row, and its values are compared in full
    bool is_bag;      // texts that hold the same bytes in any order are equal
    bool is_accepted; // has an `accept` rule
};

struct rows {
    const struct result *results[2]; // [0] old's, [1] new's
    size_t widths[2];                // columns of each
    struct rows_column *columns;     // those compared; owned
    size_t column_count;
    size_t *offsets[2];    // where each row's body begins in its result's `rows`; owned
    struct cell *cells[2]; // the row that rows_load loaded last, by that result's columns; owned
    size_t loaded[2];      // its number, SIZE_MAX: none
    struct writer forms[2];
    bool has_open;  // columns that the statement leaves open, wholly or in part
    bool is_alike;  // equal bytes of a row mean equal rows: types and formats are the same
    bool has_names; // false: the columns of the two results have no correspondence
    bool has_type_change;
    bool failed; // out of memory
};

enum rows_scope { // may be or-ed
    ROWS_DETERMINED = 0,
    ROWS_ACCEPTED = 1, // columns with an `accept` rule take part
    ROWS_OPEN = 2,     // what the statement leaves open of values takes part
};

// False: no memory, or (has_names false) different columns; rows_fini in any case.
bool rows_init(struct rows *rows, const struct result *old_result, const struct result *new_result,
               const struct determinacy *determinacy, const struct difference_rules *rules,
               unsigned scope);
void rows_fini(struct rows *rows);

// difference_columns.c: what is said of a side's column, and which columns are compared. False: they
// don't correspond.
struct reply_column columns_description(const struct rows *rows, size_t side, size_t column);
bool columns_match(struct rows *rows, const struct determinacy *determinacy,
                   const struct difference_rules *rules, unsigned scope);

const struct cell *rows_cell(struct rows *rows, size_t side, size_t row, size_t column);
bool rows_column_equal(struct rows *rows, size_t column, size_t old_row, size_t new_row);
bool rows_equal(struct rows *rows, size_t old_row, size_t new_row);
// Are the two rows the same bytes, where that means that they are equal?
bool rows_identical(const struct rows *rows, size_t old_row, size_t new_row);
// Do two rows of one side have the same sort keys?
bool rows_tie(struct rows *rows, size_t side, size_t row, size_t other);
const uint8_t *rows_body(const struct rows *rows, size_t side, size_t row, size_t *length);
// Of all exact columns: equal rows have equal digests.
uint64_t rows_digest(struct rows *rows, size_t side, size_t row);
uint64_t rows_full_digest(struct rows *rows, size_t side, size_t row); // of all columns, to the bit
uint64_t rows_column_digest(struct rows *rows, size_t side, size_t row, size_t column);
// Do all columns that name a row take part, exactly?
bool rows_have_key(const struct rows *rows, const struct determinacy *determinacy);
uint64_t rows_key_digest(struct rows *rows, size_t side, size_t row);
// Appends what a row has in its inexact columns, to be held against another's later.
void rows_add_inexact(struct rows *rows, size_t side, size_t row, struct writer *forms);
bool rows_inexact_agree(const struct rows *rows, const uint8_t *one, size_t one_length,
                        const uint8_t *other, size_t other_length);
// The number in the first inexact column, for sorting; -INFINITY for NULL, 0 without such a column.
double rows_approximate(struct rows *rows, size_t side, size_t row);
bool rows_inexact_equal(struct rows *rows, size_t old_row, size_t new_row);
bool rows_are_exact(const struct rows *rows);
// Some rows of a side as a result of their own. False: no memory; result_fini in any case.
bool rows_copy(const struct rows *rows, size_t side, const size_t *numbers, size_t count,
               struct result *copy);

struct match {       // what is left when equal rows are taken away from both sides
    size_t *left[2]; // row numbers, ascending; owned
    size_t count[2];
    // Of results with an order:
    bool is_same_sequence; // nothing is left, and row by row at that
    bool keys_agree;       // the visible sort keys agree row by row, and the row counts agree
    size_t disordered; // rows whose visible sort keys, or where some can't be seen whose values,
                       // don't agree
    size_t first_disordered; // the first of them
};

// False: no memory.
bool match_rows(struct rows *rows, const struct determinacy *determinacy, struct match *match);
void match_fini(struct match *match);

// difference_match_bytes.c: takes rows of the same bytes away from what is left. False: no memory.
bool match_bytes(const struct rows *rows, struct match *match);

// difference_open.c
// The rows that tie with the first or the last of a limited result are open: takes them away from
// what is left while other rows are left. True: nothing but them is left.
bool open_at_boundary(struct rows *rows, const struct determinacy *determinacy,
                      struct match *match);
bool open_is_class(const struct determinacy *determinacy, const struct match *match,
                   enum difference_class class, bool is_at_boundary);

// difference_order.c: the key column in which two sequences of the same rows are each sorted, by the
// rules of two collations; SIZE_MAX: they are not.
size_t order_find_collation(struct rows *rows, const struct determinacy *determinacy);

struct row_pair {
    size_t old_row, new_row;
};

// Which of the rows that are left correspond: those that agree on most, and on what tells rows
// apart. As many pairs as the shorter side has rows, in old's order; *pairs is owned. False: no memory.
bool pair_rows(struct rows *rows, const struct match *match, struct row_pair **pairs,
               size_t *count);

#endif
