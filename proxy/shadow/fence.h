// The lag fence of a round (DESIGN 3.3): waits until new has replayed old's position. The answer comes on the
// shadow thread, by its mailbox.
#ifndef PROXY_SHADOW_FENCE_H
#define PROXY_SHADOW_FENCE_H

#include "proxy/control/control.h"
#include "proxy/shadow/shadow_thread.h"

struct fence;

typedef void fence_answer(void *context, enum lag_wait result, double lag_seconds);

// NULL: no memory, and `answer` is not called. It is called once, never from within this.
struct fence *fence_wait(struct shadow *shadow, struct database *database, uint64_t position,
                         fence_answer *answer, void *context);
void fence_abandon(struct fence **fence); // `answer` is not called
// The position in the body of a DataRow, the answer to control_position_sql; 0: there is none.
uint64_t fence_position(const uint8_t *row, size_t length);

#endif
