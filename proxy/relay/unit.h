// A unit (one Query, or the extended-protocol messages up to a Sync) as the worker saw it pass:
// requests and replies by reference, with its times and its route. Made on the hot path, handed to
// the session's shadow thread when it has ended; from then on the shadow's.
#ifndef PROXY_RELAY_UNIT_H
#define PROXY_RELAY_UNIT_H

#include "compare/verdict.h"
#include "protocol/capture.h"
#include <stdint.h>

enum unit_route { UNIT_ROUTE_OLD, UNIT_ROUTE_NEW, UNIT_ROUTE_FALLBACK };

// What a unit does to the transaction block; the worker's.
enum unit_move { UNIT_MOVES_NOTHING, UNIT_BEGINS, UNIT_SETS, UNIT_ENDS };

// Set in the type of a captured message that is not kept whole; its length says how much of it is.
enum { UNIT_CUT = 0x80 };

struct unit {
    struct unit *next;
    uint64_t session;
    uint64_t sequence;    // from 1 within the session
    uint64_t passed_over; // units right before it that were shed: the shadow need not miss them
    uint64_t begun;       // ns, uv_hrtime: the first request byte was sent on
    uint64_t answered;    // ns: the first byte of the reply came; 0: none did
    uint64_t ended;       // ns: ReadyForQuery came
    enum unit_route route;
    char status_before, status_after; // ReadyForQuery's: 'I', 'T', 'E'; after 0: never answered
    bool is_copy;                     // COPY data passed: its bytes are not captured
    bool is_request_cut;              // over shadow.max_request: messages of `request` are cut
    bool is_request_ended;            // and from some point on none was kept
    bool is_reply_cut;                // over shadow.max_result, or stripped: `reply` is empty
    bool is_unsampled;     // not in shadow.percent: `reply` is without its DataRows, reads are
                           // SKIP_SAMPLED_OUT; the worker throws the dice, the shadow doesn't
    bool has_reports;      // a ParameterStatus passed
    bool is_lost;          // the session ended (or old did) before the answer was complete
    bool has_statements;   // the worker's: a named Parse or a Close passed
    bool is_harmless;      // the worker's: known to write nothing and to leave no state behind
    enum unit_move move;   // the worker's: a command of the transaction's is all that is not a read
    bool may_be_read_only; // the worker's: of the transaction that it begins or sets
    enum drop_reason dropped; // its reads are, with this reason; what reply is left tells of state
    struct capture request; // messages from the client; UNIT_CUT in the type: the body's beginning
    struct capture reply;   // whole messages from the served side, as the client got them
};

struct unit *unit_new(uint64_t session, uint64_t sequence, char status_before, uint64_t now);
void unit_free(struct unit **unit);
size_t unit_memory(const struct unit *unit); // bytes that it keeps alive

#endif
