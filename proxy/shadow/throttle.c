// A token bucket told as a time: each that passes moves `until` on by its part of a second, and there is room while it
// is less than a second ahead. So the bucket holds one second's worth (and at least one, for a rate below one a second),
// and is full at the start.

#include "proxy/shadow/throttle.h"

bool
throttle_pass(atomic_uint_fast64_t *until, double per_second, uint64_t now)
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
