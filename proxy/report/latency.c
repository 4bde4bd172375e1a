// Which latencies are held against which. Plain functions of the figures.
#include "proxy/report/latency.h"
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { ENOUGH = 20 }; // runs that make a median worth comparing

static const char *const run_names[LATENCY_RUN_COUNT] = {"served", "mirrored"};

static const struct {
    const char *name;
    int side;
    enum latency_run run;
} names[] = {
    {"old_served", 0, LATENCY_SERVED},
    {"old_mirrored", 0, LATENCY_MIRRORED},
    {"new_served", 1, LATENCY_SERVED},
    {"new_mirrored", 1, LATENCY_MIRRORED},
    // Schema 1 had one histogram a side.
    {"old", 0, LATENCY_SERVED},
    {"new", 1, LATENCY_MIRRORED},
};

static const struct {
    enum latency_run runs[2]; // by side
    const char *name;
} pairs[] = {
    // the best first
    {{LATENCY_SERVED, LATENCY_SERVED}, "served"},
    {{LATENCY_MIRRORED, LATENCY_MIRRORED}, "mirrored"},
    {{LATENCY_SERVED, LATENCY_MIRRORED}, "mixed"},
    {{LATENCY_MIRRORED, LATENCY_SERVED}, "mixed"},
};

const char *
latency_run_name(enum latency_run run)
{
    return run_names[run];
}

const char *
latency_name(int side, enum latency_run run)
{
    return names[side * LATENCY_RUN_COUNT + (int)run].name;
}

bool
latency_find(const char *name, int *side, enum latency_run *run)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].name, name) == 0) {
            *side = names[i].side;
            *run = names[i].run;
            return true;
        }
    return false;
}

struct histogram
latency_of_side(struct histogram *const runs[LATENCY_RUN_COUNT])
{
    struct histogram sum = {0};

    for (int run = 0; run < LATENCY_RUN_COUNT; run++)
        if (runs[run] != NULL)
            histogram_merge(&sum, runs[run]);
    return sum;
}

static bool
has(const struct histogram *histogram, uint64_t least)
{
    return histogram != NULL && histogram->count >= least;
}

struct latency_ratio
latency_ratio(struct histogram *const latency[2][LATENCY_RUN_COUNT])
{
    return latency_ratio_at(latency, 0.5);
}

struct latency_ratio
latency_ratio_at(struct histogram *const latency[2][LATENCY_RUN_COUNT], double quantile)
{
    static const uint64_t least[] = {ENOUGH, 1};

    for (size_t i = 0; i < sizeof least / sizeof least[0]; i++)
        for (size_t j = 0; j < sizeof pairs / sizeof pairs[0]; j++) {
            const struct histogram *old_runs = latency[0][pairs[j].runs[0]];
            const struct histogram *new_runs = latency[1][pairs[j].runs[1]];

            if (!has(old_runs, least[i]) || !has(new_runs, least[i]))
                continue;

            double old_ns = histogram_quantile(old_runs, quantile);

            if (old_ns > 0)
                return (struct latency_ratio){histogram_quantile(new_runs, quantile) / old_ns,
                                              pairs[j].name};
        }
    return (struct latency_ratio){.ratio = NAN};
}
