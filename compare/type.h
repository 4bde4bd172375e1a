// Values by type (DESIGN 3.4): one table, type.tbl, by OID says how a type's values are equal, in
// text and in binary format, on each side. Types that users define are told by the two sides'
// catalogs through a resolver.
//
// Every value has a form: bytes that are equal for equal values, whatever the format, and under one
// type_pair whichever of the two types. Comparing is comparing forms, a digest is a hash of forms.
// Only floats with a tolerance are compared number by number.
#ifndef COMPARE_TYPE_H
#define COMPARE_TYPE_H

#include "protocol/writer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell {             // one value of one result
    const uint8_t *bytes; // NULL: SQL NULL
    size_t length;
    uint32_t type;
    int16_t format; // 0 text, 1 binary
    int32_t type_modifier;
};

enum type_family {
#define FAMILY(NAME, read_text, read_binary, print, equality) TYPE_FAMILY_##NAME,
#include "compare/type_family.tbl"
#undef FAMILY
    TYPE_FAMILY_COUNT
};

struct type_shape { // how a type's values are to be read
    uint32_t type;  // the type that they are read as, of a domain its base type; 0: unknown
    enum type_family family;
    uint32_t element;   // of an array, a range or a multirange
    size_t field_count; // of a composite; 0: only its binary output says what its fields are
};

// What a side's catalog says of the types that type.tbl does not hold. `resolve` gives the type that
// stands for another in *shape (text for an enum or citext, the base type for a domain), or the type
// itself with all else of its shape. False: unknown, compared by its bytes or text. `field` gives the
// type of a composite's field, from 0.
struct type_resolver {
    bool (*resolve)(void *context, uint32_t type, struct type_shape *shape);
    uint32_t (*field)(void *context, uint32_t type, size_t number);
    void *context;
};

enum type_as { // compare.rules `as:`; of arrays it speaks of the elements
    TYPE_AS_ITSELF,
    TYPE_AS_INSTANT,
    TYPE_AS_JSON,
    TYPE_AS_TEXT,
    TYPE_AS_TRIMMED,
    TYPE_AS_CASE_INSENSITIVE,
    TYPE_AS_NUMBER,
    TYPE_AS_BOOLEAN,
};

struct type_rules {
    double float_tolerance; // relative
    double float_slack;     // absolute: what differs by no more agrees, however near zero it is
    bool has_tolerance;     // said by a rule: holds for every kind of number, not only for floats
    enum type_as as;
    bool unordered;                        // arrays: as multisets
    int16_t formats[2];                    // of old's values and of new's
    const struct type_resolver *old_types; // may be NULL
    const struct type_resolver *new_types;
};

// How the values of two columns that correspond are compared. Made once a column pair; owns nothing.
struct type_pair {
    enum type_family family;     // that values of both are read as
    struct type_shape shapes[2]; // [0] old's, [1] new's
    const struct type_resolver *resolvers[2];
    int16_t formats[2];
    double tolerance; // relative
    double slack;     // absolute
    enum type_as as;
    bool has_tolerance;
    bool is_alike; // the two types are one: equal bytes in one format are equal values
    bool is_exact; // no tolerance anywhere: equal forms are the only equality
    bool is_unordered;
};

// OID of a built-in type by pg_type's name for it, or of the arrays of it; 0: there is none.
uint32_t type_find(const char *name, bool is_array);
void type_pair_init(struct type_pair *pair, uint32_t old_type, uint32_t new_type,
                    const struct type_rules *rules);
// Appends the form of a value of one side. Forms of one pair compare across sides.
void type_pair_form(const struct type_pair *pair, const struct cell *cell, bool is_new,
                    struct writer *form);
// Is the form of such a value one mark, which *mark gets, and the bytes as they are? NULL has another.
bool type_pair_form_is_bytes(const struct type_pair *pair, int16_t format, bool is_new,
                             uint8_t *mark);
// The same of bytea as text, whose form is what the digits behind \x stand for.
bool type_pair_form_is_hex(const struct type_pair *pair, int16_t format, uint8_t *mark);
// `forms` is memory to work in; without memory either of them is `failed` and the answer is void.
bool type_pair_equal(const struct type_pair *pair, const struct cell *old_value,
                     const struct cell *new_value, struct writer forms[2]);
// Do two forms of this pair agree, within its tolerance?
bool type_pair_forms_agree(const struct type_pair *pair, const uint8_t *old_form, size_t old_length,
                           const uint8_t *new_form, size_t new_length);

// All of the above for two single values. Without memory: are the bytes equal?
bool type_equal(const struct cell *old_value, const struct cell *new_value,
                const struct type_rules *rules);

// All of the table, and which families meet, as a document in Markdown: compare/TYPES.md.
void type_document(struct writer *text);

const char *type_name(uint32_t type); // pg_type.typname of a built-in type, or NULL
struct type_shape type_shape_of(uint32_t type, const struct type_resolver *types);
// A value as its type's text output, for people and for comparing by text; false where only the
// server could say (a binary value of a type without a rule).
bool type_print(const struct cell *cell, const struct type_resolver *types, struct writer *text);

#endif
