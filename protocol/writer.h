// Builds messages in one growing buffer. An allocation failure or an overlong message marks the
// writer failed, and from then on every write does nothing. The caller checks once, at the end.
#ifndef PROTOCOL_WRITER_H
#define PROTOCOL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
    uint8_t *bytes; // owned
    size_t length;
    size_t capacity;
    size_t message; // where the open message's length field stands
    bool failed;
};

void writer_init(struct writer *writer);
void writer_fini(struct writer *writer);
void writer_clear(struct writer *writer); // keeps the memory
void writer_wipe(struct writer *writer);  // the same, and overwrites what it held: after a password
uint8_t *writer_take(struct writer *writer, size_t *length); // free() is the caller's

// A message: begin, fields, end. Type 0 begins a startup-phase packet, which has no type byte.
void writer_begin(struct writer *writer, char type);
void writer_end(struct writer *writer);
void writer_u8(struct writer *writer, uint8_t value);
void writer_i16(struct writer *writer, int16_t value);
void writer_i32(struct writer *writer, int32_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_bytes(struct writer *writer, const void *bytes, size_t length);
void writer_string(struct writer *writer, const char *text); // with its NUL
void writer_count(struct writer *writer, size_t count);      // 16 bits; fails above 65535
// A value as in Bind and DataRow: its length and its bytes; NULL for SQL NULL.
void writer_value(struct writer *writer, const void *bytes, size_t length);

#endif
