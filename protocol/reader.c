// A bounded reader over bytes from the network. Every read goes through take(), the one place that
// compares with the end, so that no caller can forget to. Owns nothing; what it gives is borrowed
// from the input. Any thread, one at a time.
#include "protocol/reader.h"

#include <string.h>

struct reader
reader_over(const uint8_t *bytes, size_t length)
{
    struct reader reader = {.at = bytes, .end = bytes, .failed = bytes == NULL && length > 0};
    if (bytes != NULL) {
        reader.end = bytes + length;
    }
    return reader;
}

static inline const uint8_t *
take(struct reader *reader, size_t length)
{
    if (reader->failed || length > reader_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    if (length > 0) {
        reader->at += length;
    }
    return bytes;
}

// An unsigned number of `size` bytes, most significant first (network byte order, manual 55.6).
static inline uint64_t
number(struct reader *reader, size_t size)
{
    const uint8_t *bytes = take(reader, size);
    uint64_t value = 0;
    if (bytes != NULL) {
        for (size_t i = 0; i < size; i++) {
            value = value << 8 | bytes[i];
        }
    }
    return value;
}

uint8_t
reader_u8(struct reader *reader)
{
    return (uint8_t)number(reader, 1);
}

uint16_t
reader_u16(struct reader *reader)
{
    return (uint16_t)number(reader, 2);
}

int16_t
reader_i16(struct reader *reader)
{
    return (int16_t)reader_u16(reader);
}

uint32_t
reader_u32(struct reader *reader)
{
    return (uint32_t)number(reader, 4);
}

int32_t
reader_i32(struct reader *reader)
{
    return (int32_t)reader_u32(reader);
}

uint64_t
reader_u64(struct reader *reader)
{
    return number(reader, 8);
}

const uint8_t *
reader_bytes(struct reader *reader, size_t length)
{
    return take(reader, length);
}

const char *
reader_string(struct reader *reader)
{
    size_t left = reader_left(reader);
    const uint8_t *nul = left > 0 ? memchr(reader->at, 0, left) : NULL;
    if (nul == NULL) {
        reader->failed = true;
        return NULL;
    }
    return (const char *)take(reader, (size_t)(nul - reader->at) + 1);
}

size_t
reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

bool
reader_is_done(const struct reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}
