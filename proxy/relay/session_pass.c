// What is alike in both directions of the relay. One thing is kept back: a header that a chunk holds only a
// part of waits for its rest (at most four bytes, which nobody can act on), so that both ways always stand at
// the end of a message or inside of a body, and what the proxy says itself never lands inside a header.
#include "proxy/relay/session_pass.h"
#include <string.h>

void
pass_init(struct pass *pass, struct session *session, const struct frame *frame,
          struct chunk *chunk, size_t offset, size_t length)
{
    *pass = (struct pass){.session = session, .chunk = chunk, .now = uv_hrtime()};
    pass->begin = pass->message = pass->captured = chunk->bytes + offset;
    pass->end = pass->begin + length;
    if (!frame->is_inside && frame->seen > 0) {
        pass->carried_length = frame->seen;
        memcpy(pass->carried, frame->header, sizeof(pass->carried));
    }
}

const uint8_t *
pass_limit(const struct pass *pass, const struct frame *frame)
{
    return !frame->is_inside && frame->seen > 0 ? pass->message : pass->end;
}

bool
pass_forward(const struct pass *pass, struct stream *stream, const uint8_t *to)
{
    if (to == pass->begin) {
        return true;
    }
    if (pass->carried_length > 0) {
        stream_write_copy(stream, pass->carried, pass->carried_length);
    }
    return stream_write(stream, pass->chunk, (size_t)(pass->begin - pass->chunk->bytes),
                        (size_t)(to - pass->begin));
}

bool
pass_capture_carried(const struct pass *pass, struct capture *capture)
{
    return pass->message != pass->begin || pass->carried_length == 0 ||
           capture_copy(capture, pass->carried, pass->carried_length);
}
