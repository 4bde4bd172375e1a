// A token bucket: fills at `per_second`, holds at most one second's worth (and at least one token, so
// that a rate below one a second still lets something through), starts full.

#include "proxy/shadow/throttle.h"

bool
throttle_pass(struct throttle *throttle, double per_second, uint64_t now)
{
    if (per_second <= 0)
        return true;
    double most = per_second < 1 ? 1 : per_second;
    if (throttle->last == 0)
        throttle->tokens = most;
    else
        throttle->tokens += (double)(now - throttle->last) * 1e-9 * per_second;
    throttle->last = now;
    if (throttle->tokens > most)
        throttle->tokens = most;
    if (throttle->tokens < 1)
        return false;
    throttle->tokens -= 1;
    return true;
}
