// How much old differs from itself: a sampled share of the reads that old served is put to old once more, and the two
// results are held against each other. What a query shape's mismatches are to be judged by, not a part of any verdict.
#ifndef PROXY_SHADOW_NOISE_H
#define PROXY_SHADOW_NOISE_H

#include "proxy/shadow/read.h"

enum {
    NOISE_FIRST = 3,   // so many reads of each shape are samples, whatever the share
    NOISE_AT_ONCE = 2, // a thread
};

// Is the next read a sample? `begun`: samples of its shape so far; `share` 0 to 1, with 0 none is.
bool noise_is_due(unsigned begun, double share, uint64_t random);
// Both sides' results are there, and the rules. The read may end meanwhile; it stays until read_repeated is said.
void noise_begin(struct read *read);

#endif
