// What the two types of a column pair make of each other: the table of built-in types by OID, the
// families that they belong to, and which family two values meet in. Pure, any thread.
//
// A family is looked for level by level, because arrays hold ranges and ranges hold numbers. Where
// no rule is given for two families the values meet as text output.
#include "compare/type.h"
#include "compare/type_family.h"
#include <string.h>

struct type_row {
    uint32_t oid;
    uint32_t element;
    enum type_family family;
    const char *name;
};

static const struct type_row rows[] = {
#define TYPE(oid, name, FAMILY, element) {oid, element, TYPE_FAMILY_##FAMILY, #name},
#include "compare/type.tbl"
#undef TYPE
};

enum { RESOLVE_DEPTH = 32 }; // domains over domains

// Families that meet though they are not the same.
static const struct {
    enum type_family one, other, meet;
} meetings[] = {
    {TYPE_FAMILY_BPCHAR, TYPE_FAMILY_TEXT, TYPE_FAMILY_BPCHAR},
    {TYPE_FAMILY_BPCHAR, TYPE_FAMILY_CHAR, TYPE_FAMILY_BPCHAR},
    {TYPE_FAMILY_TEXT, TYPE_FAMILY_UUID, TYPE_FAMILY_UUID},
    {TYPE_FAMILY_FLOAT4, TYPE_FAMILY_FLOAT8, TYPE_FAMILY_FLOAT4},
    // Exactly, by the float's shortest decimal: a bigint that a float has rounded is found.
    {TYPE_FAMILY_NUMBER, TYPE_FAMILY_FLOAT4, TYPE_FAMILY_NUMBER},
    {TYPE_FAMILY_NUMBER, TYPE_FAMILY_FLOAT8, TYPE_FAMILY_NUMBER},
};

static const enum type_family families_as[] = {
    [TYPE_AS_INSTANT] = TYPE_FAMILY_TIMESTAMPTZ,
    [TYPE_AS_JSON] = TYPE_FAMILY_JSON,
    [TYPE_AS_TEXT] = TYPE_FAMILY_TEXT,
    [TYPE_AS_TRIMMED] = TYPE_FAMILY_TRIMMED,
    [TYPE_AS_CASE_INSENSITIVE] = TYPE_FAMILY_CASELESS,
    [TYPE_AS_NUMBER] = TYPE_FAMILY_NUMBER,
    [TYPE_AS_BOOLEAN] = TYPE_FAMILY_BOOL,
};

static const struct type_row *
row_of(uint32_t oid)
{
    size_t low = 0;
    size_t high = sizeof rows / sizeof rows[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].oid == oid)
            return &rows[middle];
        if (rows[middle].oid < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint32_t
type_find(const char *name, bool is_array)
{
    size_t count = sizeof rows / sizeof rows[0], at = 0;
    while (at < count && strcmp(rows[at].name, name) != 0)
        at++;
    if (at == count || !is_array)
        return at == count ? 0 : rows[at].oid;
    for (size_t i = 0; i < count; i++)
        if (rows[i].family == TYPE_FAMILY_ARRAY && rows[i].element == rows[at].oid)
            return rows[i].oid;
    return 0;
}

const char *
type_name(uint32_t type)
{
    const struct type_row *row = row_of(type);
    return row != NULL ? row->name : NULL;
}

enum type_family
type_family_of(uint32_t type)
{
    const struct type_row *row = row_of(type);
    return row != NULL ? row->family : TYPE_FAMILY_OPAQUE;
}

uint32_t
type_element(uint32_t type)
{
    const struct type_row *row = row_of(type);
    return row != NULL ? row->element : 0;
}

uint32_t
type_resolve(uint32_t type, const struct type_resolver *types)
{
    for (int depth = 0; depth < RESOLVE_DEPTH; depth++) {
        uint32_t stands_for;
        if (row_of(type) != NULL)
            return type;
        if (types == NULL || !types->resolve(types->context, type, &stands_for) ||
            stands_for == type)
            return 0;
        type = stands_for;
    }
    return 0;
}

bool
type_levels_of(uint32_t type, const struct type_resolver *types,
               enum type_family levels[TYPE_LEVELS], uint32_t *resolved)
{
    for (size_t i = 0; i < TYPE_LEVELS; i++)
        levels[i] = TYPE_FAMILY_OPAQUE;
    *resolved = type_resolve(type, types);
    uint32_t at = *resolved;
    for (size_t i = 0; i < TYPE_LEVELS && at != 0; i++) {
        const struct type_row *row = row_of(at);
        if (row == NULL)
            break;
        levels[i] = row->family;
        at = row->element;
    }
    return *resolved != 0;
}

static bool
family_is_container(enum type_family family)
{
    return family == TYPE_FAMILY_ARRAY || family == TYPE_FAMILY_RANGE ||
           family == TYPE_FAMILY_MULTIRANGE;
}

static bool
family_is_numeric(enum type_family family)
{
    return family == TYPE_FAMILY_NUMBER || family == TYPE_FAMILY_FLOAT4 ||
           family == TYPE_FAMILY_FLOAT8;
}

bool
type_meeting(size_t at, enum type_family *one, enum type_family *other, enum type_family *as)
{
    if (at >= sizeof meetings / sizeof meetings[0])
        return false;
    *one = meetings[at].one;
    *other = meetings[at].other;
    *as = meetings[at].meet;
    return true;
}

static enum type_family
meet(enum type_family one, enum type_family other)
{
    if (one == other)
        return one;
    for (size_t i = 0; i < sizeof meetings / sizeof meetings[0]; i++)
        if ((meetings[i].one == one && meetings[i].other == other) ||
            (meetings[i].one == other && meetings[i].other == one))
            return meetings[i].meet;
    return TYPE_FAMILY_TEXT;
}

static enum type_family
meet_under(const struct type_rules *rules, enum type_family old_family, enum type_family new_family)
{
    if (rules->as != TYPE_AS_ITSELF)
        return families_as[rules->as];
    if (rules->has_tolerance && family_is_numeric(old_family) && family_is_numeric(new_family) &&
        meet(old_family, new_family) == TYPE_FAMILY_NUMBER)
        return TYPE_FAMILY_FLOAT8;
    return meet(old_family, new_family);
}

void
type_pair_init(struct type_pair *pair, uint32_t old_type, uint32_t new_type,
               const struct type_rules *rules)
{
    enum type_family sides[2][TYPE_LEVELS];
    *pair = (struct type_pair){
        .resolvers = {rules->old_types, rules->new_types},
        .tolerance = rules->float_tolerance > 0 ? rules->float_tolerance : 0,
        .is_exact = true,
        .is_unordered = rules->unordered,
    };
    type_levels_of(old_type, rules->old_types, sides[0], &pair->types[0]);
    type_levels_of(new_type, rules->new_types, sides[1], &pair->types[1]);
    for (size_t i = 0; i < TYPE_LEVELS; i++) {
        enum type_family family = sides[0][i];
        bool is_container = family_is_container(family) && family == sides[1][i] &&
                            (i > 0 || rules->as != TYPE_AS_TEXT);
        if (!is_container)
            family = meet_under(rules, sides[0][i], sides[1][i]);
        // Two types that nothing is known of meet as text, each in its own way, unless they are one.
        if (family == TYPE_FAMILY_OPAQUE && i == 0 && pair->types[0] != pair->types[1])
            family = TYPE_FAMILY_TEXT;
        pair->levels[i] = family;
        if (pair->tolerance > 0 && (family == TYPE_FAMILY_FLOAT4 || family == TYPE_FAMILY_FLOAT8))
            pair->is_exact = false;
        if (!is_container)
            break;
    }
}
