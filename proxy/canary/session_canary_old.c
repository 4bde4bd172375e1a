// Old takes over: whatever becomes of new before its answer is released, old serves the unit, and the client sees
// nothing of it. What is counted as new's failure, and what is not.
#include "proxy/canary/session_canary.h"
#include "proxy/log.h"
#include <string.h>

enum { PROBE_NS = 1000 * 1000 * 1000 };

void
session_canary_count_failure(struct database *database)
{
    if (atomic_fetch_add(&database->canary_failures, 1) + 1 >= CANARY_FAILURES) {
        atomic_store(&database->canary_probe_at, uv_hrtime() + PROBE_NS);
    }
}

// Data errors and unfit answers are the statement's, a refused login is the user's, not new's; whether an answer that
// old was faster than fails is not known yet.
void
session_canary_note_fallback(const struct canary *canary, enum fallback_reason reason)
{
    log_event(LOG_DEBUG_LEVEL, "canary_fell_back", "session=%llu reason=%s sqlstate=%s",
              (unsigned long long)canary->session->id, fallback_reason_name(reason),
              canary->answer.sqlstate);
    books_fell_back(&canary->database->books, reason);
    if (reason != FALLBACK_HEDGED && reason != FALLBACK_UNFIT && !canary->is_refused &&
        strncmp(canary->answer.sqlstate, "22", 2) != 0) {
        session_canary_count_failure(canary->database);
    }
}

void
session_canary_say_prefix(struct canary *canary)
{
    const struct writer *reply = &canary->prefix_reply;
    session_to_client(canary->session, reply->bytes + canary->prefix_said,
                      reply->length - canary->prefix_said);
    canary->prefix_said = reply->length;
}

// The prefix has gone to old and was answered: the shadow gets it as a unit of its own, and the client
// its answer; the rest of the unit is relayed.
static size_t
settle_prefix(struct canary *canary)
{
    struct session *session = canary->session;
    size_t length = canary->unit.prefix_length;
    static const uint8_t sync[] = {MESSAGE_CLIENT_SYNC, 0, 0, 0, 4};
    static const uint8_t ready[] = {MESSAGE_SERVER_READY_FOR_QUERY, 0, 0, 0, 5, 'I'};
    session_canary_say_prefix(canary);
    struct unit *unit = session_canary_unit(canary, UNIT_ROUTE_OLD);
    if (unit) {
        unit->is_request_cut = !capture_copy(&unit->request, canary->unit.bytes, length) ||
                               !capture_copy(&unit->request, sync, sizeof(sync));
        unit->is_reply_cut =
            !capture_copy(&unit->reply, canary->prefix_reply.bytes, canary->prefix_reply.length) ||
            !capture_copy(&unit->reply, ready, sizeof(ready));
        session_unit_settle(session, unit);
    }
    return length;
}

void
session_canary_fall_back(struct canary *canary, enum fallback_reason reason)
{
    struct session *session = canary->session;
    if (canary->phase == CANARY_HEDGED) {
        canary->is_lost = true;
        canary->lost_for = reason;
        if (!canary->old_is_passing || !session->old_frame.is_inside) {
            session_canary_leave_to_old(canary, reason, false);
        }
        return;
    }
    struct chunk *chunk = chunk_ref(canary->chunk);
    const uint8_t *from = canary->unit.bytes, *end = from + canary->unit.length;
    session_canary_note_fallback(canary, reason);
    if (canary->phase == CANARY_ASKING_OLD) {
        from += settle_prefix(canary);
    }
    session_canary_detach(canary);
    session->next_route = UNIT_ROUTE_FALLBACK;
    session->next_is_harmless = true; // it was proven, or it would not have been tried
    session_relay_to_old(session, chunk, (size_t)(from - chunk->bytes), (size_t)(end - from));
    chunk_unref(&chunk);
    session_canary_go_on(session);
}

// Old has refused the prefix: what it said is the answer.
void
session_canary_answer_refusal(struct canary *canary)
{
    struct session *session = canary->session;
    struct unit *unit = session_canary_unit(canary, UNIT_ROUTE_OLD);
    session_canary_say_prefix(canary);
    if (unit) {
        unit->is_request_cut =
            !capture_copy(&unit->request, canary->unit.bytes, canary->unit.length);
        unit->is_reply_cut =
            !capture_copy(&unit->reply, canary->prefix_reply.bytes, canary->prefix_reply.length);
        if (canary->is_refusal_cut) {
            unit->dropped = DROP_MEMORY;
        }
        session_unit_settle(session, unit);
    }
    session_canary_detach(canary);
    session_canary_go_on(session);
}

// Old has nothing against new's answer, or was only in the midst of a message.
void
session_canary_release_or_fall_back(struct canary *canary)
{
    struct session *session = canary->session;
    if (canary->answer.progress == CANARY_COMPLETE ||
        (canary->answer.progress == CANARY_COMING && canary->job)) {
        session_canary_release(canary); // frees it when the answer was complete
        session_canary_drained(session);
    } else {
        session_canary_fall_back(canary, FALLBACK_DISCONNECTED);
    }
}

void
session_canary_old_spoke(struct session *session)
{
    struct canary *canary = session->canary;
    if (!canary || canary->phase != CANARY_IN_MESSAGE || session->old_frame.is_inside ||
        session_is_closing(session)) {
        return;
    }
    if (canary->is_cancelled) {
        session_canary_answer_cancel(canary);
    } else {
        session_canary_release_or_fall_back(canary);
    }
}
