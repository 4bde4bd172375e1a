// float4 and float8 where a number is exactly one of the other: 0.5, but not 0.1. As text it is what the server prints with all
// digits. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include "compare/type.h"
#include "protocol/reader.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLOAT4 = 700, FLOAT8 = 701, MAX_TEXT = 64 };

static size_t
write_binary(uint32_t type, double number, uint8_t bytes[8])
{
    uint64_t bits;
    if (type == FLOAT4) {
        float narrow = (float)number;
        uint32_t narrow_bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow);
        bits = (uint64_t)narrow_bits << 32;
    } else {
        memcpy(&bits, &number, sizeof bits);
    }
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> (56 - 8 * i));
    return type == FLOAT4 ? 4 : 8;
}

static bool
fits(uint32_t type, double number)
{
    if (type == FLOAT8 || isnan(number) || isinf(number))
        return true;
    return fabs(number) <= (double)FLT_MAX && (double)(float)number == number;
}

static bool
read_binary(const uint8_t *bytes, size_t length, double *number)
{
    struct reader reader = reader_over(bytes, length);
    if (length == 4) {
        uint32_t bits = reader_u32(&reader);
        float narrow;
        memcpy(&narrow, &bits, sizeof narrow);
        *number = (double)narrow;
        return true;
    }
    uint64_t bits = reader_u64(&reader);
    memcpy(number, &bits, sizeof *number);
    return reader_is_done(&reader);
}

bool
recode_float_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                    struct recode_run *run)
{
    double number;
    uint8_t put[8];
    if (!read_binary(bytes, length, &number) || !fits(recode->type, number))
        return false;
    return recode_add(run, put, write_binary(recode->type, number, put));
}

bool
recode_float_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                  struct recode_run *run)
{
    char text[MAX_TEXT], *end;
    uint8_t binary[8];
    if (length == 0 || length >= sizeof text)
        return false;
    memcpy(text, bytes, length);
    text[length] = '\0';
    bool is_word =
        strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0;
    if (!is_word && strspn(text, "0123456789+-.e") != length)
        return false; // strtod knows more than the server prints
    // What was a float4 is read as one: its digits are only enough for that.
    double number = recode->type == FLOAT4 ? strtod(text, &end) : (double)strtof(text, &end);
    if (*end != '\0' || !fits(recode->type, number) || run->writer->length > run->limit)
        return false;
    struct cell cell = {.bytes = binary,
                        .length = write_binary(recode->type, number, binary),
                        .type = recode->type,
                        .format = 1};
    return type_print(&cell, NULL, run->writer);
}
