// Old's part in a canary read: it agrees to a Parse or Close before the answer is released, takes over when
// new fails, and the shadow is told how it ended.
#include "proxy/canary/session_canary.h"
#include "proxy/log.h"
#include <stdlib.h>
#include <string.h>

enum {
    PROBE_NS = 1000 * 1000 * 1000,
    OLD_LIMIT =
        1024 *
        1024, // bytes of old's that are kept: its message under way, and its answer to the prefix
};

// The session goes on; what is left of the job is waited for.
static void
detach(struct canary *canary)
{
    session_canary_stop_waiting(canary);
    canary->session->canary = NULL;
    canary->session = NULL;
    if (!canary->job) {
        session_canary_free(&canary);
    } else if (canary->is_job_paused) {
        canary->is_job_paused = false;
        own_job_resume(canary->job);
    }
}

static void
go_on(struct session *session)
{
    session_old_resume(session, PAUSE_CANARY);
    if (!session->canary) {
        session_client_resume(session, PAUSE_CANARY);
    }
    session_relay_after_unit(session);
}

static struct unit *
make_unit(struct canary *canary, enum unit_route route)
{
    struct session *session = canary->session;
    struct unit *unit = unit_new(session->id, ++session->sequence, 'I', canary->begun);
    if (!unit) {
        return NULL; // the shadow sees the gap
    }
    unit->route = route;
    unit->answered = canary->answered;
    unit->ended = uv_hrtime();
    unit->status_after = 'I';
    unit->has_statements = canary->unit.prefix_count > 0;
    unit->is_harmless = true;
    return unit;
}

void
session_canary_finish(struct canary *canary, enum unit_route route)
{
    struct session *session = canary->session;
    struct unit *unit = make_unit(canary, route);
    guard_count(&session->database->guard_counts, GUARD_SERVED);
    if (unit) {
        struct capture *record = &canary->answer.record;
        unit->is_request_cut = !canary_unit_capture(&canary->unit, &unit->request);
        unit->is_reply_cut =
            canary->answer.is_record_cut ||
            !capture_copy(&unit->reply, canary->prefix_reply.bytes, canary->prefix_reply.length);
        for (size_t i = 0; i < record->count && !unit->is_reply_cut; i++) {
            const struct slice *slice = &record->slices[i];
            unit->is_reply_cut =
                !capture_append(&unit->reply, slice->chunk, slice->offset, slice->length);
        }
        if (unit->is_reply_cut) {
            capture_fini(&unit->reply);
            unit->dropped = DROP_MEMORY;
        }
        session_unit_settle(session, unit);
    }
    struct held rest = canary->old_rest;
    canary->old_rest.chunk = NULL;
    detach(canary);
    if (rest.chunk) {
        session_old_callbacks.on_bytes(session, rest.chunk, rest.offset, rest.length);
        chunk_unref(&rest.chunk);
    }
    go_on(session);
}

static void
note_failure(const struct canary *canary, enum fallback_reason reason)
{
    struct database *database = canary->session->database;
    books_fell_back(&database->books, reason);
    guard_count(&database->guard_counts, GUARD_FALLBACKS);
    // Data errors and unfit answers are the statement's, a refused login is the user's, not new's.
    if (reason == FALLBACK_UNFIT || canary->is_refused ||
        strncmp(canary->answer.sqlstate, "22", 2) == 0) {
        return;
    }
    if (reason != FALLBACK_PATIENCE) {
        guard_count(&database->guard_counts, GUARD_ERRORS);
    }
    if (atomic_fetch_add(&database->canary_failures, 1) + 1 >= CANARY_FAILURES) {
        atomic_store(&database->canary_probe_at, uv_hrtime() + PROBE_NS);
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
    struct unit *unit = make_unit(canary, UNIT_ROUTE_OLD);
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
    struct chunk *chunk = chunk_ref(canary->chunk);
    const uint8_t *from = canary->unit.bytes, *end = from + canary->unit.length;
    log_event(LOG_DEBUG_LEVEL, "canary_fell_back", "session=%llu reason=%s sqlstate=%s",
              (unsigned long long)session->id, fallback_reason_name(reason),
              canary->answer.sqlstate);
    note_failure(canary, reason);
    if (canary->phase == CANARY_ASKING_OLD) {
        from += settle_prefix(canary);
    }
    detach(canary);
    session->next_route = UNIT_ROUTE_FALLBACK;
    session->next_is_harmless = true; // it was proven, or it would not have been tried
    session_relay_to_old(session, chunk, (size_t)(from - chunk->bytes), (size_t)(end - from));
    chunk_unref(&chunk);
    go_on(session);
}

// Old has refused the prefix: what it said is the answer.
static void
answer_refusal(struct canary *canary)
{
    struct session *session = canary->session;
    struct unit *unit = make_unit(canary, UNIT_ROUTE_OLD);
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
    detach(canary);
    go_on(session);
}

// Old has nothing against new's answer, or was only in the midst of a message.
static void
release_or_fall_back(struct canary *canary)
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

static void
prefix_is_answered(struct canary *canary)
{
    if (canary->old_has_refused) {
        answer_refusal(canary);
    } else {
        release_or_fall_back(canary);
    }
}

static void
refuse_old(struct session *session)
{
    session_refuse(session,
                   &(struct reply_error_text){.severity = "FATAL",
                                              .sqlstate = "08P01",
                                              .message = "the server sent what is no protocol"});
}

// False: the canary is over, or the session.
static bool
take_message(struct canary *canary)
{
    struct session *session = canary->session;
    const struct writer *message = &canary->old_message;
    char type = (char)message->bytes[0];
    session->last_from_old = type;
    switch (type) {
    case MESSAGE_SERVER_PARAMETER_STATUS:
        session_unit_stray(session, message->bytes, message->length);
        session_to_client(session, message->bytes, message->length);
        return true;
    case MESSAGE_SERVER_NOTICE_RESPONSE:
    case MESSAGE_SERVER_NOTIFICATION_RESPONSE:
        session_to_client(session, message->bytes, message->length);
        return true;
    case MESSAGE_SERVER_READY_FOR_QUERY:
        if (canary->old_has_refused) {
            writer_bytes(&canary->prefix_reply, message->bytes, message->length);
        }
        prefix_is_answered(canary);
        return false;
    default:
        if (message->length > OLD_LIMIT - canary->prefix_reply.length) {
            refuse_old(session);
            return false;
        }
        canary->old_has_refused = canary->old_has_refused || type == MESSAGE_SERVER_ERROR_RESPONSE;
        writer_bytes(&canary->prefix_reply, message->bytes, message->length);
        if (canary->old_has_refused) { // at once: it may be old's last word
            session_canary_say_prefix(canary);
        }
        return true;
    }
}

// Another error stands for it in the record, so that the shadow can follow; the client hears old's.
static void
note_large_refusal(struct canary *canary)
{
    session_canary_say_prefix(canary);
    reply_write_error(&canary->prefix_reply, MESSAGE_SERVER_ERROR_RESPONSE,
                      &(struct reply_error_text){.severity = "ERROR",
                                                 .sqlstate = "XX000",
                                                 .message = "the error was too large to be kept"});
    canary->prefix_said = canary->prefix_reply.length;
    canary->old_has_refused = canary->is_refusal_cut = true;
}

// A message that old may say at any time, and that is too large to be kept, passes as it comes. False: it is none.
static bool
begin_passing(struct canary *canary, const struct frame_piece *piece)
{
    struct session *session = canary->session;
    switch (piece->type) {
    case MESSAGE_SERVER_ERROR_RESPONSE:
        note_large_refusal(canary);
        break;
    case MESSAGE_SERVER_PARAMETER_STATUS:
        session_unit_stray(session, NULL, 0);
        break;
    case MESSAGE_SERVER_NOTICE_RESPONSE:
    case MESSAGE_SERVER_NOTIFICATION_RESPONSE:
        break;
    default:
        return false;
    }
    session->last_from_old = piece->type;
    canary->old_is_passing = true;
    session_to_client(session, canary->old_message.bytes, canary->old_message.length);
    return true;
}

static bool
begin_message(struct canary *canary, const struct frame_piece *piece)
{
    struct writer *message = &canary->old_message;
    writer_clear(message);
    writer_u8(message, (uint8_t)piece->type);
    writer_u32(message, piece->body_total + 4);
    canary->old_is_passing = false;
    return message->failed || piece->body_total <= OLD_LIMIT || begin_passing(canary, piece);
}

// False: the canary is over, or the session.
static bool
take_piece(struct canary *canary, const struct frame_piece *piece)
{
    struct session *session = canary->session;
    if (piece->first && !begin_message(canary, piece)) {
        refuse_old(session);
        return false;
    }
    if (canary->old_is_passing) {
        session_to_client(session, piece->body, piece->body_length);
        return true;
    }
    writer_bytes(&canary->old_message, piece->body, piece->body_length);
    if (canary->old_message.failed) {
        session_close(session, "out of memory");
        return false;
    }
    return !piece->last || take_message(canary);
}

void
session_canary_from_old(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    const uint8_t *at = chunk->bytes + offset, *end = at + length;
    struct frame_piece piece;
    bool goes_on = true;
    enum frame_status status;
    while (goes_on && (status = frame_next(&session->old_frame, &at, end, &piece)) != FRAME_MORE) {
        if (status == FRAME_JUNK) {
            refuse_old(session);
            return;
        }
        goes_on = take_piece(session->canary, &piece);
    }
    if (goes_on || at == end || session_is_closing(session)) {
        return;
    }
    size_t rest = (size_t)(at - chunk->bytes);
    if (session->canary && session->canary->phase == CANARY_RELEASED) {
        session->canary->old_rest = (struct held){chunk_ref(chunk), rest, (size_t)(end - at)};
    } else {
        session_old_callbacks.on_bytes(session, chunk, rest, (size_t)(end - at));
    }
}

static void
answer_cancel(struct canary *canary)
{
    struct session *session = canary->session;
    struct writer error;
    writer_init(&error);
    reply_write_error(
        &error, MESSAGE_SERVER_ERROR_RESPONSE,
        &(struct reply_error_text){.severity = "ERROR",
                                   .sqlstate = "57014",
                                   .message = "canceling statement due to user request"});
    reply_write_ready(&error, 'I');
    struct canary_answer *answer = &canary->answer;
    capture_fini(&answer->record);
    answer->is_record_cut =
        error.failed || !capture_copy(&answer->record, error.bytes, error.length);
    session_to_client(session, error.bytes, error.failed ? 0 : error.length);
    writer_fini(&error);
    session_canary_finish(canary, UNIT_ROUTE_NEW);
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
        answer_cancel(canary);
    } else {
        release_or_fall_back(canary);
    }
}

bool
session_canary_cancel(struct session *session)
{
    struct canary *canary = session->canary;
    if (!canary || canary->phase == CANARY_ASKING_OLD) {
        return canary != NULL;
    }
    if (canary->phase == CANARY_RELEASED) { // rows are on their way: new says where they end
        if (canary->job) {
            own_job_cancel(canary->job);
        }
        return true;
    }
    if (canary->job) {
        own_pool_abandon(session->worker->pool, &canary->job);
    }
    if (session->old_frame.is_inside) {
        session_canary_stop_waiting(canary);
        canary->is_cancelled = true;
        canary->phase = CANARY_IN_MESSAGE;
    } else {
        answer_cancel(canary);
    }
    return true;
}

void
session_canary_fini(struct session *session)
{
    struct canary *canary = session->canary;
    if (!canary) {
        return;
    }
    struct unit *unit = make_unit(canary, UNIT_ROUTE_OLD);
    if (unit) {
        unit->is_lost = true;
        unit->status_after = 0;
        unit->has_statements = false;
        unit->is_request_cut =
            !capture_copy(&unit->request, canary->unit.bytes, canary->unit.length);
        session_unit_settle(session, unit);
    }
    if (canary->job) {
        own_pool_abandon(canary->worker->pool, &canary->job);
    }
    canary->is_job_paused = false;
    detach(canary);
}
