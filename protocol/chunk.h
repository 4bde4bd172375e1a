// Reference-counted bytes that travel: read once from a socket, written to the other side, and held
// by reference for the shadow. Bytes in [0, length) never change once a second reference exists.
// References may be taken and dropped on any thread.
#ifndef PROTOCOL_CHUNK_H
#define PROTOCOL_CHUNK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct chunk {
    atomic_uint references;
    size_t capacity;
    size_t length; // bytes filled in; written by the owner before it shares the chunk
    uint8_t bytes[];
};

struct chunk *chunk_new(size_t capacity); // one reference; NULL without memory
struct chunk *chunk_ref(struct chunk *chunk);
void chunk_unref(struct chunk **chunk); // drops one reference and nulls the pointer
unsigned chunk_references(const struct chunk *chunk);

#endif
