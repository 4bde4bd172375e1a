// A console session's bytes: kept until a message is whole, and given to login or dialogue; and what goes
// out. Without a socket or a thread of its own: those are behind `outlet`, so that tests can drive it.
#include "proxy/console/console_parts.h"
#include <assert.h>
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

void
console_stop(struct console_session *session)
{
    if (session->state == CONSOLE_CLOSING)
        return;
    console_move(session, CONSOLE_CLOSING);
    session->outlet->stop(session);
}

void
console_send(struct console_session *session)
{
    if (session->state == CONSOLE_CLOSING)
        return;
    if (session->output.failed) {
        console_stop(session);
        return;
    }
    if (session->output.length > 0)
        session->outlet->send(session, session->output.bytes, session->output.length);
    writer_clear(&session->output);
}

void
console_end(struct console_session *session, const struct console_error *error)
{
    console_write_error(&session->output, "FATAL", error);
    console_send(session);
    console_stop(session);
}

void
console_run_call(struct console_session *session, const struct console_call *call)
{
    console_move(session, CONSOLE_RUNNING);
    session->is_running = true;
    session->run =
        (struct console_run){.instance = session->instance, .call = call, .actor = session->actor};
    session->outlet->run(session);
}

void
console_input(struct console_session *session, const uint8_t *bytes, size_t length)
{
    if (session->input_capacity - session->input_length < length) {
        size_t capacity = session->input_length + length;
        uint8_t *input = realloc(session->input, capacity);

        if (input == NULL) {
            console_stop(session);
            return;
        }
        session->input = input;
        session->input_capacity = capacity;
    }
    if (length > 0)
        memcpy(session->input + session->input_length, bytes, length);
    session->input_length += length;
}

static bool
takes_messages(const struct console_session *session)
{
    return (session->state == CONSOLE_LOGIN || session->state == CONSOLE_READY) &&
           !session->is_full;
}

// One whole message at the head of the input, if there is one. False: none, or the end.
static bool
next_message(struct console_session *session)
{
    if (!takes_messages(session) || session->input_length < 5)
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

bool
console_process(struct console_session *session)
{
    while (!session->is_full && (console_go_on(session) || next_message(session)))
        ;
    return takes_messages(session);
}
