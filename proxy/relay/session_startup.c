// The client's first packets (manual 55.2.1, 55.2.8, 55.2.10, 55.2.11): encryption requests, a cancel, or the
// startup packet, which decides what serves this connection: the console, or a database's old server.
//
// A packet may arrive in pieces and is kept until it is whole. Bytes that come behind an encryption request
// before it was answered are fatal: they would have been sent in the clear by somebody in between.
#include "proxy/console/console_session.h"
#include "proxy/log.h"
#include "proxy/relay/cancel.h"
#include "proxy/relay/session_parts.h"
#include "proxy/transport/tls.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
take_packet(struct session *session, size_t length)
{
    memmove(session->packet, session->packet + length, session->packet_length - length);
    session->packet_length -= length;
}

static bool
start_tls(struct session *session, const void *client_hello, size_t length)
{
    struct tls_context *tls = instance_client_tls(session->worker->instance);
    session_move(session, SESSION_SECURING);
    bool is_started = tls && stream_start_tls_server(session->client, tls, client_hello, length);
    tls_context_unref(&tls);
    if (!is_started) {
        session_close(session, "TLS could not be started");
    }
    return is_started;
}

// As servers before 18 say it, in the format that protocol 2 and 1 had: a line of text, without fields.
static void
refuse_version(struct session *session)
{
    unsigned major = session->startup.major, minor = session->startup.minor;
    char message[128], line[160];
    snprintf(message, sizeof(message),
             "unsupported frontend protocol %u.%u: server supports 3.0 to 3.0", major, minor);
    if (major >= 3 || (major == 0 && minor == 0)) {
        session_refuse_fatal(session, "0A000", message, NULL);
        return;
    }
    int length = snprintf(line, sizeof(line), "EFATAL:  %s\n", message);
    session_to_client(session, line, (size_t)length + 1);
    log_event(LOG_INFO_LEVEL, "client_refused",
              "session=%llu address=%s sqlstate=0A000 message=\"%s\"",
              (unsigned long long)session->id, session->address, message);
    session_close(session, message);
}

static void
answer_ssl_request(struct session *session)
{
    if (session->has_asked_tls || stream_is_tls(session->client)) {
        refuse_version(session);
        return;
    }
    session->has_asked_tls = true;
    struct tls_context *tls = instance_client_tls(session->worker->instance);
    bool is_offered = tls && !session->is_unix;
    tls_context_unref(&tls);
    take_packet(session, session->startup.length);
    if (!is_offered) {
        session_to_client(session, "N", 1);
    }
    if (session->packet_length > 0) {
        session_refuse(session, &(struct reply_error_text){
                                    .severity = "FATAL",
                                    .sqlstate = "08P01",
                                    .message = "received unencrypted data after SSL request",
                                    .detail = "This could be either a client-software bug or "
                                              "evidence of an attempted man-in-the-middle attack.",
                                });
    } else if (is_offered) {
        session_to_client(session, "S", 1);
        start_tls(session, NULL, 0);
    }
}

static void
answer_gss_request(struct session *session)
{
    if (session->has_asked_gss) {
        refuse_version(session);
        return;
    }
    session->has_asked_gss = true;
    take_packet(session, session->startup.length);
    session_to_client(session, "N", 1);
}

static void
begin_direct_tls(struct session *session)
{
    struct tls_context *tls = instance_client_tls(session->worker->instance);
    bool is_offered = tls && !session->is_unix && !stream_is_tls(session->client);
    tls_context_unref(&tls);
    if (!is_offered) {
        session_close(session, "a TLS handshake where TLS is off");
        return;
    }
    uint8_t *hello = session->packet;
    size_t length = session->packet_length;
    session->packet = NULL;
    session->packet_length = 0;
    session->is_direct_tls = true;
    start_tls(session, hello, length);
    free(hello);
}

static void
log_tls_failure(const struct session *session, const char *error)
{
    log_event(LOG_INFO_LEVEL, "tls_failed", "session=%llu address=%s error=\"%s\"",
              (unsigned long long)session->id, session->address, error);
}

// Without ALPN a direct handshake may be meant for another protocol's server (PostgreSQL 17 refuses it, too).
void
session_startup_secured(struct session *session)
{
    if (session->is_direct_tls && !stream_has_alpn(session->client)) {
        log_tls_failure(session, "direct TLS without ALPN \"postgresql\"");
        session_close(session, "direct TLS without ALPN");
        return;
    }
    session_move(session, SESSION_STARTUP);
}

void
session_startup_not_secured(struct session *session, enum stream_end why)
{
    const char *error = stream_tls_error(session->client);
    if (*error == '\0') {
        error = why == STREAM_END_PEER ? "the client has left" : "the client was lost";
    }
    log_tls_failure(session, error);
}

static void
begin_cancel(struct session *session)
{
    cancel_start(session->worker, session->client, &session->startup);
    session_release_stream(session);
}

static void
console_closed(void *context)
{
    worker_released(context);
}

static void
begin_console(struct session *session)
{
    struct worker *worker = session->worker;
    worker->session_count++;
    stream_pause(session->client);
    console_session_start(worker->instance, &worker->loop, session->client, &session->startup,
                          session->packet + session->startup.length,
                          session->packet_length - session->startup.length, console_closed, worker);
    session_release_stream(session);
}

static const char certificate_hint[] =
    "Give the client sslcert and sslkey, signed by an authority of listen.tls.ca.";

// PostgreSQL cuts a user's name at NAME_LIMIT: the one that old would see must be the certificate's.
bool
session_certificate_is_users(struct session *session)
{
    enum { NAME_LIMIT = 63 };
    char name[256], message[320];
    if (!stream_peer_is_verified(session->client)) {
        session_refuse_fatal(session, "28000", "connection requires a valid client certificate",
                             certificate_hint);
        return false;
    }
    if (!stream_peer_name(session->client, name, sizeof(name)) ||
        strlen(session->user) > NAME_LIMIT || strcmp(name, session->user) != 0) {
        snprintf(message, sizeof(message), "certificate authentication failed for user \"%s\"",
                 session->user);
        session_refuse_fatal(session, "28000", message, NULL);
        return false;
    }
    return true;
}

// What listen.tls.mode asks of a client, in PostgreSQL's words for pg_hba.conf's hostssl and clientcert. The Unix
// socket has no TLS. True: it was refused.
static bool
refuse_channel(struct session *session)
{
    const struct configuration *configuration = instance_configuration(session->worker->instance);
    enum tls_mode mode = session->is_unix ? TLS_DISABLE : configuration->listen.tls.mode;
    configuration_unref(&configuration);
    if (mode >= TLS_REQUIRE && !stream_is_tls(session->client)) {
        session_refuse_fatal(session, "28000", "TLS is required",
                             "Connect with sslmode=require, or set listen.tls.mode to allow or "
                             "prefer.");
        return true;
    }
    if (mode == TLS_VERIFY_CA && !stream_peer_is_verified(session->client)) {
        session_refuse_fatal(session, "28000", "connection requires a valid client certificate",
                             certificate_hint);
        return true;
    }
    return mode == TLS_VERIFY_FULL && !session_certificate_is_users(session);
}

static bool
is_over_limit(struct session *session)
{
    struct instance *instance = session->worker->instance;
    const struct configuration *configuration = instance_configuration(instance);
    unsigned limit = configuration->listen.max_client_connections;
    configuration_unref(&configuration);
    session->counts_as_client = true;
    return atomic_fetch_add(&instance->client_connections, 1) >= limit;
}

static void
refuse_unknown_database(struct session *session)
{
    char message[256];
    snprintf(message, sizeof(message), "database \"%s\" does not exist", session->database_name);
    session_refuse_fatal(
        session, "3D000", message,
        "The proxy serves the names under `databases:` in its configuration; an entry named "
        "\"*\" serves any name.");
}

// A client need not wait for its login before it speaks: what came behind the packet is not lost.
static bool
hold_rest(struct session *session)
{
    size_t length = session->packet_length - session->startup.length;
    if (length == 0) {
        return true;
    }
    struct chunk *chunk = chunk_new(length);
    if (!chunk) {
        return false;
    }
    memcpy(chunk->bytes, session->packet + session->startup.length, length);
    chunk->length = length;
    session_hold(session, chunk, chunk->bytes, chunk->bytes + length);
    chunk_unref(&chunk);
    return !session_is_closing(session);
}

// Physical replication is of a whole cluster and names no database (libpq says "replication"): where only one
// entry is configured, it is meant.
static struct database *
find_database(struct session *session)
{
    struct instance *instance = session->worker->instance;
    struct database *database = databases_enter(instance->databases, session->database_name);
    if (database || !startup_is_replication(&session->startup)) {
        return database;
    }
    const struct configuration *configuration = instance_configuration(instance);
    if (configuration->database_count == 1) {
        database = databases_enter(instance->databases, configuration->databases[0].name);
    }
    configuration_unref(&configuration);
    return database;
}

static void
enter_database(struct session *session)
{
    struct instance *instance = session->worker->instance;
    if (is_over_limit(session)) {
        session_refuse_fatal(session, "53300", "sorry, too many clients already",
                             "The proxy's listen.max_client_connections is reached.");
        return;
    }
    if (session->is_shutting_down || atomic_load(&instance->is_stopping)) {
        session_refuse_fatal(session, "57P03", "the proxy is shutting down", NULL);
        return;
    }
    session->database = find_database(session);
    if (!session->database) {
        refuse_unknown_database(session);
        return;
    }
    session->settings_epoch = atomic_load(&session->database->settings_epoch);
    session->settings = database_settings(session->database);
    session->deadline = uv_hrtime() + session->settings->configuration->auth.timeout;
    if (hold_rest(session)) {
        session_admission_ask(session);
    } else {
        session_close(session, "out of memory");
    }
}

static void
begin_session(struct session *session)
{
    const struct startup *startup = &session->startup;
    session->deadline = 0;
    session->user = startup_parameter(startup, "user");
    session->database_name = startup_parameter(startup, "database");
    if (!session->user || session->user[0] == '\0') {
        session_refuse_fatal(session, "28000",
                             "no PostgreSQL user name specified in startup packet", NULL);
        return;
    }
    if (!session->database_name || session->database_name[0] == '\0') {
        session->database_name = session->user;
    }
    if (refuse_channel(session)) {
        return;
    }
    if (strcmp(session->database_name, "pgrehearse") == 0) {
        begin_console(session);
        return;
    }
    enter_database(session);
}

static void
refuse_junk(struct session *session)
{
    if (session->startup.major == 3) {
        session_refuse_fatal(session, "08P01",
                             "invalid startup packet layout: expected terminator as last byte",
                             NULL);
    } else if (startup_is_request(&session->startup)) {
        session_refuse_fatal(session, "08P01", "invalid startup packet", NULL);
    } else {
        refuse_version(session);
    }
}

// A driver that is closed before it has connected may say nothing but this, and as from a server it hears nothing.
static bool
is_goodbye(const struct session *session)
{
    static const uint8_t terminate[] = {MESSAGE_CLIENT_TERMINATE, 0, 0, 0, 4};
    size_t length = session->packet_length;
    return length <= sizeof(terminate) && memcmp(session->packet, terminate, length) == 0;
}

// What the packet at the front is decides; true: there may be another one behind it.
static bool
step(struct session *session)
{
    startup_fini(&session->startup);
    startup_read(&session->startup, session->packet, session->packet_length);
    switch (session->startup.kind) {
    case STARTUP_MORE:
        return false;
    case STARTUP_JUNK:
        refuse_junk(session);
        return false;
    case STARTUP_BAD_LENGTH:
        if (is_goodbye(session)) {
            session_close(session, "the client left before it said who it is");
            return false;
        }
        session_refuse_fatal(session, "08P01", "invalid length of startup packet",
                             "A PostgreSQL client is expected on this port.");
        return false;
    case STARTUP_NO_MEMORY:
        session_close(session, "out of memory");
        return false;
    case STARTUP_SSL_REQUEST:
        answer_ssl_request(session);
        return session->phase == SESSION_STARTUP;
    case STARTUP_GSSENC_REQUEST:
        answer_gss_request(session);
        return session->phase == SESSION_STARTUP;
    case STARTUP_TLS:
        begin_direct_tls(session);
        return false;
    case STARTUP_CANCEL:
        begin_cancel(session); // frees the session
        return false;
    case STARTUP_SESSION:
        begin_session(session); // may free it, too
        return false;
    }
    return false;
}

void
session_startup_bytes(struct session *session, const uint8_t *bytes, size_t length)
{
    // More than the longest packet is never needed: what follows it waits (hold_rest).
    uint8_t *packet = realloc(session->packet, session->packet_length + length);
    if (!packet) {
        session_close(session, "out of memory");
        return;
    }
    memcpy(packet + session->packet_length, bytes, length);
    session->packet = packet;
    session->packet_length += length;
    while (step(session)) {
    }
}
