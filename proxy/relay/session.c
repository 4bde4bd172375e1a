// A session's life: it begins with an accepted socket, and ends when both streams have said on_closed. The
// streams' callbacks go to the file of the phase; what is decided for the whole session, is decided here.
//
// Known compromise: a client that has sent its end of stream while answers are outstanding gets them; should it
// take nothing for STALL_NS, it is given up, since a stream that has ended reports nothing more. A proxy that is
// stopping waits for such answers no longer than PARTING_NS: mostly nobody is there to take them. Old goes on with
// the statement, as it does for a client that has left it.
#include "protocol/request.h"
#include "proxy/canary/session_canary.h"
#include "proxy/log.h"
#include "proxy/relay/cancel_errand.h"
#include "proxy/relay/session_auth.h"
#include "proxy/transport/secret.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STARTUP_NS (60ull * 1000 * 1000 * 1000)
#define STALL_NS (10ull * 1000 * 1000 * 1000)
#define PARTING_NS (5ull * 1000 * 1000 * 1000)

#define BIT(phase) (1u << (phase))

// From each phase to which.
static const unsigned edges[] = {
    [SESSION_STARTUP] = BIT(SESSION_SECURING) | BIT(SESSION_WAITING) | BIT(SESSION_CONNECTING) |
                        BIT(SESSION_CLOSING) | BIT(SESSION_GONE),
    [SESSION_SECURING] = BIT(SESSION_STARTUP) | BIT(SESSION_CLOSING),
    [SESSION_WAITING] = BIT(SESSION_CONNECTING) | BIT(SESSION_CLOSING),
    [SESSION_CONNECTING] = BIT(SESSION_LOGIN) | BIT(SESSION_CLOSING),
    [SESSION_LOGIN] =
        BIT(SESSION_CONNECTING) | BIT(SESSION_RELAY) | BIT(SESSION_OPAQUE) | BIT(SESSION_CLOSING),
    [SESSION_RELAY] = BIT(SESSION_OPAQUE) | BIT(SESSION_CLOSING),
    [SESSION_OPAQUE] = BIT(SESSION_CLOSING),
    [SESSION_CLOSING] = BIT(SESSION_GONE),
    [SESSION_GONE] = 0,
};

void
session_move(struct session *session, enum session_phase phase)
{
    assert(edges[session->phase] & BIT(phase));
    session->phase = phase;
}

bool
session_is_closing(const struct session *session)
{
    return session->phase >= SESSION_CLOSING;
}

struct session *
session_next(const struct session *session)
{
    return session->next;
}

uint64_t
session_id(const struct session *session)
{
    return session->id;
}

static void
unlink_session(struct session *session)
{
    if (session->previous) {
        session->previous->next = session->next;
    } else {
        session->worker->sessions = session->next;
    }
    if (session->next) {
        session->next->previous = session->previous;
    }
}

static void
session_free(struct session *session)
{
    struct worker *worker = session->worker;
    unlink_session(session);
    session_held_fini(session);
    session_units_lose(session);
    session_canary_fini(session);
    session_facts_end(session);
    session_login_fini(session);
    if (session->counts_in_database) {
        atomic_fetch_sub(&session->database->clients, 1);
    }
    if (session->counts_as_client) {
        atomic_fetch_sub(&worker->instance->client_connections, 1);
    }
    database_settings_unref(&session->settings);
    session_view_unref(&session->view);
    pairing_fini(&session->pairing);
    statements_clear(&session->statements);
    secret_unref(&session->own_secret);
    startup_fini(&session->startup);
    free(session->packet);
    free(session);
    worker_released(worker);
}

static void
free_if_closed(struct session *session)
{
    if (session->phase == SESSION_CLOSING && !session->client && !session->old) {
        session_move(session, SESSION_GONE);
        session_free(session);
    }
}

void
session_close(struct session *session, const char *reason)
{
    if (session_is_closing(session)) {
        return;
    }
    log_event(LOG_DEBUG_LEVEL, "client_closed", "session=%llu database=%s reason=\"%s\"",
              (unsigned long long)session->id, session->database_name ? session->database_name : "",
              reason);
    session_move(session, SESSION_CLOSING);
    session->deadline = 0;
    session_admission_leave(session);
    if (session->connector) {
        connector_cancel(&session->connector);
    }
    if (session->canary) { // nobody is to be served any more
        session_canary_stop_waiting(session->canary);
    }
    if (session->client) {
        stream_stop(session->client);
    }
    if (session->old) {
        stream_stop(session->old);
    }
}

void
session_abort(struct session *session)
{
    session_close(session, "aborted");
    if (session->client) {
        stream_abort(session->client);
    }
    if (session->old) {
        stream_abort(session->old);
    }
}

void
session_refuse(struct session *session, const struct reply_error_text *error)
{
    if (session_is_closing(session)) {
        return;
    }
    struct writer writer;
    writer_init(&writer);
    reply_write_error(&writer, 'E', error);
    if (!writer.failed) {
        session_to_client(session, writer.bytes, writer.length);
    }
    writer_fini(&writer);
    log_event(LOG_INFO_LEVEL, "client_refused",
              "session=%llu address=%s sqlstate=%s message=\"%s\" detail=\"%s\"",
              (unsigned long long)session->id, session->address, error->sqlstate, error->message,
              error->detail ? error->detail : "");
    session_close(session, error->message);
}

void
session_refuse_fatal(struct session *session, const char *sqlstate, const char *message,
                     const char *hint)
{
    session_refuse(
        session, &(struct reply_error_text){
                     .severity = "FATAL", .sqlstate = sqlstate, .message = message, .hint = hint});
}

void
session_client_pause(struct session *session, enum pause_reason reason)
{
    if (session->client_pauses == 0 && session->client) {
        stream_pause(session->client);
    }
    session->client_pauses |= reason;
}

void
session_client_resume(struct session *session, enum pause_reason reason)
{
    if (!(session->client_pauses & reason)) {
        return;
    }
    session->client_pauses &= ~(unsigned)reason;
    if (session->client_pauses == 0 && session->client && !session_is_closing(session)) {
        stream_resume(session->client);
    }
}

void
session_old_pause(struct session *session, enum pause_reason reason)
{
    if (session->old_pauses == 0 && session->old) {
        stream_pause(session->old);
    }
    session->old_pauses |= reason;
}

void
session_old_resume(struct session *session, enum pause_reason reason)
{
    if (!(session->old_pauses & reason)) {
        return;
    }
    session->old_pauses &= ~(unsigned)reason;
    if (session->old_pauses == 0 && session->old && !session_is_closing(session)) {
        stream_resume(session->old);
    }
}

void
session_to_client(struct session *session, const void *bytes, size_t length)
{
    if (session->client && !stream_write_copy(session->client, bytes, length)) {
        session_old_pause(session, PAUSE_OTHER_IS_FULL);
    }
}

void
session_to_old(struct session *session, const void *bytes, size_t length)
{
    if (session->old && !stream_write_copy(session->old, bytes, length)) {
        session_client_pause(session, PAUSE_OTHER_IS_FULL);
    }
}

void
session_release_stream(struct session *session)
{
    session->client = NULL;
    session_move(session, SESSION_GONE);
    session_free(session);
}

static void
pass_opaque(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    if (!stream_write(session->old, chunk, offset, length)) {
        session_client_pause(session, PAUSE_OTHER_IS_FULL);
    }
}

static void
on_client_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct session *session = context;
    switch (session->phase) {
    case SESSION_STARTUP:
        session_startup_bytes(session, chunk->bytes + offset, length);
        break;
    case SESSION_LOGIN:
        session_login_from_client(session, chunk, offset, length);
        break;
    case SESSION_RELAY:
        if (session->refusal[0] == '\0') {
            session_relay_from_client(session, chunk, offset, length);
        }
        break;
    case SESSION_OPAQUE:
        pass_opaque(session, chunk, offset, length);
        break;
    case SESSION_WAITING: // paused; what was under way is kept
    case SESSION_CONNECTING:
        session_hold(session, chunk, chunk->bytes + offset, chunk->bytes + offset + length);
        break;
    case SESSION_SECURING:
    case SESSION_CLOSING:
    case SESSION_GONE:
        break;
    }
}

static void
on_client_drained(void *context)
{
    struct session *session = context;
    session->stalled_since = 0;
    session_canary_drained(session);
    session_old_resume(session, PAUSE_OTHER_IS_FULL);
}

static void
on_client_secured(void *context)
{
    struct session *session = context;
    if (session->phase == SESSION_SECURING) {
        session_startup_secured(session);
    }
}

// The client says no more, but may still read: a server would finish what it was sent.
static bool
can_finish(const struct session *session, enum stream_end why)
{
    return why == STREAM_END_PEER && session->phase == SESSION_RELAY && session->old &&
           !session->held.chunk && !session_is_between_units(session) &&
           !session->pairing.is_copying_in && frame_is_between_messages(&session->client_frame);
}

static void
on_client_end(void *context, enum stream_end why)
{
    struct session *session = context;
    if (session_is_closing(session)) {
        return;
    }
    if (session->phase == SESSION_SECURING) {
        session_startup_not_secured(session, why);
    }
    bool must_say_goodbye = session->old && !session->client_has_terminated &&
                            (session->phase == SESSION_RELAY) && !session->pairing.is_copying_in &&
                            frame_is_between_messages(&session->client_frame);
    if (must_say_goodbye) {
        struct writer writer;
        writer_init(&writer);
        request_write_terminate(&writer);
        stream_write_copy(session->old, writer.bytes, writer.length);
        writer_fini(&writer);
    }
    if (can_finish(session, why)) {
        session->client_has_ended = true;
        session->ended_at = uv_hrtime();
        return;
    }
    session_close(session, why == STREAM_END_PEER ? "the client has left" : "the client was lost");
}

static void
on_client_closed(void *context)
{
    struct session *session = context;
    session->client = NULL;
    free_if_closed(session);
}

static void
on_old_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct session *session = context;
    switch (session->phase) {
    case SESSION_LOGIN:
        session_login_from_old(session, chunk, offset, length);
        break;
    case SESSION_RELAY:
        if (session_canary_hears_old(session)) {
            session_canary_from_old(session, chunk, offset, length);
        } else {
            session_relay_from_old(session, chunk, offset, length);
            session_canary_old_spoke(session);
        }
        break;
    case SESSION_OPAQUE:
        if (!stream_write(session->client, chunk, offset, length)) {
            session_old_pause(session, PAUSE_OTHER_IS_FULL);
        }
        break;
    default:
        break;
    }
}

static void
on_old_drained(void *context)
{
    session_client_resume(context, PAUSE_OTHER_IS_FULL);
}

// Old closed without a word that the client could have read: say so, where a message may stand.
void
session_end_with_old(struct session *session)
{
    // A notice is the last word of a server that stops at once, or whose other processes crashed.
    bool is_expected = session->client_has_terminated || session->client_has_ended ||
                       session->last_from_old == 'E' || session->last_from_old == 'N';
    bool can_say = session->phase == SESSION_LOGIN ||
                   (session->phase == SESSION_RELAY &&
                    !session->old_frame.is_inside); // half a header was kept back
    if (can_say && session->refusal[0] != '\0') {
        session_refuse_junk(session);
        return;
    }
    if (is_expected || !can_say) {
        session_close(session, "old has closed the session");
        return;
    }
    session_refuse(session,
                   &(struct reply_error_text){
                       .severity = "FATAL",
                       .sqlstate = "08006",
                       .message = session->old_end == STREAM_END_PEER
                                      ? "the server closed the connection unexpectedly"
                                      : "the connection to the server was lost",
                       .hint = "The old server has ended this session, or cannot be reached; its "
                               "log says more."});
}

// What old said before it went, of a user who may not exist, waits until the client has proven to be the one.
static void
on_old_end(void *context, enum stream_end why)
{
    struct session *session = context;
    if (session_is_closing(session)) {
        return;
    }
    session->old_has_ended = true;
    session->old_end = why;
    if (session->phase != SESSION_LOGIN || !session_auth_holds_old(session)) {
        session_end_with_old(session);
    }
}

static void
on_old_closed(void *context)
{
    struct session *session = context;
    session->old = NULL;
    atomic_fetch_sub(&session->database->old_sessions, 1);
    free_if_closed(session);
}

const struct stream_callbacks session_client_callbacks = {
    .on_bytes = on_client_bytes,
    .on_drained = on_client_drained,
    .on_secured = on_client_secured,
    .on_end = on_client_end,
    .on_closed = on_client_closed,
};

const struct stream_callbacks session_old_callbacks = {
    .on_bytes = on_old_bytes,
    .on_drained = on_old_drained,
    .on_end = on_old_end,
    .on_closed = on_old_closed,
};

void
session_start(struct worker *worker, int fd)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session) {
        close(fd);
        return;
    }
    session->client = stream_open(&worker->loop, fd, &session_client_callbacks, session);
    if (!session->client) {
        log_event(LOG_ERROR_LEVEL, "client_refused", "error=\"%s\"", strerror(errno));
        free(session);
        return;
    }
    session->worker = worker;
    session->id = atomic_fetch_add(&worker->instance->next_session, 1);
    session->began = uv_hrtime();
    session->deadline = session->began + STARTUP_NS;
    pairing_init(&session->pairing);
    frame_init(&session->client_frame);
    frame_init(&session->old_frame);
    frame_init(&session->login_frame);
    stream_peer(session->client, session->address, &session->port);
    session->is_unix = session->port == 0;
    session->next = worker->sessions;
    if (worker->sessions) {
        worker->sessions->previous = session;
    }
    worker->sessions = session;
    worker->session_count++;
    stream_resume(session->client);
}

void
session_shut_down(struct session *session)
{
    session->is_shutting_down = true;
    if (session->phase != SESSION_RELAY) {
        session_close(session, "shutdown");
    } else if (session_is_between_units(session)) {
        session_relay_after_unit(session);
    }
}

static void
refuse_late(struct session *session)
{
    struct reply_error_text error = {.severity = "FATAL"};
    switch (session->phase) {
    case SESSION_WAITING:
        error.sqlstate = "53300";
        error.message = "sorry, too many clients are logging in already";
        error.hint = "The proxy lets auth.max_in_progress of them log in at a time.";
        break;
    case SESSION_CONNECTING:
    case SESSION_LOGIN:
        error.sqlstate = "57014";
        error.message = "canceling authentication due to timeout";
        break;
    default:
        error.sqlstate = "08P01";
        error.message = "no complete startup packet came in time";
        break;
    }
    session_refuse(session, &error);
}

void
session_tick(struct session *session, uint64_t now)
{
    if (session->deadline != 0 && now >= session->deadline) {
        refuse_late(session);
        return;
    }
    if (session->is_held_by_pause) {
        session_relay_after_unit(session);
    }
    uint64_t stopped_at = session->worker->stopped_at;
    if (session->client_has_ended && stopped_at != 0 && now > session->ended_at + PARTING_NS &&
        now > stopped_at + PARTING_NS) {
        session_close(session, "shutdown");
        return;
    }
    if (session->client_has_ended && (session->old_pauses & PAUSE_OTHER_IS_FULL)) {
        session->stalled_since = session->stalled_since == 0 ? now : session->stalled_since;
        if (now - session->stalled_since > STALL_NS) {
            session_abort(session);
        }
    }
}

bool
session_cancel(struct session *session, unsigned origin, uint64_t cancel)
{
    if (!session->old || session_is_closing(session) || session_canary_cancel(session)) {
        return false;
    }
    const struct registry_client *registered = &session->registered;
    struct cancel_key key = {registered->backend_pid, registered->key, registered->key_length};
    return cancel_errand_start(session->worker, session->settings->targets[SIDE_OLD],
                               session->settings->tls[SIDE_OLD], session->old, &key, origin,
                               cancel);
}
