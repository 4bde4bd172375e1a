// What flips with a period of its own, and in step with the readings, shows each side another state every time. So no two
// readings are the same time apart. Within a round the pauses are spread over all orders of magnitude up to `settle`
// (each halving is as likely as the next), because the period may be any; rounds are further apart the more of them
// there were, up to eight times.
#include "compare/rounds_pause.h"
#include <math.h>

enum { HALVINGS = 8, MOST_DOUBLINGS = 3 };

static double
fraction_of(uint64_t random)
{
    return (double)(random >> 11) / 9007199254740992.0; // 2^53
}

double
rounds_gap(double settle, unsigned attempts, uint64_t random)
{
    unsigned doublings = attempts / 2 < MOST_DOUBLINGS ? attempts / 2 : MOST_DOUBLINGS;
    return settle + settle * fraction_of(random) * (double)(1u << doublings);
}

double
rounds_pause(double settle, uint64_t random)
{
    return settle * exp2(-(double)HALVINGS * fraction_of(random));
}
