// What is learnt of a user's secret during a login. It is looked up on the credentials' thread, whose answer
// comes back by the worker's mailbox, for the session of that number, which may have gone by then.
#include "proxy/relay/session_secret.h"
#include "protocol/password.h"
#include "proxy/relay/session_auth.h"
#include "proxy/relay/session_parts.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_UP_NS (5ull * 1000 * 1000 * 1000)

struct ask { // how the answer finds its way back
    struct worker *worker;
    uint64_t session;
};

static void
wipe(char **secret)
{
    if (*secret) {
        explicit_bzero(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
    }
}

static void // on the credentials' thread
on_answer(void *context, enum credentials_status status, const char *secret)
{
    struct ask *ask = context;
    struct mail mail = {
        .kind = MAIL_SECRET,
        .session = ask->session,
        .status = status,
        .secret = secret ? strdup(secret) : NULL,
    };
    if (secret && !mail.secret) {
        mail.status = CREDENTIALS_UNAVAILABLE;
    }
    if (!worker_mail(ask->worker, &mail)) {
        wipe(&mail.secret);
    }
    free(ask);
}

bool
session_secret_look_up(struct session *session, struct session_secret *secret)
{
    const struct configuration_auth *settings = &session->settings->configuration->auth;
    if (secret->was_asked || (*settings->file == '\0' && *settings->query == '\0')) {
        return true;
    }
    struct ask *ask = malloc(sizeof(*ask));
    if (!ask) {
        return false;
    }
    // Who asks there keeps the database. Known compromise: with '*' and an auth.type of the proxy's own, the names
    // that clients invent stay.
    databases_admit(session->worker->instance->databases, session->database);
    *ask = (struct ask){session->worker, session->id};
    secret->was_asked = secret->is_awaited =
        credentials_ask(session->worker->instance->credentials, session->database, session->user,
                        LOOK_UP_NS, on_answer, ask);
    if (!secret->was_asked) {
        free(ask);
    }
    return secret->was_asked;
}

void
session_secret_answered(struct session_secret *secret, enum credentials_status status,
                        const char *kept)
{
    assert(secret->is_awaited);
    secret->is_awaited = false;
    secret->status = status;
    secret->kept = kept ? strdup(kept) : NULL;
}

void
session_secret_shown(struct session_secret *secret, const uint8_t *body, size_t length)
{
    if (length > 1 && memchr(body, '\0', length) == body + length - 1) {
        wipe(&secret->shown);
        secret->shown = strdup((const char *)body);
    }
}

enum kind { NOTHING, PLAIN, MD5, VERIFIER };

static enum kind
kind_of(const char *kept)
{
    if (!kept || *kept == '\0') {
        return NOTHING;
    }
    if (scram_verifier_is_meant(kept)) {
        return VERIFIER;
    }
    return password_is_md5(kept) ? MD5 : PLAIN;
}

struct secret *
session_secret_make(const struct session_secret *secret, const struct challenge *challenge)
{
    enum kind kind = kind_of(secret->kept);
    const char *password = secret->shown ? secret->shown : (kind == PLAIN ? secret->kept : NULL);
    const char *md5 = kind == MD5 ? secret->kept : NULL;
    struct scram_keys keys;
    bool has_keys = (challenge && challenge_keys(challenge, &keys)) ||
                    (secret->witness && kind == VERIFIER &&
                     scram_witness_keys(secret->witness, secret->kept, &keys));
    struct secret *made =
        password || md5 || has_keys ? secret_new(password, md5, has_keys ? &keys : NULL) : NULL;
    explicit_bzero(&keys, sizeof(keys));
    return made;
}

void
session_secret_fini(struct session_secret *secret)
{
    wipe(&secret->kept);
    wipe(&secret->shown);
    scram_witness_free(&secret->witness);
}
