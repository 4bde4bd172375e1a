// The lag probes (DESIGN 3.3, "Position"): which one serves for two sides, and what each says. Used by
// the control thread alone, over its two links; waits for their answers.
#ifndef PROXY_CONTROL_LAG_H
#define PROXY_CONTROL_LAG_H

#include "config/configuration.h"
#include "proxy/control/lag_history.h"
#include "proxy/control/side_link.h"
#include "proxy/database.h"

enum lag_state {
    LAG_STATE_KNOWN,
    LAG_STATE_SILENT,     // for now: a side is down, a query failed, a row is missing
    LAG_STATE_UNRESOLVED, // no probe fits these two sides; it does not help to wait
};

struct lag {
    enum lag_probe probe; // in force; LAG_AUTO: not resolved
    bool is_resolved;
    uint64_t links_made[2];            // the connections that it was resolved over
    uint64_t block_size, segment_size; // of old's WAL
    struct lag_history history;
    uint64_t sampled_at;   // ns; 0: never
    bool wants_sample;     // the next poll is to ask old, however fresh the last sample is
    uint64_t old_asked_at; // ns: when old was asked for the last sample
    uint64_t old_position; // what it said, settled
    uint64_t old_flushed;  // up to where its log was flushed; what is behind that is the tail
    uint64_t tail_since;   // ns: since when the tail begins there; 0: there is none
    char trouble[256];     // why the state is not known; ""
};

// Gives old's position as text, on a primary and on a standby.
extern const char lag_position_sql[];

void lag_init(struct lag *lag);
void lag_forget(struct lag *lag); // resolve again: settings changed
// Reads the position of old that new has replayed; resolves first if need be. `replayed` is set when
// known (0 with probe none). Both links are used as far as they are up.
enum lag_state lag_poll(struct lag *lag, struct side_link links[2],
                        const struct configuration_lag *settings, uint64_t *replayed);
// Has old flush the tail of its log, which nobody is sent before and nobody may flush for half a minute where
// nothing commits: a reading that tidies up a page and is rolled back leaves one, and so does a transaction
// that is still open. Costs old a transaction ID; writes nothing else. Done some 0.2 s later (wal_writer_delay).
void lag_push_tail(struct lag *lag, struct side_link *old);
// A position that pg_current_wal_insert_lsn() gave may lie behind a page's header that nobody has
// written yet; replay then never reaches it. The same place as the end of the record before.
uint64_t lag_settled_position(const struct lag *lag, uint64_t position);
// "16/B374D848". False: no LSN.
bool lag_read_position(const char *text, uint64_t *position);

#endif
