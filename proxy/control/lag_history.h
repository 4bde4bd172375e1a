// When old was where: samples of old's position with their time, to say how old the state is that new
// shows. Replication sends what is flushed: what old's log has behind that is no lag of new's. Thinned out
// when full, so that a lag of hours can still be told. Pure; one thread owns it.
#ifndef PROXY_CONTROL_LAG_HISTORY_H
#define PROXY_CONTROL_LAG_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAG_HISTORY_SIZE = 512 };

struct lag_history {
    size_t count;
    struct lag_sample {
        uint64_t position; // LSN; rises
        uint64_t flushed;  // LSN, no larger; rises
        uint64_t at;       // ns, our monotonic clock
        int64_t clock;     // us, old's own clock
    } samples[LAG_HISTORY_SIZE];
};

// Says that old was at `position`, and had flushed its log up to `flushed`. One that is below the last
// sample (another timeline, another cluster) begins anew.
void lag_history_add(struct lag_history *history, uint64_t position, uint64_t flushed, uint64_t at,
                     int64_t clock);
// How long ago, in ns, the oldest position was flushed that `replayed` has not reached; 0: none is
// known. False: there is no sample.
bool lag_history_age(const struct lag_history *history, uint64_t replayed, uint64_t now,
                     uint64_t *age);
// The position that old had surely reached no later than `clock`; 0: unknown.
uint64_t lag_history_position(const struct lag_history *history, int64_t clock);

#endif
