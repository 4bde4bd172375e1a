// Builds messages in one growing buffer. Every write goes through room(), the one place that grows
// the buffer and that marks the writer failed; a message's length field is filled in at its end.
// Owns its buffer until writer_take hands it over. Any thread, one at a time.
//
// The buffer doubles and never shrinks before writer_fini: a writer that lives with a session keeps
// the size of its largest message.
#include "protocol/writer.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 128 };

// `message` while no message is open.
#define NO_MESSAGE SIZE_MAX

void
writer_init(struct writer *writer)
{
    *writer = (struct writer){.message = NO_MESSAGE};
}

void
writer_fini(struct writer *writer)
{
    free(writer->bytes);
    writer_init(writer);
}

void
writer_clear(struct writer *writer)
{
    writer->length = 0;
    writer->message = NO_MESSAGE;
    writer->failed = false;
}

void
writer_wipe(struct writer *writer)
{
    if (writer->bytes != NULL) {
        OPENSSL_cleanse(writer->bytes, writer->capacity);
    }
    writer_clear(writer);
}

uint8_t *
writer_take(struct writer *writer, size_t *length)
{
    uint8_t *bytes = NULL;
    *length = 0;
    if (!writer->failed) {
        bytes = writer->bytes;
        *length = writer->length;
        writer->bytes = NULL;
    }
    writer_fini(writer);
    return bytes;
}

// Not realloc: it would leave a copy of what may be a password in freed memory.
static bool
grow(struct writer *writer, size_t needed)
{
    size_t capacity = writer->capacity > 0 ? writer->capacity : FIRST_CAPACITY;
    while (capacity < needed) {
        if (capacity > SIZE_MAX / 2) {
            return false;
        }
        capacity *= 2;
    }
    uint8_t *bytes = malloc(capacity);
    if (bytes == NULL) {
        return false;
    }
    if (writer->bytes != NULL) {
        memcpy(bytes, writer->bytes, writer->length);
        OPENSSL_cleanse(writer->bytes, writer->length);
        free(writer->bytes);
    }
    writer->bytes = bytes;
    writer->capacity = capacity;
    return true;
}

// Makes `length` bytes part of the buffer and gives their place, or NULL once failed.
static uint8_t *
room(struct writer *writer, size_t length)
{
    if (writer->failed) {
        return NULL;
    }
    if (length > writer->capacity - writer->length) {
        if (length > SIZE_MAX - writer->length || !grow(writer, writer->length + length)) {
            writer->failed = true;
            return NULL;
        }
    }
    uint8_t *at = writer->bytes + writer->length;
    writer->length += length;
    return at;
}

static void
put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = size; i > 0; i--) {
        at[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

static void
number(struct writer *writer, uint64_t value, size_t size)
{
    uint8_t *at = room(writer, size);
    if (at != NULL) {
        put(at, value, size);
    }
}

void
writer_begin(struct writer *writer, char type)
{
    assert(writer->failed || writer->message == NO_MESSAGE);
    if (type != 0) {
        writer_u8(writer, (uint8_t)type);
    }
    size_t message = writer->length;
    writer_u32(writer, 0);
    if (!writer->failed) {
        writer->message = message;
    }
}

void
writer_end(struct writer *writer)
{
    if (writer->failed) {
        return;
    }
    assert(writer->message != NO_MESSAGE);
    size_t length = writer->length - writer->message;
    if (length > INT32_MAX) {
        writer->failed = true;
        return;
    }
    put(writer->bytes + writer->message, length, 4);
    writer->message = NO_MESSAGE;
}

void
writer_u8(struct writer *writer, uint8_t value)
{
    number(writer, value, 1);
}

void
writer_i16(struct writer *writer, int16_t value)
{
    number(writer, (uint16_t)value, 2);
}

void
writer_i32(struct writer *writer, int32_t value)
{
    number(writer, (uint32_t)value, 4);
}

void
writer_u32(struct writer *writer, uint32_t value)
{
    number(writer, value, 4);
}

void
writer_u64(struct writer *writer, uint64_t value)
{
    number(writer, value, 8);
}

void
writer_bytes(struct writer *writer, const void *bytes, size_t length)
{
    uint8_t *at = length > 0 ? room(writer, length) : NULL;
    if (at != NULL) {
        memcpy(at, bytes, length);
    }
}

void
writer_string(struct writer *writer, const char *text)
{
    writer_bytes(writer, text, strlen(text) + 1);
}

void
writer_count(struct writer *writer, size_t count)
{
    if (count > UINT16_MAX) {
        writer->failed = true;
        return;
    }
    number(writer, count, 2);
}

void
writer_value(struct writer *writer, const void *bytes, size_t length)
{
    if (bytes == NULL) {
        writer_i32(writer, -1);
    } else if (length > INT32_MAX) {
        writer->failed = true;
    } else {
        writer_i32(writer, (int32_t)length);
        writer_bytes(writer, bytes, length);
    }
}
