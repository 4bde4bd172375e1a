// The bodies of what clients send, taken to pieces and put together (manual 55.7). Every count is
// compared with the bytes that are left before anything is allocated for it, so that a short message
// cannot ask for much memory. What a body holds behind its last field makes it malformed, as in
// PostgreSQL.
#include "protocol/request.h"

#include "protocol/reader.h"
#include <stdlib.h>
#include <string.h>

bool
request_read_query(const uint8_t *body, size_t length, const char **sql)
{
    struct reader reader = reader_over(body, length);
    *sql = reader_string(&reader);
    return reader_is_done(&reader);
}

bool
request_read_parse(const uint8_t *body, size_t length, struct parse_request *request)
{
    struct reader reader = reader_over(body, length);
    *request = (struct parse_request){0};
    request->statement = reader_string(&reader);
    request->sql = reader_string(&reader);
    size_t count = reader_u16(&reader);
    if (reader.failed || reader_left(&reader) != count * sizeof(uint32_t)) {
        return false;
    }
    if (count > 0) {
        request->types = calloc(count, sizeof(*request->types));
        if (request->types == NULL) {
            return false;
        }
    }
    request->type_count = count;
    for (size_t i = 0; i < count; i++) {
        request->types[i] = reader_u32(&reader);
    }
    return true;
}

void
request_parse_fini(struct parse_request *request)
{
    free(request->types);
    *request = (struct parse_request){0};
}

// A list of format codes as on the wire: where it lies, and how many.
struct formats {
    struct reader reader;
    size_t count;
};

static struct formats
read_formats(struct reader *reader)
{
    size_t count = reader_u16(reader);
    const uint8_t *bytes = reader_bytes(reader, count * 2);
    struct formats formats = {.reader = reader_over(bytes, bytes != NULL ? count * 2 : 0),
                              .count = count};
    return formats;
}

static bool
read_values(struct reader *reader, struct formats *formats, struct bind_request *request)
{
    size_t count = reader_u16(reader);
    bool is_sound = !reader->failed && count <= reader_left(reader) / sizeof(int32_t) &&
                    (formats->count <= 1 || formats->count == count);
    if (!is_sound) {
        return false;
    }
    if (count > 0) {
        request->values = calloc(count, sizeof(*request->values));
        if (request->values == NULL) {
            return false;
        }
    }
    request->value_count = count;
    int16_t format = formats->count == 1 ? reader_i16(&formats->reader) : 0;
    for (size_t i = 0; i < count; i++) {
        struct bind_value *value = &request->values[i];
        value->format = formats->count > 1 ? reader_i16(&formats->reader) : format;
        int32_t size = reader_i32(reader);
        if (size < -1) {
            return false;
        }
        if (size >= 0) {
            value->bytes = reader_bytes(reader, (size_t)size);
            value->length = (size_t)size;
        }
    }
    return !reader->failed;
}

static bool
read_result_formats(struct reader *reader, struct bind_request *request)
{
    struct formats formats = read_formats(reader);
    if (!reader_is_done(reader)) {
        return false;
    }
    if (formats.count > 0) {
        request->result_formats = calloc(formats.count, sizeof(*request->result_formats));
        if (request->result_formats == NULL) {
            return false;
        }
    }
    request->result_format_count = formats.count;
    for (size_t i = 0; i < formats.count; i++) {
        request->result_formats[i] = reader_i16(&formats.reader);
    }
    return true;
}

bool
request_read_bind(const uint8_t *body, size_t length, struct bind_request *request)
{
    struct reader reader = reader_over(body, length);
    *request = (struct bind_request){0};
    request->portal = reader_string(&reader);
    request->statement = reader_string(&reader);
    struct formats formats = read_formats(&reader);
    if (!read_values(&reader, &formats, request) || !read_result_formats(&reader, request)) {
        request_bind_fini(request);
        return false;
    }
    return true;
}

void
request_bind_fini(struct bind_request *request)
{
    free(request->values);
    free(request->result_formats);
    *request = (struct bind_request){0};
}

bool
request_read_execute(const uint8_t *body, size_t length, struct execute_request *request)
{
    struct reader reader = reader_over(body, length);
    request->portal = reader_string(&reader);
    request->row_limit = reader_i32(&reader);
    if (request->row_limit < 0) { // PostgreSQL takes them for "all" too
        request->row_limit = 0;
    }
    return reader_is_done(&reader);
}

bool
request_read_target(const uint8_t *body, size_t length, struct target_request *request)
{
    struct reader reader = reader_over(body, length);
    request->kind = (char)reader_u8(&reader);
    request->name = reader_string(&reader);
    return reader_is_done(&reader) && (request->kind == 'S' || request->kind == 'P');
}

void
request_write_query(struct writer *writer, const char *sql)
{
    request_write_query_of(writer, sql, strlen(sql));
}

void
request_write_query_of(struct writer *writer, const char *sql, size_t length)
{
    if (length > 0 && memchr(sql, 0, length) != NULL) {
        writer->failed = true; // the server would see a shorter statement
    }
    writer_begin(writer, 'Q');
    writer_bytes(writer, sql, length);
    writer_u8(writer, 0);
    writer_end(writer);
}

void
request_write_parse(struct writer *writer, const struct parse_request *request)
{
    writer_begin(writer, 'P');
    writer_string(writer, request->statement);
    writer_string(writer, request->sql);
    writer_count(writer, request->type_count);
    for (size_t i = 0; i < request->type_count; i++) {
        writer_u32(writer, request->types[i]);
    }
    writer_end(writer);
}

static void
write_value_formats(struct writer *writer, const struct bind_request *request)
{
    size_t count = request->value_count;
    bool is_uniform = true;
    for (size_t i = 1; i < count; i++) {
        is_uniform = is_uniform && request->values[i].format == request->values[0].format;
    }
    if (is_uniform) { // the shorthands: none for text, one for all
        count = count > 0 && request->values[0].format != 0 ? 1 : 0;
    }
    writer_count(writer, count);
    for (size_t i = 0; i < count; i++) {
        writer_i16(writer, request->values[i].format);
    }
}

void
request_write_bind(struct writer *writer, const struct bind_request *request)
{
    writer_begin(writer, 'B');
    writer_string(writer, request->portal);
    writer_string(writer, request->statement);
    write_value_formats(writer, request);
    writer_count(writer, request->value_count);
    for (size_t i = 0; i < request->value_count; i++) {
        writer_value(writer, request->values[i].bytes, request->values[i].length);
    }
    writer_count(writer, request->result_format_count);
    for (size_t i = 0; i < request->result_format_count; i++) {
        writer_i16(writer, request->result_formats[i]);
    }
    writer_end(writer);
}

static void
write_target(struct writer *writer, char type, char kind, const char *name)
{
    writer_begin(writer, type);
    writer_u8(writer, (uint8_t)kind);
    writer_string(writer, name);
    writer_end(writer);
}

void
request_write_describe(struct writer *writer, char kind, const char *name)
{
    write_target(writer, 'D', kind, name);
}

void
request_write_close(struct writer *writer, char kind, const char *name)
{
    write_target(writer, 'C', kind, name);
}

void
request_write_execute(struct writer *writer, const char *portal, int32_t row_limit)
{
    writer_begin(writer, 'E');
    writer_string(writer, portal);
    writer_i32(writer, row_limit);
    writer_end(writer);
}

void
request_write_sync(struct writer *writer)
{
    writer_begin(writer, 'S');
    writer_end(writer);
}

void
request_write_terminate(struct writer *writer)
{
    writer_begin(writer, 'X');
    writer_end(writer);
}
