// Framing: finds the messages in a byte stream that arrives in pieces of any size (manual 55.7: a
// type byte, a length that counts itself, the body). It runs over every byte that the proxy
// forwards, so it holds no message, copies at most five bytes, and allocates nothing.
#include "protocol/frame.h"

#include <string.h>

enum { HEADER = 5, LENGTH_FIELD = 4 };

void
frame_init(struct frame *frame)
{
    *frame = (struct frame){0};
}

static uint32_t
header_length(const uint8_t *header)
{
    return (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 | (uint32_t)header[3] << 8 |
           header[4];
}

// Takes what the input has of the header. True when it is complete.
static bool
read_header(struct frame *frame, const uint8_t **at, const uint8_t *end)
{
    size_t wanted = (size_t)(HEADER - frame->seen);
    size_t had = (size_t)(end - *at);
    size_t length = had < wanted ? had : wanted;
    if (length > 0) {
        memcpy(frame->header + frame->seen, *at, length);
        frame->seen = (uint8_t)(frame->seen + length);
        *at += length;
    }
    return frame->seen == HEADER;
}

enum frame_status
frame_next(struct frame *frame, const uint8_t **at, const uint8_t *end, struct frame_piece *piece)
{
    bool first = !frame->is_inside;
    if (first) {
        if (!read_header(frame, at, end)) {
            return FRAME_MORE;
        }
        uint32_t length = header_length(frame->header);
        if (length < LENGTH_FIELD || length > INT32_MAX) {
            return FRAME_JUNK; // and stays so: the header is left as it is
        }
        frame->left = length - LENGTH_FIELD;
        frame->is_inside = true;
    } else if (*at == end) {
        return FRAME_MORE;
    }
    size_t had = (size_t)(end - *at);
    size_t length = had < frame->left ? had : frame->left;
    *piece = (struct frame_piece){
        .type = (char)frame->header[0],
        .first = first,
        .last = length == frame->left,
        .body_total = header_length(frame->header) - LENGTH_FIELD,
        .body = *at,
        .body_length = length,
    };
    frame->left -= (uint32_t)length;
    if (length > 0) {
        *at += length;
    }
    if (piece->last) {
        frame->is_inside = false;
        frame->seen = 0;
    }
    return FRAME_PIECE;
}

bool
frame_is_between_messages(const struct frame *frame)
{
    return frame->seen == 0;
}
