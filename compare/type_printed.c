// Types of which the text output says all, and which have no other equality: the form is the text
// output, which binary output is printed to. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { JSONPATH_VERSION = 1 };

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

// In double quotes, which are escaped as backslashes are.
static void
print_quoted(const uint8_t *bytes, size_t length, struct writer *text)
{
    writer_u8(text, '"');
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\')
            writer_u8(text, '\\');
        writer_u8(text, bytes[i]);
    }
    writer_u8(text, '"');
}

// hstore: how many pairs, then each key and value behind its length, of NULL -1.
bool
type_print_hstore(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    uint32_t count = reader_u32(&reader);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key_length = reader_u32(&reader);
        const uint8_t *key = reader_bytes(&reader, key_length);
        int32_t value_length = reader_i32(&reader);
        const uint8_t *value =
            value_length < 0 ? NULL : reader_bytes(&reader, (size_t)value_length);
        if (reader.failed || value_length < -1)
            return false;
        if (i > 0)
            writer_bytes(text, ", ", 2);
        print_quoted(key, key_length, text);
        writer_bytes(text, "=>", 2);
        if (value == NULL)
            writer_bytes(text, "NULL", 4);
        else
            print_quoted(value, (size_t)value_length, text);
    }
    return reader_is_done(&reader);
}
