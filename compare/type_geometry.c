// Geometric types: the form is the text output, which binary output is printed to. So they are equal
// when every coordinate is, exactly: the server's own operators compare areas (box, circle), numbers
// of points (path) or with a fuzz (point, lseg, line), and would hide a difference that a client
// sees. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"

enum { COORDINATE = 8 };

static bool
print_coordinate(struct reader *reader, struct writer *text)
{
    const uint8_t *bytes = reader_bytes(reader, COORDINATE);
    return bytes != NULL && type_print_float(NULL, bytes, COORDINATE, text);
}

// "a,b" between what opens and what closes.
static bool
print_coordinates(struct reader *reader, const char brackets[2], int count, struct writer *text)
{
    writer_u8(text, (uint8_t)brackets[0]);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            writer_u8(text, ',');
        if (!print_coordinate(reader, text))
            return false;
    }
    writer_u8(text, (uint8_t)brackets[1]);
    return true;
}

static bool
print_points(struct reader *reader, uint32_t count, struct writer *text)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            writer_u8(text, ',');
        if (!print_coordinates(reader, "()", 2, text))
            return false;
    }
    return true;
}

bool
type_print_point(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    return print_points(&reader, 1, text) && reader_is_done(&reader);
}

bool
type_print_box(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    return print_points(&reader, 2, text) && reader_is_done(&reader);
}

bool
type_print_lseg(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    writer_u8(text, '[');
    bool is_printed = type_print_box(reading, bytes, length, text);
    writer_u8(text, ']');
    return is_printed;
}

bool
type_print_line(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    return print_coordinates(&reader, "{}", 3, text) && reader_is_done(&reader);
}

bool
type_print_circle(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    writer_u8(text, '<');
    if (!print_points(&reader, 1, text))
        return false;
    writer_u8(text, ',');
    if (!print_coordinate(&reader, text))
        return false;
    writer_u8(text, '>');
    return reader_is_done(&reader);
}

static bool
print_corners(struct reader *reader, const char brackets[2], struct writer *text)
{
    uint32_t count = reader_u32(reader);
    writer_u8(text, (uint8_t)brackets[0]);
    if (!print_points(reader, count, text)) // ends with the bytes, whatever the count
        return false;
    writer_u8(text, (uint8_t)brackets[1]);
    return reader_is_done(reader);
}

bool
type_print_path(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    return print_corners(&reader, reader_u8(&reader) != 0 ? "()" : "[]", text);
}

bool
type_print_polygon(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                   struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    return print_corners(&reader, "()", text);
}
