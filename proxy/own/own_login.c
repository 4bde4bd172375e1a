// How an own session logs in: as the client's user with the password that its login showed, or with one that the
// connection string or the passfile has (`identity: same`), or as the connection string's user.
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

// A plain secret of auth.file; NULL: it has none of this user. Verifiers and MD5 hashes open nothing.
static char *
secret_from_file(const struct own_session *session)
{
    const char *file = session->settings->configuration->auth.file;
    char *secret = NULL;
    char error[OWN_TEXT_SIZE];
    if (!*file) {
        return NULL;
    }
    if (!userlist_find(file, session->user, &secret, error, sizeof error)) {
        log_event(LOG_WARNING_LEVEL, "auth_file_unread", "error=\"%s\"", error);
        return NULL;
    }
    bool is_plain = secret != NULL && strncmp(secret, "SCRAM-SHA-256$", 14) != 0 &&
                    !(strncmp(secret, "md5", 3) == 0 && strlen(secret) == 35);
    if (secret != NULL && !is_plain) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
        secret = NULL;
    }
    return secret;
}

static bool
choose_user(struct own_session *session)
{
    const struct own_group *group = session->group;
    bool is_same = session->settings->entry->identity == IDENTITY_SAME;
    session->user = strdup(is_same ? group->user : target_of(session)->user);
    if (session->user == NULL) {
        return false;
    }
    if (group->password != NULL && strcmp(group->user, session->user) == 0) {
        session->password = strdup(group->password);
        return session->password != NULL;
    }
    session->password = secret_from_file(session);
    if (session->password == NULL) {
        session->password =
            target_password_for(target_of(session), session->user, database_of(session));
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
    struct login_secret secret = {
        .user = session->user,
        .password = session->password,
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
    own_free_secret(&session->password);
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

static enum own_login_result
take_authentication(struct own_session *session, const uint8_t *body, size_t length,
                    enum own_outcome *outcome)
{
    struct writer answer;
    char text[OWN_TEXT_SIZE];
    if (session->is_authenticated) {
        return refuse(session, outcome, OWN_JUNK, "an Authentication message after the login");
    }
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
        return refuse(session, outcome, OWN_LOGIN, text);
    case LOGIN_UNSUPPORTED:
        return refuse(session, outcome, OWN_LOGIN,
                      "the server asks for an authentication method that is not supported");
    case LOGIN_JUNK:
        break;
    }
    return refuse(session, outcome, OWN_LOGIN,
                  "the server failed to prove that it is the right one");
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
    own_trouble_say(&session->trouble, sqlstate, text);
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
