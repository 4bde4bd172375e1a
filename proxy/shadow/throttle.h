// So many a second and no more: a token bucket that holds one second's worth. The owner's thread.
#ifndef PROXY_SHADOW_THROTTLE_H
#define PROXY_SHADOW_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

struct throttle {
    double tokens;
    uint64_t last; // ns
};

// May one more pass now? `per_second` 0: always.
bool throttle_pass(struct throttle *throttle, double per_second, uint64_t now);

#endif
