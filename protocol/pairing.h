// Which request does a reply answer? Requests are numbered as they pass towards the server; each
// reply is paired with the request that it answers, through Sync boundaries, error skipping, and
// COPY in and out (manual 55.2.3, 55.2.4, 55.2.7). A session's pairing begins after the login, with
// the first ReadyForQuery behind it. Pure; one thread owns it.
//
// What the server does, and what the pairing therefore knows:
// - It answers in order. The request at work is the oldest unanswered one; a DataRow belongs to it.
// - After an ErrorResponse to Parse, Bind, Describe, Execute or Close it skips everything up to the
//   next Sync, simple Query and FunctionCall included, and answers none of it.
// - In COPY IN it ignores Sync and Flush. A Sync that passed before CopyInResponse came back ended a
//   unit by all appearances; when CopyInResponse shows that it did not, the end is taken back.
// - CopyData, CopyDone and CopyFail outside COPY IN are dropped without an answer.
// - Flush, CopyData, CopyDone, CopyFail and Terminate get no reply of their own, begin no unit and
//   end none.
//
// One thing no observer can know: when a COPY IN fails, whether the server had read the Syncs that
// passed before (and ignored them) or had not (and will answer them). A ReadyForQuery that comes
// with no later Sync to answer settles it; one that comes in excess answers nothing.

#ifndef PROTOCOL_PAIRING_H
#define PROTOCOL_PAIRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pairing_request { // one request that is still unanswered
    char type;
    bool
        is_ignored; // the server takes no notice of it (Sync in COPY IN, a CopyDone that is used up)
};

struct pairing {
    struct pairing_request *ring; // owned; grows up to PAIRING_LIMIT
    size_t capacity;
    uint64_t first; // number of the oldest unanswered request
    uint64_t next;  // number that the next request gets
    // Units that have begun and units that are over; units that were joined count as both. The
    // difference is how many are under way.
    uint64_t units_begun, units_ended;
    uint64_t copy_ends_from; // where to look for the CopyDone of the next COPY IN
    uint32_t copy_syncs;     // Syncs taken as ignored in the COPY IN that is running or has failed
    uint32_t stray_readies;  // ReadyForQuerys that may come in excess, after a failed COPY IN
    bool unit_is_open;       // a request of the current unit has passed and its end has not
    bool is_copying_in;      // CopyInResponse came, and the client has not ended the COPY yet
    bool is_copying_out;     // CopyOutResponse came, and CopyDone has not
    bool is_copying_both;    // replication: from then on nothing is paired
    bool is_skipping;        // after an error: up to Sync
    bool has_answer;         // the request at work has got a reply
    char transaction_status; // of the last ReadyForQuery: 'I', 'T', 'E'; 'I' at first
};

// More unanswered requests than this: PAIRING_TOO_MANY, the caller stops reading from the client.
enum { PAIRING_LIMIT = 1 << 20 };

enum pairing_status {
    PAIRING_OK,
    PAIRING_JUNK, // a type that this side may not send now
    PAIRING_TOO_MANY,
    PAIRING_NO_MEMORY,
};

struct pairing_place { // where a request stands
    // Its number, when it can get replies (`is_answered`); else the number of the request after it.
    // Numbers rise, with gaps.
    uint64_t request;
    bool is_answered;
    bool begins_unit;
    bool
        ends_unit; // Query, FunctionCall, or a Sync, as far as is known: an answer may take it back
};

struct pairing_answer { // what a reply means
    // It answers nothing: NoticeResponse, ParameterStatus, NotificationResponse; an ErrorResponse
    // with nothing unanswered (FATAL at shutdown); a ReadyForQuery in excess (see above); anything in
    // replication. `request` and `request_type` are 0 then.
    bool is_asynchronous;
    // The request that it answers: the oldest unanswered one. Requests with lower numbers get no
    // further replies; those that were jumped over were skipped after an error. So a DataRow's
    // Execute is `request`, and CopyData, CopyDone and CommandComplete go with the Execute or Query
    // that began the COPY.
    uint64_t request;
    char request_type;
    bool completes; // that request gets no further replies
    bool ends_unit; // ReadyForQuery: the oldest unit is over
    // Ends of units that turned out to be none, since their Sync was ignored in COPY IN, or their
    // Query skipped after an error. The caller joins the next `joined_units` units with the one that
    // this reply belongs to. `reopens_unit`: the last of these has no end any more, and requests go
    // on in it until a place that ends it.
    unsigned joined_units;
    bool reopens_unit;
};

void pairing_init(struct pairing *pairing);
void pairing_fini(struct pairing *pairing);
// A message from the client that is about to be forwarded. Other than PAIRING_OK nothing has changed,
// and after PAIRING_TOO_MANY it can be tried again when replies have come.
enum pairing_status pairing_request(struct pairing *pairing, char type,
                                    struct pairing_place *place);
enum pairing_status pairing_reply(struct pairing *pairing, char type, char ready_status,
                                  struct pairing_answer *answer); // ready_status: Z's byte, else 0
bool pairing_is_idle(const struct pairing *pairing); // nothing unanswered and no unit open

#endif
