// What is kept of a confirmed mismatch: where it is, the values as compare.samples allows, the
// parameters and the timeline.
#ifndef PROXY_SHADOW_EVIDENCE_H
#define PROXY_SHADOW_EVIDENCE_H

#include "compare/rounds.h"
#include "proxy/shadow/read.h"

struct evidence_times { // microseconds since 1970, of the last round
    int64_t old_first_at, new_at, old_second_at;
    double lag_seconds; // < 0: unknown
};

// Builds the record, hands it to figures and reporter.
void evidence_record(const struct read *read, const struct rounds *rounds,
                     const struct evidence_times *times);

#endif
