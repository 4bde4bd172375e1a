// What old is asked while new serves, and what it says to that: to its own messages of the unit, to the question what
// transaction this is, to a Sync that shows that the session is in use, and to what makes it fail where the client was
// told of an error; and to a unit that both sides have (session_canary_hedge.c).
//
// What it says on its own passes to the client.
#include "proxy/canary/session_canary.h"
#include <string.h>

enum {
    // Bytes of old's that are kept: its message under way, and its answer to the unit's messages.
    OLD_LIMIT = 1024 * 1024,
    // Below any time-out of an idle session or transaction that makes sense.
    SILENCE_NS = 500 * 1000 * 1000,
};

// A SELECT, as the client's read would be: from here on it is too late for SET TRANSACTION, as it has to be.
static const char question[] = "SELECT pg_catalog.current_setting('transaction_isolation'), "
                               "pg_catalog.current_setting('transaction_read_only')";
static const char failure[] = "ROLLBACK TO SAVEPOINT pgrehearse_has_answered_with_an_error";

bool
session_canary_hears_old(const struct session *session)
{
    const struct canary *canary = session->canary;
    return canary && (canary->phase == CANARY_ASKING_OLD || canary->phase == CANARY_ABORTING_OLD ||
                      canary->phase == CANARY_HEDGED || canary->phase == CANARY_DRAINING);
}

static void
send_to_old(struct canary *canary, struct writer *writer)
{
    struct session *session = canary->session;
    session->old_asked_at = uv_hrtime();
    if (writer->failed) {
        session_close(session, "out of memory");
    } else {
        session_to_old(session, writer->bytes, writer->length);
    }
    writer_fini(writer);
}

bool
session_canary_ask(struct canary *canary)
{
    const struct session *session = canary->session;
    const struct canary_unit *unit = &canary->unit;
    bool is_in_transaction = session->pairing.transaction_status == 'T' || unit->has_begin;
    bool was_silent = uv_hrtime() - session->old_asked_at >= SILENCE_NS &&
                      frame_is_between_messages(&session->old_frame); // else it is just speaking
    canary->asks_transaction = is_in_transaction && !session->transaction.is_asked;
    struct writer writer;
    writer_init(&writer);
    if (unit->old_steps > 0 || (was_silent && !canary->asks_transaction)) {
        canary_unit_write_old(unit, &writer);
        request_write_sync(&writer);
        canary->readies_due++;
    }
    if (canary->asks_transaction) {
        request_write_query(&writer, question);
        canary->readies_due++;
    }
    if (canary->readies_due == 0) {
        writer_fini(&writer);
        return false;
    }
    canary->phase = CANARY_ASKING_OLD;
    send_to_old(canary, &writer);
    return true;
}

void
session_canary_abort_old(struct canary *canary)
{
    struct session *session = canary->session;
    struct held rest = canary->old_rest;
    struct writer writer;
    canary->old_rest.chunk = NULL;
    canary->phase = CANARY_ABORTING_OLD;
    canary->readies_due = 1;
    session_canary_stop_waiting(canary);
    writer_init(&writer);
    request_write_query(&writer, failure);
    session_old_resume(session, PAUSE_CANARY);
    send_to_old(canary, &writer);
    if (rest.chunk) {
        session_canary_from_old(session, rest.chunk, rest.offset, rest.length);
        chunk_unref(&rest.chunk);
    }
}

static bool
is_text(const uint8_t *value, size_t length, const char *text)
{
    return value && length == strlen(text) && memcmp(value, text, length) == 0;
}

static void
refuse_old(struct session *session)
{
    session_refuse(session,
                   &(struct reply_error_text){.severity = "FATAL",
                                              .sqlstate = "08P01",
                                              .message = "the server sent what is no protocol"});
}

// Of the question about the transaction.
static void
take_answer(struct canary *canary, const struct message *message)
{
    struct reply_row row;
    const uint8_t *isolation, *read_only;
    size_t isolation_length, read_only_length;
    if (message->type != MESSAGE_SERVER_DATA_ROW ||
        !reply_row_begin(&row, message->body, message->length) ||
        !reply_row_next(&row, &isolation, &isolation_length) ||
        !reply_row_next(&row, &read_only, &read_only_length)) {
        return;
    }
    canary->question_rows++;
    canary->is_read_committed =
        is_text(isolation, isolation_length, "read committed") ||
        is_text(isolation, isolation_length, "read uncommitted"); // the same in PostgreSQL
    canary->is_read_only = is_text(read_only, read_only_length, "on");
}

// Of what answers a message of the unit. False: the session is over.
static bool
keep(struct canary *canary, char type)
{
    const struct writer *message = &canary->old_message;
    if (message->length > OLD_LIMIT - canary->prefix_reply.length) {
        refuse_old(canary->session);
        return false;
    }
    if (type == MESSAGE_SERVER_ERROR_RESPONSE && !canary->old_has_refused) {
        canary->old_has_refused = true;
        canary->refusal_at = canary->prefix_reply.length;
    }
    writer_bytes(&canary->prefix_reply, message->bytes, message->length);
    if (canary->old_has_refused) {
        session_canary_hear_refusal(canary);
        return true;
    }
    // Each message is answered by one, but for the Describe of a statement.
    canary->old_answered += type != MESSAGE_SERVER_PARAMETER_DESCRIPTION;
    if (canary->old_answered <= canary->unit.prefix_steps) {
        canary->prefix_end = canary->prefix_reply.length;
    }
    return true;
}

static bool
is_asked_for_transaction(const struct canary *canary)
{
    return canary->asks_transaction && canary->readies_due == 1;
}

// False: the canary is over, or the session.
static bool
take_ready(struct canary *canary, const struct message *message)
{
    if (message->length != 1) {
        refuse_old(canary->session);
        return false;
    }
    canary->session->pairing.transaction_status = (char)message->body[0];
    if (canary->phase == CANARY_DRAINING) {
        canary->old_owes = false;
        return session_canary_settle_drain(canary);
    }
    if (--canary->readies_due > 0) {
        return true;
    }
    if (canary->phase == CANARY_ABORTING_OLD) {
        session_canary_end(canary);
    } else if (canary->old_has_refused) {
        session_canary_refused(canary);
    } else if (canary->asks_transaction && !(canary->is_read_only && canary->is_read_committed)) {
        session_canary_leave_to_old(canary);
    } else {
        session_canary_agreed(canary);
    }
    return false;
}

// Of an answer that came too late: old's last word before it goes is the client's.
static void
take_late_error(struct session *session, const struct message *message)
{
    struct reply_error error;
    if (reply_read_error(message->body, message->length, &error) && error.severity &&
        strcmp(error.severity, "ERROR") != 0) {
        session_to_client(session, message->raw, message->raw_length);
    }
}

// False: the canary has gone on from here or is over, or the session.
static bool
take_message(struct canary *canary)
{
    struct session *session = canary->session;
    const struct writer *bytes = &canary->old_message;
    const struct message message = {(char)bytes->bytes[0], bytes->bytes + 5, bytes->length - 5,
                                    bytes->bytes, bytes->length};
    session->last_from_old = message.type;
    switch (message.type) {
    case MESSAGE_SERVER_PARAMETER_STATUS:
        session_unit_stray(session, message.raw, message.raw_length);
        session_to_client(session, message.raw, message.raw_length);
        return true;
    case MESSAGE_SERVER_NOTICE_RESPONSE:
    case MESSAGE_SERVER_NOTIFICATION_RESPONSE:
        session_to_client(session, message.raw, message.raw_length);
        return true;
    case MESSAGE_SERVER_READY_FOR_QUERY:
        return take_ready(canary, &message);
    default:
        break;
    }
    if (canary->phase == CANARY_ABORTING_OLD) {
        return true;
    }
    if (canary->phase == CANARY_DRAINING) {
        take_late_error(session, &message);
        return true;
    }
    if (is_asked_for_transaction(canary)) {
        take_answer(canary, &message);
        return true;
    }
    return keep(canary, message.type);
}

// Another error stands for it in the record, so that the shadow can follow; the client hears old's.
static void
note_large_refusal(struct canary *canary)
{
    canary->refusal_at = canary->prefix_end = canary->prefix_reply.length;
    session_canary_say_prefix(canary);
    reply_write_error(&canary->prefix_reply, MESSAGE_SERVER_ERROR_RESPONSE,
                      &(struct reply_error_text){.severity = "ERROR",
                                                 .sqlstate = "XX000",
                                                 .message = "the error was too large to be kept"});
    canary->prefix_said = canary->prefix_end = canary->prefix_reply.length;
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
    bool agrees = canary->old_answered < canary->unit.prefix_steps &&
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
        if (canary->phase != CANARY_ASKING_OLD || canary->old_has_refused ||
            canary->old_answered >= canary->unit.prefix_steps) {
            return false; // the client would hear it at the wrong place
        }
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
        session_canary_old_wins(canary, FALLBACK_HEDGED, true);
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
