// See guard_window.h. A boundary's sample is the first one that is told behind it: with a look every step, which is
// no longer than a slot, that is at most a step late, and what came then is counted into the older slot.
#include "proxy/guard/guard_window.h"
#include <stdlib.h>
#include <string.h>

enum { BOUNDARIES = GUARD_SLOTS + 1 };

void
guard_sample_subtract(struct guard_sample *later, const struct guard_sample *earlier)
{
    for (int i = 0; i < GUARD_COUNTS; i++)
        later->canary[i] -= earlier->canary[i];
    later->reads -= earlier->reads;
    later->covered -= earlier->covered;
    later->mismatches -= earlier->mismatches;
    later->accepted -= earlier->accepted;
    for (int side = 0; side < 2; side++)
        for (int run = 0; run < LATENCY_RUN_COUNT; run++)
            for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
                later->latency[side][run][i] -= earlier->latency[side][run][i];
}

bool
guard_window_begin(struct guard_window *window, uint64_t length, const struct guard_sample *sample,
                   uint64_t now)
{
    guard_window_end(window);
    window->slots = malloc(BOUNDARIES * sizeof *window->slots);
    if (window->slots == NULL)
        return false;
    window->length = length;
    window->width = length / GUARD_SLOTS;
    window->boundary = now;
    window->slots[0] = *sample;
    window->newest = 0;
    window->count = 1;
    return true;
}

void
guard_window_end(struct guard_window *window)
{
    free(window->slots);
    memset(window, 0, sizeof *window);
}

bool
guard_window_is_begun(const struct guard_window *window)
{
    return window->slots != NULL;
}

void
guard_window_slide(struct guard_window *window, const struct guard_sample *sample, uint64_t now,
                   struct guard_sample *inside)
{
    for (unsigned passed = 0; now - window->boundary >= window->width; passed++) {
        if (passed == BOUNDARIES) { // nobody looked for longer than the window
            window->boundary = now;
            break;
        }
        window->boundary += window->width;
        window->newest = (window->newest + 1) % BOUNDARIES;
        window->slots[window->newest] = *sample;
        window->count += window->count < BOUNDARIES;
    }

    unsigned oldest = (window->newest + BOUNDARIES + 1 - window->count) % BOUNDARIES;

    *inside = *sample;
    guard_sample_subtract(inside, &window->slots[oldest]);
}
