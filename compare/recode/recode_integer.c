// Integers of any width, numerics without a fraction and booleans, by value: what old's type can't hold is refused. As text an
// integer has no sign but the minus and no leading zeros, whatever the numeric's scale was. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { INT8 = 20, INT2 = 21, INT4 = 23 };

// numeric_send (backend/utils/adt/numeric.c): digits to the base of 10000, the first one's weight.
enum { NUMERIC_POSITIVE = 0, NUMERIC_NEGATIVE = 0x4000, BASE = 10000, MOST_WEIGHT = 4 };

static bool
fits(uint32_t type, int64_t number)
{
    return type == INT8 || (type == INT4 && number >= INT32_MIN && number <= INT32_MAX) ||
           (type == INT2 && number >= INT16_MIN && number <= INT16_MAX);
}

static bool
put_text(const struct recode *recode, int64_t number, struct recode_run *run)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRId64, number);
    return fits(recode->type, number) && recode_add(run, text, (size_t)length);
}

static bool
put_binary(const struct recode *recode, int64_t number, struct recode_run *run)
{
    size_t width = recode->type == INT8 ? 8 : recode->type == INT4 ? 4 : 2;
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * (width - 1 - i)));
    return fits(recode->type, number) && recode_add(run, bytes, width);
}

// Digits, of which those behind the point are all zeros. Counted down, since there is one more of the negative ones.
static bool
read_text(const uint8_t *at, const uint8_t *end, int64_t *number)
{
    bool is_negative = at < end && *at == '-';
    const uint8_t *digits = at += is_negative;
    for (*number = 0; at < end && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_sub_overflow(*number, *at - '0', number))
            return false;
    if (at == digits)
        return false;
    if (at < end && *at++ == '.')
        while (at < end && *at == '0')
            at++;
    return at == end && (is_negative || !__builtin_sub_overflow(INT64_C(0), *number, number));
}

bool
recode_integer_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                    struct recode_run *run)
{
    int64_t number;
    return read_text(bytes, bytes + length, &number) && put_text(recode, number, run);
}

bool
recode_read_integer(const uint8_t *bytes, size_t length, int64_t *number)
{
    struct reader reader = reader_over(bytes, length);
    *number = length == 8   ? (int64_t)reader_u64(&reader)
              : length == 4 ? reader_i32(&reader)
                            : reader_i16(&reader);
    return reader_is_done(&reader);
}

bool
recode_integer_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                      struct recode_run *run)
{
    int64_t number;
    return recode_read_integer(bytes, length, &number) && put_binary(recode, number, run);
}

static bool
read_numeric(const uint8_t *bytes, size_t length, int64_t *number)
{
    struct reader reader = reader_over(bytes, length);
    int count = reader_u16(&reader), weight = reader_i16(&reader);
    uint16_t sign = reader_u16(&reader);
    reader_u16(&reader); // display scale
    *number = 0;
    if ((sign != NUMERIC_POSITIVE && sign != NUMERIC_NEGATIVE) ||
        (count > 0 && weight > MOST_WEIGHT))
        return false;
    for (int i = 0; i < count; i++) {
        int digit = reader_u16(&reader);
        if (digit >= BASE || (i > weight && digit != 0))
            return false;
        if (i <= weight && (__builtin_mul_overflow(*number, BASE, number) ||
                            __builtin_sub_overflow(*number, digit, number)))
            return false;
    }
    for (int i = count; count > 0 && i <= weight; i++)
        if (__builtin_mul_overflow(*number, BASE, number))
            return false;
    return reader_is_done(&reader) &&
           (sign == NUMERIC_NEGATIVE || !__builtin_sub_overflow(INT64_C(0), *number, number));
}

bool
recode_integer_of_numeric(const struct recode *recode, const uint8_t *bytes, size_t length,
                          struct recode_run *run)
{
    int64_t number;
    return read_numeric(bytes, length, &number) && put_binary(recode, number, run);
}

bool
recode_integer_of_boolean_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                               struct recode_run *run)
{
    return length == 1 && (bytes[0] == 't' || bytes[0] == 'f') &&
           put_text(recode, bytes[0] == 't', run);
}

bool
recode_integer_of_boolean(const struct recode *recode, const uint8_t *bytes, size_t length,
                          struct recode_run *run)
{
    return length == 1 && bytes[0] <= 1 && put_binary(recode, bytes[0], run);
}

bool
recode_boolean_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                    struct recode_run *run)
{
    (void)recode;
    return length == 1 && (bytes[0] == '0' || bytes[0] == '1') &&
           recode_add(run, bytes[0] == '1' ? "t" : "f", 1);
}

bool
recode_boolean_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                      struct recode_run *run)
{
    int64_t number;
    (void)recode;
    return recode_read_integer(bytes, length, &number) && (number == 0 || number == 1) &&
           recode_add(run, &(uint8_t){(uint8_t)number}, 1);
}
