// A byte sequence held for later: slices of chunks, by reference where the slice is a good part of
// its chunk, copied where it would pin much more than it holds (below a quarter of the capacity).
// One thread owns a capture at a time; it may be handed to another thread whole.
#ifndef PROTOCOL_CAPTURE_H
#define PROTOCOL_CAPTURE_H

#include "protocol/chunk.h"
#include <stdbool.h>

struct slice {
    struct chunk *chunk; // one reference, owned by the capture
    size_t offset;
    size_t length;
};

struct capture {
    struct slice *slices; // owned; points to `few` while that is enough
    size_t count;
    size_t capacity;
    size_t length;        // bytes held
    size_t pinned;        // bytes of memory that this capture keeps alive
    bool tail_is_private; // the last slice's chunk is ours alone and may be appended to
    struct slice few[2];
};

void capture_init(struct capture *capture);
void capture_fini(struct capture *capture); // idempotent; leaves it empty
// Appends bytes [offset, offset + length) of `chunk`, taking a reference or a copy. False: no memory.
bool capture_append(struct capture *capture, struct chunk *chunk, size_t offset, size_t length);
bool capture_copy(struct capture *capture, const void *bytes, size_t length);
// Moves everything from `from` into `to`, which must be empty; `from` is left empty.
void capture_take(struct capture *to, struct capture *from);

// Walks whole messages. A message that lies across slices is put together in a buffer that the
// cursor owns; `body` is valid until the next call.
struct capture_cursor {
    const struct capture *capture;
    size_t slice;
    size_t offset;
    uint8_t *scratch; // owned
    size_t scratch_capacity;
};

struct message {
    char type;
    const uint8_t *body; // after the length field
    size_t length;       // of the body
    const uint8_t *raw;  // type byte, length field and body
    size_t raw_length;
};

enum capture_status {
    CAPTURE_MESSAGE,
    CAPTURE_END,
    CAPTURE_PARTIAL,
    CAPTURE_JUNK,
    CAPTURE_NO_MEMORY
};

void capture_cursor_init(struct capture_cursor *cursor, const struct capture *capture);
void capture_cursor_fini(struct capture_cursor *cursor);
enum capture_status capture_cursor_next(struct capture_cursor *cursor, struct message *message);

#endif
