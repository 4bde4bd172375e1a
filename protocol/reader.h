// A bounded reader over bytes from the network. It never reads past `end`; the first read that would
// marks it failed, and from then on every read gives zero or NULL. The caller checks once, at the end.
#ifndef PROTOCOL_READER_H
#define PROTOCOL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct reader reader_over(const uint8_t *bytes, size_t length);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
int16_t reader_i16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
int32_t reader_i32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
const uint8_t *reader_bytes(struct reader *reader, size_t length); // borrowed from the input
const char *reader_string(struct reader *reader);                  // NUL-terminated, borrowed
size_t reader_left(const struct reader *reader);
bool reader_is_done(const struct reader *reader); // everything was read, nothing failed

#endif
