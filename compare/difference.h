// Do two results of one read agree under the rules, and if not, where exactly do they differ?
// Pure: no clock, no socket, no thread. DESIGN 3.3 (classes) and 3.4 (equality).
#ifndef COMPARE_DIFFERENCE_H
#define COMPARE_DIFFERENCE_H

#include "compare/result.h"
#include "compare/type.h"
#include "compare/verdict.h"

enum order_kind {
    ORDER_NONE,    // no ORDER BY: the rows are a multiset
    ORDER_VISIBLE, // every sort key is an output column
    ORDER_HIDDEN,  // some sort key is not in the output: ties can't be seen
};

enum open_kind {   // what a statement leaves open of the values in one output column
    OPEN_NOTHING,  // determined: checked in full
    OPEN_ROUNDING, // a sum of floats in any order: checked but for what rounding can explain
    OPEN_SEQUENCE, // an aggregate's elements or pieces in any order: checked as a bag of them
    OPEN_VALUE,    // all of it
};

// What a statement's text says about the order of its result and what it leaves open; from
// compare/sql/analysis.
struct determinacy {
    enum order_kind order;
    // Output column numbers from 0, first key first; of ORDER_HIDDEN the keys before the first that
    // can't be seen. Owned by the analysis.
    uint16_t *keys;
    size_t key_count;
    bool is_total; // the keys hold a unique key: no ties
    // Output columns whose values together name a row: a table's key, what is grouped by. Of a join that does not
    // put out all its tables' keys several rows may have one name. None: rows have no name. Owned likewise.
    uint16_t *row_key;
    size_t row_key_count;
    bool is_limited;          // LIMIT, OFFSET or FETCH
    bool cuts_start;          // OFFSET: of the rows that tie with the first, which come is open
    bool cuts_end;            // LIMIT without WITH TIES: of those that tie with the last
    uint64_t limit;           // LIMIT's number where the text says it, else UINT64_MAX
    bool has_open_rows;       // an open value decides which rows there are
    const uint8_t *open;      // enum open_kind, one a column; NULL: none is open. Owned likewise
    size_t open_count;        // of columns after these, behind a star that hides them,
    enum open_kind open_rest; // this holds
    const char *open_because; // a few words for the report, NULL when all is determined
};

struct column_rule { // the rule for one output column, already matched by name
    enum type_as as;
    double tolerance; // < 0: the general one
    bool ignore;
    bool unordered;
    const char *accept; // not NULL: a known difference, and why
};

struct difference_rules {
    double float_tolerance;
    const struct column_rule *columns; // one an output column of old, or NULL
    size_t column_count;
    bool allow_extra_columns; // on new
    const struct type_resolver *old_types;
    const struct type_resolver *new_types;
};

enum { DIFFERENCE_SAMPLES = 8 };

struct difference_sample {            // one value or row that differs
    size_t old_row, new_row;          // SIZE_MAX: has no partner
    size_t column;                    // of old's result; SIZE_MAX: the whole row
    struct cell old_value, new_value; // borrowed from the results
};

struct difference {
    enum difference_class class; // DIFFERENCE_NONE: equal
    bool is_open;      // all of it is of what the statement leaves open: unstable, never mismatch
    bool is_collation; // ORDER: each side's texts are sorted, by rules of two collations
    bool is_accepted;  // every differing column has an `accept` rule
    size_t column;     // first differing column (VALUE), else SIZE_MAX
    size_t rows;       // how many rows differ
    struct difference_sample samples[DIFFERENCE_SAMPLES];
    size_t sample_count;
    bool has_type_change; // a hazard: equal or not, a column's type differs (DESIGN 3.3)
};

// `old_result` is old's, `new_result` new's, whichever of them was served.
// False: no memory (then nothing is said of the results).
bool difference_find(const struct result *old_result, const struct result *new_result,
                     const struct determinacy *determinacy, const struct difference_rules *rules,
                     struct difference *difference);

#endif
