// The read and record buffers that the streams of one thread share. A thread runs one loop, so this is
// the loop's, without a field in uv_loop_t (its `data` is the loop's owner's). Ten thousand idle
// connections cost no buffer; steady traffic that nobody keeps costs no allocation.
#include "proxy/transport/loop_buffers.h"
#include "proxy/transport/stream.h"
#include <stdlib.h>

static _Thread_local struct loop_buffers *own;

struct loop_buffers *
loop_buffers_use(void)
{
    if (own == NULL) {
        own = calloc(1, sizeof *own);
        if (own == NULL) {
            return NULL;
        }
    }
    own->users++;
    return own;
}

void
loop_buffers_leave(struct loop_buffers **buffers)
{
    struct loop_buffers *left = *buffers;
    *buffers = NULL;
    if (--left->users > 0) {
        return;
    }
    chunk_unref(&left->plain);
    chunk_unref(&left->received);
    chunk_unref(&left->sealed);
    free(left);
    own = NULL;
}

bool
loop_buffers_room(struct chunk **slot, size_t least)
{
    struct chunk *chunk = *slot;
    if (chunk != NULL && chunk_references(chunk) == 1) {
        chunk->length = 0;
    }
    if (chunk != NULL && chunk->capacity - chunk->length >= least) {
        return true;
    }
    struct chunk *fresh = chunk_new(STREAM_CHUNK);
    if (fresh == NULL) {
        return false;
    }
    chunk_unref(slot);
    *slot = fresh;
    return true;
}
