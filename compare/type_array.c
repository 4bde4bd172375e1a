// Arrays by element. Text output is taken apart as array_in does: lower bounds, nested braces,
// quotes, backslashes, NULL; binary output says the same with lengths. The form's head holds the
// dimensions and lower bounds, or under `unordered` only the number of elements, which then come in
// the order of their forms. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_DIMENSIONS = 6 }; // MAXDIM

struct dimensions {
    uint32_t count;
    uint32_t lengths[MAX_DIMENSIONS];
    int32_t bounds[MAX_DIMENSIONS];
};

_Static_assert(TYPE_HEAD >= 4 + MAX_DIMENSIONS * 8, "dimensions fit into a container's head");

// pg_type.typdelim: box alone has another, as its own text is full of commas.
static uint8_t
delimiter_of(const struct type_reading *element)
{
    return element->own.type == TYPE_OID_BOX ? ';' : ',';
}

struct parser {
    const uint8_t *at, *end;
    uint8_t delimiter;
    const struct type_reading *element;
    struct writer *form;
    struct writer unescaped; // the element being read, where it holds escapes
    struct dimensions dimensions;
    uint32_t depth; // of the braces whose elements are no braces; 0 until the first is seen
};

static void
put(uint8_t *at, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

static void
end_array(const struct type_reading *reading, const struct dimensions *dimensions, size_t container,
          struct writer *form)
{
    uint32_t total = dimensions->count > 0;
    if (reading->is_unordered && !type_container_sort(form, container))
        return;
    uint8_t *head = type_container_head(form, container);
    if (head == NULL)
        return;
    for (uint32_t i = 0; i < dimensions->count; i++)
        total *= dimensions->lengths[i]; // modulo 2^32 does: it is only compared
    if (reading->is_unordered) {
        put(head, total);
        return;
    }
    put(head, dimensions->count);
    for (uint32_t i = 0; i < dimensions->count; i++) {
        put(head + 4 + i * 8, dimensions->lengths[i]);
        put(head + 8 + i * 8, (uint32_t)dimensions->bounds[i]);
    }
}

static bool
take(struct parser *parser, uint8_t byte)
{
    if (parser->at == parser->end || *parser->at != byte)
        return false;
    parser->at++;
    return true;
}

static bool
take_integer(struct parser *parser, int64_t *number)
{
    bool is_negative = take(parser, '-');
    const uint8_t *start = parser->at;
    for (*number = 0; parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
         parser->at++) {
        *number = *number * 10 + (*parser->at - '0');
        if (*number > (int64_t)INT32_MAX + 1)
            return false;
    }
    if (is_negative)
        *number = -*number;
    return parser->at > start && *number <= INT32_MAX;
}

// "[0:2][1:4]=": the lower bounds; the lengths come from the elements.
static bool
parse_bounds(struct parser *parser, uint32_t *count)
{
    for (*count = 0; take(parser, '['); (*count)++) {
        int64_t lower, upper;
        if (*count == MAX_DIMENSIONS || !take_integer(parser, &lower) || !take(parser, ':') ||
            !take_integer(parser, &upper) || !take(parser, ']'))
            return false;
        parser->dimensions.bounds[*count] = (int32_t)lower;
    }
    return *count == 0 || take(parser, '=');
}

static bool
parse_quoted(struct parser *parser)
{
    const uint8_t *plain = parser->at;
    bool has_escapes = false;
    writer_clear(&parser->unescaped);
    for (; parser->at < parser->end && *parser->at != '"'; parser->at++)
        if (*parser->at == '\\') {
            writer_bytes(&parser->unescaped, plain, (size_t)(parser->at - plain));
            has_escapes = true;
            if (++parser->at == parser->end)
                return false;
            plain = parser->at;
        }
    if (has_escapes)
        writer_bytes(&parser->unescaped, plain, (size_t)(parser->at - plain));
    if (parser->unescaped.failed)
        parser->form->failed = true;
    else if (has_escapes)
        type_container_add(parser->element, parser->unescaped.bytes, parser->unescaped.length, 0,
                           parser->form);
    else
        type_container_add(parser->element, plain, (size_t)(parser->at - plain), 0, parser->form);
    return take(parser, '"');
}

static bool
parse_element(struct parser *parser)
{
    if (take(parser, '"'))
        return parse_quoted(parser);
    const uint8_t *start = parser->at;
    while (parser->at < parser->end && *parser->at != parser->delimiter && *parser->at != '}' &&
           *parser->at != '{' && *parser->at != '"' && *parser->at != '\\')
        parser->at++;
    size_t length = (size_t)(parser->at - start);
    if (length == 0)
        return false;
    bool is_null = length == 4 && strncasecmp((const char *)start, "NULL", 4) == 0;
    type_container_add(parser->element, is_null ? NULL : start, length, 0, parser->form);
    return true;
}

// Braces with what they hold; all braces of one depth hold as many.
static bool
parse_braces(struct parser *parser, uint32_t depth)
{
    uint32_t count = 0;
    if (depth == MAX_DIMENSIONS || !take(parser, '{'))
        return false;
    do {
        if (parser->at < parser->end && *parser->at == '{') {
            if (!parse_braces(parser, depth + 1))
                return false;
        } else {
            if (parser->depth == 0)
                parser->depth = depth + 1;
            if (parser->depth != depth + 1 || !parse_element(parser))
                return false;
        }
        count++;
    } while (take(parser, parser->delimiter));
    if (!take(parser, '}'))
        return false;
    uint32_t *length = &parser->dimensions.lengths[depth];
    if (*length == 0)
        *length = count;
    return *length == count;
}

bool
type_read_array(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *form)
{
    struct type_reading element = type_reading_element(reading);
    struct parser parser = {
        .at = bytes,
        .end = bytes + length,
        .delimiter = delimiter_of(&element),
        .element = &element,
        .form = form,
        .dimensions = {.bounds = {1, 1, 1, 1, 1, 1}},
    };
    size_t container = type_container_begin(form);
    uint32_t bounds;
    bool is_parsed = parse_bounds(&parser, &bounds);
    if (is_parsed && parser.end - parser.at == 2 && memcmp(parser.at, "{}", 2) == 0) {
        end_array(reading, &parser.dimensions, container, form);
        return true;
    }
    writer_init(&parser.unescaped);
    is_parsed = is_parsed && parse_braces(&parser, 0) && parser.at == parser.end &&
                (bounds == 0 || bounds == parser.depth);
    writer_fini(&parser.unescaped);
    parser.dimensions.count = parser.depth;
    if (is_parsed)
        end_array(reading, &parser.dimensions, container, form);
    return is_parsed;
}

// array_send: dimensions, whether there are NULLs, the element's type, then length and lower bound of
// each dimension.
static bool
read_head(struct reader *reader, struct dimensions *dimensions, uint32_t *element)
{
    *dimensions = (struct dimensions){.count = reader_u32(reader)};
    reader_u32(reader);
    *element = reader_u32(reader);
    if (dimensions->count > MAX_DIMENSIONS)
        return false;
    for (uint32_t i = 0; i < dimensions->count; i++) {
        dimensions->lengths[i] = reader_u32(reader);
        dimensions->bounds[i] = reader_i32(reader);
    }
    return !reader->failed;
}

static bool
read_element(struct reader *reader, const uint8_t **bytes, size_t *length)
{
    int32_t size = reader_i32(reader);
    *bytes = size < 0 ? NULL : reader_bytes(reader, (size_t)size);
    *length = size < 0 ? 0 : (size_t)size;
    return size >= -1 && !reader->failed;
}

bool
type_read_array_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                       struct writer *form)
{
    struct reader reader = reader_over(bytes, length);
    struct dimensions dimensions;
    uint32_t type;
    if (!read_head(&reader, &dimensions, &type))
        return false;
    struct type_reading element = type_reading_element(reading);
    size_t container = type_container_begin(form);
    uint64_t total = dimensions.count > 0;
    for (uint32_t i = 0; i < dimensions.count; i++)
        if (__builtin_mul_overflow(total, (uint64_t)dimensions.lengths[i], &total))
            return false;
    for (uint64_t i = 0; i < total; i++) {
        const uint8_t *value;
        size_t value_length;
        if (!read_element(&reader, &value, &value_length))
            return false;
        type_container_add(&element, value, value_length, 1, form);
    }
    end_array(reading, &dimensions, container, form);
    return reader_is_done(&reader);
}

static bool
needs_quotes(const uint8_t *bytes, size_t length, uint8_t delimiter)
{
    if (length == 0 || (length == 4 && strncasecmp((const char *)bytes, "NULL", 4) == 0))
        return true;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] == delimiter || bytes[i] == 0 || strchr("{}\"\\ \t\n\v\f\r", bytes[i]) != NULL)
            return true;
    return false;
}

static void
print_quoted(const struct writer *value, uint8_t delimiter, struct writer *text)
{
    if (!needs_quotes(value->bytes, value->length, delimiter)) {
        writer_bytes(text, value->bytes, value->length);
        return;
    }
    writer_u8(text, '"');
    for (size_t i = 0; i < value->length; i++) {
        if (value->bytes[i] == '"' || value->bytes[i] == '\\')
            writer_u8(text, '\\');
        writer_u8(text, value->bytes[i]);
    }
    writer_u8(text, '"');
}

static bool
print_level(struct reader *reader, const struct dimensions *dimensions, uint32_t level,
            const struct type_reading *element, struct writer *value, struct writer *text)
{
    writer_u8(text, '{');
    for (uint32_t i = 0; i < dimensions->lengths[level]; i++) {
        const uint8_t *bytes;
        size_t length;
        if (i > 0)
            writer_u8(text, delimiter_of(element));
        if (level + 1 < dimensions->count) {
            if (!print_level(reader, dimensions, level + 1, element, value, text))
                return false;
            continue;
        }
        if (!read_element(reader, &bytes, &length))
            return false;
        if (bytes == NULL) {
            writer_bytes(text, "NULL", 4);
            continue;
        }
        writer_clear(value);
        if (!type_print_value(element, bytes, length, 1, value) || value->failed)
            return false;
        print_quoted(value, delimiter_of(element), text);
    }
    writer_u8(text, '}');
    return true;
}

static void
print_bounds(const struct dimensions *dimensions, struct writer *text)
{
    bool has_bounds = false;
    for (uint32_t i = 0; i < dimensions->count; i++)
        has_bounds |= dimensions->bounds[i] != 1;
    for (uint32_t i = 0; has_bounds && i < dimensions->count; i++) {
        char buffer[64];
        int64_t upper = (int64_t)dimensions->bounds[i] + dimensions->lengths[i] - 1;
        int length = snprintf(buffer, sizeof buffer, "[%" PRId32 ":%" PRId64 "]",
                              dimensions->bounds[i], upper);
        writer_bytes(text, buffer, (size_t)length);
    }
    if (has_bounds)
        writer_u8(text, '=');
}

bool
type_print_array(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    struct dimensions dimensions;
    uint32_t type;
    if (reading->depth > TYPE_DEPTH || !read_head(&reader, &dimensions, &type))
        return false;
    if (dimensions.count == 0) {
        writer_bytes(text, "{}", 2);
        return reader_is_done(&reader);
    }
    for (uint32_t i = 0; i < dimensions.count; i++)
        if (dimensions.lengths[i] == 0 || dimensions.lengths[i] > length)
            return false; // none is ever empty, and each element takes bytes
    struct type_reading element = type_reading_part(reading, type);
    struct writer value;
    writer_init(&value);
    print_bounds(&dimensions, text);
    bool is_printed =
        print_level(&reader, &dimensions, 0, &element, &value, text) && reader_is_done(&reader);
    if (value.failed)
        text->failed = true;
    writer_fini(&value);
    return is_printed;
}
