// Who may use the console: admin.users alone. Over the Unix socket the operating system says who it is; else
// admin.file has the secret.
#include "config/userlist.h"
#include "protocol/reply.h"
#include "proxy/console/console_commands.h"
#include "proxy/console/console_parts.h"
#include "proxy/log.h"
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROTOCOL_VERSION = 3 << 16 };

static pthread_once_t seeded = PTHREAD_ONCE_INIT;
static uint8_t mock_seed[32]; // the same for the life of the process

static void
seed(void)
{
    if (RAND_bytes(mock_seed, sizeof mock_seed) != 1)
        abort();
}

static void
refuse(struct console_session *session, const char *sqlstate, const char *hint, const char *format,
       const char *argument)
{
    struct console_error error;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    console_fail(&error, sqlstate, hint, format, argument);
#pragma GCC diagnostic pop
    log_event(LOG_WARNING_LEVEL, "console_refused", "sqlstate=%s user=\"%s\"", sqlstate,
              session->user);
    console_end(session, &error);
}

static bool
is_admin(const struct configuration_admin *admin, const char *user)
{
    for (size_t i = 0; i < admin->user_count; i++)
        if (strcmp(admin->users[i], user) == 0)
            return true;
    return false;
}

// The peer on the Unix socket is that OS user, or root, or who runs the proxy.
static bool
is_peer(const struct console_session *session)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    char address[64];
    int port;

    stream_peer(session->stream, address, &port);
    if (strcmp(address, "local") != 0 ||
        getsockopt(stream_fd(session->stream), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;

    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[4096];

    return getpwnam_r(session->user, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL &&
           found->pw_uid == peer.uid;
}

static void
admit(struct console_session *session)
{
    static const char *const reported[][2] = {
        {"server_version", "server_version"},
        {"server_encoding", "server_encoding"},
        {"client_encoding", "client_encoding"},
        {"DateStyle", "datestyle"},
        {"IntervalStyle", "intervalstyle"},
        {"TimeZone", "timezone"},
        {"integer_datetimes", "integer_datetimes"},
        {"standard_conforming_strings", "standard_conforming_strings"},
        {"application_name", "application_name"},
    };
    uint32_t key = 0;

    (void)RAND_bytes((uint8_t *)&key, sizeof key);
    reply_write_authentication_ok(&session->output);
    for (size_t i = 0; i < sizeof reported / sizeof reported[0]; i++)
        reply_write_parameter_status(&session->output, reported[i][0],
                                     console_setting(reported[i][1]));
    reply_write_parameter_status(&session->output, "is_superuser", "on");
    reply_write_parameter_status(&session->output, "session_authorization", session->user);
    reply_write_backend_key(&session->output, (uint32_t)getpid(), key);
    reply_write_ready(&session->output, 'I');
    console_move(session, CONSOLE_READY);
    console_send(session);
}

static void
begin_challenge(struct console_session *session, const char *file)
{
    struct challenge_settings settings = {.method = CHALLENGE_BY_SECRET, .mock_seed = mock_seed};
    unsigned char binding[64];
    char error[512];
    char *secret;

    if (!userlist_find(file, session->user, &secret, error, sizeof error)) {
        log_event(LOG_ERROR_LEVEL, "admin_file", "error=\"%s\"", error);
        refuse(session, "28000", "The proxy's log says why.", "admin.file cannot be read%s", "");
        return;
    }
    pthread_once(&seeded, seed);
    settings.user = session->user;
    settings.secret = secret;
    settings.channel_binding_length = stream_channel_binding(session->stream, binding);
    settings.channel_binding = settings.channel_binding_length > 0 ? binding : NULL;
    session->challenge = challenge_new(&settings);
    if (secret != NULL)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
    if (session->challenge == NULL ||
        challenge_begin(session->challenge, &session->output) != CHALLENGE_SEND)
        refuse(session, "53200", NULL, "out of memory%s", "");
    else
        console_send(session);
}

// The console speaks 3.0 and knows no options of the protocol: said in front of all else, to whom has asked
// for more (manual 55.2.1).
static void
negotiate(struct console_session *session, const struct startup *startup)
{
    const char **options = calloc(startup->parameter_count + 1, sizeof *options);
    size_t count = 0;

    if (options == NULL)
        return;
    for (size_t i = 0; i < startup->parameter_count; i++)
        if (strncmp(startup->parameters[i].name, "_pq_.", 5) == 0)
            options[count++] = startup->parameters[i].name;
    if (startup->minor > 0 || count > 0)
        reply_write_negotiation(&session->output, PROTOCOL_VERSION, options, count);
    free(options);
}

void
console_login_begin(struct console_session *session, const struct startup *startup)
{
    const struct configuration *configuration = instance_configuration(session->instance);
    const struct configuration_admin *admin = &configuration->admin;
    char actor[160];
    char address[64];
    int port;

    negotiate(session, startup);
    stream_peer(session->stream, address, &port);
    snprintf(actor, sizeof actor, "%.64s@%s", session->user, address);
    session->actor = strdup(actor);
    if (session->user[0] == '\0')
        refuse(session, "28000", NULL, "no PostgreSQL user name specified in startup packet%s", "");
    else if (!is_admin(admin, session->user))
        refuse(session, "28000", "admin.users in the configuration lists who may.",
               "user \"%s\" may not use the admin console", session->user);
    else if (is_peer(session))
        admit(session);
    else if (admin->file[0] == '\0')
        refuse(session, "28000",
               "Set admin.file to a userlist.txt with the user's secret, or connect over the "
               "Unix socket as that user of the operating system.",
               "there is no way to authenticate user \"%s\"", session->user);
    else
        begin_challenge(session, admin->file);
    configuration_unref(&configuration);
}

void
console_login_message(struct console_session *session, char type, const uint8_t *body,
                      size_t length)
{
    if (type != 'p' || session->challenge == NULL) {
        refuse(session, "08P01", NULL, "expected a password response%s", "");
        return;
    }

    enum challenge_status status =
        challenge_step(session->challenge, body, length, &session->output);

    switch (status) {
    case CHALLENGE_SEND:
        console_send(session);
        break;
    case CHALLENGE_PASSED:
        admit(session);
        break;
    case CHALLENGE_REFUSED:
        refuse(session, "28P01", NULL, "password authentication failed for user \"%s\"",
               session->user);
        break;
    case CHALLENGE_JUNK:
        refuse(session, "08P01", NULL, "malformed password response%s", "");
        break;
    case CHALLENGE_FAILED:
        refuse(session, "53200", NULL, "out of memory%s", "");
        break;
    }
}
