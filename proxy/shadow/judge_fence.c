// The fence is control's: it calls back on its own thread, and the answer comes through the shadow's mailbox. A fence
// may outlive who asked for it: then its answer is heard by nobody.

#include "proxy/shadow/judge_fence.h"
#include <stdlib.h>

struct judge_fence {
    struct shadow_work work;
    struct shadow_mailbox *mailbox; // a reference
    control_lag_done done;          // NULL: abandoned. The shadow thread's
    void *context;
    enum lag_wait result;
    double lag_seconds;
};

static void
fence_free(struct judge_fence *fence)
{
    shadow_mailbox_unref(&fence->mailbox);
    free(fence);
}

// On the shadow thread.
static void
answered(struct shadow_work *work)
{
    struct judge_fence *fence = (struct judge_fence *)work;
    control_lag_done done = fence->done;
    void *context = fence->context;
    enum lag_wait result = fence->result;
    double lag = fence->lag_seconds;
    fence_free(fence);
    if (done)
        done(context, result, lag);
}

// On the control thread.
static void
reached(void *context, enum lag_wait result, double lag_seconds)
{
    struct judge_fence *fence = context;
    fence->result = result;
    fence->lag_seconds = lag_seconds;
    if (!shadow_mailbox_post(fence->mailbox, &fence->work))
        fence_free(fence);
}

struct judge_fence *
judge_fence_begin(struct read *read, uint64_t position, control_lag_done done, void *context)
{
    struct judge_fence *fence = calloc(1, sizeof(*fence));
    if (!fence)
        return NULL;
    fence->work.run = answered;
    fence->mailbox = shadow_mailbox_ref(read->mirror->shadow->mailbox);
    fence->done = done;
    fence->context = context;
    control_wait_for_lag(read->mirror->at->database->control, position, reached, fence);
    return fence;
}

void
judge_fence_abandon(struct judge_fence **fence)
{
    if (*fence)
        (*fence)->done = NULL;
    *fence = NULL;
}
