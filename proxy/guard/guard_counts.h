// What the guard's window is fed with: counters of canary reads and of latencies, a part of the database. Workers
// and shadow threads add without a lock, any thread reads. They go up, and round at 2^32: differences count.
#ifndef PROXY_GUARD_GUARD_COUNTS_H
#define PROXY_GUARD_GUARD_COUNTS_H

#include "proxy/report/latency.h"
#include <stdatomic.h>
#include <stdint.h>

enum guard_count {
    GUARD_SERVED,    // canary reads that new answered, to the end or not
    GUARD_FALLBACKS, // canary reads that old served after all
    GUARD_ERRORS,    // of both: new failed, and neither the statement nor the user was to blame
    GUARD_AVOIDED,   // reads of the cohort that went to old at once, because new keeps failing
    GUARD_COUNTS
};

struct guard_counts {
    atomic_uint canary[GUARD_COUNTS];
    // Of compared reads alone, so that both sides have the same ones: by side, run and bucket (histogram.h).
    atomic_uint latency[2][LATENCY_RUN_COUNT][HISTOGRAM_BUCKETS];
};

static inline void
guard_count(struct guard_counts *counts, enum guard_count which)
{
    atomic_fetch_add_explicit(&counts->canary[which], 1, memory_order_relaxed);
}

// 0 ns: not measured.
static inline void
guard_count_latency(struct guard_counts *counts, int side, enum latency_run run, uint64_t ns)
{
    if (ns > 0)
        atomic_fetch_add_explicit(&counts->latency[side][run][histogram_bucket(ns)], 1,
                                  memory_order_relaxed);
}

#endif
