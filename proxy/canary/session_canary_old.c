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
// old was faster than fails is not known yet. Whose any other error is, old's answer tells.
void
session_canary_note_fallback(const struct canary *canary, enum fallback_reason reason)
{
    log_event(LOG_DEBUG_LEVEL, "canary_fell_back", "session=%llu reason=%s sqlstate=%s",
              (unsigned long long)canary->session->id, fallback_reason_name(reason),
              canary->answer.sqlstate);
    books_fell_back(&canary->database->books, reason);
    guard_count(&canary->database->guard_counts, GUARD_FALLBACKS);
    canary->session->new_error[0] = '\0';
    if (reason == FALLBACK_HEDGED || reason == FALLBACK_UNFIT || canary->is_refused ||
        strncmp(canary->answer.sqlstate, "22", 2) == 0) {
        return;
    }
    if (reason == FALLBACK_ERROR && canary->answer.sqlstate[0]) {
        snprintf(canary->session->new_error, sizeof(canary->session->new_error), "%s",
                 canary->answer.sqlstate);
        return;
    }
    if (reason != FALLBACK_PATIENCE) {
        guard_count(&canary->database->guard_counts, GUARD_ERRORS);
    }
    session_canary_count_failure(canary->database);
}

static bool
has_error(const struct unit *unit, const char *sqlstate)
{
    struct capture_cursor cursor;
    struct message message;
    bool has = false;
    capture_cursor_init(&cursor, &unit->reply);
    while (!has && capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        struct reply_error error;
        has = message.type == MESSAGE_SERVER_ERROR_RESPONSE &&
              reply_read_error(message.body, message.length, &error) && error.sqlstate &&
              strcmp(error.sqlstate, sqlstate) == 0;
    }
    capture_cursor_fini(&cursor);
    return has;
}

void
session_canary_blame(struct session *session, const struct unit *unit)
{
    if (unit->route != UNIT_ROUTE_FALLBACK || !session->new_error[0]) {
        return;
    }
    if (!has_error(unit, session->new_error)) {
        guard_count(&session->database->guard_counts, GUARD_ERRORS);
        session_canary_count_failure(session->database);
    }
    session->new_error[0] = '\0';
}

// What old has said to the unit's messages, up to here, is the client's.
static void
say_up_to(struct canary *canary, size_t end)
{
    session_to_client(canary->session, canary->prefix_reply.bytes + canary->prefix_said,
                      end - canary->prefix_said);
    canary->prefix_said = end;
}

void
session_canary_say_prefix(struct canary *canary)
{
    say_up_to(canary, canary->prefix_end);
}

// The prefix has gone to old and was answered: the shadow gets it as a unit of its own, and the client
// its answer; the rest of the unit is relayed.
static size_t
settle_prefix(struct canary *canary)
{
    struct session *session = canary->session;
    size_t length = canary->unit.prefix_length;
    static const uint8_t sync[] = {MESSAGE_CLIENT_SYNC, 0, 0, 0, 4};
    const uint8_t ready[] = {
        MESSAGE_SERVER_READY_FOR_QUERY, 0, 0, 0, 5, (uint8_t)session->pairing.transaction_status};
    session_canary_say_prefix(canary);
    struct unit *unit = session_canary_unit(canary, UNIT_ROUTE_OLD);
    if (unit) {
        unit->is_request_cut = !capture_copy(&unit->request, canary->unit.bytes, length) ||
                               !capture_copy(&unit->request, sync, sizeof(sync));
        unit->is_reply_cut =
            !capture_copy(&unit->reply, canary->prefix_reply.bytes, canary->prefix_end) ||
            !capture_copy(&unit->reply, ready, sizeof(ready));
        session_canary_settle(canary, unit);
    }
    return length;
}

// Messages of the unit that old has answered are not put to it twice, unless they may be.
static void
hand_to_old(struct canary *canary, enum unit_route route)
{
    struct session *session = canary->session;
    struct chunk *chunk = chunk_ref(canary->chunk);
    const uint8_t *from = canary->unit.bytes, *end = from + canary->unit.length;
    if (canary->phase == CANARY_ASKING_OLD && canary->unit.prefix_length > 0 &&
        !canary_unit_is_mixed(&canary->unit)) {
        from += settle_prefix(canary);
    } else if (canary->asks_transaction && canary->question_rows > 0) {
        session->transaction.is_asked = true;
        session->transaction.is_servable = canary->is_read_only && canary->is_read_committed;
    }
    session->next_move =
        canary->unit.has_begin && from == canary->unit.bytes ? UNIT_BEGINS : UNIT_MOVES_NOTHING;
    session->next_may_be_read_only = canary->unit.has_begin;
    session_canary_detach(canary);
    session->next_route = route;
    session->next_is_harmless = true; // it was proven, or it would not have been tried
    session_relay_to_old(session, chunk, (size_t)(from - chunk->bytes), (size_t)(end - from));
    chunk_unref(&chunk);
    session_canary_go_on(session);
}

void
session_canary_fall_back(struct canary *canary, enum fallback_reason reason)
{
    if (canary->phase == CANARY_HEDGED) {
        canary->is_lost = true;
        canary->lost_for = reason;
        if (!canary->old_is_passing || !canary->session->old_frame.is_inside) {
            session_canary_old_wins(canary, reason, false);
        }
        return;
    }
    session_canary_note_fallback(canary, reason);
    hand_to_old(canary, UNIT_ROUTE_FALLBACK);
}

void
session_canary_leave_to_old(struct canary *canary)
{
    hand_to_old(canary, UNIT_ROUTE_OLD);
}

static bool
is_behind_reads(const struct canary *canary)
{
    return canary->old_answered >= canary->unit.prefix_steps;
}

static bool
is_last_word(const struct writer *message)
{
    struct reply_error error;
    return reply_read_error(message->bytes + 5, message->length - 5, &error) && error.severity &&
           strcmp(error.severity, "ERROR") != 0;
}

// Old has refused a message of its own. The client hears it at once, since it may be old's last word, behind the answers
// to what stands in front of it; but where old will run the whole unit, it will say it again.
void
session_canary_hear_refusal(struct canary *canary)
{
    struct canary_answer *answer = &canary->answer;
    if (!is_behind_reads(canary)) {
        canary->prefix_end = canary->prefix_reply.length;
    } else if (canary->unit.old_can_begin_again && !is_last_word(&canary->old_message)) {
        return;
    } else if (!canary->is_refusal_heard) {
        size_t n = canary->old_answered - canary->unit.prefix_steps;
        canary->is_refusal_heard = true;
        if (n < answer->mark_count) {
            canary_answer_cut(answer, n);
        }
        session_canary_say_prefix(canary);
        session_to_client(canary->session, answer->out.bytes, answer->out.length);
        canary->prefix_said = canary->refusal_at;
    }
    say_up_to(canary, canary->prefix_reply.length);
}

// And has come to the unit's end.
void
session_canary_refused(struct canary *canary)
{
    struct session *session = canary->session;
    bool is_mixed = is_behind_reads(canary);
    if (is_mixed && canary->unit.old_can_begin_again) {
        session_canary_leave_to_old(canary);
        return;
    }
    struct writer *reply = &canary->prefix_reply;
    const uint8_t ready[] = {
        MESSAGE_SERVER_READY_FOR_QUERY, 0, 0, 0, 5, (uint8_t)session->pairing.transaction_status};
    writer_bytes(reply, ready, sizeof(ready));
    if (is_mixed) {
        canary_answer_record(&canary->answer, reply->bytes + canary->refusal_at,
                             reply->length - canary->refusal_at);
    } else {
        canary->prefix_end = reply->length;
        canary->answer.is_record_cut = false;
        capture_fini(&canary->answer.record);
    }
    say_up_to(canary, reply->length);
    struct unit *unit = session_canary_unit(canary, is_mixed ? UNIT_ROUTE_NEW : UNIT_ROUTE_OLD);
    if (unit) {
        session_canary_record(canary, unit);
        if (canary->is_refusal_cut) {
            unit->dropped = DROP_MEMORY;
        }
        session_canary_settle(canary, unit);
    }
    session_canary_detach(canary);
    session_canary_go_on(session);
}

// Old has nothing against new's answer, or was only in the midst of a message.
void
session_canary_agreed(struct canary *canary)
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
        session_canary_agreed(canary);
    }
}
