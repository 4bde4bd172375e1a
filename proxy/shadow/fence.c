// A wait for new to catch up. It belongs to control until it was answered, and may outlive who waits.
// Control calls back on its own thread; from there it goes through the shadow's mailbox.
#include "proxy/shadow/fence.h"
#include <stdio.h>
#include <stdlib.h>

struct fence {
    struct shadow_work work;
    struct shadow_mailbox *mailbox; // a reference
    fence_answer *answer;           // NULL: abandoned. The shadow thread's
    void *context;
    enum lag_wait result;
    double lag_seconds;
};

static void
fence_free(struct fence *fence)
{
    shadow_mailbox_unref(&fence->mailbox);
    free(fence);
}

// On the shadow thread.
static void
answered(struct shadow_work *work)
{
    struct fence answer = *(struct fence *)work;
    fence_free((struct fence *)work);
    if (answer.answer)
        answer.answer(answer.context, answer.result, answer.lag_seconds);
}

// On the control thread.
static void
reached(void *context, enum lag_wait result, double lag_seconds)
{
    struct fence *fence = context;
    fence->result = result;
    fence->lag_seconds = lag_seconds;
    if (!shadow_mailbox_post(fence->mailbox, &fence->work))
        fence_free(fence);
}

struct fence *
fence_wait(struct shadow *shadow, struct database *database, uint64_t position,
           fence_answer *answer, void *context)
{
    struct fence *fence = calloc(1, sizeof(*fence));
    if (!fence)
        return NULL;
    fence->work.run = answered;
    fence->mailbox = shadow_mailbox_ref(shadow->mailbox);
    fence->answer = answer;
    fence->context = context;
    control_wait_for_lag(database->control, position, reached, fence);
    return fence;
}

void
fence_abandon(struct fence **fence)
{
    if (*fence)
        (*fence)->answer = NULL;
    *fence = NULL;
}

uint64_t
fence_position(const uint8_t *text, size_t length)
{
    char copy[32];
    unsigned high, low;
    if (!text || length >= sizeof(copy))
        return 0;
    snprintf(copy, sizeof(copy), "%.*s", (int)length, (const char *)text);
    return sscanf(copy, "%X/%X", &high, &low) == 2 ? (uint64_t)high << 32 | low : 0;
}
