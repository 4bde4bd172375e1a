// The proxy itself logs in on old as the client's user, when it has admitted the client by auth.type: by what the
// client's exchange showed or yielded, else by the secret of the connection string or its passfile. Old's
// AuthenticationOk is then the client's; what old says against it reaches the client as old words it.
#include "protocol/login.h"
#include "proxy/log.h"
#include "proxy/relay/session_auth.h"
#include "proxy/relay/session_parts.h"
#include <stdlib.h>
#include <string.h>

struct old_login {
    struct secret *secret; // a reference, or NULL
    char *password;        // of the connection string or the passfile, or NULL; wiped
    unsigned char channel_binding[64];
    struct login *login; // borrows all of these
};

void
session_old_login_free(struct session *session)
{
    struct old_login *gone = session->old_login;
    session->old_login = NULL;
    if (!gone) {
        return;
    }
    login_free(&gone->login);
    secret_unref(&gone->secret);
    if (gone->password) {
        explicit_bzero(gone->password, strlen(gone->password));
        free(gone->password);
    }
    free(gone);
}

static bool
begin(struct session *session)
{
    struct old_login *made = session->old_login = calloc(1, sizeof(*made));
    if (!made) {
        return false;
    }
    made->secret = session_auth_secret(session);
    const struct secret *secret = made->secret;
    if (!secret || !secret->password) {
        made->password = target_password_for(session->settings->targets[SIDE_OLD], session->user,
                                             session_old_database(session));
    }
    size_t length = stream_channel_binding(session->old, made->channel_binding);
    made->login = login_new(&(struct login_secret){
        .user = session->user,
        .password = secret && secret->password ? secret->password : made->password,
        .md5 = secret ? secret->md5 : NULL,
        .client_key = secret && secret->has_keys ? secret->keys.client : NULL,
        .server_key = secret && secret->has_keys ? secret->keys.server : NULL,
        .channel_binding = length > 0 ? made->channel_binding : NULL,
        .channel_binding_length = length,
    });
    return made->login != NULL;
}

static void
refuse(struct session *session, enum login_status status)
{
    static const struct reply_error_text no_secret = {
        .severity = "FATAL",
        .sqlstate = "28000",
        .message = "the proxy has no password for this user on the old server",
        .hint = "Give the user's plain secret in auth.file or auth.query (with auth.type "
                "scram-sha-256 the verifier that old has does as well), or have old trust the "
                "proxy's address.",
    };
    static const struct reply_error_text no_way = {
        .severity = "FATAL",
        .sqlstate = "28000",
        .message = "the proxy could not log in on the old server",
        .hint = "Old asks for what the proxy cannot answer, or failed to prove that it knows the "
                "user's secret: compare auth.file with old's pg_authid.",
    };
    session_refuse(session, status == LOGIN_NO_SECRET ? &no_secret : &no_way);
}

void
session_old_login_answer(struct session *session, const struct message *message)
{
    if (!session->old_login && !begin(session)) {
        session_close(session, "out of memory");
        return;
    }
    struct writer writer;
    writer_init(&writer);
    enum login_status status =
        login_step(session->old_login->login, message->body, message->length, &writer);
    if (status == LOGIN_SEND && !writer.failed) {
        session_to_old(session, writer.bytes, writer.length);
    }
    bool is_failed = writer.failed;
    writer_wipe(&writer);
    writer_fini(&writer);
    if (is_failed) {
        session_close(session, "out of memory");
    } else if (status != LOGIN_SEND && status != LOGIN_WAIT && status != LOGIN_DONE) {
        refuse(session, status);
    }
}

void
session_old_login_refused(struct session *session, const struct message *message)
{
    struct reply_error error;
    if (reply_read_error(message->body, message->length, &error) && error.sqlstate &&
        strncmp(error.sqlstate, "28", 2) == 0) {
        log_event(LOG_WARNING_LEVEL, "old_login_refused",
                  "session=%llu sqlstate=%s hint=\"the proxy admitted this user and old does not: "
                  "compare auth.file or auth.query with old's pg_authid and pg_hba.conf\"",
                  (unsigned long long)session->id, error.sqlstate);
    }
}
