// One chunk on its way through the relay, for session_request.c and session_reply.c: what both
// directions do alike.
#ifndef PROXY_RELAY_SESSION_PASS_H
#define PROXY_RELAY_SESSION_PASS_H

#include "proxy/relay/session_parts.h"

struct pass {
    struct session *session;
    struct chunk *chunk;
    const uint8_t *begin, *end; // what the chunk brings
    const uint8_t *message;     // where the message at hand begins in it
    const uint8_t *captured;    // up to here it was captured, or is not to be
    uint8_t carried[5];         // a header's part that came before this chunk and was kept back
    size_t carried_length;
    uint64_t now;
    bool is_sent;    // to where it goes, before
    bool is_stopped; // the rest is to be held
    bool has_ended_unit;
};

void pass_init(struct pass *pass, struct session *session, const struct frame *frame,
               struct chunk *chunk, size_t offset, size_t length);
// How far the chunk may be passed on: not into a header that is not whole.
const uint8_t *pass_limit(const struct pass *pass, const struct frame *frame);
// Sends the chunk up to `to`, behind what was kept back; false: over the high-water mark.
bool pass_forward(const struct pass *pass, struct stream *stream, const uint8_t *to);
// The part of the message's header that came before this chunk goes into the capture, too.
// False: no memory.
bool pass_capture_carried(const struct pass *pass, struct capture *capture);

#endif
