// Which latencies of a sample are held against which. Pure.
#ifndef PROXY_GUARD_GUARD_LATENCY_H
#define PROXY_GUARD_GUARD_LATENCY_H

#include "proxy/guard/guard_window.h"

// The best pair of which both sides have `least` runs, old's first: like against like, else canary reads against the
// same reads mirrored to old. "served", "mirrored", "mixed"; NULL: of too few, and both are empty.
const char *guard_latency_choose(const struct guard_sample *between, uint64_t least,
                                 struct histogram latency[2]);

#endif
