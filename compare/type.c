// What the two types of a column pair make of each other: the table of built-in types by OID, the
// families that they belong to, and which family two values meet in. Pure, any thread.
//
// What is in values meets likewise, part by part (type_reading.c). Where no rule is given for two
// families the values meet as text output.
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

struct type_shape
type_shape_of(uint32_t type, const struct type_resolver *types)
{
    for (int depth = 0; depth < RESOLVE_DEPTH; depth++) {
        const struct type_row *row = row_of(type);
        struct type_shape shape = {0};
        if (row != NULL)
            return (struct type_shape){row->oid, row->family, row->element, 0};
        if (types == NULL || !types->resolve(types->context, type, &shape))
            break;
        if (shape.type == type)
            return shape;
        type = shape.type;
    }
    return (struct type_shape){.family = TYPE_FAMILY_OPAQUE};
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
meet_under(const struct type_pair *pair, enum type_family old_family, enum type_family new_family)
{
    if (pair->as != TYPE_AS_ITSELF)
        return families_as[pair->as];
    if (pair->has_tolerance && family_is_numeric(old_family) && family_is_numeric(new_family) &&
        meet(old_family, new_family) == TYPE_FAMILY_NUMBER)
        return TYPE_FAMILY_FLOAT8;
    return meet(old_family, new_family);
}

// A record's text does not say what its fields are, and money's neither its currency nor how many
// digits are behind the point. So where the catalogs do not know the fields records are compared by
// field only in binary output, and money by its amount only where the two formats differ.
static enum type_family
meet_by_format(const struct type_pair *pair, enum type_family family,
               const struct type_shape *old_shape, const struct type_shape *new_shape)
{
    bool is_mixed = pair->formats[0] != pair->formats[1];
    if (family == TYPE_FAMILY_MONEY && !is_mixed)
        return TYPE_FAMILY_OPAQUE;
    if (family != TYPE_FAMILY_RECORD || (old_shape->field_count > 0 && new_shape->field_count > 0))
        return family;
    if (is_mixed)
        return TYPE_FAMILY_TEXT;
    return pair->formats[0] == 0 ? TYPE_FAMILY_OPAQUE : family;
}

enum type_family
type_meet(const struct type_pair *pair, const struct type_shape *old_shape,
          const struct type_shape *new_shape, bool is_part)
{
    enum type_family family = old_shape->family;
    if (family_is_container(family) && family == new_shape->family &&
        (is_part || pair->as != TYPE_AS_TEXT))
        return family;
    family = meet_under(pair, family, new_shape->family);
    // Two types that nothing is known of meet as text, each in its own way, unless they are one.
    if (family == TYPE_FAMILY_OPAQUE && !is_part && old_shape->type != new_shape->type)
        return TYPE_FAMILY_TEXT;
    return meet_by_format(pair, family, old_shape, new_shape);
}

// Are two types one, in all that the bytes of their values depend on? OIDs of users' types say nothing
// across two clusters.
static bool
is_alike(const struct type_pair *pair, const struct type_shape *old_shape,
         const struct type_shape *new_shape, int depth)
{
    if (old_shape->type == new_shape->type && old_shape->field_count == 0 &&
        (old_shape->type == 0 || row_of(old_shape->type) != NULL))
        return true;
    bool has_parts = old_shape->element != 0 || old_shape->field_count > 0 ||
                     old_shape->family == TYPE_FAMILY_HSTORE;
    if (!has_parts || old_shape->family != new_shape->family ||
        (old_shape->element == 0) != (new_shape->element == 0) ||
        old_shape->field_count != new_shape->field_count || depth == TYPE_DEPTH)
        return false;
    const struct type_resolver *const *types = pair->resolvers;
    for (size_t i = 0; i < old_shape->field_count; i++) {
        struct type_shape old_field =
            type_shape_of(types[0]->field(types[0]->context, old_shape->type, i), types[0]);
        struct type_shape new_field =
            type_shape_of(types[1]->field(types[1]->context, new_shape->type, i), types[1]);
        if (!is_alike(pair, &old_field, &new_field, depth + 1))
            return false;
    }
    struct type_shape old_element = type_shape_of(old_shape->element, types[0]);
    struct type_shape new_element = type_shape_of(new_shape->element, types[1]);
    return old_shape->element == 0 || is_alike(pair, &old_element, &new_element, depth + 1);
}

void
type_pair_init(struct type_pair *pair, uint32_t old_type, uint32_t new_type,
               const struct type_rules *rules)
{
    *pair = (struct type_pair){
        .shapes = {type_shape_of(old_type, rules->old_types),
                   type_shape_of(new_type, rules->new_types)},
        .resolvers = {rules->old_types, rules->new_types},
        .formats = {rules->formats[0], rules->formats[1]},
        .tolerance = rules->float_tolerance > 0 ? rules->float_tolerance : 0,
        .slack = rules->float_slack,
        .as = rules->as,
        .has_tolerance = rules->has_tolerance,
        .is_unordered = rules->unordered,
    };
    pair->family = type_meet(pair, &pair->shapes[0], &pair->shapes[1], false);
    pair->is_alike = is_alike(pair, &pair->shapes[0], &pair->shapes[1], 0);
    struct type_reading reading = type_reading_of(pair, false);
    bool has_none = pair->tolerance == 0 && pair->slack == 0;
    pair->is_exact = has_none || type_reading_is_exact(&reading);
}
