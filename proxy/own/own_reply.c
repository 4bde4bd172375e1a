// What a server sends to an own session, message by message: errors and ReadyForQuery's are looked into,
// and everything during the login; the rest is only counted. Nothing is trusted. The pool's loop.
#include "protocol/message.h"
#include "protocol/reply.h"
#include "proxy/own/own_parts.h"
#include <string.h>

static bool
is_asynchronous(char type)
{
    return type == MESSAGE_SERVER_NOTICE_RESPONSE || type == MESSAGE_SERVER_PARAMETER_STATUS ||
           type == MESSAGE_SERVER_NOTIFICATION_RESPONSE;
}

// ErrorResponses of a read may be of any size: a long one is passed over.
static bool
is_looked_into(const struct own_session *session, const struct frame_piece *piece)
{
    if (session->phase == OWN_LOGGING_IN) {
        return !is_asynchronous(piece->type);
    }
    return piece->type == MESSAGE_SERVER_READY_FOR_QUERY ||
           (piece->type == MESSAGE_SERVER_ERROR_RESPONSE && piece->body_total <= OWN_BODY_LIMIT);
}

// What was prepared is not there, or its result is another one by now. A name that the server lacks, or has of another, was
// said by another session of it: there is a pooler.
static void
note_statement_error(struct own_session *session, const char *sqlstate)
{
    bool is_lost =
        sqlstate != NULL && (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0);
    bool is_stale = sqlstate != NULL && strcmp(sqlstate, "0A000") == 0;
    if (session->job == NULL || !session->job->keeps_statements || session->to_swallow > 0) {
        return;
    }
    session->has_stale_statement = session->has_stale_statement || is_lost || is_stale;
    session->group->place->forgets_statements =
        session->group->place->forgets_statements || is_lost;
}

// A read's own error is the comparison's affair, and may quote values; what ends the session, or spoils
// its state, is ours to tell.
static void
take_error(struct own_session *session, bool was_looked_into)
{
    struct reply_error error;
    bool is_first = session->to_swallow > 0 && !session->state_has_failed;
    if (session->to_swallow > 0) {
        session->state_has_failed = true;
        session->query_has_failed = true;
        session->role_has_failed = session->role_has_failed || session->to_swallow == 2;
    }
    if (!was_looked_into || !reply_read_error(session->body.bytes, session->body.length, &error)) {
        return;
    }
    note_statement_error(session, error.sqlstate);
    bool ends_session = error.severity != NULL && (strcmp(error.severity, "FATAL") == 0 ||
                                                   strcmp(error.severity, "PANIC") == 0);
    if (is_first || ends_session) {
        const char *sqlstate = error.sqlstate != NULL ? error.sqlstate : "";
        own_trouble_say(&session->trouble, sqlstate, error.message != NULL ? error.message : "");
        if (session->role_has_failed) {
            session->trouble.hint = own_admission_hint(sqlstate, true);
        }
    }
}

static bool
take_ready(struct own_session *session)
{
    if (session->body.length != 1 || session->to_swallow + session->to_come == 0) {
        return false;
    }
    session->status = (char)session->body.bytes[0];
    if (session->to_swallow == 0) {
        session->to_come--;
        return true;
    }
    session->to_swallow--;
    session->is_fresh = session->is_fresh && session->query_has_failed; // it was rolled back
    session->query_has_failed = false;
    session->state_is_known = session->to_swallow == 0 && !session->state_has_failed;
    session->state_digest = session->coming_digest;
    return true;
}

// A whole message while a job runs or none does. False: it has no place here.
static bool
take_reply(struct own_session *session, char type, bool was_looked_into)
{
    switch (type) {
    case MESSAGE_SERVER_ERROR_RESPONSE:
        take_error(session, was_looked_into);
        return true; // with no job: FATAL, the end follows
    case MESSAGE_SERVER_READY_FOR_QUERY:
        return take_ready(session);
    case MESSAGE_SERVER_PARSE_COMPLETE:
        if (session->to_swallow == 0) {
            own_statements_parsed(&session->statements);
        }
        return session->to_swallow + session->to_come > 0;
    default:
        return is_asynchronous(type) || session->to_swallow + session->to_come > 0;
    }
}

static bool
take_login(struct own_session *session, char type)
{
    enum own_outcome outcome = OWN_UNAVAILABLE;
    switch (own_login_message(session, type, session->body.bytes, session->body.length, &outcome)) {
    case OWN_LOGIN_GOES_ON:
        return true;
    case OWN_LOGIN_FAILED:
        own_session_has_broken(session, outcome);
        return false;
    case OWN_LOGIN_OTHER_WAY:
        own_session_go_other_way(session);
        return false;
    case OWN_LOGIN_READY:
        break;
    }
    own_session_is_logged_in(session);
    return true;
}

enum own_outcome
own_reply_take(struct own_session *session, const struct frame_piece *piece)
{
    if (piece->first && !message_is_known(MESSAGE_FROM_SERVER, piece->type)) {
        return OWN_JUNK;
    }
    bool looks = is_looked_into(session, piece);
    if (looks && piece->first) {
        writer_clear(&session->body);
        if (piece->body_total > OWN_BODY_LIMIT) {
            return OWN_JUNK;
        }
    }
    if (looks) {
        writer_bytes(&session->body, piece->body, piece->body_length);
        if (session->body.failed) {
            own_trouble_say(&session->trouble, "", "no memory");
            return OWN_UNAVAILABLE;
        }
    }
    if (!piece->last) {
        return OWN_DONE;
    }
    if (session->phase == OWN_LOGGING_IN) {
        bool is_passed_over = !looks;
        return is_passed_over || take_login(session, piece->type) ? OWN_DONE : OWN_STOPPED;
    }
    return take_reply(session, piece->type, looks) ? OWN_DONE : OWN_JUNK;
}
