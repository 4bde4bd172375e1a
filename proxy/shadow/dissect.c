// The unit is complete, so this is no state machine: the requests are laid end to end and numbered
// through protocol/pairing, then each reply goes to the request that it answers. A Query collects one
// result a statement, every other request at most one. Rows are copied into results here; the
// captured buffers can be given back right after.

#include "proxy/shadow/dissect.h"
#include "protocol/message.h"
#include "protocol/pairing.h"
#include "proxy/relay/unit.h"
#include <stdlib.h>
#include <string.h>

static uint8_t *
lay_end_to_end(const struct capture *capture)
{
    uint8_t *bytes = malloc(capture->length ? capture->length : 1);
    if (!bytes)
        return NULL;
    size_t at = 0;
    for (size_t i = 0; i < capture->count; i++) {
        const struct slice *slice = &capture->slices[i];
        memcpy(bytes + at, slice->chunk->bytes + slice->offset, slice->length);
        at += slice->length;
    }
    return bytes;
}

static struct step *
step_add(struct dissected *dissected)
{
    if ((dissected->count & (dissected->count - 1)) == 0) {
        size_t capacity = dissected->count ? dissected->count * 2 : 1;
        struct step *steps = realloc(dissected->steps, capacity * sizeof(*steps));
        if (!steps)
            return NULL;
        dissected->steps = steps;
    }
    struct step *step = &dissected->steps[dissected->count++];
    memset(step, 0, sizeof(*step));
    return step;
}

// Finds the messages in the requests; the last one may be cut off, others say that they are.
static bool
read_requests(struct dissected *dissected, size_t length)
{
    size_t at = 0;
    while (length - at >= 5) {
        const uint8_t *header = dissected->request + at;
        size_t total = ((size_t)header[1] << 24 | (size_t)header[2] << 16 | (size_t)header[3] << 8 |
                        (size_t)header[4]);
        if (total < 4) {
            dissected->is_junk = true;
            return true;
        }
        struct step *step = step_add(dissected);
        if (!step)
            return false;
        step->type = (char)(header[0] & ~UNIT_CUT);
        step->is_cut = (header[0] & UNIT_CUT) != 0;
        step->body = header + 5;
        step->length = total - 4;
        if (step->length > length - at - 5) {
            step->length = length - at - 5;
            step->is_cut = true;
        }
        at += 5 + step->length;
    }
    return true;
}

// The result that the next reply to `step` belongs to: the last one while it is open, else a new one.
static struct result *
open_result(struct step *step)
{
    if (step->result_count && step->results[step->result_count - 1].kind == RESULT_OPEN)
        return &step->results[step->result_count - 1];
    struct result *results = realloc(step->results, (step->result_count + 1) * sizeof(*results));
    if (!results)
        return NULL;
    step->results = results;
    result_init(&results[step->result_count]);
    return &results[step->result_count++];
}

static bool
bears_result(char type)
{
    switch (type) {
    case MESSAGE_SERVER_ROW_DESCRIPTION:
    case MESSAGE_SERVER_NO_DATA:
    case MESSAGE_SERVER_DATA_ROW:
    case MESSAGE_SERVER_COMMAND_COMPLETE:
    case MESSAGE_SERVER_EMPTY_QUERY_RESPONSE:
    case MESSAGE_SERVER_PORTAL_SUSPENDED:
    case MESSAGE_SERVER_ERROR_RESPONSE:
        return true;
    default:
        return false;
    }
}

// The step that was numbered so; NULL if none. Numbers rise, and replies come in their order: `from` is
// where the last one was found.
static struct step *
step_numbered(struct dissected *dissected, uint64_t number, size_t *from)
{
    for (; *from < dissected->count; ++*from) {
        struct step *step = &dissected->steps[*from];
        if (step->is_answered && step->number >= number)
            return step->number == number ? step : NULL;
    }
    return NULL;
}

static bool
keep_parameters(struct step *step, const struct message *message)
{
    free(step->parameters);
    step->parameters = malloc(message->length + 1);
    step->parameters_length = message->length;
    if (step->parameters)
        memcpy(step->parameters, message->body, message->length);
    return step->parameters != NULL;
}

// One reply to the request that it answers. False: no memory.
static bool
take_reply(struct dissected *dissected, const struct message *message,
           const struct pairing_answer *answer, size_t *from)
{
    struct step *step =
        answer->is_asynchronous ? NULL : step_numbered(dissected, answer->request, from);
    if (!step)
        return true;
    if (message->type == MESSAGE_SERVER_ERROR_RESPONSE)
        step->outcome = STEP_FAILED;
    else if (answer->completes && step->outcome != STEP_FAILED)
        step->outcome = STEP_COMPLETED;
    if (message->type == MESSAGE_SERVER_PARAMETER_DESCRIPTION)
        return keep_parameters(step, message);
    if (!bears_result(message->type))
        return true;
    struct result *result = open_result(step);
    if (!result)
        return false;
    switch (result_add(result, message->type, message->body, message->length)) {
    case RESULT_NO_MEMORY:
        return false;
    case RESULT_JUNK:
        dissected->is_junk = true;
        return true;
    default:
        return true;
    }
}

static bool
read_replies(struct dissected *dissected, const struct unit *unit, struct pairing *pairing)
{
    struct capture_cursor cursor;
    struct message message;
    bool has_memory = true;
    size_t from = 0;
    capture_cursor_init(&cursor, &unit->reply);
    while (has_memory && !dissected->is_junk &&
           capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        struct pairing_answer answer;
        bool is_ready = message.type == MESSAGE_SERVER_READY_FOR_QUERY && message.length == 1;
        char status = is_ready ? (char)message.body[0] : 0;
        if (pairing_reply(pairing, message.type, status, &answer) != PAIRING_OK)
            dissected->is_junk = true;
        else
            has_memory = take_reply(dissected, &message, &answer, &from);
    }
    capture_cursor_fini(&cursor);
    return has_memory;
}

// Requests that no reply was paired with: passed over, or the end came first.
static void
settle_unanswered(struct dissected *dissected, const struct unit *unit)
{
    bool has_failed = false;
    for (size_t i = 0; i < dissected->count; i++) {
        struct step *step = &dissected->steps[i];
        if (step->outcome == STEP_FAILED)
            has_failed = true;
        if (step->outcome != STEP_UNKNOWN)
            continue;
        if (unit->is_reply_cut)
            continue;
        step->outcome = has_failed ? STEP_SKIPPED : STEP_UNANSWERED;
    }
}

bool
dissect(const struct unit *unit, struct dissected *dissected)
{
    memset(dissected, 0, sizeof(*dissected));
    dissected->request = lay_end_to_end(&unit->request);
    if (!dissected->request || !read_requests(dissected, unit->request.length))
        goto no_memory;

    struct pairing pairing;
    pairing_init(&pairing);
    bool has_memory = true;
    for (size_t i = 0; i < dissected->count && !dissected->is_junk; i++) {
        struct step *step = &dissected->steps[i];
        struct pairing_place place;
        if (pairing_request(&pairing, step->type, &place) != PAIRING_OK)
            dissected->is_junk = true;
        else
            step->number = place.request;
        step->is_answered = !dissected->is_junk && place.is_answered;
    }
    if (!dissected->is_junk && !unit->is_reply_cut)
        has_memory = read_replies(dissected, unit, &pairing);
    pairing_fini(&pairing);
    if (!has_memory)
        goto no_memory;
    settle_unanswered(dissected, unit);
    return true;

no_memory:
    dissected_fini(dissected);
    return false;
}

void
dissected_fini(struct dissected *dissected)
{
    for (size_t i = 0; i < dissected->count; i++) {
        for (size_t j = 0; j < dissected->steps[i].result_count; j++)
            result_fini(&dissected->steps[i].results[j]);
        free(dissected->steps[i].results);
        free(dissected->steps[i].parameters);
    }
    free(dissected->steps);
    free(dissected->request);
    memset(dissected, 0, sizeof(*dissected));
}
