// See write_fence.h. Samples wait in the order of their positions until new has passed them. When there is no room
// every second one goes: that costs those who wait a little time, and never shows them too old a state, since each
// sample stands for what was acknowledged before it and no more.
#include "proxy/control/write_fence.h"

void
write_fence_forget(struct write_fence *fence)
{
    *fence = (struct write_fence){.awaited = fence->awaited};
}

void
write_fence_await(struct write_fence *fence, uint64_t now)
{
    fence->awaited = now;
}

bool
write_fence_is_awaited(const struct write_fence *fence)
{
    return fence->awaited > fence->until;
}

uint64_t
write_fence_awaited_position(const struct write_fence *fence)
{
    if (!write_fence_is_awaited(fence))
        return 0;
    for (size_t i = 0; i < fence->count; i++) {
        if (fence->samples[i].asked_at >= fence->awaited)
            return fence->samples[i].position;
    }
    return 0;
}

bool
write_fence_wants_sample(const struct write_fence *fence)
{
    return write_fence_is_awaited(fence) && fence->awaited > fence->sampled_at;
}

// The newest stays: it is the one that those who came last wait for.
static void
thin_out(struct write_fence *fence)
{
    size_t kept = 0, last = fence->count - 1;

    for (size_t i = 0; i <= last; i++) {
        if (i % 2 == 0 || i == last)
            fence->samples[kept++] = fence->samples[i];
    }
    fence->count = kept;
}

void
write_fence_sample(struct write_fence *fence, uint64_t asked_at, uint64_t position)
{
    struct write_sample *last = fence->count > 0 ? &fence->samples[fence->count - 1] : NULL;

    if (asked_at <= fence->sampled_at)
        return; // told before
    if (last && position < last->position)
        write_fence_forget(fence);
    fence->sampled_at = asked_at;
    if (fence->count > 0 && position == last->position) {
        last->asked_at = asked_at;
        return;
    }
    if (fence->count == WRITE_FENCE_SIZE)
        thin_out(fence);
    fence->samples[fence->count++] =
        (struct write_sample){.asked_at = asked_at, .position = position};
}

void
write_fence_replayed(struct write_fence *fence, uint64_t position)
{
    size_t passed = 0;

    if (position < fence->replayed)
        write_fence_forget(fence);
    fence->replayed = position;
    while (passed < fence->count && fence->samples[passed].position <= position)
        passed++;
    if (passed == 0)
        return;
    fence->until = fence->samples[passed - 1].asked_at;
    // The last one stays, so that old's position is seen to go back.
    passed -= passed == fence->count;
    for (size_t i = passed; i < fence->count; i++)
        fence->samples[i - passed] = fence->samples[i];
    fence->count -= passed;
}
