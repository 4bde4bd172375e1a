// So many a second and no more, for several threads that share one limit: no one's part is lost while the others are idle.
#ifndef PROXY_SHADOW_THROTTLE_H
#define PROXY_SHADOW_THROTTLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// May one more pass now? `until`: ns, 0 at first, up to when the limit is used. `per_second` 0: always. Any thread.
bool throttle_pass(atomic_uint_fast64_t *until, double per_second, uint64_t now);

#endif
