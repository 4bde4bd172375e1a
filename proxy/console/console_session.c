// The life of a console session: its stream, its timer, and commands to the reporter thread and back. What
// comes in, console_input.c takes to pieces. Owned by itself; lives on one worker's loop.
//
// A command runs on the reporter's threads; meanwhile nothing is read. Should the client leave, the session waits
// for the command's end before it goes: the reporter runs whatever it was handed, until it is stopped,
// which is after the workers.
#include "proxy/console/console_parts.h"
#include "proxy/log.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void close_if_over(struct console_session *session);

static void
on_handle_closed(uv_handle_t *handle)
{
    struct console_session *session = handle->data;

    if (--session->handles > 0)
        return;
    console_dialogue_fini(session);
    challenge_free(&session->challenge);
    writer_fini(&session->output);
    free(session->input);
    free(session->user);
    free(session->actor);
    if (session->closed != NULL)
        session->closed(session->context);
    free(session);
}

static void
close_if_over(struct console_session *session)
{
    if (session->stream != NULL || session->is_running || session->state != CONSOLE_CLOSING)
        return;
    if (!uv_is_closing((uv_handle_t *)&session->answered))
        uv_close((uv_handle_t *)&session->answered, on_handle_closed);
    if (!uv_is_closing((uv_handle_t *)&session->timer))
        uv_close((uv_handle_t *)&session->timer, on_handle_closed);
}

static void
stop(struct console_session *session)
{
    stream_stop(session->stream);
}

static void
tell_done(void *context)
{
    struct console_session *session = context;

    uv_async_send(&session->answered);
}

static void
begin(struct console_session *session)
{
    console_start(&session->run, tell_done, session);
}

// The bytes are taken all the same where it says that it is full.
static void
send_bytes(struct console_session *session, const uint8_t *bytes, size_t length)
{
    session->is_full = !stream_write_copy(session->stream, bytes, length);
}

static const struct console_outlet outlet = {.send = send_bytes, .run = begin, .stop = stop};

static void
process(struct console_session *session)
{
    if (console_process(session))
        stream_resume(session->stream);
    else if (session->state != CONSOLE_CLOSING)
        stream_pause(session->stream);
}

static void
on_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct console_session *session = context;

    if (session->state == CONSOLE_CLOSING)
        return;
    console_input(session, chunk->bytes + offset, length);
    process(session);
}

static void
on_drained(void *context)
{
    struct console_session *session = context;

    session->is_full = false;
    process(session);
}

static void
on_end(void *context, enum stream_end why)
{
    (void)why;
    console_stop(context);
}

static void
on_closed(void *context)
{
    struct console_session *session = context;

    session->stream = NULL;
    close_if_over(session);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = on_bytes, .on_drained = on_drained, .on_end = on_end, .on_closed = on_closed};

static void
on_answered(uv_async_t *handle)
{
    struct console_session *session = handle->data;

    if (!session->is_running)
        return;
    session->is_running = false;
    if (session->state == CONSOLE_CLOSING) {
        answer_fini(&session->run.answer);
        close_if_over(session);
        return;
    }
    console_move(session, CONSOLE_READY);
    console_answered(session);
    process(session);
}

static void
on_tick(uv_timer_t *handle)
{
    struct console_session *session = handle->data;
    struct console_error error;

    session->ticks++;
    if (session->state == CONSOLE_LOGIN &&
        session->ticks * CONSOLE_TICK_MS > CONSOLE_LOGIN_SECONDS * 1000) {
        console_stop(session);
    } else if ((session->state == CONSOLE_READY || session->state == CONSOLE_LOGIN) &&
               atomic_load(&session->instance->is_stopping)) {
        console_fail(&error, "57P01", NULL, "terminating connection: pgrehearse is shutting down");
        console_end(session, &error);
    }
}

void
console_session_start(struct instance *instance, uv_loop_t *loop, struct stream *stream,
                      const struct startup *startup, const uint8_t *behind, size_t behind_length,
                      void (*closed)(void *context), void *context)
{
    struct console_session *session = calloc(1, sizeof *session);
    const char *user = startup_parameter(startup, "user");

    assert(session != NULL); // a worker without a kilobyte cannot go on
    session->instance = instance;
    session->stream = stream;
    session->outlet = &outlet;
    session->closed = closed;
    session->context = context;
    session->user = strdup(user == NULL ? "" : user);
    writer_init(&session->output);
    uv_async_init(loop, &session->answered, on_answered);
    session->answered.data = session;
    uv_timer_init(loop, &session->timer);
    session->timer.data = session;
    session->handles = 2;
    uv_timer_start(&session->timer, on_tick, CONSOLE_TICK_MS, CONSOLE_TICK_MS);
    stream_set_owner(stream, &callbacks, session);
    console_login_begin(session, startup);
    if (session->state != CONSOLE_CLOSING)
        console_input(session, behind, behind_length);
    process(session);
}
