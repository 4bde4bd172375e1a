// A read whose result is over shadow.max_result: nothing of it was kept, so both sides are read afresh, and
// what they send is digested as it comes (compare/digest.h). Where the digests differ, rounds are made like the
// judge's, in which the rows that differ are kept.
#ifndef PROXY_SHADOW_LARGE_H
#define PROXY_SHADOW_LARGE_H

#include "proxy/shadow/read.h"

enum {
    LARGE_AT_ONCE = 1,  // a shadow thread
    LARGE_WAITING = 64, // the same; more are dropped as queue_full
};

// Takes the read over: it is ended sooner or later, whatever happens. Results that it has are let go.
void large_begin(struct read *read);
// Waiting for its turn, the lag or a gap: no job of its own is under way.
bool large_is_waiting(const struct large *large);
// The thread stops: ends the read as dropped (shutdown). Jobs of its own have ended before.
void large_abandon(struct read *read);

#endif
