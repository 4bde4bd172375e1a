// What a value is read by, and what the parts of a value are: an element of an array, a bound of a
// range, a field of a composite. As the two types of a column meet, so does each part with the part
// that it is held against; which is asked anew for each value, so that types can be as deep as they
// like. Pure, any thread.
#include "compare/type_family.h"

struct type_reading
type_reading_of(const struct type_pair *pair, bool is_new)
{
    return (struct type_reading){
        .family = pair->family,
        .own = pair->shapes[is_new],
        .partner = pair->shapes[!is_new],
        .types = pair->resolvers[is_new],
        .pair = pair,
        .is_new = is_new,
        .is_unordered = pair->is_unordered,
    };
}

static struct type_reading
part(const struct type_reading *reading, struct type_shape own, struct type_shape partner)
{
    struct type_reading inner = *reading;
    inner.own = own;
    inner.partner = partner;
    inner.is_unordered = false;
    inner.depth++;
    if (reading->pair != NULL)
        inner.family = type_meet(reading->pair, reading->is_new ? &partner : &own,
                                 reading->is_new ? &own : &partner, true);
    return inner;
}

struct type_reading
type_reading_part(const struct type_reading *reading, uint32_t type)
{
    struct type_shape own = type_shape_of(type, reading->types);
    return part(reading, own, own);
}

static const struct type_resolver *
partner_types(const struct type_reading *reading)
{
    return reading->pair->resolvers[!reading->is_new];
}

struct type_reading
type_reading_element(const struct type_reading *reading)
{
    uint32_t type = reading->own.element, partner = reading->partner.element;
    if (reading->pair == NULL || partner == 0)
        return type_reading_part(reading, type);
    return part(reading, type_shape_of(type, reading->types),
                type_shape_of(partner, partner_types(reading)));
}

static uint32_t
field_of(const struct type_shape *shape, const struct type_resolver *types, size_t number)
{
    return number < shape->field_count ? types->field(types->context, shape->type, number) : 0;
}

struct type_reading
type_reading_field(const struct type_reading *reading, size_t number)
{
    uint32_t type = field_of(&reading->own, reading->types, number);
    if (reading->pair == NULL || number >= reading->partner.field_count)
        return type_reading_part(reading, type);
    uint32_t partner = field_of(&reading->partner, partner_types(reading), number);
    return part(reading, type_shape_of(type, reading->types),
                type_shape_of(partner, partner_types(reading)));
}

bool
type_reading_is_exact(const struct type_reading *reading)
{
    struct type_reading inner;
    switch (reading->family) {
    case TYPE_FAMILY_FLOAT4:
    case TYPE_FAMILY_FLOAT8:
        return false;
    case TYPE_FAMILY_ARRAY:
    case TYPE_FAMILY_RANGE:
    case TYPE_FAMILY_MULTIRANGE:
        inner = type_reading_element(reading);
        return reading->depth > TYPE_DEPTH || type_reading_is_exact(&inner);
    case TYPE_FAMILY_RECORD:
        for (size_t i = 0; i < reading->own.field_count && reading->depth <= TYPE_DEPTH; i++) {
            inner = type_reading_field(reading, i);
            if (!type_reading_is_exact(&inner))
                return false;
        }
        return true;
    default:
        return true;
    }
}
