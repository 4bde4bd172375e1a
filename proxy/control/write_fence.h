// Up to when writes are on new: from samples of old's position and from what new has replayed. A position that was
// asked for at one moment covers every write that old had acknowledged before it, whichever session's, so that one
// sample serves them all. Pure; one thread owns it.
#ifndef PROXY_CONTROL_WRITE_FENCE_H
#define PROXY_CONTROL_WRITE_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WRITE_FENCE_SIZE = 64 };

struct write_fence {
    size_t count;
    struct write_sample {
        uint64_t asked_at;       // our monotonic clock, ns: when old was asked
        uint64_t position;       // LSN, settled; rises
    } samples[WRITE_FENCE_SIZE]; // that new has not replayed, but for the last
    uint64_t sampled_at;         // `asked_at` of the last sample; 0: none
    uint64_t replayed;           // as told last
    uint64_t until;              // new has what was acknowledged before; 0: not known
    uint64_t awaited;            // somebody waits for what was acknowledged before; 0: nobody does
};

// What was sampled is void: another old, another new, or nobody can tell. Who waits, waits on.
void write_fence_forget(struct write_fence *fence);
void write_fence_await(struct write_fence *fence, uint64_t now);
bool write_fence_is_awaited(const struct write_fence *fence);
// The position that those who wait do with; 0: nobody waits, or it is not sampled yet.
uint64_t write_fence_awaited_position(const struct write_fence *fence);
bool write_fence_wants_sample(const struct write_fence *fence); // for those who wait
void write_fence_sample(struct write_fence *fence, uint64_t asked_at, uint64_t position);
// A position below the one before (a standby that was restarted, another timeline) makes all before void.
void write_fence_replayed(struct write_fence *fence, uint64_t position);

#endif
