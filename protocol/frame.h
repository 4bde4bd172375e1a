// Framing: finds the messages in a byte stream that arrives in pieces of any size, without ever
// holding a message. Pure and resumable; five bytes of state.
#ifndef PROTOCOL_FRAME_H
#define PROTOCOL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
    uint8_t header[5]; // type byte and length field, as far as seen
    uint8_t seen;
    uint32_t left;  // of the body of the message that is under way
    bool is_inside; // the header is complete, the message is not
};

// What one call found: a part of exactly one message. `first` when its header was completed here
// (`type` and `body_total` are known from then on), `last` when it ends here.
struct frame_piece {
    char type;
    bool first;
    bool last;
    uint32_t body_total; // bytes of the whole body
    const uint8_t *body; // the part of the body that lies in this piece; borrowed
    size_t body_length;
};

enum frame_status {
    FRAME_PIECE, // `piece` is filled in, *at advanced past it
    FRAME_MORE,  // the input is used up (perhaps within a header)
    FRAME_JUNK,  // a length below 4 or above the signed range: nothing after it can be trusted
};

void frame_init(struct frame *frame);
enum frame_status frame_next(struct frame *frame, const uint8_t **at, const uint8_t *end,
                             struct frame_piece *piece);
bool frame_is_between_messages(const struct frame *frame);

#endif
