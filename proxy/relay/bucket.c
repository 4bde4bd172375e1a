// What is kept is not the number of tokens but the moment at which the bucket will be full again: a token taken
// puts it off by the time in which one is made, and none can be taken that would put it further off than a whole
// bucket takes. One number, so that one compare-and-swap does it.
#include "proxy/relay/bucket.h"

#define SECOND_NS (1000ull * 1000 * 1000)

bool
bucket_take(struct bucket *bucket, unsigned burst, unsigned per_second, uint64_t now)
{
    const uint64_t interval = SECOND_NS / per_second;
    uint64_t full_at = atomic_load(&bucket->full_at);
    uint64_t put_off;
    do {
        put_off = (full_at > now ? full_at : now) + interval;
        if (put_off - now > burst * interval) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&bucket->full_at, &full_at, put_off));
    return true;
}
