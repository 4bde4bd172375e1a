// Settles a suspicion by rounds (DESIGN 3.3): reads old, waits until new has replayed old's position,
// reads new, reads old again, until compare/rounds says what it is. Over recheck.max_per_second, a suspicion takes
// the verdict that the same read with the same pair of results got in the last minute.
#ifndef PROXY_SHADOW_JUDGE_H
#define PROXY_SHADOW_JUDGE_H

#include "proxy/shadow/read.h"

// The first pair of results differs. The read is ended sooner or later, whatever happens.
void judge_begin(struct read *read, const struct difference *first);
// Between readings: no job of its own is under way.
bool judge_is_waiting(const struct judge *judge);
// The thread stops: ends the read as dropped (shutdown). Jobs of its own have ended before.
void judge_abandon(struct read *read);

#endif
