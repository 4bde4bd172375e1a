// The bodies of replies: the first byte is the type. Everything read lies within the body.
#include "protocol/reply.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_row_description(const uint8_t *body, size_t length)
{
    struct reply_column *columns;
    size_t count;
    if (!reply_read_row_description(body, length, &columns, &count)) {
        return;
    }
    struct writer writer;
    writer_init(&writer);
    reply_write_row_description(&writer, columns, count);
    if (writer.failed || writer.length != length + 5 ||
        memcmp(writer.bytes + 5, body, length) != 0) {
        abort();
    }
    writer_fini(&writer);
    free(columns);
}

static void
check_row(const uint8_t *body, size_t length)
{
    struct reply_row row;
    const uint8_t *value;
    size_t size;
    size_t total = 2;
    if (!reply_row_begin(&row, body, length)) {
        return;
    }
    while (reply_row_next(&row, &value, &size)) {
        if (value != NULL && (value < body || (size_t)(body + length - value) < size)) {
            abort();
        }
        total += 4 + size;
    }
    if (reply_row_is_done(&row) != (row.left == 0 && total == length)) {
        abort();
    }
}

// Reads the text to its end; a text that is too long to lie in the body is a fault.
static void
touch(const char *text, size_t size)
{
    if (text != NULL && strlen(text) >= size) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const uint8_t *body = data + 1;
    struct reply_error error;
    const char *name;
    const char *value;
    const uint8_t *key;
    uint32_t pid;
    size_t key_length;
    switch (data[0]) {
    case 'T':
        check_row_description(body, size - 1);
        break;
    case 'D':
        check_row(body, size - 1);
        break;
    case 'E':
        if (reply_read_error(body, size - 1, &error)) {
            touch(error.severity, size);
            touch(error.sqlstate, size);
            touch(error.message, size);
            touch(error.detail, size);
            touch(error.hint, size);
        }
        break;
    case 'S':
        if (reply_read_parameter_status(body, size - 1, &name, &value)) {
            touch(name, size);
            touch(value, size);
        }
        break;
    case 'K':
        if (reply_read_backend_key(body, size - 1, &pid, &key, &key_length) &&
            (size_t)(body + size - 1 - key) != key_length) {
            abort();
        }
        break;
    default:
        if (reply_read_command_tag(body, size - 1, &name)) {
            touch(name, size);
        }
        break;
    }
    return 0;
}
