// A wait for new to catch up. It belongs to control until it was answered, and may outlive who waits.
// Control calls back on its own thread; from there it goes through the shadow's mailbox.
#include "proxy/shadow/fence.h"
#include "protocol/reply.h"
#include "proxy/control/lag.h"
#include <stdlib.h>
#include <string.h>

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
fence_position(const uint8_t *row, size_t length)
{
    struct reply_row values;
    const uint8_t *value;
    size_t value_length;
    char text[32];
    uint64_t position = 0;
    if (!reply_row_begin(&values, row, length) || !reply_row_next(&values, &value, &value_length) ||
        !value || value_length >= sizeof(text))
        return 0;
    memcpy(text, value, value_length);
    text[value_length] = '\0';
    return lag_read_position(text, &position) ? position : 0;
}
