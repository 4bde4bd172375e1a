// Types as a user defines them, and the catalog that knows them, in a few lines: for unit tests and
// fuzzers.
#ifndef TESTS_UNIT_USERS_TYPES_H
#define TESTS_UNIT_USERS_TYPES_H

#include "compare/type.h"

enum users_type {
    USERS_MOOD = 20000, // an enum
    USERS_MOODS,        // mood[]
    USERS_COUNT,        // a domain over int4
    USERS_TOTAL,        // a domain over that
    USERS_SPAN,         // a range of float8
    USERS_SPANS,        // its multirange
    USERS_PLACE,        // (street text, number int4, tags text[])
    USERS_WIDE_PLACE,   // (street varchar, number int8, tags text[])
    USERS_PLACES,       // place[]
    USERS_HSTORE,
    USERS_HSTORES,  // hstore[]
    USERS_VISIT,    // (at place, span span, mood mood, cost float8)
    USERS_ITSELF,   // a domain over itself, which no server has
    USERS_STATIONS, // a range of place, whose fields are compared as parts of parts
    USERS_TYPES_END
};

enum { USERS_FIELDS = 4 };

static const struct users_row {
    uint32_t stands_for;
    enum type_family family;
    uint32_t element;
    uint32_t fields[USERS_FIELDS];
} users_rows[] = {
    [USERS_MOOD - USERS_MOOD] = {25, 0, 0, {0}},
    [USERS_MOODS - USERS_MOOD] = {0, TYPE_FAMILY_ARRAY, USERS_MOOD, {0}},
    [USERS_COUNT - USERS_MOOD] = {23, 0, 0, {0}},
    [USERS_TOTAL - USERS_MOOD] = {USERS_COUNT, 0, 0, {0}},
    [USERS_SPAN - USERS_MOOD] = {0, TYPE_FAMILY_RANGE, 701, {0}},
    [USERS_SPANS - USERS_MOOD] = {0, TYPE_FAMILY_MULTIRANGE, USERS_SPAN, {0}},
    [USERS_PLACE - USERS_MOOD] = {0, TYPE_FAMILY_RECORD, 0, {25, 23, 1009}},
    [USERS_WIDE_PLACE - USERS_MOOD] = {0, TYPE_FAMILY_RECORD, 0, {1043, 20, 1009}},
    [USERS_PLACES - USERS_MOOD] = {0, TYPE_FAMILY_ARRAY, USERS_PLACE, {0}},
    [USERS_HSTORE - USERS_MOOD] = {0, TYPE_FAMILY_HSTORE, 0, {0}},
    [USERS_HSTORES - USERS_MOOD] = {0, TYPE_FAMILY_ARRAY, USERS_HSTORE, {0}},
    [USERS_VISIT -
        USERS_MOOD] = {0, TYPE_FAMILY_RECORD, 0, {USERS_PLACE, USERS_SPAN, USERS_MOOD, 701}},
    [USERS_ITSELF - USERS_MOOD] = {0, TYPE_FAMILY_OPAQUE, 0, {0}},
    [USERS_STATIONS - USERS_MOOD] = {0, TYPE_FAMILY_RANGE, USERS_PLACE, {0}},
};

static const struct users_row *
users_row_of(uint32_t type)
{
    return type >= USERS_MOOD && type < USERS_TYPES_END ? &users_rows[type - USERS_MOOD] : NULL;
}

static bool
users_resolve(void *context, uint32_t type, struct type_shape *shape)
{
    const struct users_row *row = users_row_of(type);
    (void)context;
    if (row == NULL)
        return false;
    *shape = (struct type_shape){.type = row->stands_for != 0 ? row->stands_for : type,
                                 .family = row->family,
                                 .element = row->element};
    while (shape->field_count < USERS_FIELDS && row->fields[shape->field_count] != 0)
        shape->field_count++;
    return true;
}

static uint32_t
users_field(void *context, uint32_t type, size_t number)
{
    const struct users_row *row = users_row_of(type);
    (void)context;
    return row != NULL && number < USERS_FIELDS ? row->fields[number] : 0;
}

static const struct type_resolver users_types = {users_resolve, users_field, NULL};

#endif
