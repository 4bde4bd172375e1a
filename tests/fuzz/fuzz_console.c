// The console's input: messages of a client that was admitted, down to commands and up to replies; commands give
// rows without being run. In one piece and in pieces of any size (the first byte is the seed) the same is said;
// what is said is whole messages of a server; and each ReadyForQuery answers something.
#include "protocol/frame.h"
#include "protocol/message.h"
#include "proxy/console/console_parts.h"
#include "split.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take(struct console_session *session, const uint8_t *bytes, size_t length)
{
    writer_bytes(session->context, bytes, length);
}

static void
run(struct console_session *session)
{
    (void)session; // answered by `drive`
}

static void
stop(struct console_session *session)
{
    (void)session;
}

static const struct console_outlet outlet = {.send = take, .run = run, .stop = stop};

static void
fill(struct answer *answer)
{
    for (size_t i = 0; i < 2 * answer->shape->count; i++) {
        switch (answer->shape->columns[i % answer->shape->count].type) {
        case ANSWER_TEXT:
            answer_text(answer, i % 2 == 0 ? "text" : NULL);
            break;
        case ANSWER_INTEGER:
            answer_integer(answer, i);
            break;
        case ANSWER_REAL:
            answer_real(answer, 0.5);
            break;
        case ANSWER_BOOLEAN:
            answer_boolean(answer, true);
            break;
        case ANSWER_TIME:
            answer_time(answer, (int64_t)i);
            break;
        case ANSWER_PERCENT:
            answer_percent(answer, 25);
            break;
        case ANSWER_JSON:
            answer_json(answer, "{}");
            break;
        }
    }
}

// What the reporter's thread would do; a command whose syntax is of even length fails.
static void
answer(struct console_session *session)
{
    const struct console_command *command = session->run.call->command;
    session->is_running = false;
    console_move(session, CONSOLE_READY);
    answer_init(&session->run.answer, command->shape);
    if (strlen(command->syntax) % 2 == 0) {
        console_fail(&session->run.error, "XX000", NULL, "no %s", command->syntax);
    } else if (command->shape != NULL) {
        fill(&session->run.answer);
    }
    memcpy(session->run.tag, "TAG", 4);
    console_answered(session);
}

static void
drive(struct writer *said, const uint8_t *data, size_t size, uint32_t *seed)
{
    struct console_session session = {
        .outlet = &outlet, .context = said, .state = CONSOLE_READY, .user = strdup("u")};
    writer_init(&session.output);
    for (size_t from = 0, part; from < size && session.state != CONSOLE_CLOSING; from += part) {
        part = seed != NULL ? split_next(seed, size - from) : size;
        console_input(&session, data + from, part);
        while (!console_process(&session) && session.state == CONSOLE_RUNNING) {
            answer(&session);
        }
    }
    console_send(&session);
    console_dialogue_fini(&session);
    writer_fini(&session.output);
    free(session.input);
    free(session.user);
}

static void
check(const struct writer *said, size_t most_ready)
{
    struct frame frame;
    struct frame_piece piece;
    const uint8_t *at = said->bytes, *end = said->length > 0 ? at + said->length : at;
    size_t ready = 0;
    frame_init(&frame);
    while (at < end) {
        if (frame_next(&frame, &at, end, &piece) != FRAME_PIECE || !piece.last ||
            !message_is_known(MESSAGE_FROM_SERVER, piece.type)) {
            abort();
        }
        ready += piece.type == MESSAGE_SERVER_READY_FOR_QUERY;
    }
    if (ready > most_ready) {
        abort();
    }
}

// Messages that a ReadyForQuery may answer.
static size_t
count_ends(const uint8_t *data, size_t size)
{
    struct frame frame;
    struct frame_piece piece;
    const uint8_t *at = data, *end = data + size;
    size_t ends = 0;
    frame_init(&frame);
    while (at < end && frame_next(&frame, &at, end, &piece) == FRAME_PIECE) {
        ends += piece.last && strchr("QFS", piece.type) != NULL;
    }
    return ends;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct writer whole, parts;
    uint32_t seed = data[0];
    writer_init(&whole);
    writer_init(&parts);
    drive(&whole, data + 1, size - 1, NULL);
    drive(&parts, data + 1, size - 1, &seed);
    if (whole.length != parts.length ||
        (whole.length > 0 && memcmp(whole.bytes, parts.bytes, whole.length) != 0)) {
        abort();
    }
    check(&whole, count_ends(data + 1, size - 1));
    writer_fini(&whole);
    writer_fini(&parts);
    return 0;
}
