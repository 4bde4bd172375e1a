// A read put once more, on either side: the job for the proxy's own sessions, BEGIN READ ONLY, the read and ROLLBACK in
// one pipeline, what its reply holds, and what it means when there is none. The session's shadow thread.

#include "protocol/message.h"
#include "proxy/shadow/read.h"

struct own_job *
read_job(struct read *read, enum side side, const char *tail)
{
    return read_job_after(read, side, NULL, tail);
}

struct own_job *
read_job_after(struct read *read, enum side side, const char *first, const char *tail)
{
    const struct configuration_shadow *shadow = &read->settings->entry->shadow;
    bool is_rewritten = side == SIDE_NEW && read->new_messages.bytes;
    const struct read_messages *messages = is_rewritten ? &read->new_messages : &read->messages;
    struct own_job *job = own_job_new();
    struct writer writer;
    if (!job)
        return NULL;
    writer_init(&writer);
    writer_bytes(&writer, messages->bytes, messages->begin_length);
    if (first)
        request_write_query(&writer, first);
    writer_bytes(&writer, messages->bytes + messages->begin_length,
                 messages->length - messages->begin_length);
    if (tail)
        request_write_query(&writer, tail);
    if (!writer.failed)
        job->messages = writer_take(&writer, &job->messages_length);
    writer_fini(&writer);
    if (!job->messages) {
        own_job_free(&job);
        return NULL;
    }
    job->identity = (struct own_identity){
        .database = read->mirror->at->database,
        .user = read->mirror->facts->user,
        .secret = read->mirror->facts->secret,
    };
    job->side = side;
    job->state = read->state ? state_snapshot_ref(read->state) : NULL;
    job->keeps_statements = messages->keeps_statements;
    job->drops_statements = messages->drops_statements;
    job->units = READ_UNITS + (first ? 1u : 0u) + (tail ? 1u : 0u);
    job->max_reply = shadow->max_result + 4096;
    job->timeout = shadow->timeout;
    job->queue_timeout = shadow->timeout;
    return job;
}

bool
read_result_of(const struct own_job *job, struct result *result)
{
    struct capture_cursor cursor;
    struct message message;
    unsigned unit = 0;
    bool is_well = true;
    result_init(result);
    capture_cursor_init(&cursor, &job->reply);
    while (is_well && unit < 2 && capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        if (message.type == MESSAGE_SERVER_READY_FOR_QUERY) {
            unit++;
            continue;
        }
        bool began_badly = unit == 0 && message.type == MESSAGE_SERVER_ERROR_RESPONSE;
        if ((unit != 1 && !began_badly) || result->kind != RESULT_OPEN)
            continue;
        enum result_status status = result_add(result, message.type, message.body, message.length);
        is_well = status == RESULT_OK || status == RESULT_ENDED;
    }
    capture_cursor_fini(&cursor);
    if (is_well && result->kind != RESULT_OPEN)
        return true;
    result_fini(result);
    return false;
}

const char *
read_trouble(const struct own_job *job)
{
    switch (job->outcome) {
    case OWN_DONE:
        return NULL;
    case OWN_TIMEOUT:
        return "a reading timed out";
    default:
        return job->side == SIDE_NEW ? "new could not be read" : "old could not be read";
    }
}

void
read_outcome(const struct own_job *job, enum skip_reason *skip, enum drop_reason *drop)
{
    *skip = SKIP_NONE;
    *drop = DROP_NONE;
    switch (job->outcome) {
    case OWN_LOGIN:
        *skip = SKIP_LOGIN;
        break;
    case OWN_STATE:
        *skip = SKIP_SESSION_STATE;
        break;
    case OWN_UNAVAILABLE:
    case OWN_JUNK:
        *drop = job->side == SIDE_NEW ? DROP_NEW_UNAVAILABLE : DROP_OLD_UNAVAILABLE;
        break;
    case OWN_OVERDUE:
        *drop = DROP_QUEUE_FULL;
        break;
    case OWN_STOPPED:
        *drop = DROP_SHUTDOWN;
        break;
    case OWN_DONE:
    case OWN_TIMEOUT:
    case OWN_TOO_BIG:
        break;
    }
}
