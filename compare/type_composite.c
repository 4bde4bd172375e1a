// Ranges and multiranges by their bounds, and records by their fields. A range's head holds its
// flags, its elements are the bounds that it has. Text is taken apart as range_in does. A record's
// text does not say what its fields are, so records in text are compared by bytes, and in binary
// output, where each field brings its type, field by field. Pure, any thread.
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

enum { MAX_FIELDS = 1664 }; // MaxTupleAttributeNumber

static struct type_reading
element_reading(const struct type_reading *reading)
{
    struct type_reading element = *reading;
    element.levels++;
    element.type = type_element(reading->type);
    element.depth++;
    return element;
}

static void
end_range(uint8_t flags, size_t container, struct writer *form)
{
    uint8_t *head = type_container_head(form, container);
    if (head != NULL)
        head[0] = flags;
}

// One bound up to `end`, or the bound's delimiter; quotes are doubled or escaped.
static bool
take_bound(const uint8_t **at, const uint8_t *end, struct writer *bound, bool *is_infinite,
           struct writer *form)
{
    bool is_quoted = false;
    *is_infinite = *at < end && strchr(",])", **at) != NULL && **at != 0;
    writer_clear(bound);
    for (; *at < end; (*at)++) {
        uint8_t byte = **at;
        if (byte == '\\') {
            if (++*at == end)
                return false;
            writer_u8(bound, **at);
        } else if (byte == '"') {
            if (is_quoted && *at + 1 < end && (*at)[1] == '"')
                writer_u8(bound, *(*at += 1));
            else
                is_quoted = !is_quoted;
        } else if (!is_quoted && (byte == ',' || byte == ']' || byte == ')')) {
            form->failed |= bound->failed;
            return true;
        } else {
            writer_u8(bound, byte);
        }
    }
    return false;
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
    if (!take_bound(&at, end, bound, &is_infinite, form) || *at++ != ',')
        return false;
    if (is_infinite)
        flags |= RANGE_LOWER_INFINITE;
    else
        type_container_add(element, bound->bytes, bound->length, 0, form);
    if (!take_bound(&at, end, bound, &is_infinite, form) || *at == ',')
        return false;
    if (is_infinite)
        flags |= RANGE_UPPER_INFINITE;
    else
        type_container_add(element, bound->bytes, bound->length, 0, form);
    if (*at++ == ']')
        flags |= RANGE_UPPER_INCLUSIVE;
    end_range(flags, container, form);
    return at == end;
}

bool
type_read_range(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *form)
{
    struct type_reading element = element_reading(reading);
    struct writer bound;
    writer_init(&bound);
    writer_u8(&bound, 0); // so that an empty bound has bytes too
    form->failed |= bound.failed;
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
    struct type_reading element = element_reading(reading);
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
    struct type_reading element = element_reading(reading);
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
    struct type_reading element = element_reading(reading);
    struct reader reader = reader_over(bytes, length);
    uint32_t count = reader_u32(&reader);
    type_container_begin(form);
    for (uint32_t i = 0; i < count; i++)
        if (!add_binary(&element, &reader, form))
            return false;
    return reader_is_done(&reader);
}

// record_send: the number of fields, then each one's type, length and bytes.
bool
type_read_record_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                        struct writer *form)
{
    struct reader reader = reader_over(bytes, length);
    uint32_t count = reader_u32(&reader);
    type_container_begin(form);
    if (count > MAX_FIELDS)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        enum type_family levels[TYPE_LEVELS];
        struct type_reading field = {
            .levels = levels, .types = reading->types, .depth = reading->depth + 1};
        type_levels_of(reader_u32(&reader), reading->types, levels, &field.type);
        if (!add_binary(&field, &reader, form))
            return false;
    }
    return reader_is_done(&reader);
}
