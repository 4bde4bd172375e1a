// How an own session logs in: as the client's user with the secret that its login showed or yielded, or with one that
// auth.file, the connection string or the passfile has (`identity: same`), or as the connection string's user.
//
// A refusal is told apart from a server that cannot take anybody now (starting up, full): the one is
// remembered for the user, the other for the side.
#include "config/userlist.h"
#include "protocol/message.h"
#include "protocol/reply.h"
#include "protocol/startup.h"
#include "proxy/log.h"
#include "proxy/own/own_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct target *
target_of(const struct own_session *session)
{
    return session->settings->targets[session->group->place->side];
}

static const char *
database_of(const struct own_session *session)
{
    const struct target *target = target_of(session);
    return target->has_database ? target->database : session->group->place->database->name;
}

// What is kept as the user's secret, as far as it opens anything: a verifier does not. NULL: nothing, or no memory.
static struct secret *
secret_from_stored(const char *stored)
{
    if (strncmp(stored, "SCRAM-SHA-256$", 14) == 0) {
        return NULL;
    }
    bool is_md5 = strncmp(stored, "md5", 3) == 0 && strlen(stored) == 35;
    return is_md5 ? secret_new(NULL, stored, NULL) : secret_new(stored, NULL, NULL);
}

// NULL: auth.file has nothing of this user that opens a session.
static struct secret *
secret_from_file(const struct own_session *session)
{
    const char *file = session->settings->configuration->auth.file;
    char *stored = NULL;
    char error[OWN_TEXT_SIZE];
    if (!*file) {
        return NULL;
    }
    if (!userlist_find(file, session->user, &stored, error, sizeof error)) {
        log_event(LOG_WARNING_LEVEL, "auth_file_unread", "error=\"%s\"", error);
        return NULL;
    }
    struct secret *secret = stored != NULL ? secret_from_stored(stored) : NULL;
    own_free_secret(&stored);
    return secret;
}

static struct secret *
secret_of_target(const struct own_session *session)
{
    char *password = target_password_for(target_of(session), session->user, database_of(session));
    struct secret *secret = password != NULL ? secret_new(password, NULL, NULL) : NULL;
    own_free_secret(&password);
    return secret;
}

// What the login showed or yielded comes first: it has just opened old.
static bool
choose_user(struct own_session *session)
{
    const struct own_group *group = session->group;
    bool is_same = session->settings->entry->identity == IDENTITY_SAME;
    session->user = strdup(is_same ? group->user : target_of(session)->user);
    if (session->user == NULL) {
        return false;
    }
    if (group->secret != NULL && strcmp(group->user, session->user) == 0) {
        session->secret = secret_ref(group->secret);
        return true;
    }
    session->secret = secret_from_file(session);
    if (session->secret == NULL) {
        session->secret = secret_of_target(session);
    }
    return true;
}

static bool
send_startup(struct own_session *session)
{
    struct startup_parameter parameters[] = {{"application_name", "pgrehearse"}};
    struct startup startup = {
        .kind = STARTUP_SESSION, .major = 3, .parameters = parameters, .parameter_count = 1};
    struct writer packet;
    char *options = NULL;
    session->has_options = !session->group->place->refuses_options;
    if (session->has_options) {
        options = own_state_options(session);
        if (options == NULL) {
            return false;
        }
    }
    writer_init(&packet);
    startup_write(&packet, &startup, session->user, database_of(session), options);
    bool is_fine = !packet.failed;
    if (is_fine) {
        stream_write_copy(session->stream, packet.bytes, packet.length);
    }
    writer_fini(&packet);
    free(options);
    return is_fine;
}

bool
own_login_begin(struct own_session *session)
{
    if (!choose_user(session)) {
        return false;
    }
    size_t length = stream_channel_binding(session->stream, session->channel_binding);
    const struct secret *known = session->secret;
    bool has_keys = known != NULL && known->has_keys;
    struct login_secret secret = {
        .user = session->user,
        .password = known != NULL ? known->password : NULL,
        .md5 = known != NULL ? known->md5 : NULL,
        .client_key = has_keys ? known->keys.client : NULL,
        .server_key = has_keys ? known->keys.server : NULL,
        .channel_binding = length > 0 ? session->channel_binding : NULL,
        .channel_binding_length = length,
    };
    session->login = login_new(&secret);
    return session->login != NULL && send_startup(session);
}

void
own_login_end(struct own_session *session)
{
    login_free(&session->login);
    secret_unref(&session->secret);
}

// ---- messages ----

static enum own_login_result
refuse(struct own_session *session, enum own_outcome *outcome, enum own_outcome what,
       const char *text)
{
    *outcome = what;
    own_trouble_say(&session->trouble, "", text);
    return OWN_LOGIN_FAILED;
}

static const char no_secret_hint[] =
    "give it in auth.file or auth.query (plain, or the very verifier that both sides have), in the "
    "connection string or its passfile, or set identity: set_role";
static const char no_method_hint[] =
    "have pg_hba.conf there ask the proxy's address for scram-sha-256, md5 or password";
static const char no_proof_hint[] =
    "compare what auth.file or auth.query has with pg_authid there, and the host with the "
    "connection string";

static enum own_login_result
refuse_login(struct own_session *session, enum own_outcome *outcome, const char *text,
             const char *hint)
{
    refuse(session, outcome, OWN_LOGIN, text);
    session->trouble.hint = hint;
    return OWN_LOGIN_FAILED;
}

static enum own_login_result
take_authentication(struct own_session *session, const uint8_t *body, size_t length,
                    enum own_outcome *outcome)
{
    struct writer answer;
    char text[OWN_TEXT_SIZE];
    if (session->is_authenticated) {
        return refuse(session, outcome, OWN_JUNK, "an Authentication message after the login");
    }
    session->was_asked = true;
    writer_init(&answer);
    enum login_status status = login_step(session->login, body, length, &answer);
    if (status == LOGIN_SEND && !answer.failed) {
        stream_write_copy(session->stream, answer.bytes, answer.length);
    }
    bool is_failed = status == LOGIN_SEND && answer.failed;
    writer_fini(&answer);
    if (is_failed) {
        return refuse(session, outcome, OWN_UNAVAILABLE, "no memory");
    }
    switch (status) {
    case LOGIN_SEND:
    case LOGIN_WAIT:
        return OWN_LOGIN_GOES_ON;
    case LOGIN_DONE:
        session->is_authenticated = true;
        own_login_end(session);
        return OWN_LOGIN_GOES_ON;
    case LOGIN_NO_SECRET:
        snprintf(text, sizeof text,
                 "the server asks for a password of user \"%s\", and none is known", session->user);
        return refuse_login(session, outcome, text, no_secret_hint);
    case LOGIN_UNSUPPORTED:
        return refuse_login(session, outcome,
                            "the server asks for an authentication method that is not supported",
                            no_method_hint);
    case LOGIN_JUNK:
        break;
    }
    return refuse_login(session, outcome, "the server failed to prove that it is the right one",
                        no_proof_hint);
}

// Nothing of it is this user's fault: try again later. Everything else is a refusal, 08P01 too: PgBouncer
// words a wrong password so.
static bool
is_passing(const char *sqlstate)
{
    static const char *const classes[] = {"53", "57", "58", "XX"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

static enum own_login_result
take_error(struct own_session *session, const uint8_t *body, size_t length,
           enum own_outcome *outcome)
{
    struct reply_error error;
    if (!reply_read_error(body, length, &error)) {
        return refuse(session, outcome, OWN_JUNK, "a malformed ErrorResponse");
    }
    const char *sqlstate = error.sqlstate != NULL ? error.sqlstate : "";
    const char *text = error.message != NULL ? error.message : "";
    // As libpq: pg_hba.conf may have the user with TLS alone, or without.
    if (!session->was_asked && !session->went_other_way && strcmp(sqlstate, "28000") == 0 &&
        connector_has_other_way(target_of(session), session->stream)) {
        return OWN_LOGIN_OTHER_WAY;
    }
    own_trouble_say(&session->trouble, sqlstate, text);
    session->trouble.hint = own_admission_hint(sqlstate, false);
    *outcome = is_passing(sqlstate) ? OWN_UNAVAILABLE : OWN_LOGIN;
    // A pooler that does not take `options` says so in words: 08P01, "unsupported startup parameter".
    if (session->has_options && strstr(text, "startup parameter") != NULL) {
        session->group->place->refuses_options = true;
    }
    return OWN_LOGIN_FAILED;
}

static enum own_login_result
take_ready(struct own_session *session, const uint8_t *body, size_t length,
           enum own_outcome *outcome)
{
    if (!session->is_authenticated || length != 1 || body[0] != 'I') {
        return refuse(session, outcome, OWN_JUNK, "ReadyForQuery before the login was complete");
    }
    session->status = 'I';
    return OWN_LOGIN_READY;
}

enum own_login_result
own_login_message(struct own_session *session, char type, const uint8_t *body, size_t length,
                  enum own_outcome *outcome)
{
    const uint8_t *key;
    switch (type) {
    case MESSAGE_SERVER_AUTHENTICATION:
        return take_authentication(session, body, length, outcome);
    case MESSAGE_SERVER_ERROR_RESPONSE:
        return take_error(session, body, length, outcome);
    case MESSAGE_SERVER_READY_FOR_QUERY:
        return take_ready(session, body, length, outcome);
    case MESSAGE_SERVER_BACKEND_KEY_DATA:
        if (!reply_read_backend_key(body, length, &session->pid, &key, &session->key_length) ||
            session->key_length > sizeof session->key) {
            session->key_length = 0;
            return refuse(session, outcome, OWN_JUNK, "a malformed BackendKeyData");
        }
        memcpy(session->key, key, session->key_length);
        return OWN_LOGIN_GOES_ON;
    case MESSAGE_SERVER_NOTICE_RESPONSE:
    case MESSAGE_SERVER_PARAMETER_STATUS:
    case MESSAGE_SERVER_NEGOTIATE_PROTOCOL_VERSION:
        return OWN_LOGIN_GOES_ON;
    default:
        return refuse(session, outcome, OWN_JUNK, "a message that has no place in a login");
    }
}
