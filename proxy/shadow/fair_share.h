// shadow.max_per_second, shared between the shapes of one database: who has had less goes first.
#ifndef PROXY_SHADOW_FAIR_SHARE_H
#define PROXY_SHADOW_FAIR_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct fair_share;

struct fair_share *fair_share_new(void);
void fair_share_free(struct fair_share **share);
// May a read of this shape pass now, and takes it from the budget if so. `shape` is any well-spread hash of its
// fingerprint; `now` in ns. `per_second` 0: always. Any thread.
bool fair_share_pass(struct fair_share *share, uint64_t shape, double per_second, uint64_t now);

#endif
