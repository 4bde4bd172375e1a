// So many a second and no more: a token bucket that holds one second's worth. The owner's thread.
#ifndef PROXY_SHADOW_THROTTLE_H
#define PROXY_SHADOW_THROTTLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct throttle {
    double tokens;
    uint64_t last; // ns
};

// May one more pass now? `per_second` 0: always.
bool throttle_pass(struct throttle *throttle, double per_second, uint64_t now);
// The same for several threads that share one limit: no one's part is lost while the others are idle. `until`: ns, 0
// at first, up to when the limit is used.
bool throttle_pass_shared(atomic_uint_fast64_t *until, double per_second, uint64_t now);

#endif
