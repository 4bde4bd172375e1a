// See lag_history.h. Samples at the same position are one: the first says since when.
#include "proxy/control/lag_history.h"

// Drops every second sample; the oldest and the newest stay.
static void
thin_out(struct lag_history *history)
{
    size_t kept = 0, last = history->count - 1;

    for (size_t i = 0; i <= last; i++) {
        if (i % 2 == 0 || i == last)
            history->samples[kept++] = history->samples[i];
    }
    history->count = kept;
}

void
lag_history_add(struct lag_history *history, uint64_t position, uint64_t flushed, uint64_t at,
                int64_t clock)
{
    if (history->count > 0) {
        const struct lag_sample *last = &history->samples[history->count - 1];

        if (position == last->position && flushed == last->flushed)
            return;
        if (position < last->position || flushed < last->flushed)
            history->count = 0;
    }
    if (history->count == LAG_HISTORY_SIZE)
        thin_out(history);
    history->samples[history->count++] =
        (struct lag_sample){.position = position, .flushed = flushed, .at = at, .clock = clock};
}

bool
lag_history_age(const struct lag_history *history, uint64_t replayed, uint64_t now, uint64_t *age)
{
    if (history->count == 0)
        return false;
    *age = 0;
    for (size_t i = 0; i < history->count; i++) {
        if (history->samples[i].flushed > replayed) {
            *age = now - history->samples[i].at;
            break;
        }
    }
    return true;
}

uint64_t
lag_history_position(const struct lag_history *history, int64_t clock)
{
    uint64_t position = 0;

    for (size_t i = 0; i < history->count && history->samples[i].clock <= clock; i++)
        position = history->samples[i].position;
    return position;
}
