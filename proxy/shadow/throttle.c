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

// The shared one is the same bucket told as a time: each that passes moves `until` on by its part of a second, and there
// is room while it is less than a second ahead.
bool
throttle_pass_shared(atomic_uint_fast64_t *until, double per_second, uint64_t now)
{
    static const double second = 1e9;
    if (per_second <= 0)
        return true;
    uint64_t each = (uint64_t)(second / per_second);
    uint64_t room = each > (uint64_t)second ? each : (uint64_t)second;
    uint_fast64_t seen = atomic_load(until), used;
    do {
        used = (seen > now ? seen : now) + each;
        if (used > now + room)
            return false;
    } while (!atomic_compare_exchange_weak(until, &seen, used));
    return true;
}
