// Reference-counted bytes that travel between sessions, shadow and comparator without a copy. The
// counter is atomic, the bytes are not guarded: they are immutable from the second reference on,
// and a queue's own synchronisation publishes them to another thread.
#include "protocol/chunk.h"

#include <assert.h>
#include <stdlib.h>

struct chunk *
chunk_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct chunk)) {
        return NULL;
    }
    struct chunk *chunk = malloc(sizeof(*chunk) + capacity);
    if (chunk != NULL) {
        atomic_init(&chunk->references, 1);
        chunk->capacity = capacity;
        chunk->length = 0;
    }
    return chunk;
}

struct chunk *
chunk_ref(struct chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->references, 1, memory_order_relaxed);
    return chunk;
}

void
chunk_unref(struct chunk **chunk)
{
    struct chunk *dropped = *chunk;
    *chunk = NULL;
    if (dropped == NULL) {
        return;
    }
    // Release and acquire: every thread's last read of the bytes comes before the free.
    unsigned before = atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        free(dropped);
    }
}

unsigned
chunk_references(const struct chunk *chunk)
{
    return atomic_load_explicit(&chunk->references, memory_order_acquire);
}
