// Short numbers and booleans compared without forms: nearly every cell whose bytes differ and whose
// value does not is one, int4 against int8 or numeric, text against binary, 1.5 against 1.50. A quick
// reader gives what is the same for equal values and for those alone, or declines; what it declines on
// either side is compared by forms, so that forms alone say what a value is. Pure, any thread.
#include "compare/type_family.h"

enum { QUICK_DIGITS = 18 }; // always fit 64 bits
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23 };

struct quick { // value x 10^-scale, with the smallest scale that holds it
    int64_t value;
    int scale;
};

typedef bool quick_function(uint32_t type, const struct cell *cell, struct quick *quick);

static bool
number_of_text(const uint8_t *at, const uint8_t *end, struct quick *quick)
{
    bool is_negative = at < end && *at == '-', has_point = false;
    int64_t value = 0;
    int digits = 0, scale = 0;
    at += is_negative;
    if (end - at > QUICK_DIGITS)
        return false;
    for (; at < end; at++) {
        unsigned digit = (unsigned)*at - '0';
        if (digit <= 9) {
            value = value * 10 + (int64_t)digit;
            digits++;
            scale += has_point;
        } else if (*at == '.' && !has_point) {
            has_point = true;
        } else {
            return false;
        }
    }
    for (; scale > 0 && value % 10 == 0; scale--)
        value /= 10;
    *quick = (struct quick){is_negative ? -value : value, scale};
    return digits > 0;
}

static bool
number_of_binary(uint32_t type, const struct cell *cell, struct quick *quick)
{
    size_t width = type == OID_INT2 ? 2 : type == OID_INT4 ? 4 : type == OID_INT8 ? 8 : 0;
    if (width == 0 || cell->length != width)
        return false;
    uint64_t value = cell->bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | cell->bytes[i];
    *quick = (struct quick){.value = (int64_t)value};
    return true;
}

static bool
quick_number(uint32_t type, const struct cell *cell, struct quick *quick)
{
    if (cell->format != 0)
        return number_of_binary(type, cell, quick);
    return number_of_text(cell->bytes, cell->bytes + cell->length, quick);
}

static bool
quick_bool(uint32_t type, const struct cell *cell, struct quick *quick)
{
    if (cell->length != 1 || (cell->format != 0 && type != OID_BOOL))
        return false;
    uint8_t byte = cell->bytes[0];
    *quick = (struct quick){.value = cell->format != 0 ? byte != 0 : byte == 't'};
    return cell->format != 0 || byte == 't' || byte == 'f';
}

static quick_function *const readers[TYPE_FAMILY_COUNT] = {
    [TYPE_FAMILY_NUMBER] = quick_number,
    [TYPE_FAMILY_BOOL] = quick_bool,
};

bool
type_quick_equal(const struct type_pair *pair, const struct cell *old_value,
                 const struct cell *new_value, bool *is_equal)
{
    quick_function *reader = readers[pair->family];
    struct quick quick[2];
    if (reader == NULL || !reader(pair->shapes[0].type, old_value, &quick[0]) ||
        !reader(pair->shapes[1].type, new_value, &quick[1]))
        return false;
    *is_equal = quick[0].value == quick[1].value && quick[0].scale == quick[1].scale;
    return true;
}
