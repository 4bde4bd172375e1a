// How long a judge waits between readings, so that nothing that flips on its own stays in step with them.
// Pure: the caller gives the random number. Times in the unit of `settle`.
#ifndef COMPARE_ROUNDS_PAUSE_H
#define COMPARE_ROUNDS_PAUSE_H

#include <stdint.h>

// Before the next round, after `attempts` of them: at least `settle`, twice that on average at first, and growing so
// that a side that moves is read ever more seldom.
double rounds_gap(double settle, unsigned attempts, uint64_t random);
// Between the readings of one round: often next to nothing, at most `settle`.
double rounds_pause(double settle, uint64_t random);

#endif
