// Integers, OIDs and numeric by value: their form is the value itself, digit by digit, whatever the
// type, the width, the scale or the format, so that 5, 5.00 and 0.5e1 are one. Nothing is rounded.
// JSON's numbers have the same form. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// A form: one of these, then for the last two the significant digits and the exponent (4 bytes), as
// 0.DIGITS x 10^EXPONENT.
enum { NUMBER_NAN = 'N', NUMBER_INFINITE = 'I', NUMBER_MINUS_INFINITE = 'i', NUMBER_ZERO = '0' };
enum { NUMBER_POSITIVE = 'p', NUMBER_NEGATIVE = 'm' };

// numeric_send (backend/utils/adt/numeric.c): digits, weight, sign, display scale, then the digits,
// four decimal ones in each.
enum { SIGN_POSITIVE = 0, SIGN_NEGATIVE = 0x4000, SIGN_NAN = 0xC000 };
enum { SIGN_INFINITE = 0xD000, SIGN_MINUS_INFINITE = 0xF000 };
enum { BASE = 10000, DIGITS_EACH = 4, MAX_EXPONENT = 1000000000 };

enum { OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_XID8 = 5069 };

struct digits { // significant digits on their way into a form
    struct writer *form;
    int64_t exponent; // where the decimal point stands, from the first digit written
    size_t zeros;     // seen, and not yet written: they may be trailing ones
    bool has_digits;
};

static void
digits_add(struct digits *digits, unsigned digit)
{
    if (digit == 0) {
        if (digits->has_digits)
            digits->zeros++;
        else
            digits->exponent--;
        return;
    }
    for (; digits->zeros > 0; digits->zeros--)
        writer_u8(digits->form, '0');
    writer_u8(digits->form, (uint8_t)('0' + digit));
    digits->has_digits = true;
}

// `start`: where the sign was written.
static bool
digits_end(struct digits *digits, size_t start)
{
    if (!digits->has_digits) {
        if (!digits->form->failed)
            digits->form->length = start;
        writer_u8(digits->form, NUMBER_ZERO);
        return true;
    }
    if (digits->exponent > MAX_EXPONENT || digits->exponent < -MAX_EXPONENT)
        return false;
    writer_i32(digits->form, (int32_t)digits->exponent);
    return true;
}

static bool
is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool
read_exponent(const uint8_t *at, const uint8_t *end, int64_t *exponent)
{
    bool is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return false;
    for (*exponent = 0; at < end; at++) {
        if (!is_digit(*at))
            return false;
        *exponent = *exponent * 10 + (*at - '0');
        if (*exponent > 2 * (int64_t)MAX_EXPONENT)
            *exponent = 2 * (int64_t)MAX_EXPONENT; // as good as any that is too large
    }
    if (is_negative)
        *exponent = -*exponent;
    return true;
}

static bool
read_decimal(const uint8_t *at, const uint8_t *end, struct writer *form)
{
    size_t start = form->length;
    bool is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const uint8_t *mark = at;
    while (mark < end && *mark != 'e' && *mark != 'E')
        mark++;
    int64_t exponent = 0;
    if (mark < end && !read_exponent(mark + 1, end, &exponent))
        return false;
    writer_u8(form, is_negative ? NUMBER_NEGATIVE : NUMBER_POSITIVE);
    struct digits digits = {.form = form, .exponent = exponent};
    bool has_point = false;
    size_t seen = 0;
    for (; at < mark; at++) {
        if (is_digit(*at)) {
            digits.exponent += !has_point;
            digits_add(&digits, (unsigned)(*at - '0'));
            seen++;
        } else if (*at == '.' && !has_point) {
            has_point = true;
        } else {
            return false;
        }
    }
    return seen > 0 && digits_end(&digits, start);
}

bool
type_read_number(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *form)
{
    static const struct {
        const char *word;
        uint8_t form;
    } words[] = {
        {"NaN", NUMBER_NAN},
        {"Infinity", NUMBER_INFINITE},
        {"-Infinity", NUMBER_MINUS_INFINITE},
    };
    (void)reading;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (length == strlen(words[i].word) && memcmp(bytes, words[i].word, length) == 0) {
            writer_u8(form, words[i].form);
            return true;
        }
    return read_decimal(bytes, bytes + length, form);
}

struct numeric { // numeric's binary output
    uint16_t count, sign, scale;
    int16_t weight;
    struct reader digits;
};

static bool
numeric_begin(struct numeric *numeric, const uint8_t *bytes, size_t length)
{
    struct reader reader = reader_over(bytes, length);
    numeric->count = reader_u16(&reader);
    numeric->weight = reader_i16(&reader);
    numeric->sign = reader_u16(&reader);
    numeric->scale = reader_u16(&reader);
    numeric->digits = reader;
    if (reader.failed || reader_left(&reader) != (size_t)numeric->count * 2)
        return false;
    for (uint16_t i = 0; i < numeric->count; i++)
        if (reader_u16(&reader) >= BASE)
            return false;
    return true;
}

static bool
read_numeric(const uint8_t *bytes, size_t length, struct writer *form)
{
    struct numeric numeric;
    if (!numeric_begin(&numeric, bytes, length))
        return false;
    size_t start = form->length;
    switch (numeric.sign) {
    case SIGN_NAN:
        writer_u8(form, NUMBER_NAN);
        return true;
    case SIGN_INFINITE:
        writer_u8(form, NUMBER_INFINITE);
        return true;
    case SIGN_MINUS_INFINITE:
        writer_u8(form, NUMBER_MINUS_INFINITE);
        return true;
    case SIGN_POSITIVE:
    case SIGN_NEGATIVE:
        break;
    default:
        return false;
    }
    writer_u8(form, numeric.sign == SIGN_NEGATIVE ? NUMBER_NEGATIVE : NUMBER_POSITIVE);
    struct digits digits = {.form = form, .exponent = ((int64_t)numeric.weight + 1) * DIGITS_EACH};
    for (uint16_t i = 0; i < numeric.count; i++) {
        unsigned four = reader_u16(&numeric.digits);
        for (unsigned unit = BASE / 10; unit > 0; unit /= 10)
            digits_add(&digits, four / unit % 10);
    }
    return digits_end(&digits, start);
}

// Integer's binary output to its text; the type says the width and whether it has a sign.
static bool
print_integer(uint32_t type, const uint8_t *bytes, size_t length, char text[24])
{
    struct reader reader = reader_over(bytes, length);
    int64_t value;
    switch (type) {
    case OID_INT2:
        value = reader_i16(&reader);
        break;
    case OID_INT4:
        value = reader_i32(&reader);
        break;
    case OID_INT8:
        value = (int64_t)reader_u64(&reader);
        break;
    case OID_XID8:
        snprintf(text, 24, "%" PRIu64, reader_u64(&reader));
        return reader_is_done(&reader);
    default: // oid, xid, cid
        value = reader_u32(&reader);
        break;
    }
    snprintf(text, 24, "%" PRId64, value);
    return reader_is_done(&reader);
}

bool
type_read_number_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                        struct writer *form)
{
    char text[24];
    if (reading->own.type == TYPE_OID_NUMERIC)
        return read_numeric(bytes, length, form);
    return print_integer(reading->own.type, bytes, length, text) &&
           read_decimal((const uint8_t *)text, (const uint8_t *)text + strlen(text), form);
}

// The decimal digit that stands for 10^place.
static uint8_t
numeric_digit(const struct numeric *numeric, int64_t place)
{
    static const unsigned units[] = {1, 10, 100, 1000};
    int64_t group = place >= 0 ? place / DIGITS_EACH : -((-place + DIGITS_EACH - 1) / DIGITS_EACH);
    int64_t index = numeric->weight - group;
    if (index < 0 || index >= numeric->count)
        return '0';
    const uint8_t *at = numeric->digits.at + index * 2;
    unsigned four = (unsigned)at[0] << 8 | at[1];
    return (uint8_t)('0' + four / units[place - group * DIGITS_EACH] % 10);
}

static bool
print_numeric(const uint8_t *bytes, size_t length, struct writer *text)
{
    struct numeric numeric;
    if (!numeric_begin(&numeric, bytes, length))
        return false;
    const char *word = numeric.sign == SIGN_NAN              ? "NaN"
                       : numeric.sign == SIGN_INFINITE       ? "Infinity"
                       : numeric.sign == SIGN_MINUS_INFINITE ? "-Infinity"
                                                             : NULL;
    if (word != NULL) {
        writer_bytes(text, word, strlen(word));
        return true;
    }
    if (numeric.sign == SIGN_NEGATIVE)
        writer_u8(text, '-');
    int64_t place = numeric.weight < 0 ? 0 : ((int64_t)numeric.weight + 1) * DIGITS_EACH - 1;
    while (place > 0 && numeric_digit(&numeric, place) == '0')
        place--;
    for (; place >= 0; place--)
        writer_u8(text, numeric_digit(&numeric, place));
    if (numeric.scale > 0)
        writer_u8(text, '.');
    for (place = 1; place <= numeric.scale; place++)
        writer_u8(text, numeric_digit(&numeric, -place));
    return true;
}

bool
type_print_number(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *text)
{
    char digits[24];
    if (reading->own.type == TYPE_OID_NUMERIC)
        return print_numeric(bytes, length, text);
    if (!print_integer(reading->own.type, bytes, length, digits))
        return false;
    writer_bytes(text, digits, strlen(digits));
    return true;
}
