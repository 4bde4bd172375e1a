// One reading of a large read: BEGIN READ ONLY, a statement_timeout that gives it time, the read and ROLLBACK in
// one pipeline, whose reply is taken to pieces as it comes. Rows go into a digest and are forgotten; of all
// else the few messages that matter are put together. The shadow thread does this within the own session's
// callback, so that a server is read no faster than its rows are digested.
#include "protocol/message.h"
#include "proxy/shadow/large_parts.h"
#include <stdio.h>
#include <stdlib.h>

enum { BEGIN_UNITS = 2, READ_UNIT = BEGIN_UNITS, TAIL_UNIT = BEGIN_UNITS + 2 };

void
large_reading_init(struct large_reading *reading)
{
    *reading = (struct large_reading){0};
    result_init(&reading->result);
    frame_init(&reading->frame);
    writer_init(&reading->message);
}

void
large_reading_fini(struct large_reading *reading)
{
    digest_free(&reading->digest);
    result_fini(&reading->result);
    writer_fini(&reading->message);
}

// --- messages ---------------------------------------------------------------------------------

static bool
is_wanted(const struct large_reading *reading, char type)
{
    switch ((unsigned char)type) {
    case MESSAGE_SERVER_ERROR_RESPONSE:
        return reading->unit <= READ_UNIT;
    case MESSAGE_SERVER_ROW_DESCRIPTION:
    case MESSAGE_SERVER_COMMAND_COMPLETE:
    case MESSAGE_SERVER_EMPTY_QUERY_RESPONSE:
    case MESSAGE_SERVER_PORTAL_SUSPENDED:
        return reading->unit == READ_UNIT;
    case MESSAGE_SERVER_DATA_ROW:
        return reading->unit == TAIL_UNIT;
    default:
        return false;
    }
}

static void
begin_rows(struct large *large, struct large_reading *reading, enum side side)
{
    const struct digest_selection *selection = large->has_selection ? &large->selection : NULL;
    struct digest_plan *plan = large_plan(large, side, &reading->result);
    if (plan)
        reading->digest = digest_new(plan, side == SIDE_NEW, selection, &reading->result);
    if (!reading->digest)
        reading->trouble = "no memory for a reading";
}

// A message that is put together in `message`.
static void
take_message(struct large *large, struct large_reading *reading, enum side side, char type)
{
    const struct writer *message = &reading->message;
    if (message->failed) {
        reading->trouble = "no memory for a reading";
        return;
    }
    if (type == MESSAGE_SERVER_DATA_ROW) {
        reading->position = fence_position(reading->message.bytes, reading->message.length);
        return;
    }
    if (reading->result.kind != RESULT_OPEN)
        return; // it began badly, and what follows is of that
    switch (result_add(&reading->result, type, message->bytes, message->length)) {
    case RESULT_OK:
    case RESULT_ENDED:
        break;
    case RESULT_JUNK:
        reading->trouble = "a reading was answered with junk";
        return;
    case RESULT_NO_MEMORY:
        reading->trouble = "no memory for a reading";
        return;
    }
    if (type == MESSAGE_SERVER_ROW_DESCRIPTION)
        begin_rows(large, reading, side);
}

static void
take_row(struct large_reading *reading, const struct frame_piece *piece)
{
    if (!reading->digest) {
        reading->trouble = "a reading was answered with junk"; // rows that were never described
        return;
    }
    switch (
        digest_row(reading->digest, piece->body, piece->body_length, piece->first, piece->last)) {
    case DIGEST_OK:
        break;
    case DIGEST_JUNK:
        reading->trouble = "a reading was answered with junk";
        break;
    case DIGEST_NO_MEMORY:
        reading->trouble = "no memory for a reading";
        break;
    }
}

static void
take_piece(struct large *large, struct large_reading *reading, enum side side,
           const struct frame_piece *piece)
{
    if (piece->type == MESSAGE_SERVER_READY_FOR_QUERY) {
        reading->unit += piece->last;
        return;
    }
    if (reading->trouble)
        return; // the job runs to its end
    if (piece->type == MESSAGE_SERVER_DATA_ROW && reading->unit == READ_UNIT) {
        take_row(reading, piece);
        return;
    }
    if (!is_wanted(reading, piece->type))
        return;
    if (piece->first)
        writer_clear(&reading->message);
    if (piece->body_total > DIGEST_MESSAGE_LIMIT) {
        reading->trouble = "a reading was answered with a message that is too large";
        return;
    }
    writer_bytes(&reading->message, piece->body, piece->body_length);
    if (piece->last)
        take_message(large, reading, side, piece->type);
}

// The own session has framed these bytes before: they are messages.
static bool
on_bytes(struct own_job *job, struct chunk *chunk, size_t offset, size_t length)
{
    struct large *large = job->context;
    struct large_reading *reading = large_reading_running(large);
    const uint8_t *at = chunk->bytes + offset, *end = at + length;
    struct frame_piece piece;
    while (frame_next(&reading->frame, &at, end, &piece) == FRAME_PIECE)
        take_piece(large, reading, job->side, &piece);
    return true;
}

// --- the job ----------------------------------------------------------------------------------

// A reading takes what a read takes that was served, and the digest's time.
static uint64_t
patience_of(const struct read *read)
{
    return read->settings->entry->shadow.timeout + 3 * read->served_ns;
}

struct own_job *
large_reading_job(struct large *large, struct large_reading *reading, enum side side,
                  const char *tail)
{
    struct read *read = large->read;
    uint64_t patience = patience_of(read), milliseconds = patience / 1000000;
    char sql[80];
    large_reading_fini(reading);
    large_reading_init(reading);
    snprintf(sql, sizeof(sql), "SET LOCAL statement_timeout = %llu",
             (unsigned long long)(milliseconds < INT32_MAX ? milliseconds : INT32_MAX));
    struct own_job *job = read_job_after(read, side, sql, tail);
    if (!job)
        return NULL;
    job->timeout = patience;
    job->queue_timeout = patience;
    job->on_bytes = on_bytes;
    job->context = large;
    return job;
}

const char *
large_reading_end(struct large_reading *reading, const struct own_job *job)
{
    const char *trouble = read_trouble(job);
    writer_fini(&reading->message);
    if (!trouble)
        trouble = reading->trouble;
    if (!trouble && reading->result.kind == RESULT_OPEN)
        trouble = "a reading was answered with junk";
    if (!trouble && reading->digest) {
        digest_end(reading->digest);
        reading->result.left_out = digest_rows(reading->digest) - reading->result.row_count;
        if (digest_is_unreadable(reading->digest))
            trouble = "a value is too large to be read as its type";
    }
    return trouble;
}
