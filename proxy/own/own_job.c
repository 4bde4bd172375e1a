// A job for an own session: messages out, replies back. The caller's but for the time between
// own_pool_run and `done`.
#include "proxy/own/own_parts.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct own_job *
own_job_new(void)
{
    struct own_job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        capture_init(&job->reply);
    }
    return job;
}

void
own_job_free(struct own_job **job)
{
    struct own_job *freed = *job;
    *job = NULL;
    if (freed != NULL) {
        capture_fini(&freed->reply);
        if (freed->state != NULL) {
            state_snapshot_unref(&freed->state);
        }
        free(freed->messages);
        free(freed);
    }
}

void
own_job_resume(struct own_job *job)
{
    struct own_session *session = job->session;
    if (session != NULL) {
        stream_resume(session->stream);
        if (job->is_timed_by_silence) {
            session->deadline = uv_hrtime() + job->timeout;
        }
    }
}

void
own_job_cancel(struct own_job *job)
{
    struct own_session *session = job->session;
    if (session != NULL) {
        own_cancel_send(session);
        session->is_spent = true;
    }
}

void
own_trouble_say(struct own_trouble *trouble, const char *sqlstate, const char *text)
{
    snprintf(trouble->sqlstate, sizeof trouble->sqlstate, "%s", sqlstate);
    snprintf(trouble->text, sizeof trouble->text, "%s", text);
    trouble->hint = NULL;
}

void
own_free_secret(char **secret)
{
    if (*secret != NULL) {
        OPENSSL_cleanse(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
    }
}
