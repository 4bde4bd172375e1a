// One session of our own: opened, logged in, given jobs one at a time, closed.
//
//     CONNECTING ──stream──► LOGGING_IN ──ReadyForQuery──► IDLE ──job──► BUSY
//         │                      │                          ▲  │          │ │
//         │ failed               │ failed                   │  │ 60 s     │ │ broken, junk, time-out
//         ▼                      ▼                          └──┼──────────┘ │
//       freed                 CLOSING ◄────────────────────────┴────────────┘
//
// LOGGING_IN leads back to CONNECTING once, when the server refuses the login for its channel (TLS or not).
// The state is sent in front of the job in one go; its replies are swallowed, and an error among them makes
// the job's replies worthless (OWN_STATE). The job's bytes are handed on as they lie in the stream's chunk.
//
// The pool's loop. Nothing that the server says is trusted: what is no message ends the session.
#include "protocol/request.h"
#include "proxy/log.h"
#include "proxy/own/own_parts.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t connect_nanoseconds = 5000000000u; // where the target does not say
// When the last client has left a database, ours leave it, too, so that nothing of ours is in the way of DROP DATABASE.
static const uint64_t deserted_nanoseconds = 500000000u;

static const char *const side_names[] = {[SIDE_OLD] = "old", [SIDE_NEW] = "new"};

static bool
is_too_old(const struct own_session *session, uint64_t now)
{
    return now - session->opened_at >= session->settings->entry->shadow.lifetime;
}

static void
move(struct own_session *session, enum own_phase phase)
{
    static const unsigned allowed[] = {
        [OWN_CONNECTING] = 1u << OWN_LOGGING_IN,
        [OWN_LOGGING_IN] = 1u << OWN_CONNECTING | 1u << OWN_IDLE | 1u << OWN_CLOSING,
        [OWN_IDLE] = 1u << OWN_BUSY | 1u << OWN_CLOSING,
        [OWN_BUSY] = 1u << OWN_IDLE | 1u << OWN_CLOSING,
        [OWN_CLOSING] = 0,
    };
    assert((allowed[session->phase] & 1u << phase) != 0);
    session->phase = phase;
}

// ---- the end ----

static void
unlink_session(struct own_session *session)
{
    struct own_group *group = session->group;
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        group->sessions = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    group->session_count--;
}

static void
free_session(struct own_session *session)
{
    struct own_group *group = session->group;
    struct own_pool *pool = group->pool;
    unlink_session(session);
    atomic_fetch_sub(&group->place->database->own_sessions[group->place->side], 1);
    own_login_end(session);
    database_settings_unref(&session->settings);
    writer_fini(&session->body);
    free(session->user);
    free(session);
    pool->sessions--;
    own_pool_is_gone(pool, group);
}

static void
on_closed(void *context)
{
    free_session(context);
}

static void
leave_connecting(struct own_session *session)
{
    if (session->phase <= OWN_LOGGING_IN) {
        session->group->place->connecting--;
    }
}

void
own_session_close(struct own_session *session, bool cancels)
{
    if (session->phase == OWN_CLOSING) {
        return;
    }
    assert(session->job == NULL);
    leave_connecting(session);
    if (session->phase == OWN_CONNECTING) {
        connector_cancel(&session->connector);
        free_session(session);
        return;
    }
    bool is_idle = session->phase == OWN_IDLE;
    own_admission_ends(session);
    move(session, OWN_CLOSING);
    if (cancels) {
        own_cancel_send(session);
    }
    if (is_idle) {
        struct writer goodbye;
        writer_init(&goodbye);
        request_write_terminate(&goodbye);
        if (!goodbye.failed) {
            stream_write_copy(session->stream, goodbye.bytes, goodbye.length);
        }
        writer_fini(&goodbye);
        stream_stop(session->stream);
    } else {
        stream_abort(session->stream);
    }
}

static void
log_trouble(const struct own_session *session, enum own_outcome outcome)
{
    const struct own_place *place = session->group->place;
    log_event(outcome == OWN_LOGIN ? LOG_WARNING_LEVEL : LOG_INFO_LEVEL,
              outcome == OWN_LOGIN ? "own_login_refused" : "own_session_broken",
              "database=%s side=%s user=%s sqlstate=%s reason=\"%s\"", place->database->name,
              side_names[place->side], session->group->user, session->trouble.sqlstate,
              session->trouble.text);
}

// Ends the session, and the job or the login with it.
void
own_session_has_broken(struct own_session *session, enum own_outcome outcome)
{
    struct own_job *job = session->job;
    bool is_login = session->phase <= OWN_LOGGING_IN;
    struct own_trouble trouble = session->trouble;
    session->job = NULL;
    if (outcome != OWN_TIMEOUT && outcome != OWN_TOO_BIG) {
        log_trouble(session, outcome);
    }
    if (is_login) {
        own_pool_has_failed(session, outcome);
    }
    struct own_pool *pool = session->group->pool;
    own_session_close(session, outcome == OWN_TIMEOUT || outcome == OWN_TOO_BIG);
    if (job != NULL) {
        own_pool_finish(pool, job, outcome, &trouble);
    }
}

// ---- the job's bytes ----

static void
hand_on(struct own_session *session, struct chunk *chunk, size_t offset, size_t length,
        uint64_t now)
{
    struct own_job *job = session->job;
    if (job->answered == 0) {
        job->answered = now;
        job->backend_pid = session->pid;
    }
    if (session->state_has_failed) {
        return;
    }
    if (job->on_bytes != NULL) {
        bool goes_on = job->on_bytes(job, chunk, offset, length);
        if (session->job != job) {
            return;
        }
        if (!goes_on) {
            stream_pause(session->stream);
        }
        if (job->is_timed_by_silence) {
            session->deadline = goes_on ? now + job->timeout : UINT64_MAX;
        }
        return;
    }
    size_t room = job->max_reply - job->reply.length;
    bool is_too_big = length > room;
    if (!capture_append(&job->reply, chunk, offset, is_too_big ? room : length)) {
        own_trouble_say(&session->trouble, "", "no memory");
        own_session_has_broken(session, OWN_UNAVAILABLE);
    } else if (is_too_big) {
        own_session_has_broken(session, OWN_TOO_BIG);
    }
}

static void
finish_job(struct own_session *session)
{
    struct own_job *job = session->job;
    enum own_outcome outcome = OWN_DONE;
    if (session->state_has_failed) {
        outcome = session->role_has_failed ? OWN_LOGIN : OWN_STATE;
    }
    if (outcome == OWN_LOGIN) {
        own_admission_is_refused(session);
    } else {
        own_admission_is_given(session);
    }
    struct own_trouble trouble = session->trouble;
    bool is_usable = session->status == 'I' && !session->is_spent &&
                     !session->has_stale_statement && !is_too_old(session, uv_hrtime());
    bool runs_again = session->has_stale_statement && job->on_bytes == NULL && !job->is_rerun;
    struct own_group *group = session->group;
    own_statements_settle(&session->statements);
    session->job = NULL;
    job->ended = uv_hrtime();
    stream_resume(session->stream); // the last bytes may have paused it
    move(session, OWN_IDLE);
    session->idle_since = job->ended;
    if (outcome == OWN_DONE) {
        group->place->answered_at = uv_hrtime();
    }
    if (runs_again) {
        own_session_close(session, false);
        job->is_rerun = true;
        capture_fini(&job->reply);
        own_pool_run(group->pool, job);
        return;
    }
    own_pool_finish(group->pool, job, outcome, &trouble);
    if (!is_usable) { // a transaction was left open, say
        own_session_close(session, false);
    } else {
        own_pool_is_ready(session);
    }
}

static void
on_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct own_session *session = context;
    const uint8_t *at = chunk->bytes + offset;
    const uint8_t *end = at + length;
    uint64_t now = uv_hrtime();
    struct own_job *job = session->job; // bytes after its end are not its own
    const uint8_t *from = job != NULL && session->to_swallow == 0 ? at : NULL;
    const uint8_t *to = from != NULL ? end : NULL;
    enum own_outcome outcome = OWN_DONE;
    struct frame_piece piece;
    enum frame_status status;
    while ((status = frame_next(&session->frame, &at, end, &piece)) == FRAME_PIECE) {
        unsigned swallowing = session->to_swallow;
        unsigned coming = session->to_come;
        outcome = own_reply_take(session, &piece);
        if (outcome != OWN_DONE) {
            break;
        }
        if (job != NULL && swallowing > 0 && session->to_swallow == 0) {
            from = at;
            to = end;
        }
        if (job != NULL && coming > 0 && session->to_come == 0) {
            to = at;
        }
    }
    if (outcome == OWN_STOPPED) {
        return; // the login has failed, and was told
    }
    if (status == FRAME_JUNK || outcome == OWN_JUNK) {
        own_trouble_say(&session->trouble, "08P01", "the server sent what is no protocol");
        own_session_has_broken(session, OWN_JUNK);
        return;
    }
    if (outcome != OWN_DONE) {
        own_session_has_broken(session, outcome);
        return;
    }
    if (job != NULL && to > from) {
        hand_on(session, chunk, (size_t)(from - chunk->bytes), (size_t)(to - from), now);
    }
    if (job != NULL && session->job == job && session->to_come == 0) {
        finish_job(session);
    }
}

static void
on_end(void *context, enum stream_end why)
{
    struct own_session *session = context;
    if (session->phase == OWN_CLOSING) {
        return;
    }
    if (session->trouble.text[0] == '\0') {
        own_trouble_say(&session->trouble, "",
                        why == STREAM_END_TLS ? stream_tls_error(session->stream)
                                              : "the server closed the connection unexpectedly");
    }
    own_session_has_broken(session, OWN_UNAVAILABLE);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = on_bytes, .on_end = on_end, .on_closed = on_closed};

// ---- the beginning ----

static uint64_t
patience(const struct own_session *session)
{
    uint64_t timeout = session->settings->targets[session->group->place->side]->connect_timeout;
    return timeout > 0 ? timeout : connect_nanoseconds;
}

static void
on_connected(void *context, struct stream *stream, const char *error)
{
    struct own_session *session = context;
    session->connector = NULL;
    if (stream == NULL) {
        own_trouble_say(&session->trouble, "", error);
        own_session_has_broken(session, OWN_UNAVAILABLE);
        return;
    }
    session->stream = stream;
    stream_set_owner(stream, &callbacks, session);
    move(session, OWN_LOGGING_IN);
    session->deadline = uv_hrtime() + patience(session);
    if (!own_login_begin(session)) {
        own_trouble_say(&session->trouble, "", "no memory for the login");
        own_session_has_broken(session, OWN_UNAVAILABLE);
        return;
    }
    stream_resume(stream);
}

void
own_session_go_other_way(struct own_session *session)
{
    const struct own_place *place = session->group->place;
    struct stream *refused = session->stream;
    session->went_other_way = true;
    own_login_end(session);
    free(session->user);
    session->user = NULL;
    frame_init(&session->frame);
    session->stream = NULL;
    move(session, OWN_CONNECTING);
    session->deadline = UINT64_MAX; // the connector's own
    session->connector = connector_start_other_way(
        session->group->pool->loop, session->settings->targets[place->side],
        session->settings->tls[place->side], refused, patience(session), on_connected, session);
    stream_set_owner(refused, NULL, NULL);
    stream_stop(refused);
    if (session->connector == NULL) {
        own_trouble_say(&session->trouble, "", "no memory");
        own_session_has_broken(session, OWN_UNAVAILABLE);
    }
}

bool
own_session_start(struct own_group *group)
{
    struct own_place *place = group->place;
    struct own_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return false;
    }
    session->group = group;
    session->settings = place->settings;
    atomic_fetch_add(&place->settings->references, 1);
    session->settings_epoch = place->settings_epoch;
    frame_init(&session->frame);
    writer_init(&session->body);
    session->connector = connector_start(group->pool->loop, place->settings->targets[place->side],
                                         place->settings->tls[place->side], patience(session),
                                         on_connected, session);
    if (session->connector == NULL) {
        database_settings_unref(&session->settings);
        free(session);
        return false;
    }
    session->deadline = UINT64_MAX; // the connector's own
    session->next = group->sessions;
    if (session->next != NULL) {
        session->next->previous = session;
    }
    group->sessions = session;
    group->session_count++;
    group->pool->sessions++;
    place->connecting++;
    return true;
}

void
own_session_is_logged_in(struct own_session *session)
{
    leave_connecting(session);
    own_login_end(session);
    move(session, OWN_IDLE);
    session->is_fresh = true;
    session->idle_since = session->opened_at = uv_hrtime();
    if (session->settings->entry->identity != IDENTITY_SET_ROLE) { // its role is still to be had
        own_admission_is_given(session);
    }
    own_pool_is_ready(session);
}

// ---- jobs ----

// Takes the SQL. False: no memory.
static bool
send_query(struct own_session *session, char *sql)
{
    if (sql == NULL) {
        return false;
    }
    struct writer query;
    writer_init(&query);
    request_write_query(&query, sql);
    free(sql);
    bool is_fine = !query.failed;
    if (is_fine) {
        stream_write_copy(session->stream, query.bytes, query.length);
        session->to_swallow++;
    }
    writer_fini(&query);
    return is_fine;
}

// In front of the job: the role in a Query of its own, so that its failure can be told apart.
static bool
send_state(struct own_session *session, const struct state_snapshot *snapshot)
{
    own_statements_clear(&session->statements); // it begins with DEALLOCATE ALL
    bool sets_role = session->settings->entry->identity == IDENTITY_SET_ROLE;
    return (!sets_role || send_query(session, own_state_role_sql(session))) &&
           send_query(session, own_state_sql(session, snapshot));
}

// False: no memory.
static bool
send_job(struct own_session *session, const struct own_job *job)
{
    if (job->drops_statements) {
        own_statements_clear(&session->statements);
    }
    if (!job->keeps_statements) {
        stream_write_copy(session->stream, job->messages, job->messages_length);
        return true;
    }
    bool keeps = !session->group->place->forgets_statements && !job->is_rerun;
    struct own_statements *statements = keeps ? &session->statements : NULL;
    struct writer writer;
    writer_init(&writer);
    bool is_fine = own_statements_write(statements, job->messages, job->messages_length, &writer);
    if (is_fine) {
        stream_write_copy(session->stream, writer.bytes, writer.length);
    }
    writer_fini(&writer);
    return is_fine;
}

void
own_session_run(struct own_session *session, struct own_job *job)
{
    move(session, OWN_BUSY);
    session->job = job;
    job->session = session;
    job->sent = uv_hrtime();
    session->deadline = job->timeout > 0 ? job->sent + job->timeout : UINT64_MAX;
    session->state_has_failed = false;
    session->query_has_failed = false;
    session->role_has_failed = false;
    session->has_stale_statement = false;
    session->to_swallow = 0;
    session->to_come = job->units;
    own_trouble_say(&session->trouble, "", "");
    session->coming_digest = job->state != NULL ? job->state->digest : 0;
    bool is_sent = (!own_state_differs(session, job->state) || send_state(session, job->state)) &&
                   send_job(session, job);
    if (!is_sent) {
        own_trouble_say(&session->trouble, "", "no memory");
        own_session_has_broken(session, OWN_UNAVAILABLE);
    }
}

static uint64_t
idle_limit(const struct own_session *session)
{
    const struct database *database = session->group->place->database;
    uint64_t limit = session->settings->entry->shadow.idle_timeout;
    return atomic_load(&database->clients) > 0 ? limit : deserted_nanoseconds;
}

void
own_session_tick(struct own_session *session, uint64_t now)
{
    if ((session->phase == OWN_LOGGING_IN || session->phase == OWN_BUSY) &&
        now >= session->deadline) {
        bool is_login = session->phase == OWN_LOGGING_IN;
        own_trouble_say(&session->trouble, "",
                        is_login ? "the server did not complete the login in time"
                                 : "no complete answer in time");
        own_session_has_broken(session, is_login ? OWN_UNAVAILABLE : OWN_TIMEOUT);
    } else if (session->phase == OWN_IDLE &&
               (now - session->idle_since >= idle_limit(session) || is_too_old(session, now) ||
                session->settings_epoch != session->group->place->settings_epoch)) {
        own_session_close(session, false);
    }
}
