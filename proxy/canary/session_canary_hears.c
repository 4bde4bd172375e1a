// What old says while its messages are taken one by one: its answer to a Parse or Close that the release waits for
// (CANARY_ASKING_OLD), its answer to a unit that both sides have (CANARY_HEDGED), and the rest of one that came too
// late (CANARY_DRAINING). What a server may say at any time passes whole, where a message may stand.
#include "protocol/reply.h"
#include "proxy/canary/session_canary.h"
#include <string.h>

enum {
    OLD_LIMIT =
        1024 *
        1024, // bytes of old's that are kept: its message under way, and its answer to the prefix
};

bool
session_canary_hears_old(const struct session *session)
{
    const struct canary *canary = session->canary;
    return canary && (canary->phase == CANARY_ASKING_OLD || canary->phase == CANARY_HEDGED ||
                      canary->phase == CANARY_DRAINING);
}

static void
prefix_is_answered(struct canary *canary)
{
    if (canary->old_has_refused) {
        session_canary_answer_refusal(canary);
    } else {
        session_canary_release_or_fall_back(canary);
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

// The end of an answer.
static void
take_ready(struct canary *canary)
{
    if (canary->phase == CANARY_DRAINING) {
        canary->old_owes = false;
        session_canary_settle_drain(canary);
        return;
    }
    if (canary->old_has_refused) {
        writer_bytes(&canary->prefix_reply, canary->old_message.bytes, canary->old_message.length);
    }
    prefix_is_answered(canary);
}

// Of an answer that came too late: old's last word before it goes is the client's.
static void
take_late_error(struct canary *canary)
{
    const struct writer *message = &canary->old_message;
    struct reply_error error;
    if (reply_read_error(message->bytes + 5, message->length - 5, &error) && error.severity &&
        strcmp(error.severity, "ERROR") != 0) {
        session_to_client(canary->session, message->bytes, message->length);
    }
}

// Of an answer that the release waits for. False: the session is over.
static bool
take_answer(struct canary *canary)
{
    struct session *session = canary->session;
    const struct writer *message = &canary->old_message;
    char type = (char)message->bytes[0];
    if (canary->phase == CANARY_DRAINING) {
        take_late_error(canary);
        return true;
    }
    if (message->length > OLD_LIMIT - canary->prefix_reply.length) {
        refuse_old(session);
        return false;
    }
    canary->old_has_refused = canary->old_has_refused || type == MESSAGE_SERVER_ERROR_RESPONSE;
    canary->prefix_answers++;
    writer_bytes(&canary->prefix_reply, message->bytes, message->length);
    if (canary->old_has_refused) { // at once: it may be old's last word
        session_canary_say_prefix(canary);
    }
    return true;
}

// False: the canary has gone on from here or is over, or the session.
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
        take_ready(canary);
        return false;
    default:
        return take_answer(canary);
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

static bool
is_said_at_any_time(char type)
{
    return type == MESSAGE_SERVER_NOTICE_RESPONSE || type == MESSAGE_SERVER_PARAMETER_STATUS ||
           type == MESSAGE_SERVER_NOTIFICATION_RESPONSE;
}

// Old, which was asked as well, says more than that it has nothing against the prefix.
static bool
begins_answer(const struct canary *canary, char type)
{
    bool agrees = canary->prefix_answers < canary->unit.prefix_count &&
                  (type == MESSAGE_SERVER_PARSE_COMPLETE || type == MESSAGE_SERVER_CLOSE_COMPLETE);
    return canary->phase == CANARY_HEDGED && !agrees && !is_said_at_any_time(type);
}

// A message that old may say at any time, and that is too large to be kept, passes as it comes. False: it is none.
static bool
begin_passing(struct canary *canary, const struct frame_piece *piece)
{
    struct session *session = canary->session;
    switch (piece->type) {
    case MESSAGE_SERVER_ERROR_RESPONSE:
        if (canary->phase != CANARY_DRAINING) {
            note_large_refusal(canary);
        }
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
    canary->old_is_late = canary->phase == CANARY_DRAINING && !is_said_at_any_time(piece->type) &&
                          piece->type != MESSAGE_SERVER_ERROR_RESPONSE &&
                          piece->type != MESSAGE_SERVER_READY_FOR_QUERY;
    return message->failed || canary->old_is_late || begins_answer(canary, piece->type) ||
           piece->body_total <= OLD_LIMIT || begin_passing(canary, piece);
}

// The message goes on or has ended. False: the canary has gone on from here or is over, or the session.
static bool
take_body(struct canary *canary, const struct frame_piece *piece)
{
    struct session *session = canary->session;
    if (canary->old_is_late) {
        return true;
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
    if (begins_answer(canary, piece->type)) {
        session_canary_leave_to_old(canary, FALLBACK_HEDGED, true);
        return false;
    }
    return !piece->last || take_message(canary);
}

// False: the canary has gone on from here or is over, or the session.
static bool
take_piece(struct canary *canary, const struct frame_piece *piece)
{
    if (piece->first && !begin_message(canary, piece)) {
        refuse_old(canary->session);
        return false;
    }
    if (!take_body(canary, piece)) {
        return false;
    }
    if (piece->last && canary->phase == CANARY_HEDGED) {
        return session_canary_settle_hedge(canary);
    }
    return !piece->last || canary->phase != CANARY_DRAINING || session_canary_settle_drain(canary);
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
