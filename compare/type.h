// Values by type (DESIGN 3.4): one table, type.tbl, by OID says how a type's values are equal, in
// text and in binary format, on each side. Types that users define are told by the two sides'
// catalogs through `type_kind_of`.
#ifndef COMPARE_TYPE_H
#define COMPARE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell { // one value of one result
    const uint8_t *bytes; // NULL: SQL NULL
    size_t length;
    uint32_t type;
    int16_t format;
    int32_t type_modifier;
};

// How a user-defined type is to be read: an enum as text, a domain as its base type, an array by its
// element. Asked for OIDs that type.tbl does not hold. False: unknown, compared by its text.
struct type_resolver {
    bool (*resolve)(void *context, uint32_t type, uint32_t *stands_for);
    void *context;
};

enum type_as { // compare.rules `as:`
    TYPE_AS_ITSELF, TYPE_AS_INSTANT, TYPE_AS_JSON, TYPE_AS_TEXT, TYPE_AS_TRIMMED,
    TYPE_AS_CASE_INSENSITIVE, TYPE_AS_NUMBER, TYPE_AS_BOOLEAN,
};

struct type_rules {
    double float_tolerance; // relative
    enum type_as as;
    bool unordered; // arrays: as multisets
    const struct type_resolver *old_types; // may be NULL
    const struct type_resolver *new_types;
};

bool type_equal(const struct cell *old_value, const struct cell *new_value,
                const struct type_rules *rules);
// A digest that is equal for equal values, for multiset comparison; 0 with *is_exact false for types
// compared with tolerance, which take no part in digests.
uint64_t type_digest(const struct cell *cell, const struct type_rules *rules, bool is_new,
                     bool *is_exact);
const char *type_name(uint32_t type); // pg_type.typname of a built-in type, or NULL

#endif
