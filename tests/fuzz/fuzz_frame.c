// Framing: in one piece, in pieces of any size (the first byte is the seed), and as a capture, the same bytes give
// the same messages; and every byte is either in a message or in the header that is still to come.
#include "protocol/capture.h"
#include "protocol/frame.h"

#include "split.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t sum; // of types, lengths and bodies in order
    size_t messages;
    size_t bytes; // headers that are whole, and bodies
    enum frame_status status;
};

static void
add(struct outcome *outcome, uint64_t value)
{
    outcome->sum = outcome->sum * 1099511628211u + value + 1;
}

static struct outcome
run(const uint8_t *data, size_t size, uint32_t *seed)
{
    struct outcome outcome = {.status = FRAME_MORE};
    struct frame frame;
    frame_init(&frame);
    for (size_t from = 0, part; from < size && outcome.status == FRAME_MORE; from += part) {
        const uint8_t *at = data + from;
        part = seed != NULL ? split_next(seed, size - from) : size;
        const uint8_t *end = at + part;
        struct frame_piece piece;
        while ((outcome.status = frame_next(&frame, &at, end, &piece)) == FRAME_PIECE) {
            outcome.bytes += piece.body_length + (piece.first ? 5 : 0);
            if (piece.first) {
                add(&outcome, (uint8_t)piece.type);
                add(&outcome, piece.body_total);
            }
            for (size_t i = 0; i < piece.body_length; i++) {
                add(&outcome, piece.body[i]);
            }
            outcome.messages += piece.last;
            if (piece.last != frame_is_between_messages(&frame)) {
                abort();
            }
        }
        if (outcome.status == FRAME_MORE && at != end) {
            abort();
        }
    }
    if (outcome.status == FRAME_MORE &&
        outcome.bytes + (frame.is_inside ? 0 : frame.seen) != size) {
        abort();
    }
    return outcome;
}

static size_t
count_captured(const uint8_t *data, size_t size, uint32_t seed)
{
    struct capture capture;
    struct capture_cursor cursor;
    struct message message;
    size_t count = 0;
    capture_init(&capture);
    for (size_t from = 0, length; from < size; from += length) {
        length = split_next(&seed, size - from);
        struct chunk *chunk = chunk_new(length);
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
    uint32_t seed = data[0];
    struct outcome whole = run(data + 1, size - 1, NULL);
    struct outcome parts = run(data + 1, size - 1, &seed);
    if (whole.sum != parts.sum || whole.messages != parts.messages ||
        whole.status != parts.status ||
        whole.messages != count_captured(data + 1, size - 1, data[0])) {
        abort();
    }
    return 0;
}
