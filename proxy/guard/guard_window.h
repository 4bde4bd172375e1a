// A sliding window over counters: what they were at the last GUARD_SLOTS boundaries is kept, so that what came
// since is one subtraction. It slides by a slot at a time. Pure; one thread; the time is told.
#ifndef PROXY_GUARD_GUARD_WINDOW_H
#define PROXY_GUARD_GUARD_WINDOW_H

#include "proxy/guard/guard_counts.h"
#include <stdbool.h>

enum { GUARD_SLOTS = 20 };

struct guard_sample { // counters as they stand, or what came between two samples; modulo 2^32
    uint32_t canary[GUARD_COUNTS];
    uint32_t reads, covered, mismatches,
        accepted; // of the books; reads that have come to their end
    uint32_t latency[2][LATENCY_RUN_COUNT][HISTOGRAM_BUCKETS];
};

// *later becomes what came since `earlier`.
void guard_sample_subtract(struct guard_sample *later, const struct guard_sample *earlier);

// Those that are not accepted: two counters, and at no moment fewer than none.
static inline uint32_t
guard_sample_mismatches(const struct guard_sample *between)
{
    return between->mismatches -
           (between->accepted < between->mismatches ? between->accepted : between->mismatches);
}

struct guard_window {
    uint64_t length, width;     // ns: of the window, and of a slot
    uint64_t boundary;          // ns: of the newest slot
    struct guard_sample *slots; // GUARD_SLOTS + 1, a ring; owned
    unsigned newest, count;
};

// Begins at `now` with nothing in it. False: no memory.
bool guard_window_begin(struct guard_window *window, uint64_t length,
                        const struct guard_sample *sample, uint64_t now);
void guard_window_end(struct guard_window *window); // idempotent
bool guard_window_is_begun(const struct guard_window *window);
// `sample` are the counters now; *inside what of it lies within the window.
void guard_window_slide(struct guard_window *window, const struct guard_sample *sample,
                        uint64_t now, struct guard_sample *inside);

#endif
