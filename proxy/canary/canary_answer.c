// The reads' replies are in the second of the job's three. A description decides whether they can be presented
// at all, and rows are put as old's where that differs.
//
// New is not trusted: what reaches the client is in order and well-formed, but for the insides of rows so large
// that they pass in pieces.
#include "proxy/canary/canary_answer.h"
#include "protocol/message.h"
#include "protocol/reply.h"
#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_LIMIT = 1 << 30,
    LARGE_ROW = 64 * 1024,
    CONVERTED_ROOM = 16 * 1024 * 1024, // a value may grow (blanks, zeros), but not without end
    CONVERTED_GROWTH = 8,
};

static void begin_step(struct canary_answer *answer);

bool
canary_answer_init(struct canary_answer *answer, const struct canary_unit *asked,
                   struct shape_columns **old_columns, struct canary_types *types,
                   size_t max_record)
{
    *answer = (struct canary_answer){.asked = asked, .max_record = max_record};
    frame_init(&answer->frame);
    writer_init(&answer->message);
    writer_init(&answer->out);
    capture_init(&answer->record);
    answer->parts = calloc(asked->read_count + 1, sizeof(*answer->parts));
    answer->marks = calloc(asked->old_steps + 1, sizeof(*answer->marks));
    if (!answer->parts || !answer->marks) {
        return false;
    }
    for (size_t i = 0; i < asked->read_count; i++) {
        answer->parts[i].old_columns = old_columns[i];
        old_columns[i] = NULL;
    }
    answer->types = *types;
    *types = (struct canary_types){0};
    answer->step = asked->is_simple ? 0 : asked->prefix_steps;
    begin_step(answer);
    return true;
}

static void
part_fini(struct canary_part *part)
{
    for (size_t i = 0; part->columns && i < part->old_columns->count; i++) {
        canary_column_fini(&part->columns[i]);
    }
    free(part->columns);
    shape_columns_unref(&part->old_columns);
}

void
canary_answer_fini(struct canary_answer *answer)
{
    writer_fini(&answer->message);
    writer_fini(&answer->out);
    capture_fini(&answer->record);
    for (size_t i = 0; answer->parts && i < answer->asked->read_count; i++) {
        part_fini(&answer->parts[i]);
    }
    canary_types_fini(&answer->types);
    free(answer->parts);
    free(answer->marks);
    answer->parts = NULL;
    answer->marks = NULL;
}

static void
fail(struct canary_answer *answer, enum canary_progress why)
{
    if (answer->progress == CANARY_COMING) {
        answer->progress = why;
    }
}

// True: this is what has to come now.
static bool
is_at(struct canary_answer *answer, enum canary_stage stage)
{
    if (answer->stage != stage) {
        fail(answer, CANARY_BROKEN);
    }
    return answer->stage == stage;
}

static struct canary_part *
part_of(const struct canary_answer *answer)
{
    return &answer->parts[answer->asked->steps[answer->step].read];
}

// Old's description, in the formats that new answers in.
static bool
present(struct canary_answer *answer, const struct reply_column *columns)
{
    const struct shape_columns *old_columns = part_of(answer)->old_columns;
    struct reply_column *presented = calloc(old_columns->count + 1, sizeof(*presented));
    if (!presented) {
        return false;
    }
    for (size_t i = 0; i < old_columns->count; i++) {
        presented[i] = old_columns->columns[i];
        presented[i].format = columns[i].format;
    }
    reply_write_row_description(&answer->out, presented, old_columns->count);
    free(presented);
    return true;
}

// What is to be done to each column's values. False: no memory.
static bool
note_columns(struct canary_answer *answer, const struct reply_column *columns)
{
    struct canary_part *part = part_of(answer);
    const struct shape_columns *old_columns = part->old_columns;
    part->columns = calloc(old_columns->count + 1, sizeof(*part->columns));
    for (size_t i = 0; part->columns && i < old_columns->count; i++) {
        struct canary_column *column = &part->columns[i];
        canary_column_init(column, &answer->types, &old_columns->columns[i], &columns[i]);
        part->converts = part->converts || column->outcome != RECODE_AS_IS;
        answer->may_refuse = answer->may_refuse || column->outcome == RECODE_MAY_REFUSE;
        if (column->outcome == RECODE_IMPOSSIBLE) {
            fail(answer, CANARY_UNFIT);
        }
    }
    answer->converts = answer->converts || part->converts;
    return part->columns != NULL;
}

static void end_step(struct canary_answer *answer);

static void
take_description(struct canary_answer *answer, const struct message *message)
{
    const struct canary_step *step = &answer->asked->steps[answer->step];
    const struct canary_read *read = &answer->asked->reads[step->read];
    struct reply_column *columns;
    size_t count;
    if (!is_at(answer, CANARY_AWAITS_COLUMNS) ||
        !reply_read_row_description(message->body, message->length, &columns, &count)) {
        fail(answer, CANARY_BROKEN);
        return;
    }
    if (count != part_of(answer)->old_columns->count) {
        fail(answer, CANARY_UNFIT);
    } else if (!note_columns(answer, columns) ||
               (read->has_describe && !present(answer, columns))) {
        fail(answer, CANARY_BROKEN);
    }
    free(columns);
    answer->stage = CANARY_IN_ROWS;
    if (step->kind == CANARY_STEP_DESCRIBE) {
        end_step(answer);
    }
}

void
canary_answer_record(struct canary_answer *answer, const uint8_t *bytes, size_t length)
{
    if (answer->is_record_cut) {
        return;
    }
    if (answer->record.length + length > answer->max_record ||
        !capture_copy(&answer->record, bytes, length)) {
        capture_fini(&answer->record);
        answer->is_record_cut = true;
    }
}

static void
pass(struct canary_answer *answer, const struct message *message)
{
    writer_bytes(&answer->out, message->raw, message->raw_length);
    canary_answer_record(answer, message->raw, message->raw_length);
}

// Says what old says to a Parse or Close when it agrees.
static void
say_agreement(struct canary_answer *answer, char type)
{
    const uint8_t agreed[] = {(uint8_t)(type == MESSAGE_CLIENT_PARSE
                                            ? MESSAGE_SERVER_PARSE_COMPLETE
                                            : MESSAGE_SERVER_CLOSE_COMPLETE),
                              0, 0, 0, 4};
    answer->marks[answer->mark_count++] =
        (struct canary_mark){answer->out.length, answer->record.length};
    writer_bytes(&answer->out, agreed, sizeof(agreed));
    canary_answer_record(answer, agreed, sizeof(agreed));
}

static void
begin_step(struct canary_answer *answer)
{
    const struct canary_unit *asked = answer->asked;
    while (answer->step < asked->step_count && asked->steps[answer->step].kind == CANARY_STEP_OLD) {
        say_agreement(answer, (char)asked->steps[answer->step].raw[0]);
        answer->step++;
    }
    if (answer->step == asked->step_count) {
        answer->stage = CANARY_HAS_ENDED;
        return;
    }
    switch (asked->steps[answer->step].kind) {
    case CANARY_STEP_BIND:
        answer->stage = CANARY_AWAITS_PARSED;
        break;
    case CANARY_STEP_DESCRIBE:
        answer->stage = CANARY_AWAITS_COLUMNS;
        break;
    case CANARY_STEP_CLOSE:
        answer->stage = CANARY_AWAITS_CLOSED;
        break;
    default:
        answer->stage = part_of(answer)->columns ? CANARY_IN_ROWS : CANARY_AWAITS_COLUMNS;
        break;
    }
}

static void
end_step(struct canary_answer *answer)
{
    answer->step++;
    begin_step(answer);
}

static bool
row_is_sound(const struct message *message, size_t columns)
{
    struct reply_row row;
    const uint8_t *value;
    size_t length;
    if (!reply_row_begin(&row, message->body, message->length) || row.left != columns) {
        return false;
    }
    for (size_t i = 0; i < columns; i++) {
        if (!reply_row_next(&row, &value, &length)) {
            return false;
        }
    }
    return reply_row_is_done(&row);
}

static void
take_row(struct canary_answer *answer, const struct message *message)
{
    if (!is_at(answer, CANARY_IN_ROWS)) {
        return;
    }
    const struct canary_part *part = part_of(answer);
    if (!part->converts) {
        if (row_is_sound(message, part->old_columns->count)) {
            pass(answer, message);
        } else {
            fail(answer, CANARY_BROKEN);
        }
        return;
    }
    canary_answer_record(answer, message->raw, message->raw_length);
    size_t most = CONVERTED_ROOM + CONVERTED_GROWTH * message->length;
    if (!canary_row_convert(&answer->out, part->columns, part->old_columns->count, message->body,
                            message->length, most)) {
        fail(answer, CANARY_UNFIT);
    }
}

static void
take_error(struct canary_answer *answer, const struct message *message)
{
    struct reply_error error;
    bool is_sound = reply_read_error(message->body, message->length, &error);
    if (is_sound && error.sqlstate && strlen(error.sqlstate) == 5) {
        memcpy(answer->sqlstate, error.sqlstate, sizeof(answer->sqlstate));
    }
    bool ends_session =
        answer->sqlstate[0] != '\0' && error.severity &&
        (strcmp(error.severity, "FATAL") == 0 || strcmp(error.severity, "PANIC") == 0);
    if (answer->is_released && (ends_session || !is_sound)) {
        fail(answer, CANARY_BROKEN); // new's end is not the client's
    } else if (answer->is_released) {
        answer->stage = CANARY_HAS_ENDED;
        answer->has_error = true;
        pass(answer, message);
    } else {
        fail(answer, CANARY_FAILED);
    }
}

static void
take_ready(struct canary_answer *answer)
{
    if (answer->unit++ == 1 && is_at(answer, CANARY_HAS_ENDED)) {
        fail(answer, CANARY_COMPLETE);
    }
}

// An answer without a body of its own, `type`, which ends the step.
static void
take_completion(struct canary_answer *answer, const struct message *message,
                enum canary_stage stage)
{
    if (message->length == 0 && is_at(answer, stage)) {
        pass(answer, message);
        end_step(answer);
    } else {
        fail(answer, CANARY_BROKEN);
    }
}

static void
take_bound(struct canary_answer *answer, const struct message *message)
{
    if (answer->stage == CANARY_AWAITS_PARSED) { // it was prepared before
        answer->stage = CANARY_AWAITS_BOUND;
    }
    take_completion(answer, message, CANARY_AWAITS_BOUND);
}

// A Close of ours may stand in front of a Parse of ours.
static void
take_closed(struct canary_answer *answer, const struct message *message)
{
    if (answer->stage != CANARY_AWAITS_PARSED) {
        take_completion(answer, message, CANARY_AWAITS_CLOSED);
    }
}

static void
take_end(struct canary_answer *answer, const struct message *message)
{
    const char *tag;
    if (reply_read_command_tag(message->body, message->length, &tag) &&
        is_at(answer, CANARY_IN_ROWS)) {
        pass(answer, message);
        end_step(answer);
    } else {
        fail(answer, CANARY_BROKEN);
    }
}

// A message of the read itself.
static void
take_read(struct canary_answer *answer, const struct message *message)
{
    struct reply_error notice;
    switch (message->type) {
    case MESSAGE_SERVER_PARSE_COMPLETE: // ours: the client's was old's to answer
        if (is_at(answer, CANARY_AWAITS_PARSED)) {
            answer->stage = CANARY_AWAITS_BOUND;
        }
        break;
    case MESSAGE_SERVER_PARAMETER_STATUS:
    case MESSAGE_SERVER_NOTIFICATION_RESPONSE:
        break;
    case MESSAGE_SERVER_NOTICE_RESPONSE:
        if (reply_read_error(message->body, message->length, &notice)) {
            writer_bytes(&answer->out, message->raw, message->raw_length);
        }
        break;
    case MESSAGE_SERVER_ROW_DESCRIPTION:
        canary_answer_record(answer, message->raw, message->raw_length);
        take_description(answer, message);
        break;
    case MESSAGE_SERVER_DATA_ROW:
        take_row(answer, message);
        break;
    case MESSAGE_SERVER_BIND_COMPLETE:
        take_bound(answer, message);
        break;
    case MESSAGE_SERVER_CLOSE_COMPLETE:
        take_closed(answer, message);
        break;
    case MESSAGE_SERVER_COMMAND_COMPLETE:
        take_end(answer, message);
        break;
    default: // NoData, EmptyQueryResponse, COPY: no rows where old has columns
        fail(answer, CANARY_UNFIT);
        break;
    }
}

static void
take_message(struct canary_answer *answer, const struct message *message)
{
    if (message->type == MESSAGE_SERVER_READY_FOR_QUERY) {
        take_ready(answer);
    } else if (message->type == MESSAGE_SERVER_ERROR_RESPONSE && answer->unit < 2) {
        take_error(answer, message);
    } else if (answer->unit == 1) {
        take_read(answer, message);
    }
}

// Large rows of a released answer pass in pieces: they may be of any size.
static void
pass_piece(struct canary_answer *answer, const struct frame_piece *piece)
{
    size_t before = answer->out.length;
    if (piece->first) {
        writer_u8(&answer->out, (uint8_t)piece->type);
        writer_u32(&answer->out, piece->body_total + 4);
    }
    writer_bytes(&answer->out, piece->body, piece->body_length);
    if (!answer->out.failed) {
        canary_answer_record(answer, answer->out.bytes + before, answer->out.length - before);
    }
}

static void
take_piece(struct canary_answer *answer, const struct frame_piece *piece)
{
    struct writer *message = &answer->message;
    if (piece->first) {
        writer_clear(message);
        answer->is_passing = answer->is_released && answer->stage == CANARY_IN_ROWS &&
                             answer->unit == 1 && piece->type == MESSAGE_SERVER_DATA_ROW &&
                             piece->body_total > LARGE_ROW && !part_of(answer)->converts;
        writer_u8(message, (uint8_t)piece->type);
        writer_u32(message, piece->body_total + 4);
    }
    if (answer->is_passing) {
        pass_piece(answer, piece);
        return;
    }
    writer_bytes(message, piece->body, piece->body_length);
    if (message->failed) {
        fail(answer, CANARY_BROKEN);
    } else if (piece->last) {
        take_message(answer, &(struct message){piece->type, message->bytes + 5, piece->body_total,
                                               message->bytes, message->length});
    }
}

static bool
cut_capture(struct capture *capture, size_t length)
{
    struct capture whole;
    capture_init(&whole);
    capture_take(&whole, capture);
    bool is_fine = true;
    for (size_t i = 0; i < whole.count && length > 0 && is_fine; i++) {
        const struct slice *slice = &whole.slices[i];
        size_t part = slice->length < length ? slice->length : length;
        is_fine = capture_append(capture, slice->chunk, slice->offset, part);
        length -= part;
    }
    capture_fini(&whole);
    return is_fine;
}

void
canary_answer_cut(struct canary_answer *answer, size_t n)
{
    answer->out.length = answer->marks[n].out;
    if (!answer->is_record_cut && !cut_capture(&answer->record, answer->marks[n].record)) {
        capture_fini(&answer->record);
        answer->is_record_cut = true;
    }
}

enum canary_progress
canary_answer_take(struct canary_answer *answer, const uint8_t *bytes, size_t length)
{
    const uint8_t *at = bytes, *end = bytes + length;
    struct frame_piece piece;
    enum frame_status status;
    while (answer->progress == CANARY_COMING &&
           (status = frame_next(&answer->frame, &at, end, &piece)) != FRAME_MORE) {
        if (status == FRAME_JUNK || piece.body_total > MESSAGE_LIMIT) {
            fail(answer, CANARY_BROKEN);
            break;
        }
        take_piece(answer, &piece);
    }
    if (answer->out.failed) {
        answer->progress = CANARY_BROKEN;
    }
    return answer->progress;
}
