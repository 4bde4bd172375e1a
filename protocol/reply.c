// The bodies of what servers send, taken to pieces and put together (manual 55.7, 55.8). Strict:
// what a body holds behind its last field makes it malformed. Rows are walked value by value, since
// they are the bulk of what is compared and most are looked at once.
#include "protocol/reply.h"

#include "protocol/reader.h"
#include <stdlib.h>
#include <string.h>

enum {
    COLUMN_MIN = 19, // bytes of a RowDescription field with an empty name
    SQLSTATE_LENGTH = 5,
    KEY_MIN = 4,
    KEY_MAX = 256,
};

bool
reply_read_row_description(const uint8_t *body, size_t length, struct reply_column **columns,
                           size_t *count)
{
    struct reader reader = reader_over(body, length);
    *columns = NULL;
    *count = reader_u16(&reader);
    if (reader.failed || *count > reader_left(&reader) / COLUMN_MIN) {
        return false;
    }
    if (*count > 0) {
        *columns = calloc(*count, sizeof(**columns));
        if (*columns == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < *count; i++) {
        struct reply_column *column = &(*columns)[i];
        column->name = reader_string(&reader);
        column->table = reader_u32(&reader);
        column->attribute = reader_i16(&reader);
        column->type = reader_u32(&reader);
        column->type_size = reader_i16(&reader);
        column->type_modifier = reader_i32(&reader);
        column->format = reader_i16(&reader);
    }
    if (!reader_is_done(&reader)) {
        free(*columns);
        *columns = NULL;
        return false;
    }
    return true;
}

// Where each field of ErrorResponse goes (manual 55.8), NULL for those that we do not read.
static const char **
error_field(struct reply_error *error, const char **severity, uint8_t field)
{
    switch (field) {
    case 'V':
        return &error->severity;
    case 'S':
        return severity; // translated; V came with 9.6
    case 'C':
        return &error->sqlstate;
    case 'M':
        return &error->message;
    case 'D':
        return &error->detail;
    case 'H':
        return &error->hint;
    default:
        return NULL;
    }
}

bool
reply_read_error(const uint8_t *body, size_t length, struct reply_error *error)
{
    struct reader reader = reader_over(body, length);
    const char *severity = NULL;
    *error = (struct reply_error){0};
    uint8_t field;
    while ((field = reader_u8(&reader)) != 0) {
        const char *value = reader_string(&reader);
        const char **place = error_field(error, &severity, field);
        if (place != NULL) {
            *place = value;
        }
    }
    if (!reader_is_done(&reader)) {
        return false;
    }
    if (error->severity == NULL) {
        error->severity = severity;
    }
    if (error->sqlstate != NULL && strlen(error->sqlstate) != SQLSTATE_LENGTH) {
        error->sqlstate = NULL;
    }
    return true;
}

bool
reply_read_parameter_types(const uint8_t *body, size_t length, uint32_t **types, size_t *count)
{
    struct reader reader = reader_over(body, length);
    *count = reader_u16(&reader);
    *types = reader_left(&reader) == *count * sizeof(**types)
                 ? malloc((*count + 1) * sizeof(**types))
                 : NULL;
    for (size_t i = 0; *types != NULL && i < *count; i++) {
        (*types)[i] = reader_u32(&reader);
    }
    return *types != NULL;
}

bool
reply_read_command_tag(const uint8_t *body, size_t length, const char **tag)
{
    struct reader reader = reader_over(body, length);
    *tag = reader_string(&reader);
    return reader_is_done(&reader);
}

bool
reply_read_parameter_status(const uint8_t *body, size_t length, const char **name,
                            const char **value)
{
    struct reader reader = reader_over(body, length);
    *name = reader_string(&reader);
    *value = reader_string(&reader);
    return reader_is_done(&reader);
}

bool
reply_read_backend_key(const uint8_t *body, size_t length, uint32_t *pid, const uint8_t **key,
                       size_t *key_length)
{
    struct reader reader = reader_over(body, length);
    *pid = reader_u32(&reader);
    *key_length = reader_left(&reader);
    *key = reader_bytes(&reader, *key_length);
    return !reader.failed && *key_length >= KEY_MIN && *key_length <= KEY_MAX;
}

bool
reply_row_begin(struct reply_row *row, const uint8_t *body, size_t length)
{
    struct reader reader = reader_over(body, length);
    uint16_t count = reader_u16(&reader);
    if (reader.failed || count > reader_left(&reader) / sizeof(int32_t)) {
        *row = (struct reply_row){0};
        return false;
    }
    *row = (struct reply_row){.at = reader.at, .end = reader.end, .left = count};
    return true;
}

bool
reply_row_next(struct reply_row *row, const uint8_t **value, size_t *length)
{
    *value = NULL;
    *length = 0;
    // Without a reader: every value of every row that is compared comes through here.
    const uint8_t *at = row->at;
    size_t room = row->left > 0 ? (size_t)(row->end - at) : 0;
    if (room < sizeof(uint32_t)) {
        return false;
    }
    uint32_t size = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    bool is_null = size == UINT32_MAX;
    if (!is_null && (size > INT32_MAX || size > room - sizeof size)) {
        return false;
    }
    row->at = at + sizeof size;
    row->left--;
    if (!is_null) {
        *value = row->at;
        *length = size;
        row->at += size;
    }
    return true;
}

bool
reply_row_is_done(const struct reply_row *row)
{
    return row->left == 0 && row->at == row->end;
}

static void
write_error_field(struct writer *writer, char field, const char *text)
{
    if (text != NULL) {
        writer_u8(writer, (uint8_t)field);
        writer_string(writer, text);
    }
}

void
reply_write_error(struct writer *writer, char type, const struct reply_error_text *error)
{
    writer_begin(writer, type);
    write_error_field(writer, 'S', error->severity);
    write_error_field(writer, 'V', error->severity);
    write_error_field(writer, 'C', error->sqlstate);
    write_error_field(writer, 'M', error->message);
    write_error_field(writer, 'D', error->detail);
    write_error_field(writer, 'H', error->hint);
    writer_u8(writer, 0);
    writer_end(writer);
}

void
reply_write_row_description(struct writer *writer, const struct reply_column *columns, size_t count)
{
    writer_begin(writer, 'T');
    writer_count(writer, count);
    for (size_t i = 0; i < count; i++) {
        writer_string(writer, columns[i].name);
        writer_u32(writer, columns[i].table);
        writer_i16(writer, columns[i].attribute);
        writer_u32(writer, columns[i].type);
        writer_i16(writer, columns[i].type_size);
        writer_i32(writer, columns[i].type_modifier);
        writer_i16(writer, columns[i].format);
    }
    writer_end(writer);
}

void
reply_write_command_complete(struct writer *writer, const char *tag)
{
    writer_begin(writer, 'C');
    writer_string(writer, tag);
    writer_end(writer);
}

void
reply_write_ready(struct writer *writer, char status)
{
    writer_begin(writer, 'Z');
    writer_u8(writer, (uint8_t)status);
    writer_end(writer);
}

void
reply_write_parameter_status(struct writer *writer, const char *name, const char *value)
{
    writer_begin(writer, 'S');
    writer_string(writer, name);
    writer_string(writer, value);
    writer_end(writer);
}

void
reply_write_authentication_ok(struct writer *writer)
{
    writer_begin(writer, 'R');
    writer_u32(writer, 0);
    writer_end(writer);
}

void
reply_write_negotiation(struct writer *writer, uint32_t version, const char *const *options,
                        size_t count)
{
    writer_begin(writer, 'v');
    writer_u32(writer, version);
    writer_u32(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        writer_string(writer, options[i]);
    }
    writer_end(writer);
}

void
reply_write_backend_key(struct writer *writer, uint32_t pid, uint32_t key)
{
    writer_begin(writer, 'K');
    writer_u32(writer, pid);
    writer_u32(writer, key);
    writer_end(writer);
}

void
reply_columns_free(struct reply_column *columns, size_t count)
{
    for (size_t i = 0; columns != NULL && i < count; i++) {
        free((char *)columns[i].name);
    }
    free(columns);
}

struct reply_column *
reply_columns_copy(const struct reply_column *columns, size_t count)
{
    struct reply_column *copy = calloc(count > 0 ? count : 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = columns[i];
        copy[i].name = strdup(columns[i].name != NULL ? columns[i].name : "");
        if (copy[i].name == NULL) {
            reply_columns_free(copy, i);
            return NULL;
        }
    }
    return copy;
}

bool
reply_columns_are_same(const struct reply_column *a, const struct reply_column *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].table != b[i].table || a[i].attribute != b[i].attribute ||
            a[i].type != b[i].type || a[i].type_size != b[i].type_size ||
            a[i].type_modifier != b[i].type_modifier || strcmp(a[i].name, b[i].name) != 0) {
            return false;
        }
    }
    return true;
}
