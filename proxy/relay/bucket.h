// So many at once and so many a second, for all threads of the process together: a token bucket without a lock.
#ifndef PROXY_RELAY_BUCKET_H
#define PROXY_RELAY_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bucket { // all zero: full
    atomic_uint_fast64_t
        full_at; // ns of the caller's clock: when it would be full if nothing more were taken
};

// Takes a token of a bucket that holds `burst` and gets `per_second` new ones; neither is 0. False: there is
// none at `now`. Any thread; a clock that differs a little between threads does no harm.
bool bucket_take(struct bucket *bucket, unsigned burst, unsigned per_second, uint64_t now);

#endif
