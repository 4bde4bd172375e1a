// Framing: in one piece, in pieces of the size that the first byte says, and as a capture, the same
// bytes give the same messages.
#include "protocol/capture.h"
#include "protocol/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t sum; // of types, lengths and bodies in order
    size_t messages;
    enum frame_status status;
};

static void
add(struct outcome *outcome, uint64_t value)
{
    outcome->sum = outcome->sum * 1099511628211u + value + 1;
}

static struct outcome
run(const uint8_t *data, size_t size, size_t part)
{
    struct outcome outcome = {.status = FRAME_MORE};
    struct frame frame;
    frame_init(&frame);
    for (size_t from = 0; from < size && outcome.status == FRAME_MORE; from += part) {
        const uint8_t *at = data + from;
        const uint8_t *end = at + (size - from < part ? size - from : part);
        struct frame_piece piece;
        while ((outcome.status = frame_next(&frame, &at, end, &piece)) == FRAME_PIECE) {
            if (piece.first) {
                add(&outcome, (uint8_t)piece.type);
                add(&outcome, piece.body_total);
            }
            for (size_t i = 0; i < piece.body_length; i++) {
                add(&outcome, piece.body[i]);
            }
            outcome.messages += piece.last;
        }
    }
    return outcome;
}

static size_t
count_captured(const uint8_t *data, size_t size, size_t part)
{
    struct capture capture;
    struct capture_cursor cursor;
    struct message message;
    size_t count = 0;
    capture_init(&capture);
    for (size_t from = 0; from < size; from += part) {
        size_t length = size - from < part ? size - from : part;
        struct chunk *chunk = chunk_new(part);
        memcpy(chunk->bytes, data + from, length);
        chunk->length = length;
        if (!capture_append(&capture, chunk, 0, length)) {
            abort();
        }
        chunk_unref(&chunk);
    }
    capture_cursor_init(&cursor, &capture);
    while (capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        count++;
    }
    capture_cursor_fini(&cursor);
    capture_fini(&capture);
    return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t part = (size_t)data[0] + 1;
    struct outcome whole = run(data + 1, size - 1, size);
    struct outcome parts = run(data + 1, size - 1, part);
    if (whole.sum != parts.sum || whole.messages != parts.messages ||
        whole.status != parts.status ||
        whole.messages != count_captured(data + 1, size - 1, part)) {
        abort();
    }
    return 0;
}
