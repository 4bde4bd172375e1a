// Who authenticates a client. The phases, by auth.type:
//
//   passthrough               LOOKING_ON
//   scram-sha-256, md5        WAITING ──the secret and old's first word are there──► ASKING ──► ADMITTED
//   cert, trust               ADMITTED
//
// Old has to have spoken before a client is asked: its NegotiateProtocolVersion must come first, and where it takes
// nobody at all there is nothing to ask. What it says beyond waits until the client is admitted, so that nobody learns
// from it who exists.
//
// With passthrough the login does not wait for the secret, which may come after it: the session then learns late what
// opens others (session_facts_secret).
#include "proxy/relay/session_auth.h"
#include "protocol/challenge.h"
#include "protocol/password.h"
#include "protocol/scram_witness.h"
#include "proxy/log.h"
#include "proxy/relay/session_parts.h"
#include "proxy/relay/session_secret.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_LIMIT = 65535 }; // bytes of a password message, as PostgreSQL's

enum auth_phase { LOOKING_ON, WAITING, ASKING, ADMITTED };

struct session_auth {
    enum auth_phase phase;
    bool old_has_spoken;         // what lets the client be asked
    bool is_over;                // the login is
    bool looks_up_late;          // of a database that may not exist
    uint32_t code;               // of the last Authentication message to the client
    struct writer message;       // the client's password message under way; wiped
    struct challenge *challenge; // NULL: the proxy does not ask
    struct session_secret secret;
};

static const struct configuration_auth *
settings_of(const struct session *session)
{
    return &session->settings->configuration->auth;
}

void
session_auth_free(struct session *session)
{
    struct session_auth *auth = session->auth;
    session->auth = NULL;
    if (!auth) {
        return;
    }
    writer_wipe(&auth->message);
    writer_fini(&auth->message);
    challenge_free(&auth->challenge);
    session_secret_fini(&auth->secret);
    free(auth);
}

struct secret *
session_auth_secret(struct session *session)
{
    const struct session_auth *auth = session->auth;
    return auth ? session_secret_make(&auth->secret, auth->challenge) : NULL;
}

bool
session_auth_awaits_secret(const struct session *session)
{
    return session->auth && session->auth->secret.is_awaited;
}

bool
session_auth_give_secret(struct session *session, struct session_secret *secret)
{
    if (!session_auth_awaits_secret(session)) {
        return false;
    }
    *secret = session->auth->secret;
    session->auth->secret = (struct session_secret){0};
    return true;
}

// ---- asking ----

static void
send_challenge(struct session *session, const struct writer *writer)
{
    if (writer->length > 0) {
        struct reader reader = reader_over(writer->bytes + 5, writer->length - 5);
        session->auth->code = reader_u32(&reader);
        session_to_client(session, writer->bytes, writer->length);
    }
}

static struct challenge *
make_challenge(struct session *session)
{
    unsigned char binding[64];
    size_t length = stream_channel_binding(session->client, binding);
    return challenge_new(&(struct challenge_settings){
        .method = settings_of(session)->type == AUTH_MD5 ? CHALLENGE_BY_MD5 : CHALLENGE_BY_SCRAM,
        .user = session->user,
        .secret = session->auth->secret.kept,
        .mock_seed = session->worker->instance->mock_seed,
        .channel_binding = length > 0 ? binding : NULL,
        .channel_binding_length = length,
    });
}

static void
ask_client(struct session *session)
{
    struct session_auth *auth = session->auth;
    if (auth->secret.status == CREDENTIALS_UNAVAILABLE) {
        session_refuse_fatal(session, "58000", "the user's secret cannot be looked up",
                             "The proxy's log says why: see auth.file and auth.query.");
        return;
    }
    if (settings_of(session)->type == AUTH_SCRAM_SHA_256 && password_is_md5(auth->secret.kept)) {
        log_event(
            LOG_WARNING_LEVEL, "secret_unusable",
            "session=%llu hint=\"the user's secret is kept as an MD5 hash, by which nobody "
            "can log in with auth.type scram-sha-256: keep a verifier, or set auth.type md5\"",
            (unsigned long long)session->id);
    }
    struct writer writer;
    writer_init(&writer);
    auth->challenge = make_challenge(session);
    bool is_begun = auth->challenge && challenge_begin(auth->challenge, &writer) == CHALLENGE_SEND;
    if (is_begun) {
        auth->phase = ASKING;
        send_challenge(session, &writer);
    }
    writer_fini(&writer);
    if (!is_begun) {
        session_close(session, "out of memory");
        return;
    }
    session_client_resume(session, PAUSE_NOT_YET);
    session_unhold(session);
}

static void
ask_if_ready(struct session *session)
{
    struct session_auth *auth = session->auth;
    if (auth->phase == WAITING && !auth->secret.is_awaited && auth->old_has_spoken) {
        ask_client(session);
    }
}

static bool
is_admitted(const struct session_auth *auth)
{
    return auth->phase == ADMITTED && !auth->secret.is_awaited;
}

static void
refuse_junk(struct session *session)
{
    bool is_sasl = session->auth->code >= AUTHENTICATION_SASL;
    session_refuse_fatal(session, "08P01",
                         is_sasl ? "malformed SCRAM message" : "invalid password packet size",
                         NULL);
}

static void
refuse_secret(struct session *session)
{
    char message[256];
    snprintf(message, sizeof(message), "password authentication failed for user \"%s\"",
             session->user);
    session_refuse_fatal(session, "28P01", message, NULL);
}

static void
take_answer(struct session *session)
{
    struct session_auth *auth = session->auth;
    struct writer writer;
    writer_init(&writer);
    enum challenge_status status =
        challenge_step(auth->challenge, auth->message.bytes, auth->message.length, &writer);
    switch (status) {
    case CHALLENGE_PASSED:
        auth->phase = ADMITTED;
        send_challenge(session, &writer);
        break;
    case CHALLENGE_SEND:
        send_challenge(session, &writer);
        break;
    case CHALLENGE_REFUSED:
        refuse_secret(session);
        break;
    case CHALLENGE_JUNK:
        refuse_junk(session);
        break;
    case CHALLENGE_FAILED:
        session_close(session, "out of memory");
        break;
    }
    writer_fini(&writer);
}

// ---- looking on ----

static void
note_answer(struct session_auth *auth)
{
    const struct writer *message = &auth->message;
    if (auth->code == AUTHENTICATION_CLEARTEXT) {
        session_secret_shown(&auth->secret, message->bytes, message->length);
    }
    if (auth->secret.witness) {
        scram_witness_client(auth->secret.witness, message->bytes, message->length);
    }
}

void
session_auth_saw(struct session *session, uint32_t code, const uint8_t *body, size_t length)
{
    struct session_auth *auth = session->auth;
    bool is_first = auth->code == AUTHENTICATION_OK;
    auth->code = code;
    if (code == AUTHENTICATION_SASL && !auth->secret.witness) {
        auth->secret.witness = scram_witness_new();
    }
    if (auth->secret.witness) {
        scram_witness_server(auth->secret.witness, body, length);
    }
    bool opens_others = session->settings->entry->identity == IDENTITY_SAME;
    if (!is_first || code == AUTHENTICATION_CLEARTEXT || !opens_others) {
        return;
    }
    auth->looks_up_late = !databases_is_admitted(session->database);
    if (!auth->looks_up_late) {
        // Without memory further sessions are not opened, and that is all.
        (void)session_secret_look_up(session, &auth->secret);
    }
}

void
session_auth_let_in(struct session *session)
{
    struct session_auth *auth = session->auth;
    if (auth && auth->looks_up_late) {
        (void)session_secret_look_up(session, &auth->secret);
    }
}

// ---- what the session calls ----

bool
session_auth_begin(struct session *session)
{
    struct session_auth *auth = session->auth = calloc(1, sizeof(*auth));
    enum auth_type type = settings_of(session)->type;
    if (!auth) {
        session_close(session, "out of memory");
        return false;
    }
    writer_init(&auth->message);
    auth->secret.status = CREDENTIALS_UNKNOWN;
    switch (type) {
    case AUTH_PASSTHROUGH:
        auth->phase = LOOKING_ON;
        return true;
    case AUTH_SCRAM_SHA_256:
    case AUTH_MD5:
        auth->phase = WAITING;
        break;
    case AUTH_CERT:
        if (!session_certificate_is_users(session)) {
            return false;
        }
        auth->phase = ADMITTED;
        break;
    case AUTH_TRUST:
        auth->phase = ADMITTED;
        break;
    }
    if (!session_secret_look_up(session, &auth->secret)) {
        session_close(session, "out of memory");
        return false;
    }
    return true;
}

bool
session_auth_is_ours(const struct session *session)
{
    return session->auth->phase != LOOKING_ON;
}

bool
session_auth_hears_client(const struct session *session)
{
    return session->auth->phase != WAITING;
}

bool
session_auth_lets_old_speak(struct session *session)
{
    struct session_auth *auth = session->auth;
    if (auth->phase == LOOKING_ON || is_admitted(auth)) {
        return true;
    }
    if (!auth->old_has_spoken) {
        auth->old_has_spoken = true;
        ask_if_ready(session);
    }
    return !session_is_closing(session) && is_admitted(auth);
}

bool
session_auth_holds_old(const struct session *session)
{
    const struct session_auth *auth = session->auth;
    return auth && auth->phase != LOOKING_ON && auth->old_has_spoken && !is_admitted(auth);
}

void
session_auth_from_client(struct session *session, const struct frame_piece *piece)
{
    struct session_auth *auth = session->auth;
    bool is_ours = auth->phase == ASKING;
    if (auth->phase == ADMITTED) {
        session_refuse_fatal(session, "08P01", "unexpected password response", NULL);
        return;
    }
    if (piece->first) {
        writer_wipe(&auth->message);
    }
    if (piece->body_total > MESSAGE_LIMIT) {
        if (is_ours) {
            session_refuse_fatal(session, "08P01", "invalid message length", NULL);
        }
        return;
    }
    writer_bytes(&auth->message, piece->body, piece->body_length);
    if (!piece->last) {
        return;
    }
    if (auth->message.failed) {
        session_close(session, "out of memory");
    } else if (is_ours) {
        take_answer(session);
    } else {
        note_answer(auth);
    }
}

void
session_auth_refuse_message(struct session *session, char type)
{
    char message[96];
    snprintf(message, sizeof(message), "expected %s response, got message type %d",
             session->auth->code >= AUTHENTICATION_SASL ? "SASL" : "password", (unsigned char)type);
    session_refuse_fatal(session, "08P01", message, NULL);
}

bool
session_auth_is_asking(const struct session *session)
{
    return session->auth && session->auth->phase == ASKING;
}

void
session_auth_answered(struct session *session, enum credentials_status status, const char *secret)
{
    struct session_auth *auth = session->auth;
    if (!auth) {
        return;
    }
    session_secret_answered(&auth->secret, status, secret);
    if (auth->is_over) {
        struct secret *late = session_auth_secret(session);
        session_auth_free(session);
        session_facts_secret(session, &late);
        return;
    }
    if (!session_is_closing(session)) {
        ask_if_ready(session);
    }
    if (!session_is_closing(session) && is_admitted(auth)) {
        session_login_go_on(session);
    }
}

void
session_auth_end(struct session *session)
{
    struct session_auth *auth = session->auth;
    if (!auth || !auth->secret.is_awaited || session_is_closing(session)) {
        session_auth_free(session);
        return;
    }
    auth->is_over = true;
}
