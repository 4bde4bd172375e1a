// Numerics with a declared precision and scale: a value is put with just so many digits behind the point, and refused
// when it has others there than zeros, or too many in front (manual, 8.1.2). Pure, any thread.
#include "compare/recode/recode_parts.h"
#include "protocol/reader.h"
#include <string.h>

// numeric_send: how many digits to the base of 10000, the weight of the first, sign, how many decimals are shown, digits.
enum { NEGATIVE = 0x4000, NOT_A_NUMBER = 0xC000, BASE = 10000, DIGITS_EACH = 4 };
enum { MODIFIER_OFFSET = 4, SCALE_BITS = 0x7ff, SCALE_SIGN = 1024, MOST_SCALE = 1000 };

struct shape {
    int precision, scale;
};

// numeric_typmod_precision, numeric_typmod_scale. Without a modifier: whole numbers, as large as they like.
static bool
read_shape(int32_t modifier, struct shape *shape)
{
    *shape = (struct shape){.precision = INT16_MAX, .scale = 0};
    if (modifier < 0)
        return true;
    if (modifier < MODIFIER_OFFSET)
        return false;
    uint32_t packed = (uint32_t)modifier - MODIFIER_OFFSET;
    shape->precision = (int)(packed >> 16);
    shape->scale = (int)((packed & SCALE_BITS) ^ SCALE_SIGN) - SCALE_SIGN;
    return shape->scale >= 0 && shape->scale <= MOST_SCALE;
}

static size_t
count_digits(const uint8_t *at, const uint8_t *end)
{
    size_t count = 0;
    while (at + count < end && at[count] >= '0' && at[count] <= '9')
        count++;
    return count;
}

static bool
are_zeros(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != '0')
            return false;
    return true;
}

// Digits that count: of those in front and behind the point without the zeros at the beginning.
static size_t
significant(const uint8_t *whole, size_t whole_length, const uint8_t *fraction, size_t scale,
            size_t fraction_length)
{
    while (whole_length > 0 && *whole == '0') {
        whole++;
        whole_length--;
    }
    if (whole_length > 0)
        return whole_length + scale;
    size_t zeros = 0;
    while (zeros < fraction_length && zeros < scale && fraction[zeros] == '0')
        zeros++;
    return zeros == fraction_length ? 0 : scale - zeros;
}

bool
recode_numeric_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                    struct recode_run *run)
{
    struct shape shape;
    const uint8_t *at = bytes, *end = bytes + length;
    if (!read_shape(recode->modifier, &shape))
        return false;
    if (length == 3 && memcmp(bytes, "NaN", 3) == 0)
        return recode_add(run, bytes, length);
    at += at < end && *at == '-';
    const uint8_t *whole = at;
    size_t whole_length = count_digits(at, end);
    at += whole_length;
    bool has_point = at < end && *at == '.';
    at += has_point;
    const uint8_t *fraction = at;
    size_t scale = (size_t)shape.scale, fraction_length = count_digits(at, end);
    if (whole_length == 0 || (has_point && fraction_length == 0) || at + fraction_length != end ||
        (fraction_length > scale && !are_zeros(fraction + scale, fraction_length - scale)) ||
        significant(whole, whole_length, fraction, scale, fraction_length) >
            (size_t)shape.precision)
        return false;
    size_t kept = fraction_length < scale ? fraction_length : scale;
    bool is_added = recode_add(run, bytes, (size_t)(whole - bytes) + whole_length);
    if (scale > 0)
        is_added = is_added && recode_add(run, ".", 1) && recode_add(run, fraction, kept);
    for (size_t i = kept; i < scale && is_added; i++)
        is_added = recode_add(run, "0", 1);
    return is_added;
}

static void
put_u16(uint8_t *at, int value)
{
    at[0] = (uint8_t)((unsigned)value >> 8);
    at[1] = (uint8_t)value;
}

// The digit's decimal places that are not zero lie between the scale and the precision.
static bool
digit_fits(int digit, int weight, const struct shape *shape)
{
    for (int place = weight * DIGITS_EACH; digit > 0; place++, digit /= 10)
        if (digit % 10 != 0 && (place < -shape->scale || place >= shape->precision - shape->scale))
            return false;
    return true;
}

bool
recode_numeric_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                      struct recode_run *run)
{
    struct reader reader = reader_over(bytes, length);
    struct shape shape;
    uint8_t head[8];
    int count = reader_u16(&reader), weight = reader_i16(&reader);
    int sign = reader_u16(&reader);
    reader_u16(&reader);
    const uint8_t *digits = reader.at;
    if (!read_shape(recode->modifier, &shape) ||
        (sign != 0 && sign != NEGATIVE && sign != NOT_A_NUMBER))
        return false;
    for (int i = 0; i < count; i++) {
        int digit = reader_u16(&reader);
        if (digit >= BASE || !digit_fits(digit, weight - i, &shape))
            return false;
    }
    if (!reader_is_done(&reader))
        return false;
    put_u16(head, count);
    put_u16(head + 2, weight);
    put_u16(head + 4, sign);
    put_u16(head + 6, sign == NOT_A_NUMBER ? 0 : shape.scale);
    return recode_add(run, head, sizeof head) && recode_add(run, digits, (size_t)count * 2);
}

bool
recode_numeric_of_integer(const struct recode *recode, const uint8_t *bytes, size_t length,
                          struct recode_run *run)
{
    enum { MOST = 5 };
    int digits[MOST], count = 0, zeros = 0;
    uint8_t numeric[8 + 2 * MOST];
    int64_t number;
    if (!recode_read_integer(bytes, length, &number))
        return false;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    for (; rest > 0; rest /= BASE)
        digits[count++] = (int)(rest % BASE); // the lowest one first
    while (zeros < count && digits[zeros] == 0)
        zeros++;
    put_u16(numeric, count - zeros);
    put_u16(numeric + 2, count > 0 ? count - 1 : 0);
    put_u16(numeric + 4, number < 0 ? NEGATIVE : 0);
    put_u16(numeric + 6, 0);
    for (int i = 0; i < count - zeros; i++)
        put_u16(numeric + 8 + 2 * i, digits[count - 1 - i]);
    return recode_numeric_binary(recode, numeric, (size_t)(8 + 2 * (count - zeros)), run);
}
