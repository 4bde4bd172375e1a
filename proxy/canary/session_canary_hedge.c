// Hedging: when new is late (canary.hedge), old is asked as well, and the first good answer is the client's.
//
//   COLLECTING ──hedge──► HEDGED ──old begins to answer, or new is lost──► old's answer is relayed as always
//                           │
//                           └──new's answer is there──► RELEASED ──► DRAINING ──old's end, and the cancel's──► done
//
// Old gets the unit whole, with a Flush behind its Parse and Close, so that they are answered at once: new's answer
// needs old's agreement to them. Old has won as soon as it says more than that; from there on it is a relayed unit
// that was sent already. New's job may then still end by itself until its patience is over, so that its session is
// kept. Only units outside of transactions are hedged whose reads stand behind all that is old's. When new wins, old is asked to cancel, and what it says of the unit reaches nobody; the client's next request
// waits until both the answer's end and the cancel's are seen, so that the cancel can't hit it: for the cancel's a
// second at most after the answer of new.
#include "proxy/canary/session_canary.h"
#include "proxy/log.h"
#include "proxy/relay/cancel_errand.h"
#include <string.h>

#define CANCEL_NS (1000ull * 1000 * 1000)

void
session_canary_hedge(struct canary *canary)
{
    static const uint8_t flush[] = {MESSAGE_CLIENT_FLUSH, 0, 0, 0, 4};
    struct session *session = canary->session;
    const struct canary_unit *unit = &canary->unit;
    if (session->old_frame.is_inside || session_must_hold(session)) {
        return; // at the next tick, perhaps
    }
    if (canary->status_before != 'I' || unit->has_begin || canary_unit_is_mixed(unit)) {
        canary->hedge_at = UINT64_MAX;
        return;
    }
    session->old_asked_at = uv_hrtime();
    canary->phase = CANARY_HEDGED;
    canary->hedged_at = uv_hrtime();
    if (unit->prefix_length > 0) {
        session_to_old(session, unit->bytes, unit->prefix_length);
        session_to_old(session, flush, sizeof(flush));
    }
    session_to_old(session, unit->bytes + unit->prefix_length, unit->length - unit->prefix_length);
}

// ---- old wins ----

// What was taken of old's messages and not passed on, up to where its bytes stand now. False: no memory.
static bool
take_said(struct canary *canary, bool with_message, struct chunk **said)
{
    const struct frame *frame = &canary->session->old_frame;
    struct writer *reply = &canary->prefix_reply;
    if (with_message) {
        writer_bytes(reply, canary->old_message.bytes, canary->old_message.length);
    } else if (!frame->is_inside && frame->seen > 0) {
        writer_bytes(reply, frame->header, frame->seen);
    }
    size_t length = reply->failed ? 0 : reply->length - canary->prefix_said;
    *said = length > 0 ? chunk_new(length) : NULL;
    if (*said) {
        memcpy((*said)->bytes, reply->bytes + canary->prefix_said, length);
        (*said)->length = length;
    }
    return !reply->failed && (*said || length == 0);
}

// The job may end by itself until the deadline.
static void
let_go_on(struct canary *canary)
{
    struct session *session = canary->session;
    canary->session = NULL;
    session->canary = NULL;
    if (canary->is_job_paused) {
        canary->is_job_paused = false;
        own_job_resume(canary->job);
    }
}

void
session_canary_old_wins(struct canary *canary, enum fallback_reason reason, bool with_message)
{
    struct session *session = canary->session;
    with_message = with_message || (session->old_frame.is_inside && !canary->old_is_passing);
    struct chunk *said;
    bool is_fine = take_said(canary, with_message, &said);
    struct chunk *chunk = chunk_ref(canary->chunk);
    size_t offset = (size_t)(canary->unit.bytes - chunk->bytes), length = canary->unit.length;
    uint64_t asked_at = canary->hedged_at;
    session_canary_note_fallback(canary, reason);
    if (reason == FALLBACK_HEDGED && canary->job && canary->is_waiting) {
        let_go_on(canary);
    } else {
        if (canary->job && !canary->is_waiting) {
            own_pool_abandon(canary->worker->pool, &canary->job);
        }
        session_canary_detach(canary);
    }
    session->next_route = UNIT_ROUTE_FALLBACK;
    session->next_is_harmless = true;
    session_relay_was_sent(session, chunk, offset, length);
    if (session->first_unit) {
        session->first_unit->begun = asked_at;
    }
    if (!is_fine) {
        session_close(session, "out of memory");
    } else if (said) {
        frame_init(&session->old_frame);
        session_relay_from_old(session, said, 0, said->length);
    }
    if (said) {
        chunk_unref(&said);
    }
    chunk_unref(&chunk);
    session_canary_go_on(session);
}

// A job that was let go on: it has ended, or its deadline has come.
void
session_canary_end_late(struct canary *canary, bool has_answered)
{
    struct database *database = canary->database;
    session_canary_stop_waiting(canary);
    if (canary->job) {
        own_pool_abandon(canary->worker->pool, &canary->job);
    }
    if (has_answered) {
        atomic_store_explicit(&database->canary_failures, 0, memory_order_relaxed);
    } else {
        session_canary_count_failure(database);
    }
    session_canary_free(&canary);
}

// ---- between old's messages ----

// False: the canary has gone on from here, or is over.
bool
session_canary_settle_hedge(struct canary *canary)
{
    struct session *session = canary->session;
    if (session->old_frame.is_inside || session_is_closing(session)) {
        return true;
    }
    if (canary->is_lost) {
        session_canary_old_wins(canary, canary->lost_for, false);
        return false;
    }
    if (canary->old_answered < canary->unit.prefix_steps) {
        return true;
    }
    if (canary->is_cancelled) {
        session_canary_say_prefix(canary);
        session_canary_answer_cancel(canary);
        return false;
    }
    if (canary->is_ready) {
        session_canary_deliver(canary);
        session_canary_drained(session);
        return false;
    }
    return true;
}

// ---- new wins ----

static void
cancel_on_old(struct canary *canary)
{
    struct session *session = canary->session;
    struct worker *worker = canary->worker;
    const struct registry_client *registered = &session->registered;
    struct cancel_key key = {registered->backend_pid, registered->key, registered->key_length};
    uint64_t errand = ++worker->last_cancel;
    if (key.length > 0 && cancel_errand_start(worker, session->settings->targets[SIDE_OLD],
                                              session->settings->tls[SIDE_OLD], session->old, &key,
                                              worker->index, errand)) {
        canary->errand = errand;
    }
}

bool
session_canary_drain(struct canary *canary)
{
    if (canary->hedged_at == 0 || !canary->session->old || canary->session->old_has_ended) {
        return false;
    }
    session_canary_stop_waiting(canary);
    canary->phase = CANARY_DRAINING;
    canary->old_owes = true;
    cancel_on_old(canary);
    canary->deadline = uv_hrtime() + CANCEL_NS;
    session_canary_start_waiting(canary);
    return true;
}

// False: the canary is over.
bool
session_canary_settle_drain(struct canary *canary)
{
    struct session *session = canary->session;
    if (canary->old_owes || canary->errand != 0) {
        return true;
    }
    session_canary_detach(canary);
    session_canary_go_on(session);
    return false;
}

// A server that takes its time with a cancel is not waited for any longer.
void
session_canary_drain_tick(struct canary *canary, uint64_t now)
{
    canary->deadline = now + CANCEL_NS;
    canary->errand = 0;
    if (!session_is_closing(canary->session) && !canary->session->old_frame.is_inside) {
        session_canary_settle_drain(canary);
    }
}

void
session_canary_errand_done(struct worker *worker, uint64_t errand)
{
    for (struct session *at = worker->sessions; at; at = at->next) {
        if (at->canary && at->canary->errand == errand) {
            at->canary->errand = 0;
            if (!session_is_closing(at) && !at->old_frame.is_inside) {
                session_canary_settle_drain(at->canary);
            }
            return;
        }
    }
}
