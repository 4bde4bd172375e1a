// Settles a suspicion by rounds (DESIGN 3.3): reads old, waits until new has replayed old's position, reads new, reads
// old again, until compare/rounds says what it is.
#ifndef PROXY_SHADOW_JUDGE_H
#define PROXY_SHADOW_JUDGE_H

#include "proxy/shadow/read.h"
#include "proxy/shadow/verdict_memory.h"

// The read, and what joins it, is ended sooner or later, whatever happens. False: no memory, nothing was begun.
bool judge_start(struct read *read, const struct verdict_key *key);
// Between readings: no job of its own is under way.
bool judge_is_waiting(const struct judge *judge);
// The thread stops: ends the read, and what joined it, as dropped (shutdown). Jobs of its own have ended before.
void judge_abandon(struct read *read);

#endif
