// The two streams of a session, the client's and old's. What they say goes to the file of the phase; a stream whose
// bytes find no room on the other side is paused, for as many reasons as there are, until the last of them has gone.
#include "protocol/request.h"
#include "proxy/canary/session_canary.h"
#include "proxy/relay/session_auth.h"

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

// A login that asks nothing more of the client goes on.
static bool
can_finish_login(const struct session *session)
{
    return session->phase == SESSION_LOGIN && !session->answer_is_due &&
           !session_auth_is_asking(session) && frame_is_between_messages(&session->login_frame);
}

static bool
can_finish_units(const struct session *session)
{
    return session->phase == SESSION_RELAY && session->old && !session_is_between_units(session) &&
           !session->pairing.is_copying_in && frame_is_between_messages(&session->client_frame);
}

// The client says no more, but may still read: a server would finish what it was sent.
static bool
can_finish(const struct session *session, enum stream_end why)
{
    return why == STREAM_END_PEER && !session->held.chunk &&
           (can_finish_login(session) || can_finish_units(session));
}

void
session_say_goodbye(struct session *session)
{
    if (!session->old || session->client_has_terminated || session->phase != SESSION_RELAY ||
        session->pairing.is_copying_in || !frame_is_between_messages(&session->client_frame)) {
        return;
    }
    struct writer writer;
    writer_init(&writer);
    request_write_terminate(&writer);
    stream_write_copy(session->old, writer.bytes, writer.length);
    writer_fini(&writer);
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
    session_say_goodbye(session);
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
    session_free_if_closed(session);
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
    session_free_if_closed(session);
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
