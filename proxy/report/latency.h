// Latencies of one shape, or of all, on both sides. What a client was served and what we ran ourselves, off the hot
// path inside BEGIN READ ONLY ... ROLLBACK, are kept apart: they are not measured alike.
#ifndef PROXY_REPORT_LATENCY_H
#define PROXY_REPORT_LATENCY_H

#include "proxy/report/histogram.h"
#include <stdbool.h>

enum latency_run { LATENCY_SERVED, LATENCY_MIRRORED, LATENCY_RUN_COUNT };

const char *latency_run_name(enum latency_run run);
// As the store names it: "old_served" and so on.
const char *latency_name(int side, enum latency_run run);
// False: no such name. The names of the schema before, "old" and "new", are what most of theirs were.
bool latency_find(const char *name, int *side, enum latency_run *run);

// One side's runs together; those that are NULL are nothing.
struct histogram latency_of_side(struct histogram *const runs[LATENCY_RUN_COUNT]);

// New's median (or another quantile) over old's, like with like as far as there is enough of it: served with served, else mirrored with
// mirrored, else what there is ("mixed", which a mirrored run's own session makes no exact figure).
struct latency_ratio {
    double ratio;         // NAN: a side has nothing
    const char *compares; // "served", "mirrored", "mixed"; NULL with NAN
};
struct latency_ratio latency_ratio_at(struct histogram *const latency[2][LATENCY_RUN_COUNT],
                                      double quantile);
struct latency_ratio latency_ratio(struct histogram *const latency[2][LATENCY_RUN_COUNT]);

#endif
