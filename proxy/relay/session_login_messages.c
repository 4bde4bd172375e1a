// What old says during a login, message by message. Most pass to the client as they are; two are changed: a SASL
// mechanism that binds to the channel is taken off the list where the client's channel is another one, and an
// admission without a question is refused, since old judged the proxy's address, not the client's.
#include "proxy/log.h"
#include "proxy/relay/session_auth.h"
#include "proxy/relay/session_parts.h"
#include <string.h>

static const char binding_mechanism[] = "SCRAM-SHA-256-PLUS";

static void
refuse_unchallenged(struct session *session)
{
    session_refuse(
        session,
        &(struct reply_error_text){
            .severity = "FATAL",
            .sqlstate = "28000",
            .message = "the server admits this user without a password, and the proxy does not",
            .detail =
                "The server sees the proxy's address, not the client's, so its admission says "
                "nothing about this client.",
            .hint =
                "Have the server ask (scram-sha-256 in pg_hba.conf for the proxy's address), or "
                "set auth.unchallenged to allow."});
}

// Both sides' channels are secured by the same certificate: binding to one is binding to the other.
static bool
channels_are_one(const struct session *session)
{
    unsigned char ours[64], theirs[64];
    size_t our_length = stream_channel_binding(session->client, ours);
    size_t their_length = stream_channel_binding(session->old, theirs);
    return our_length != 0 && our_length == their_length && memcmp(ours, theirs, our_length) == 0;
}

// In AuthenticationSASL.
static bool
offers_binding(const uint8_t *body, size_t length)
{
    struct reader reader = reader_over(body + 4, length - 4);
    const char *mechanism;
    while ((mechanism = reader_string(&reader)) && mechanism[0] != '\0') {
        if (strcmp(mechanism, binding_mechanism) == 0) {
            return true;
        }
    }
    return false;
}

// AuthenticationSASL without the mechanism that binds to the channel.
static void
send_mechanisms(struct session *session, const uint8_t *body, size_t length)
{
    struct writer writer;
    writer_init(&writer);
    writer_begin(&writer, MESSAGE_SERVER_AUTHENTICATION);
    writer_u32(&writer, AUTHENTICATION_SASL);
    struct reader reader = reader_over(body + 4, length - 4);
    bool has_binding = false;
    for (;;) {
        const char *mechanism = reader_string(&reader);
        if (!mechanism || mechanism[0] == '\0') {
            break;
        }
        if (strcmp(mechanism, binding_mechanism) == 0) {
            has_binding = true;
        } else {
            writer_string(&writer, mechanism);
        }
    }
    writer_u8(&writer, 0);
    writer_end(&writer);
    if (!writer.failed) {
        session_to_client(session, writer.bytes, writer.length);
    }
    writer_fini(&writer);
    if (has_binding && stream_is_tls(session->client)) {
        log_event(
            LOG_WARNING_LEVEL, "channel_binding_stripped",
            "session=%llu hint=\"clients that can bind to the channel are refused by old: give "
            "listen.tls old's own certificate and key, or let old be reached without TLS "
            "(sslmode=prefer or disable in `old`), or set channel_binding=disable in the "
            "clients\"",
            (unsigned long long)session->id);
    }
}

// Old waits for the client's next message, of whatever type: what was sent ahead of the login, too.
static void
expect_answer(struct session *session, uint32_t code)
{
    session->answer_is_due = code != AUTHENTICATION_OK && code != AUTHENTICATION_SASL_FINAL;
    if (session->answer_is_due && session->client_has_ended) {
        session_close(session, "the client left during the login");
        return;
    }
    if (session->answer_is_due && session->held.chunk) {
        session_unhold(session);
    }
}

static void
take_authentication(struct session *session, const struct message *message)
{
    struct reader reader = reader_over(message->body, message->length);
    uint32_t code = reader_u32(&reader);
    if (reader.failed) {
        session_close(session, "old sent a malformed Authentication message");
        return;
    }
    if (session_auth_is_ours(session)) {
        session_old_login_answer(session, message);
        if (code == AUTHENTICATION_OK && !session_is_closing(session)) {
            session_to_client(session, message->raw, message->raw_length);
        }
        return;
    }
    bool is_unchallenged = code == AUTHENTICATION_OK && !session->was_challenged;
    session->was_challenged = session->was_challenged || code != AUTHENTICATION_OK;
    if (is_unchallenged &&
        session->settings->configuration->auth.unchallenged == UNCHALLENGED_REFUSE) {
        refuse_unchallenged(session);
        return;
    }
    if (code == AUTHENTICATION_SASL && !channels_are_one(session) &&
        offers_binding(message->body, message->length) && session_way_cannot_bind(session)) {
        return;
    }
    session_auth_saw(session, code, message->body, message->length);
    if (code == AUTHENTICATION_SASL && !channels_are_one(session)) {
        send_mechanisms(session, message->body, message->length);
        expect_answer(session, code);
        return;
    }
    session_to_client(session, message->raw, message->raw_length);
    expect_answer(session, code);
}

static void
take_backend_key(struct session *session, const struct message *message)
{
    const uint8_t *key;
    size_t length;
    struct registry_client *registered = &session->registered;
    if (reply_read_backend_key(message->body, message->length, &registered->backend_pid, &key,
                               &length) &&
        length <= sizeof(registered->key)) {
        memcpy(registered->key, key, length);
        registered->key_length = length;
    }
}

static void
complete(struct session *session, const struct message *message)
{
    session->pairing.transaction_status = message->length == 1 ? (char)message->body[0] : 'I';
    session_facts_publish(session);
    if (session_is_closing(session)) {
        return;
    }
    session->deadline = 0;
    session_admission_leave(session);
    session_move(session,
                 startup_is_replication(&session->startup) ? SESSION_OPAQUE : SESSION_RELAY);
}

void
session_login_message(struct session *session, const struct message *message)
{
    const char *name, *value;
    if (session_way_refused(session, message)) {
        return;
    }
    switch (message->type) {
    case MESSAGE_SERVER_AUTHENTICATION:
        take_authentication(session, message);
        return;
    case MESSAGE_SERVER_BACKEND_KEY_DATA:
        take_backend_key(session, message);
        break;
    case MESSAGE_SERVER_PARAMETER_STATUS:
        if (reply_read_parameter_status(message->body, message->length, &name, &value) &&
            !session_facts_report(session, name, value)) {
            session_close(session, "out of memory");
            return;
        }
        break;
    case MESSAGE_SERVER_ERROR_RESPONSE:
        if (session_auth_is_ours(session)) {
            session_old_login_refused(session, message);
        }
        break;
    case MESSAGE_SERVER_NEGOTIATE_PROTOCOL_VERSION: // once, although old may be connected to twice
        if (session->has_negotiated) {
            return;
        }
        session->has_negotiated = true;
        break;
    case MESSAGE_SERVER_READY_FOR_QUERY:
        session_to_client(session, message->raw, message->raw_length);
        complete(session, message);
        return;
    default:
        break;
    }
    session_to_client(session, message->raw, message->raw_length);
}
