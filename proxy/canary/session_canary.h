// Reads of a session that are served by new, for the files session*.c (DESIGN 3.7). session_canary.c
// decides, session_canary_writes.c knows what new may not have yet, session_canary_serve.c serves,
// session_canary_ask.c asks old, session_canary_hedge.c asks both, session_canary_old.c has old take over;
// session_canary_cancel.c and session_canary_end.c end it.
#ifndef PROXY_CANARY_SESSION_CANARY_H
#define PROXY_CANARY_SESSION_CANARY_H

#include "proxy/canary/canary_answer.h"
#include "proxy/canary/canary_key.h"
#include "proxy/canary/canary_unit.h"
#include "proxy/own/own_session.h"
#include "proxy/relay/session_parts.h"
#include "proxy/shadow/shapes.h"

// COLLECTING ──► [IN_MESSAGE ──►] [ASKING_OLD ──►] RELEASED ──► [ABORTING_OLD ──►] done
// COLLECTING ──► HEDGED ──► RELEASED ──► DRAINING ──► done   (new was late, and yet the first)
// COLLECTING | IN_MESSAGE | ASKING_OLD | HEDGED ──► old serves it
//
// Old is asked before the release: it agrees to what is its own in the unit (Parse, Close, BEGIN), it says once a
// transaction whether new may serve in it, and now and then it hears from us, since the client's session must not seem
// idle to it. When what the client has got is an error, the transaction that is open on old is made to fail, too.
enum canary_phase {
    CANARY_COLLECTING,
    CANARY_IN_MESSAGE, // of old's, which the client has a part of: its end is awaited
    CANARY_ASKING_OLD,
    CANARY_HEDGED, // old has the whole unit, too
    CANARY_RELEASED,
    CANARY_ABORTING_OLD,
    CANARY_DRAINING, // the client has its answer, and old's is passed over
};

enum { CANARY_FAILURES = 5 }; // in a row: new is then tried once a second

// One read on its way. Lives until it is both served and its job has ended.
struct canary {
    struct session *session; // NULL: served, the job is awaited
    struct worker *worker;
    struct database *database;
    struct canary *next, *previous; // in worker->canaries, while patience counts
    bool is_waiting;                // it does
    enum canary_phase phase;
    struct chunk *chunk; // a reference: what `unit` borrows from
    struct canary_unit unit;
    struct canary_answer answer;
    struct own_job *job; // NULL: ended
    char *user;
    uint64_t begun, answered; // uv_hrtime
    uint64_t deadline;        // of canary.patience
    uint64_t hedge_at;        // of canary.hedge; UINT64_MAX: never
    uint64_t hedged_at;       // old was asked as well; 0: it was not
    size_t hold;
    bool may_stream; // all values are known to be fit to be presented: it may be released in part
    bool is_job_paused;
    bool is_refused;   // new does not let this user in
    bool is_cancelled; // and the client is to hear it once old's message has ended
    bool is_ready;     // new's answer may be released as soon as old is
    bool is_lost;      // old is to serve it once its message has ended
    enum fallback_reason lost_for;
    char status_before; // ReadyForQuery's, of what the client's unit found
    // What old is asked, and says.
    struct writer old_message, prefix_reply;
    size_t prefix_said;     // bytes of prefix_reply that the client has got
    size_t prefix_end;      // of those that answer the prefix
    size_t refusal_at;      // in prefix_reply
    size_t old_answered;    // messages of the unit's
    unsigned readies_due;   // ReadyForQuery's of what it was asked
    bool asks_transaction;  // the last of them is of the question about the transaction
    unsigned question_rows; // that it has answered
    bool is_read_only, is_read_committed;
    bool old_has_refused, is_refusal_heard, is_refusal_cut;
    bool old_is_passing;  // its message under way is a large one, and passes in pieces
    bool old_is_late;     // it is of an answer that came too late
    bool old_owes;        // the end of that answer
    uint64_t errand;      // the cancel on its way to old; 0: none is
    struct held old_rest; // what came behind its agreement waits until new's rows have passed
};

// Serves the unit in these bytes by new, if it can be: takes the bytes. False: they are old's.
bool session_canary_take(struct session *session, struct chunk *chunk, size_t offset,
                         size_t length);
bool session_canary_is_open(const struct session *session); // some reads may be served by new
// What is known of a read, by the names that `state` makes it mean; a reference, NULL: nothing is.
struct shape *session_canary_shape(const struct session *session, const struct canary_read *read,
                                   const struct state_snapshot *state);
// The key that decides of the session's read; by `state` and `sql`, which may be NULL where they do not matter.
void session_canary_key(const struct session *session, const struct state_snapshot *state,
                        const char *sql, size_t sql_length, char key[CANARY_KEY_MAX]);
// A unit that is not known to be harmless has ended: called before the client hears of it, and before
// session->stateful_sequence counts it.
void session_canary_note_write(struct session *session, const struct unit *unit);
// New has what this session wrote; what sessions of this read's cohort key wrote (canary.after_write_scope).
bool session_canary_has_own_writes(const struct session *session, uint64_t now);
bool session_canary_has_key_writes(const struct session *session,
                                   const struct state_snapshot *state, const char *sql,
                                   size_t sql_length, uint64_t now);
// Begins to serve; takes the unit, the columns (references, one a read), the types and the snapshot. False: no memory.
bool session_canary_begin(struct session *session, struct chunk *chunk, struct canary_unit *unit,
                          struct shape_columns **old_columns, struct canary_types *types,
                          bool may_stream, struct state_snapshot **state);
// The answer is there or over `hold`: goes to the client if old agrees.
void session_canary_release(struct canary *canary);
// Old serves the unit instead: new has failed; or nothing is wrong with new.
void session_canary_fall_back(struct canary *canary, enum fallback_reason reason);
void session_canary_leave_to_old(struct canary *canary);
void session_canary_note_fallback(const struct canary *canary, enum fallback_reason reason);
void session_canary_count_failure(struct database *database); // of new's
// Old's answer to what new gave an error for: where it is another one, new has failed.
void session_canary_blame(struct session *session, const struct unit *unit);
void session_canary_deliver(struct canary *canary); // releases it now
void session_canary_answer_cancel(struct canary *canary);
// Old is asked as well, if it can be; session_canary_hedge.c.
void session_canary_hedge(struct canary *canary);
bool session_canary_settle_hedge(struct canary *canary); // false: it is over, or has gone on
// Old serves the unit, which it has; `with_message`: what was taken of its message under way is relayed, too.
void session_canary_old_wins(struct canary *canary, enum fallback_reason reason, bool with_message);
void session_canary_end_late(struct canary *canary, bool has_answered); // frees it
bool session_canary_drain(struct canary *canary);        // false: there is nothing to drain
bool session_canary_settle_drain(struct canary *canary); // false: it is over
void session_canary_drain_tick(struct canary *canary, uint64_t now);     // its deadline has come
void session_canary_errand_done(struct worker *worker, uint64_t errand); // MAIL_CANCEL_DONE
struct unit *session_canary_unit(struct canary *canary, enum unit_route route); // for the shadow
// To the shadow; and what old has told of the transaction holds from here on.
void session_canary_settle(struct canary *canary, struct unit *unit);
void session_canary_record(struct canary *canary, struct unit *unit); // the request and the answer
void session_canary_detach(struct canary *canary); // the session goes on; the job's end is awaited
void session_canary_go_on(struct session *session);
// All but ReadyForQuery was said: that follows, when old has failed, too, where it has to.
void session_canary_end(struct canary *canary);
// Asks old what it is to be asked. False: nothing.
bool session_canary_ask(struct canary *canary);
void session_canary_abort_old(struct canary *canary);
// Old has answered all that it was asked, and agrees; or it has refused a message of the unit.
void session_canary_agreed(struct canary *canary);
void session_canary_refused(struct canary *canary);
void session_canary_hear_refusal(struct canary *canary);      // it is just refusing
bool session_canary_hears_old(const struct session *session); // what old says is for it
// The client has its answer; the unit goes to the shadow.
void session_canary_finish(struct canary *canary, enum unit_route route);
void session_canary_say_prefix(struct canary *canary); // old's answer to it, to the client
void session_canary_from_old(struct session *session, struct chunk *chunk, size_t offset,
                             size_t length); // while it hears old
void
session_canary_old_spoke(struct session *session); // old's bytes were passed on: IN_MESSAGE may end
void session_canary_drained(struct session *session); // the client takes bytes again
bool session_canary_cancel(struct session *session);  // false: nothing of it runs on new
void session_canary_fini(struct session *session);    // the session ends first
void session_canary_free(struct canary **canary);
void session_canary_start_waiting(struct canary *canary); // for its deadline
void session_canary_stop_waiting(struct canary *canary);
void session_canary_tick(struct worker *worker, uint64_t now); // patience
// New may be tried now, as far as its last failures tell.
bool session_canary_may_try(struct database *database, uint64_t now);

#endif
