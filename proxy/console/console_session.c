// The life of a console session: bytes in, whole messages to login or dialogue, commands to the reporter
// thread and back. Owned by itself; lives on one worker's loop.
//
// A command runs on the reporter thread; meanwhile nothing is read. Should the client leave, the session waits
// for the command's end before it goes: the reporter runs whatever it was handed, until it is stopped,
// which is after the workers.
#include "proxy/console/console_parts.h"
#include "proxy/log.h"
#include "proxy/report/reporter.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
console_move(struct console_session *session, enum console_state state)
{
    static const bool edges[4][4] = {
        [CONSOLE_LOGIN] = {[CONSOLE_READY] = true, [CONSOLE_CLOSING] = true},
        [CONSOLE_READY] = {[CONSOLE_RUNNING] = true, [CONSOLE_CLOSING] = true},
        [CONSOLE_RUNNING] = {[CONSOLE_READY] = true, [CONSOLE_CLOSING] = true},
    };

    assert(edges[session->state][state]);
    session->state = state;
}

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
    if (session->state == CONSOLE_CLOSING)
        return;
    console_move(session, CONSOLE_CLOSING);
    stream_stop(session->stream);
}

void
console_send(struct console_session *session)
{
    if (session->output.failed) {
        stop(session);
        return;
    }
    if (session->output.length > 0)
        (void)stream_write_copy(session->stream, session->output.bytes, session->output.length);
    writer_clear(&session->output);
}

void
console_end(struct console_session *session, const struct console_error *error)
{
    console_write_error(&session->output, "FATAL", error);
    console_send(session);
    stop(session);
}

static void
work(void *context)
{
    struct console_session *session = context;

    console_execute(&session->run);
    uv_async_send(&session->answered);
}

void
console_run_call(struct console_session *session, const struct console_call *call)
{
    console_move(session, CONSOLE_RUNNING);
    session->is_running = true;
    session->run =
        (struct console_run){.instance = session->instance, .call = call, .actor = session->actor};
    stream_pause(session->stream);
    reporter_run(session->instance->reporter, work, session);
}

// One whole message at the head of the input, if there is one. False: none, or the end.
static bool
next_message(struct console_session *session)
{
    if (session->state == CONSOLE_RUNNING || session->state == CONSOLE_CLOSING ||
        session->input_length < 5)
        return false;

    const uint8_t *bytes = session->input;
    uint32_t length =
        (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];

    if (length < 4 || length > CONSOLE_MESSAGE_MAX) {
        struct console_error error;

        console_fail(&error, "08P01", NULL, "invalid message length");
        console_end(session, &error);
        return false;
    }
    if (session->input_length < 1 + (size_t)length)
        return false;
    if (session->state == CONSOLE_LOGIN)
        console_login_message(session, (char)bytes[0], bytes + 5, length - 4);
    else
        console_message(session, (char)bytes[0], bytes + 5, length - 4);
    session->input_length -= 1 + (size_t)length;
    memmove(session->input, session->input + 1 + length, session->input_length);
    return true;
}

static void
process(struct console_session *session)
{
    while (next_message(session))
        ;
    if (session->state == CONSOLE_LOGIN || session->state == CONSOLE_READY)
        stream_resume(session->stream);
}

static void
on_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct console_session *session = context;

    if (session->state == CONSOLE_CLOSING)
        return;
    if (session->input_capacity - session->input_length < length) {
        size_t capacity = session->input_length + length;
        uint8_t *input = realloc(session->input, capacity);

        if (input == NULL) {
            stop(session);
            return;
        }
        session->input = input;
        session->input_capacity = capacity;
    }
    memcpy(session->input + session->input_length, chunk->bytes + offset, length);
    session->input_length += length;
    process(session);
}

static void
on_drained(void *context)
{
    (void)context;
}

static void
on_end(void *context, enum stream_end why)
{
    (void)why;
    stop(context);
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
        stop(session);
    } else if ((session->state == CONSOLE_READY || session->state == CONSOLE_LOGIN) &&
               atomic_load(&session->instance->is_stopping)) {
        console_fail(&error, "57P01", NULL, "terminating connection: pgrehearse is shutting down");
        console_end(session, &error);
    }
}

void
console_session_start(struct instance *instance, uv_loop_t *loop, struct stream *stream,
                      const struct startup *startup, void (*closed)(void *context), void *context)
{
    struct console_session *session = calloc(1, sizeof *session);
    const char *user = startup_parameter(startup, "user");

    assert(session != NULL); // a worker without a kilobyte cannot go on
    session->instance = instance;
    session->stream = stream;
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
    console_login_begin(session);
    process(session);
}
