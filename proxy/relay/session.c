// A session's life: it begins with an accepted socket, and ends when both streams have said on_closed. What is decided
// for the whole session, is decided here; what its streams say goes through session_streams.c.
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
    if (session->database) {
        databases_leave(worker->instance->databases, &session->database);
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

void
session_free_if_closed(struct session *session)
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
session_release_stream(struct session *session)
{
    session->client = NULL;
    session_move(session, SESSION_GONE);
    session_free(session);
}

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
