// Results too large to be kept, held against each other by digests of their rows: equal results have equal
// digests, whatever the formats, types and order that differ without a difference (DESIGN 3.4). Rows come
// in pieces of any size and are not kept; what is kept is some 700 KiB a digest whatever the result.
//
// Rows are put into buckets by what identifies them, so that two digests tell which rows to look at:
// a second reading with a selection keeps these rows, as a result that difference_find takes.
#ifndef COMPARE_DIGEST_H
#define COMPARE_DIGEST_H

#include "compare/difference.h"

enum {
    DIGEST_BUCKETS = 16384,
    DIGEST_RANGES = 4096,            // of consecutive rows; twice as long whenever they run out
    DIGEST_CELL_LIMIT = 256 * 1024,  // a longer value is hashed piece by piece
    DIGEST_KEPT_CELL = 16 * 1024,    // a value with a longer form is kept as a stand-in
    DIGEST_KEPT_BYTES = 1024 * 1024, // kept of one reading
    DIGEST_KEPT_ROWS = 16384,        // the same
    DIGEST_MESSAGE_LIMIT = 4 * 1024 * 1024 // of what is no row
};

// How the rows of the two sides are digested so that they compare. Made from both sides' columns;
// the rules and the determinacy must live as long.
struct digest_plan;

// The heads are results with their columns alone. NULL: no memory.
struct digest_plan *digest_plan_new(const struct result *old_head, const struct result *new_head,
                                    const struct determinacy *determinacy,
                                    const struct difference_rules *rules);
void digest_plan_free(struct digest_plan **plan);
// False: the columns of the two have no correspondence; rows are then counted and no more.
bool digest_plan_is_comparable(const struct digest_plan *plan);
bool digest_plan_has_type_change(const struct digest_plan *plan);

struct digest_selection { // which rows a further reading keeps
    bool is_by_place;     // of the order: the rows [from, until); else the rows of `buckets`
    uint64_t from, until;
    uint8_t buckets[DIGEST_BUCKETS / 8]; // bits
};

struct digest;

enum digest_status { DIGEST_OK, DIGEST_JUNK, DIGEST_NO_MEMORY };

// Of one side's reading. `selection` may be NULL, else `kept` gets the selected rows, up to the limits.
// NULL: no memory.
struct digest *digest_new(struct digest_plan *plan, bool is_new,
                          const struct digest_selection *selection, struct result *kept);
void digest_free(struct digest **digest);
// A piece of a DataRow's body.
enum digest_status digest_row(struct digest *digest, const uint8_t *bytes, size_t length,
                              bool is_first, bool is_last);
void digest_end(struct digest *digest); // no more rows come
uint64_t digest_rows(const struct digest *digest);
uint64_t digest_bytes(const struct digest *digest); // of the rows' bodies
// To know a reading by, after digest_end.
uint64_t digest_mark(const struct digest *digest);
// A value was too large to be read as its type, and its bytes would say nothing.
bool digest_is_unreadable(const struct digest *digest);
// There were more selected rows than are kept.
bool digest_has_overflown(const struct digest *digest);

enum digest_relation {
    DIGEST_SAME,
    DIGEST_INEXACT, // only columns with a tolerance or an `accept` rule have other values
    DIGEST_ROWS,    // the rows differ
    DIGEST_ORDER,   // the same rows, in another order
};

// Two ended digests of one plan. Of an order that the statement leaves open (hidden sort keys), any
// other sequence is DIGEST_ORDER.
enum digest_relation digest_compare(const struct digest *one, const struct digest *other);
// The first rows that differ. False: they are more than can be kept.
bool digest_select(const struct digest *old_digest, const struct digest *new_digest,
                   struct digest_selection *selection);
// Do the rows that are not selected agree, and the order as far as it is not selected?
bool digest_rest_agrees(const struct digest *one, const struct digest *other,
                        const struct digest_selection *selection);
// Are the selected rows the same, to the bit, of two readings of one side?
bool digest_selected_agree(const struct digest *one, const struct digest *other,
                           const struct digest_selection *selection);
// Are there as many of the rows that are not selected?
bool digest_rest_counts_agree(const struct digest *one, const struct digest *other,
                              const struct digest_selection *selection);
// Is there a value among the selected rows whose bytes alone were looked at? It may be equal though
// the digests differ.
bool digest_is_uncertain(const struct digest *digest, const struct digest_selection *selection);

// The same rows on the whole, in another order: where do the parts that were kept of both, which
// begin at one place, first differ? DIFFERENCE_NONE: nowhere. False: no memory.
bool digest_find_order(const struct result *old_kept, const struct result *new_kept,
                       const struct determinacy *determinacy, const struct difference_rules *rules,
                       struct difference *difference);

#endif
