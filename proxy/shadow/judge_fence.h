// One wait until new has replayed a position of old: asked on a shadow thread, answered there.
#ifndef PROXY_SHADOW_JUDGE_FENCE_H
#define PROXY_SHADOW_JUDGE_FENCE_H

#include "proxy/control/control.h"
#include "proxy/shadow/read.h"

struct judge_fence;

// NULL: no memory, and `done` is never called. Else it is called once, later, unless abandoned.
struct judge_fence *judge_fence_begin(struct read *read, uint64_t position, control_lag_done done,
                                      void *context);
void judge_fence_abandon(struct judge_fence **fence);

#endif
