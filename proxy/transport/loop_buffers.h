// What the streams of one thread read into: a chunk for all of them, not one each. libuv asks for memory
// and hands the bytes over in one go, so that between two reads nobody owns the chunk but this and
// those who took a reference. While nobody did, it is used again from its beginning.
#ifndef PROXY_TRANSPORT_LOOP_BUFFERS_H
#define PROXY_TRANSPORT_LOOP_BUFFERS_H

#include "protocol/chunk.h"
#include <stdbool.h>

struct loop_buffers {
    unsigned users;         // streams of this thread; the last one frees the chunks
    struct chunk *plain;    // what owners of streams see
    struct chunk *received; // TLS records as they came
    struct chunk *sealed;   // TLS records to be sent
};

struct loop_buffers *loop_buffers_use(void); // this thread's; NULL: no memory
void loop_buffers_leave(struct loop_buffers **buffers);
// Room for `least` bytes at (*slot)->bytes + (*slot)->length. False: no memory.
bool loop_buffers_room(struct chunk **slot, size_t least);

#endif
