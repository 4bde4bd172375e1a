// float4 and float8: the form is the number's eight bytes, turned so that they sort as numbers do,
// with one NaN and one zero. Where one side is float4 and the other float8 both are taken to float4:
// 0.1 widened prints as 0.10000000149011612. Text output is PostgreSQL's shortest one
// (extra_float_digits above 0). Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 512, FLOAT4_DIGITS = 9, FLOAT8_DIGITS = 17 };

static void
write_form(double value, struct writer *form)
{
    uint64_t bits;
    if (value == 0)
        value = 0; // -0 too
    if (isnan(value))
        value = (double)NAN;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        bits &= ~(UINT64_C(1) << 63);
    bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
    writer_u64(form, bits);
}

double
type_form_float(const uint8_t *form)
{
    struct reader reader = reader_over(form, sizeof(double));
    uint64_t bits = reader_u64(&reader);
    bits = bits >> 63 ? bits & ~(UINT64_C(1) << 63) : ~bits;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// strtod knows more than PostgreSQL prints: only digits, signs, point and exponent, or the words.
static bool
read_double(const uint8_t *bytes, size_t length, double *value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {
        {"NaN", (double)NAN}, {"Infinity", (double)INFINITY}, {"-Infinity", -(double)INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (length == strlen(words[i].word) && memcmp(bytes, words[i].word, length) == 0) {
            *value = words[i].value;
            return true;
        }
    char text[MAX_TEXT];
    if (length == 0 || length >= sizeof text)
        return false;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] == 0 || strchr("0123456789+-.eE", bytes[i]) == NULL)
            return false;
    memcpy(text, bytes, length);
    text[length] = 0;
    char *end;
    *value = strtod(text, &end);
    return end == text + length;
}

static bool
read_double_binary(const uint8_t *bytes, size_t length, double *value)
{
    struct reader reader = reader_over(bytes, length);
    if (length == sizeof(float)) {
        uint32_t bits = reader_u32(&reader);
        float narrow;
        memcpy(&narrow, &bits, sizeof narrow);
        *value = (double)narrow;
        return true;
    }
    uint64_t bits = reader_u64(&reader);
    memcpy(value, &bits, sizeof *value);
    return reader_is_done(&reader);
}

// A double beyond float's range is no float; it would be undefined to convert it.
static double
narrowed(double value)
{
    if (isnan(value) || isinf(value))
        return value;
    if (fabs(value) > 3.4028235677973366e38) // rounds to beyond FLT_MAX
        return value > 0 ? (double)INFINITY : -(double)INFINITY;
    return (double)(float)value;
}

bool
type_read_float4(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *form)
{
    double value;
    (void)reading;
    if (!read_double(bytes, length, &value))
        return false;
    write_form(narrowed(value), form);
    return true;
}

bool
type_read_float4_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                        struct writer *form)
{
    double value;
    (void)reading;
    if (!read_double_binary(bytes, length, &value))
        return false;
    write_form(narrowed(value), form);
    return true;
}

bool
type_read_float8(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *form)
{
    double value;
    (void)reading;
    if (!read_double(bytes, length, &value))
        return false;
    write_form(value, form);
    return true;
}

bool
type_read_float8_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                        struct writer *form)
{
    double value;
    (void)reading;
    if (!read_double_binary(bytes, length, &value))
        return false;
    write_form(value, form);
    return true;
}

// Does the text lie between this number and the next one, equally far from both? It reads back as the even one of them, but
// the server prints no such text, since not every reader rounds so.
static bool
is_halfway(const char *text, double value, bool is_float4)
{
    long double read = strtold(text, NULL), exact = (long double)value;
    bool up = read > exact;
    if (read == exact)
        return false;
    if (is_float4) {
        float next = nextafterf((float)value, up ? INFINITY : -INFINITY);
        return read - exact == (long double)next - read;
    }
    return read - exact == (long double)nextafter(value, up ? INFINITY : -INFINITY) - read;
}

// The fewest digits that read back as the same number: "d.ddde[+-]dd".
static void
shortest(double value, bool is_float4, char text[32])
{
    int most = is_float4 ? FLOAT4_DIGITS : FLOAT8_DIGITS;
    for (int precision = 0; precision < most; precision++) {
        snprintf(text, 32, "%.*e", precision, value);
        bool reads_back =
            is_float4 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
        if (reads_back && !is_halfway(text, value, is_float4))
            return;
    }
}

bool
type_print_float(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *text)
{
    double value;
    char scientific[32];
    (void)reading;
    if (!read_double_binary(bytes, length, &value))
        return false;
    if (isnan(value) || isinf(value)) {
        const char *word = isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
        writer_bytes(text, word, strlen(word));
        return true;
    }
    bool is_float4 = length == sizeof(float);
    shortest(value, is_float4, scientific);
    const char *mark = strchr(scientific, 'e');
    int exponent = atoi(mark + 1);
    if (value == 0)
        exponent = 0;
    // Where printf's %g would change over (backend/common/d2s.c, f2s.c).
    if (exponent < -4 || exponent >= (is_float4 ? 6 : 15)) {
        writer_bytes(text, scientific, strlen(scientific));
        return true;
    }
    char digits[32];
    int count = 0;
    for (const char *at = scientific; at < mark; at++)
        if (*at >= '0' && *at <= '9')
            digits[count++] = *at;
    if (scientific[0] == '-')
        writer_u8(text, '-');
    int whole = exponent + 1; // digits before the point
    if (whole <= 0)
        writer_bytes(text, "0.", 2);
    for (int i = whole; i < 0; i++)
        writer_u8(text, '0');
    for (int i = 0; i < count || i < whole; i++) {
        if (i > 0 && i == whole)
            writer_u8(text, '.');
        writer_u8(text, (uint8_t)(i < count ? digits[i] : '0'));
    }
    return true;
}
