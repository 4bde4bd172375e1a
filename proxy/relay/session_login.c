// The old session and the login through it (DESIGN 3.8). The startup packet goes to old in the client's own
// parameters. With auth.type passthrough old's exchange is relayed and old stays the only authority; with
// the others the client is admitted first (session_auth.c), then the proxy logs in on old (session_old_login.c).
// Old's messages are taken whole: they are few and small, and some must be looked at (session_login_messages.c).
#include "proxy/log.h"
#include "proxy/relay/session_auth.h"
#include "proxy/relay/session_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOGIN_LIMIT = 1024 * 1024 }; // bytes of one message of old's

static struct target *
old_target(const struct session *session)
{
    return session->settings->targets[SIDE_OLD];
}

// The database's name on old: the connection string's, else the client's.
const char *
session_old_database(const struct session *session)
{
    const struct target *target = old_target(session);
    return target->has_database ? target->database : session->database_name;
}

static void
refuse_unreachable(struct session *session, const char *error)
{
    char message[256];
    snprintf(message, sizeof(message), "database \"%s\" cannot be reached", session->database_name);
    session_refuse(session, &(struct reply_error_text){
                                .severity = "FATAL",
                                .sqlstate = "08006",
                                .message = message,
                                .detail = error,
                                .hint = "Check that the old server is running, and that `old` of "
                                        "this database in the proxy's configuration names it."});
}

static bool
send_startup(struct session *session)
{
    const struct target *target = old_target(session);
    struct writer writer;
    writer_init(&writer);
    startup_write(&writer, &session->startup, NULL, session_old_database(session),
                  target->options[0] != '\0' ? target->options : NULL);
    bool is_fine = !writer.failed;
    if (is_fine) {
        session_to_old(session, writer.bytes, writer.length);
    }
    writer_fini(&writer);
    return is_fine;
}

static void
on_connected(void *context, struct stream *stream, const char *error)
{
    struct session *session = context;
    session->connector = NULL;
    if (!stream) {
        refuse_unreachable(session, error);
        return;
    }
    session->old = stream;
    atomic_fetch_add(&session->database->old_sessions, 1);
    stream_set_owner(stream, &session_old_callbacks, session);
    session_move(session, SESSION_LOGIN);
    if (!send_startup(session)) {
        session_refuse(session,
                       &(struct reply_error_text){
                           .severity = "FATAL",
                           .sqlstate = "08P01",
                           .message = "the startup packet is too long for the server",
                           .detail = "The options of `old` are appended to the client's."});
        return;
    }
    if (session->way == WAY_FIRST && !session_auth_begin(session)) {
        return;
    }
    stream_resume(stream);
    if (session_auth_hears_client(session)) {
        session_client_resume(session, PAUSE_NOT_YET);
    }
}

// Old's stream goes its own way to its end; what was said on it is forgotten.
static void
leave_old(struct session *session)
{
    stream_set_owner(session->old, NULL, NULL);
    stream_stop(session->old);
    session->old = NULL;
    session->old_pauses = 0;
    session->last_from_old = '\0';
    session->old_has_ended = false;
    session->login_length = 0;
    session->was_challenged = false;
    atomic_fetch_sub(&session->database->old_sessions, 1);
    session_old_login_free(session);
}

void
session_login_again(struct session *session, enum session_way way)
{
    session->way = way;
    session_client_pause(session, PAUSE_NOT_YET);
    session_move(session, SESSION_CONNECTING);
    session->connector = connector_start_other_way(&session->worker->loop, old_target(session),
                                                   session->settings->tls[SIDE_OLD], session->old,
                                                   0, on_connected, session);
    leave_old(session);
    if (!session->connector) {
        session_close(session, "out of memory");
    }
}

void
session_connect(struct session *session)
{
    session_move(session, SESSION_CONNECTING);
    session->connector =
        connector_start(&session->worker->loop, old_target(session),
                        session->settings->tls[SIDE_OLD], 0, on_connected, session);
    if (!session->connector && session->phase == SESSION_CONNECTING) {
        session_close(session, "out of memory");
    }
}

// The message at the front, if it is whole. False: it is not, or it never will be (session closed).
static bool
whole_message(struct session *session, size_t at, struct message *message)
{
    struct reader reader = reader_over(session->login_bytes + at, session->login_length - at);
    char type = (char)reader_u8(&reader);
    uint32_t length = reader_u32(&reader);
    if (reader.failed) {
        return false;
    }
    if (length < 4 || length > LOGIN_LIMIT) {
        refuse_unreachable(session, "What answers there does not speak PostgreSQL's protocol.");
        return false;
    }
    if (reader_left(&reader) < length - 4) {
        return false;
    }
    *message = (struct message){
        .type = type,
        .body = session->login_bytes + at + 5,
        .length = length - 4,
        .raw = session->login_bytes + at,
        .raw_length = length + 1,
    };
    return true;
}

static bool
keep(struct session *session, const uint8_t *bytes, size_t length)
{
    if (session->login_length + length > session->login_capacity) {
        size_t capacity = 2 * (session->login_length + length);
        uint8_t *grown = realloc(session->login_bytes, capacity);
        if (!grown) {
            return false;
        }
        session->login_bytes = grown;
        session->login_capacity = capacity;
    }
    memcpy(session->login_bytes + session->login_length, bytes, length);
    session->login_length += length;
    return true;
}

// What stands behind the first ReadyForQuery (a notification, say) is relayed.
static void
pass_rest(struct session *session, size_t at)
{
    size_t length = session->login_length - at;
    struct chunk *chunk = length > 0 ? chunk_new(length) : NULL;
    if (chunk) {
        memcpy(chunk->bytes, session->login_bytes + at, length);
        chunk->length = length;
        session_old_callbacks.on_bytes(session, chunk, 0, length);
        chunk_unref(&chunk);
    }
    session_login_fini(session);
}

// What old says when it takes nobody now is for everybody's ears; the rest may tell who exists.
static bool
may_be_heard_by_all(const struct message *message)
{
    static const char *const classes[] = {"53", "57", "58"};
    struct reply_error error;
    if (message->type != MESSAGE_SERVER_ERROR_RESPONSE) {
        return message->type == MESSAGE_SERVER_NEGOTIATE_PROTOCOL_VERSION ||
               message->type == MESSAGE_SERVER_NOTICE_RESPONSE;
    }
    bool is_class = false;
    if (reply_read_error(message->body, message->length, &error) && error.sqlstate) {
        for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
            is_class = is_class || strncmp(error.sqlstate, classes[i], 2) == 0;
        }
    }
    return is_class;
}

// Takes the messages that are there; gives where they end.
static size_t
take_messages(struct session *session)
{
    size_t at = 0;
    struct message message;
    while (session->phase == SESSION_LOGIN && whole_message(session, at, &message)) {
        if (!may_be_heard_by_all(&message) && !session_auth_lets_old_speak(session)) {
            break;
        }
        session_login_message(session, &message);
        if (session->phase == SESSION_CONNECTING) { // old is connected to anew
            break;
        }
        session->last_from_old = message.type;
        at += message.raw_length;
    }
    return at;
}

void
session_login_go_on(struct session *session)
{
    if (session->is_reading_login ||
        session_is_closing(session)) { // called from within: take_messages looks again
        return;
    }
    session->is_reading_login = true;
    stream_cork(session->client); // a server says all of its parameters at once
    size_t at = take_messages(session);
    stream_uncork(session->client);
    session->is_reading_login = false;
    if (session->phase == SESSION_CONNECTING || session_is_closing(session)) {
        return;
    }
    if (session->phase != SESSION_LOGIN) {
        pass_rest(session, at);
        if (!session_is_closing(session)) {
            session_unhold(session);
        }
        if (session->client_has_ended && session->phase == SESSION_OPAQUE) {
            session_close(session, "the client has left");
        } else if (session->client_has_ended) {
            session_say_goodbye(session);
        }
        return;
    }
    if (at > 0) {
        memmove(session->login_bytes, session->login_bytes + at, session->login_length - at);
        session->login_length -= at;
    }
    if (session->old_has_ended && !session_auth_holds_old(session)) {
        session_end_with_old(session);
    }
}

void
session_login_from_old(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    if (session->login_length + length > 2 * LOGIN_LIMIT) { // it says so much unasked
        refuse_unreachable(session, "What answers there does not speak PostgreSQL's protocol.");
        return;
    }
    if (!keep(session, chunk->bytes + offset, length)) {
        session_close(session, "out of memory");
        return;
    }
    session_login_go_on(session);
}

// Old takes whatever comes next for its answer, and so it must not come before the question.
static bool
is_early(const struct session *session, char type)
{
    return session_auth_is_ours(session) ? type != MESSAGE_CLIENT_PASSWORD
                                         : !session->answer_is_due;
}

// Passes on, or takes, the messages at the front that belong to the exchange; gives where they end. NULL: the
// session is closing.
static const uint8_t *
take_passwords(struct session *session, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *message = at;
    struct frame_piece piece;
    while (at < end) {
        if (frame_is_between_messages(&session->login_frame)) {
            message = at;
            if (is_early(session, (char)*at)) {
                return message;
            }
            session->answer_is_due = false;
        }
        switch (frame_next(&session->login_frame, &at, end, &piece)) {
        case FRAME_PIECE:
            session_auth_from_client(session, &piece);
            break;
        case FRAME_MORE:
            break;
        case FRAME_JUNK:
            session_refuse(session,
                           &(struct reply_error_text){.severity = "FATAL",
                                                      .sqlstate = "08P01",
                                                      .message = "invalid message length"});
            break;
        }
        if (session_is_closing(session)) {
            return NULL;
        }
    }
    return end;
}

// The answers to challenges go where they are awaited; what the client says beyond the login waits for its end.
void
session_login_from_client(struct session *session, struct chunk *chunk, size_t offset,
                          size_t length)
{
    const uint8_t *from = chunk->bytes + offset, *end = from + length;
    bool is_ours = session_auth_is_ours(session), was_asking = session_auth_is_asking(session);
    if (session->held
            .chunk) { // it was read before the pause took hold, and stands behind what waits
        session_hold(session, chunk, from, end);
        return;
    }
    const uint8_t *stop = take_passwords(session, from, end);
    if (!stop) {
        return;
    }
    if (stop > from && !is_ours &&
        !stream_write(session->old, chunk, offset, (size_t)(stop - from))) {
        session_client_pause(session, PAUSE_OTHER_IS_FULL);
    }
    if (stop < end && session_auth_is_asking(session)) {
        session_auth_refuse_message(session, (char)*stop);
        return;
    }
    session_hold(session, chunk, stop, end);
    if (was_asking && !session_auth_is_asking(session) && !session_is_closing(session)) {
        session_login_go_on(session);
    }
}

void
session_login_fini(struct session *session)
{
    session_auth_end(session);
    session_old_login_free(session);
    free(session->login_bytes);
    session->login_bytes = NULL;
    session->login_length = session->login_capacity = 0;
}
