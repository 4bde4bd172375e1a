// A value of one type as the value of another: as the other side would have written it, byte for byte (DESIGN 3.7). Types
// that users made are told by the two sides' catalogs, since inside of binary arrays, composites and ranges there are
// OIDs; types that one side has widened by the table recode_pairs.tbl.
//
// A plan is made once for a pair of types and a format, and then takes values. Nothing here trusts a value: it is read
// within its bounds, and what a plan can't read or put is refused.
#ifndef COMPARE_RECODE_RECODE_H
#define COMPARE_RECODE_RECODE_H

#include "compare/sql/catalog.h"
#include "protocol/writer.h"

struct recode_type {               // a type as one side describes it
    const struct catalog *catalog; // NULL: not read yet; users' types are then unknown
    uint32_t type;
    int32_t modifier; // -1: none
};

struct recode_rules {
    int16_t format;        // 0 text, 1 binary: of the value as it is and as it becomes
    bool is_parameter;     // the server that gets it sees to type modifiers and labels itself
    bool is_utf8;          // texts are in UTF-8; else only of ASCII is it known how long a text is
    bool has_short_floats; // floats in text have all their digits: extra_float_digits is above 0
};

enum recode_outcome {
    RECODE_AS_IS,      // the bytes are the same; no plan is needed
    RECODE_SURE,       // each value of the one type is one of the other
    RECODE_MAY_REFUSE, // some values may not fit
    RECODE_IMPOSSIBLE, // or no memory
};

struct recode;
struct recode_part { // for recode_*.c
    uint32_t from, to;
    struct recode *recode; // NULL: as it is; owned
};

struct recode_run; // a value under way: recode_parts.h
typedef bool recode_function(const struct recode *recode, const uint8_t *bytes, size_t length,
                             struct recode_run *run);

// Borrows from the catalog of `to`, which has to outlive it.
struct recode {
    recode_function *put;
    int32_t modifier;                     // of `to`
    uint32_t type;                        // `to`, a domain's base for a domain
    bool is_utf8;                         // as in the rules
    const struct catalog_type *enum_type; // whose labels are allowed
    struct recode_part
        *parts; // a container's elements (one), a range's bounds (one), a row's fields; owned
    size_t part_count;
};

// *recode is owned by the caller, until recode_free; NULL unless SURE or MAY_REFUSE.
enum recode_outcome recode_plan(const struct recode_type *to, const struct recode_type *from,
                                const struct recode_rules *rules, struct recode **recode);
void recode_free(struct recode **recode);
// Appends the value, which is not NULL. False: refused, what was written is void; as is a text that would take `writer`
// beyond `limit` bytes.
bool recode_value(const struct recode *recode, const uint8_t *bytes, size_t length, size_t limit,
                  struct writer *writer);

#endif
