// Ranges and multiranges by their bounds. A range's head holds its flags, its elements are the bounds
// that it has. Text is taken apart as range_in does. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <string.h>

// range_send's flags.
enum {
    RANGE_EMPTY = 0x01,
    RANGE_LOWER_INCLUSIVE = 0x02,
    RANGE_UPPER_INCLUSIVE = 0x04,
    RANGE_LOWER_INFINITE = 0x08,
    RANGE_UPPER_INFINITE = 0x10,
};

static void
end_range(uint8_t flags, size_t container, struct writer *form)
{
    uint8_t *head = type_container_head(form, container);
    if (head != NULL)
        head[0] = flags;
}

// One bound, up to what ends it.
static bool
read_bound(const struct type_reading *element, const uint8_t **at, const uint8_t *end,
           struct writer *bound, bool *is_infinite, struct writer *form)
{
    static const uint8_t none[1]; // an empty bound has bytes too
    if (!type_quoted_take(at, end, ",])", bound, is_infinite))
        return false;
    form->failed |= bound->failed;
    if (!*is_infinite)
        type_container_add(element, bound->length > 0 ? bound->bytes : none, bound->length, 0,
                           form);
    return true;
}

static bool
read_range(const struct type_reading *element, const uint8_t *at, const uint8_t *end,
           struct writer *bound, struct writer *form)
{
    size_t container = type_container_begin(form);
    uint8_t flags = 0;
    bool is_infinite;
    if (end - at == 5 && memcmp(at, "empty", 5) == 0) {
        end_range(RANGE_EMPTY, container, form);
        return true;
    }
    if (at == end || (*at != '[' && *at != '('))
        return false;
    if (*at++ == '[')
        flags |= RANGE_LOWER_INCLUSIVE;
    if (!read_bound(element, &at, end, bound, &is_infinite, form) || *at++ != ',')
        return false;
    flags |= is_infinite ? RANGE_LOWER_INFINITE : 0;
    if (!read_bound(element, &at, end, bound, &is_infinite, form) || *at == ',')
        return false;
    flags |= is_infinite ? RANGE_UPPER_INFINITE : 0;
    if (*at++ == ']')
        flags |= RANGE_UPPER_INCLUSIVE;
    end_range(flags, container, form);
    return at == end;
}

bool
type_read_range(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *form)
{
    struct type_reading element = type_reading_element(reading);
    struct writer bound;
    writer_init(&bound);
    bool is_read = read_range(&element, bytes, bytes + length, &bound, form);
    writer_fini(&bound);
    return is_read;
}

static bool
add_binary(const struct type_reading *element, struct reader *reader, struct writer *form)
{
    int32_t length = reader_i32(reader);
    if (length < -1)
        return false;
    const uint8_t *bytes = length < 0 ? NULL : reader_bytes(reader, (size_t)length);
    if (reader->failed)
        return false;
    type_container_add(element, bytes, length < 0 ? 0 : (size_t)length, 1, form);
    return true;
}

bool
type_read_range_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                       struct writer *form)
{
    struct type_reading element = type_reading_element(reading);
    struct reader reader = reader_over(bytes, length);
    uint8_t flags = reader_u8(&reader);
    size_t container = type_container_begin(form);
    bool has_lower = (flags & (RANGE_EMPTY | RANGE_LOWER_INFINITE)) == 0;
    bool has_upper = (flags & (RANGE_EMPTY | RANGE_UPPER_INFINITE)) == 0;
    if ((has_lower && !add_binary(&element, &reader, form)) ||
        (has_upper && !add_binary(&element, &reader, form)))
        return false;
    end_range(flags, container, form);
    return reader_is_done(&reader);
}

// Where the range that begins at `at` ends: behind its bracket outside of quotes, or behind "empty".
static const uint8_t *
range_end(const uint8_t *at, const uint8_t *end)
{
    bool is_quoted = false;
    if (end - at >= 5 && memcmp(at, "empty", 5) == 0)
        return at + 5;
    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (*at == ']' || *at == ')'))
            return at + 1;
    }
    return NULL;
}

bool
type_read_multirange(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                     struct writer *form)
{
    struct type_reading element = type_reading_element(reading);
    const uint8_t *at = bytes;
    const uint8_t *end = bytes + length;
    type_container_begin(form);
    if (length < 2 || *at++ != '{' || *--end != '}')
        return false;
    while (at < end) {
        const uint8_t *after = range_end(at, end);
        if (after == NULL)
            return false;
        type_container_add(&element, at, (size_t)(after - at), 0, form);
        at = after;
        if (at < end && (*at++ != ',' || at == end))
            return false;
    }
    return true;
}

bool
type_read_multirange_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                            struct writer *form)
{
    struct type_reading element = type_reading_element(reading);
    struct reader reader = reader_over(bytes, length);
    uint32_t count = reader_u32(&reader);
    type_container_begin(form);
    for (uint32_t i = 0; i < count; i++)
        if (!add_binary(&element, &reader, form))
            return false;
    return reader_is_done(&reader);
}

static bool
print_bound(const struct type_reading *element, struct reader *reader, struct writer *text)
{
    uint32_t length = reader_u32(reader);
    const uint8_t *bytes = reader_bytes(reader, length);
    return !reader->failed && type_quoted_print(element, bytes, length, "()[]", text);
}

static bool
print_range(const struct type_reading *element, struct reader *reader, struct writer *text)
{
    uint8_t flags = reader_u8(reader);
    if ((flags & RANGE_EMPTY) != 0) {
        writer_bytes(text, "empty", 5);
        return !reader->failed;
    }
    writer_u8(text, (flags & RANGE_LOWER_INCLUSIVE) != 0 ? '[' : '(');
    if ((flags & RANGE_LOWER_INFINITE) == 0 && !print_bound(element, reader, text))
        return false;
    writer_u8(text, ',');
    if ((flags & RANGE_UPPER_INFINITE) == 0 && !print_bound(element, reader, text))
        return false;
    writer_u8(text, (flags & RANGE_UPPER_INCLUSIVE) != 0 ? ']' : ')');
    return !reader->failed;
}

bool
type_print_range(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *text)
{
    struct type_reading element = type_reading_element(reading);
    struct reader reader = reader_over(bytes, length);
    return print_range(&element, &reader, text) && reader_is_done(&reader);
}

bool
type_print_multirange(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      struct writer *text)
{
    struct type_reading range = type_reading_element(reading);
    struct type_reading element = type_reading_element(&range);
    struct reader reader = reader_over(bytes, length);
    uint32_t count = reader_u32(&reader);
    writer_u8(text, '{');
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = reader_u32(&reader);
        struct reader one = reader_over(reader_bytes(&reader, size), size);
        if (i > 0)
            writer_u8(text, ',');
        if (reader.failed || !print_range(&element, &one, text) || !reader_is_done(&one))
            return false;
    }
    writer_u8(text, '}');
    return reader_is_done(&reader);
}
