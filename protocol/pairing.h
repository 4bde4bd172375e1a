// Which request does a reply answer? Requests are numbered as they pass towards the server; each
// reply is paired with the request that it answers, through Sync boundaries, error skipping, and
// COPY in and out (manual 55.2.3, 55.2.4, 55.2.7). Counts Syncs, not ReadyForQuery alone: a Sync
// that the server ignores during COPY IN is taken back when CopyInResponse shows it, whether the
// client sent it before or after. Pure; one thread owns it.
#ifndef PROTOCOL_PAIRING_H
#define PROTOCOL_PAIRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pairing_request { // one request that is still unanswered
    char type;
    bool is_ignored; // the server takes no notice of it (Sync or Flush in COPY IN, late CopyDone)
};

struct pairing {
    struct pairing_request *ring; // owned
    size_t capacity;
    uint64_t first; // number of the oldest unanswered request
    uint64_t next;  // number that the next request gets
    uint64_t units_begun, units_ended;
    bool unit_is_open;   // a request of the current unit has passed and its end has not
    bool is_copying_in;
    bool is_copying_out;
    bool is_copying_both; // replication: from then on nothing is paired
    bool is_skipping;     // after an error: up to Sync
    char transaction_status; // of the last ReadyForQuery: 'I', 'T', 'E'; 'I' at first
};

// More unanswered requests than this: PAIRING_TOO_MANY, the caller stops reading from the client.
enum { PAIRING_LIMIT = 1 << 20 };

enum pairing_status {
    PAIRING_OK,
    PAIRING_JUNK,     // a type that this side may not send now
    PAIRING_TOO_MANY,
    PAIRING_NO_MEMORY,
};

struct pairing_place { // where a request stands
    uint64_t request;   // its number
    bool begins_unit;
    bool ends_unit; // Query, FunctionCall, or a Sync that is not (yet known to be) ignored
};

struct pairing_answer { // what a reply means
    bool is_asynchronous; // NoticeResponse, ParameterStatus, NotificationResponse: answers nothing
    uint64_t request;     // the number of the request it answers (the oldest at work)
    char request_type;
    bool completes;       // that request gets no further replies
    bool ends_unit;       // ReadyForQuery
    // Units that turned out not to be units, as their Sync was sent in COPY IN and ignored: the
    // caller joins this many following units with the current one.
    unsigned joined_units;
};

void pairing_init(struct pairing *pairing);
void pairing_fini(struct pairing *pairing);
enum pairing_status pairing_request(struct pairing *pairing, char type,
                                    struct pairing_place *place);
enum pairing_status pairing_reply(struct pairing *pairing, char type, char ready_status,
                                  struct pairing_answer *answer); // ready_status: Z's byte, else 0
bool pairing_is_idle(const struct pairing *pairing); // nothing unanswered

#endif
