// The read's reply is the second of the job's three. Its description decides whether it can be presented
// at all, its rows are put as old's where that differs, and its ReadyForQuery says what old's would.
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

void
canary_answer_init(struct canary_answer *answer, struct shape_columns **old_columns,
                   struct canary_types *types, bool is_simple, bool has_describe, size_t max_record)
{
    *answer =
        (struct canary_answer){.is_simple = is_simple,
                               .has_describe = has_describe,
                               .stage = is_simple ? CANARY_AWAITS_COLUMNS : CANARY_AWAITS_PARSED,
                               .max_record = max_record,
                               .old_columns = *old_columns,
                               .types = *types};
    *old_columns = NULL;
    *types = (struct canary_types){0};
    frame_init(&answer->frame);
    writer_init(&answer->message);
    writer_init(&answer->out);
    capture_init(&answer->record);
}

void
canary_answer_fini(struct canary_answer *answer)
{
    writer_fini(&answer->message);
    writer_fini(&answer->out);
    capture_fini(&answer->record);
    for (size_t i = 0; answer->columns && i < answer->old_columns->count; i++) {
        canary_column_fini(&answer->columns[i]);
    }
    shape_columns_unref(&answer->old_columns);
    canary_types_fini(&answer->types);
    free(answer->columns);
    answer->columns = NULL;
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
move(struct canary_answer *answer, enum canary_stage from, enum canary_stage to)
{
    if (answer->stage != from) {
        fail(answer, CANARY_BROKEN);
        return false;
    }
    answer->stage = to;
    return true;
}

// Old's description, in the formats that new answers in.
static bool
present(struct canary_answer *answer, const struct reply_column *columns)
{
    const struct shape_columns *old_columns = answer->old_columns;
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
    const struct shape_columns *old_columns = answer->old_columns;
    answer->columns = calloc(old_columns->count + 1, sizeof(*answer->columns));
    for (size_t i = 0; answer->columns && i < old_columns->count; i++) {
        struct canary_column *column = &answer->columns[i];
        canary_column_init(column, &answer->types, &old_columns->columns[i], &columns[i]);
        answer->converts = answer->converts || column->outcome != RECODE_AS_IS;
        answer->may_refuse = answer->may_refuse || column->outcome == RECODE_MAY_REFUSE;
        if (column->outcome == RECODE_IMPOSSIBLE) {
            fail(answer, CANARY_UNFIT);
        }
    }
    return answer->columns != NULL;
}

static void
take_description(struct canary_answer *answer, const struct message *message)
{
    struct reply_column *columns;
    size_t count;
    if (!move(answer, CANARY_AWAITS_COLUMNS, CANARY_IN_ROWS) ||
        !reply_read_row_description(message->body, message->length, &columns, &count)) {
        fail(answer, CANARY_BROKEN);
        return;
    }
    if (count != answer->old_columns->count) {
        fail(answer, CANARY_UNFIT);
    } else if (!note_columns(answer, columns) ||
               ((answer->is_simple || answer->has_describe) && !present(answer, columns))) {
        fail(answer, CANARY_BROKEN);
    }
    free(columns);
}

static void
record(struct canary_answer *answer, const uint8_t *bytes, size_t length)
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
    record(answer, message->raw, message->raw_length);
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
    if (!move(answer, CANARY_IN_ROWS, CANARY_IN_ROWS)) {
        return;
    }
    if (!answer->converts) {
        if (row_is_sound(message, answer->old_columns->count)) {
            pass(answer, message);
        } else {
            fail(answer, CANARY_BROKEN);
        }
        return;
    }
    record(answer, message->raw, message->raw_length);
    size_t most = CONVERTED_ROOM + CONVERTED_GROWTH * message->length;
    if (!canary_row_convert(&answer->out, answer->columns, answer->old_columns->count,
                            message->body, message->length, most)) {
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
        pass(answer, message);
    } else {
        fail(answer, CANARY_FAILED);
    }
}

// The status is old's: no transaction is open there.
static void
take_ready(struct canary_answer *answer)
{
    if (answer->unit++ != 1 || !move(answer, CANARY_HAS_ENDED, CANARY_HAS_ENDED)) {
        return;
    }
    struct writer ready;
    writer_init(&ready);
    reply_write_ready(&ready, 'I');
    writer_bytes(&answer->out, ready.bytes, ready.failed ? 0 : ready.length);
    record(answer, ready.bytes, ready.failed ? 0 : ready.length);
    if (ready.failed) {
        fail(answer, CANARY_BROKEN);
    }
    writer_fini(&ready);
    fail(answer, CANARY_COMPLETE);
}

static void
take_bound(struct canary_answer *answer, const struct message *message)
{
    if (message->length == 0 && move(answer, CANARY_AWAITS_BOUND, CANARY_AWAITS_COLUMNS)) {
        pass(answer, message);
    } else {
        fail(answer, CANARY_BROKEN);
    }
}

static void
take_end(struct canary_answer *answer, const struct message *message)
{
    const char *tag;
    if (reply_read_command_tag(message->body, message->length, &tag) &&
        move(answer, CANARY_IN_ROWS, CANARY_HAS_ENDED)) {
        pass(answer, message);
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
    case MESSAGE_SERVER_PARSE_COMPLETE: // ours, or in the prefix's answer from old
        move(answer, CANARY_AWAITS_PARSED, CANARY_AWAITS_BOUND);
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
        take_description(answer, message);
        record(answer, message->raw, message->raw_length);
        break;
    case MESSAGE_SERVER_DATA_ROW:
        take_row(answer, message);
        break;
    case MESSAGE_SERVER_BIND_COMPLETE:
        take_bound(answer, message);
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
        record(answer, answer->out.bytes + before, answer->out.length - before);
    }
}

static void
take_piece(struct canary_answer *answer, const struct frame_piece *piece)
{
    struct writer *message = &answer->message;
    if (piece->first) {
        writer_clear(message);
        answer->is_passing = answer->is_released && answer->stage == CANARY_IN_ROWS &&
                             !answer->converts && answer->unit == 1 &&
                             piece->type == MESSAGE_SERVER_DATA_ROW &&
                             piece->body_total > LARGE_ROW;
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
