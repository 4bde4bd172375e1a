// See guard_latency.h.
#include "proxy/guard/guard_latency.h"
#include <string.h>

static const struct {
    enum latency_run runs[2]; // by side
    const char *name;
} pairs[] = {
    {{LATENCY_SERVED, LATENCY_SERVED}, "served"},
    {{LATENCY_MIRRORED, LATENCY_MIRRORED}, "mirrored"},
    {{LATENCY_MIRRORED, LATENCY_SERVED}, "mixed"},
};

const char *
guard_latency_choose(const struct guard_sample *between, uint64_t least,
                     struct histogram latency[2])
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        for (int side = 0; side < 2; side++)
            latency[side] = histogram_of_counts(between->latency[side][pairs[i].runs[side]]);
        if (latency[0].count > 0 && latency[0].count >= least && latency[1].count > 0 &&
            latency[1].count >= least)
            return pairs[i].name;
    }
    memset(latency, 0, 2 * sizeof *latency);
    return NULL;
}
