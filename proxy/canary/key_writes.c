// See key_writes.h. Times only rise, whoever notes them in whichever order.
#include "proxy/canary/key_writes.h"
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct key_writes {
    atomic_uint_fast64_t all; // uv_hrtime
    atomic_uint_fast64_t slots[KEY_WRITES_SLOTS];
};

static void
raise_to(atomic_uint_fast64_t *time, uint64_t at)
{
    uint64_t before = atomic_load(time);
    while (before < at && !atomic_compare_exchange_weak(time, &before, at)) {
    }
}

struct key_writes *
key_writes_of(struct key_writes *_Atomic *place, uint64_t now)
{
    struct key_writes *there = atomic_load(place);
    if (there) {
        return there;
    }
    struct key_writes *made = calloc(1, sizeof(*made));
    if (!made) {
        return NULL;
    }
    made->all = now;
    if (!atomic_compare_exchange_strong(place, &there, made)) {
        free(made);
        return there;
    }
    return made;
}

void
key_writes_free(struct key_writes *_Atomic *place)
{
    free(atomic_exchange(place, NULL));
}

size_t
key_writes_slot(const char *key, size_t length)
{
    return (size_t)(XXH3_64bits(key, length) % KEY_WRITES_SLOTS);
}

void
key_writes_note(struct key_writes *writes, size_t slot, uint64_t at)
{
    raise_to(&writes->slots[slot], at);
}

void
key_writes_note_all(struct key_writes *writes, uint64_t at)
{
    raise_to(&writes->all, at);
}

uint64_t
key_writes_last(struct key_writes *writes, size_t slot)
{
    uint64_t all = atomic_load(&writes->all), own = atomic_load(&writes->slots[slot]);
    return all > own ? all : own;
}
