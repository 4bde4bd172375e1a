// Types of which the text output says all, and which have no other equality: the form is the text
// output, which binary output is printed to. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { JSONPATH_VERSION = 1, POSITION_BITS = 14 };

__attribute__((format(printf, 2, 3))) static void
print(struct writer *text, const char *format, ...)
{
    char buffer[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    writer_bytes(text, buffer, (size_t)length);
}

// bit and varbit: how many bits, then the bits from the left.
bool
type_print_bit(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    uint32_t count = reader_u32(&reader);
    (void)reading;
    if (reader.failed || ((size_t)count + 7) / 8 != reader_left(&reader))
        return false;
    const uint8_t *bits = bytes + sizeof count;
    for (uint32_t i = 0; i < count; i++)
        writer_u8(text, bits[i / 8] >> (7 - i % 8) & 1 ? '1' : '0');
    return true;
}

bool
type_print_lsn(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    uint32_t high = reader_u32(&reader), low = reader_u32(&reader);
    (void)reading;
    print(text, "%" PRIX32 "/%" PRIX32, high, low);
    return reader_is_done(&reader);
}

bool
type_print_tid(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    uint32_t block = reader_u32(&reader);
    unsigned offset = reader_u16(&reader);
    (void)reading;
    print(text, "(%" PRIu32 ",%u)", block, offset);
    return reader_is_done(&reader);
}

bool
type_print_jsonpath(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                    struct writer *text)
{
    (void)reading;
    if (length == 0 || bytes[0] != JSONPATH_VERSION)
        return false;
    writer_bytes(text, bytes + 1, length - 1);
    return true;
}

// int2vector and oidvector: an array of one dimension on the wire, numbers with blanks in text.
bool
type_print_vector(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    uint32_t dimensions = reader_u32(&reader);
    reader_bytes(&reader, 8); // whether there are NULLs, the element's type
    uint32_t count = dimensions == 0 ? 0 : reader_u32(&reader);
    if (dimensions > 0)
        reader_u32(&reader); // the lower bound
    for (uint32_t i = 0; i < count && !reader.failed; i++) {
        uint32_t size = reader_u32(&reader);
        if (i > 0)
            writer_u8(text, ' ');
        if (size == sizeof(int16_t))
            print(text, "%d", reader_i16(&reader));
        else if (size == sizeof(uint32_t))
            print(text, "%" PRIu32, reader_u32(&reader));
        else
            return false;
    }
    return dimensions <= 1 && reader_is_done(&reader);
}

// pg_snapshot: how many are in progress, xmin, xmax, they.
bool
type_print_snapshot(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                    struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    uint32_t count = reader_u32(&reader);
    uint64_t first = reader_u64(&reader), next = reader_u64(&reader);
    print(text, "%" PRIu64 ":%" PRIu64 ":", first, next);
    for (uint32_t i = 0; i < count && !reader.failed; i++)
        print(text, i > 0 ? ",%" PRIu64 : "%" PRIu64, reader_u64(&reader));
    return reader_is_done(&reader);
}

static void
print_lexeme(const char *lexeme, struct writer *text)
{
    writer_u8(text, '\'');
    for (; *lexeme != 0; lexeme++) {
        if (*lexeme == '\'' || *lexeme == '\\')
            writer_u8(text, (uint8_t)*lexeme);
        writer_u8(text, (uint8_t)*lexeme);
    }
    writer_u8(text, '\'');
}

// Each lexeme with its NUL, how often it occurs, and a weight and position for each.
bool
type_print_tsvector(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                    struct writer *text)
{
    static const char weights[][2] = {"", "C", "B", "A"};
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    uint32_t count = reader_u32(&reader);
    for (uint32_t i = 0; i < count; i++) {
        const char *lexeme = reader_string(&reader);
        unsigned positions = reader_u16(&reader);
        if (reader.failed)
            return false;
        if (i > 0)
            writer_u8(text, ' ');
        print_lexeme(lexeme, text);
        for (unsigned j = 0; j < positions && !reader.failed; j++) {
            unsigned entry = reader_u16(&reader);
            print(text, "%c%u%s", j == 0 ? ':' : ',', entry & ((1U << POSITION_BITS) - 1),
                  weights[entry >> POSITION_BITS & 3]);
        }
    }
    return reader_is_done(&reader);
}
