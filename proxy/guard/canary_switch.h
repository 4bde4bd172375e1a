// The canary's percentage and latch, changed together and never one against the other: whoever latches has the last
// word. Readers take the two atomics as they are. Any thread; the database's lock is held for a few loads.
#ifndef PROXY_GUARD_CANARY_SWITCH_H
#define PROXY_GUARD_CANARY_SWITCH_H

#include "proxy/database.h"

// False: latched, and nothing changed. *before: the percentage until now, unless NULL.
bool canary_switch_set(struct database *database, unsigned percent, unsigned *before);
// The same, if the percentage is `expected`, or `percent` already; false also when it is another.
bool canary_switch_move(struct database *database, unsigned expected, unsigned percent);
// To zero, and latched. *before as above. False: it was latched.
bool canary_switch_latch(struct database *database, unsigned *before);
// The latch is taken off; the percentage stays at zero.
void canary_switch_arm(struct database *database);

#endif
