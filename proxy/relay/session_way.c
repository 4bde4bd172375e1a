// Which way old is reached: with TLS or without. sslmode=allow and prefer leave that to the server, and like libpq the
// proxy tries the other way when old refuses the login for its channel (pg_hba.conf's hostssl, hostnossl,
// clientcert), before the client has heard a word.
//
// With prefer there is a second reason. Old with TLS offers SCRAM with channel binding. A client whose own TLS is
// another channel cannot bind; libpq says so in its proof, which old then takes for an attack and refuses. Over a
// connection without TLS old offers no binding, and the client gets in. Where old admits nobody without TLS, the
// way leads back: a client that knows nothing of channel binding still gets in. Known compromise: such logins
// connect twice.
#include "proxy/log.h"
#include "proxy/relay/session_parts.h"
#include <string.h>

// Nothing but NegotiateProtocolVersion has come from old yet.
static bool
is_first_message(const struct session *session)
{
    return session->last_from_old == '\0' ||
           session->last_from_old == MESSAGE_SERVER_NEGOTIATE_PROTOCOL_VERSION;
}

static bool
has_other_way(const struct session *session)
{
    return connector_has_other_way(session->settings->targets[SIDE_OLD], session->old);
}

static bool
is_refusal(const struct message *message)
{
    struct reply_error error;
    return message->type == MESSAGE_SERVER_ERROR_RESPONSE &&
           reply_read_error(message->body, message->length, &error) && error.sqlstate != NULL &&
           strcmp(error.sqlstate, "28000") == 0;
}

bool
session_way_refused(struct session *session, const struct message *message)
{
    if (!is_first_message(session) || !is_refusal(message)) {
        return false;
    }
    if (session->way == WAY_FOR_BINDING) {
        session_login_again(session, WAY_BACK);
        return true;
    }
    if (session->way == WAY_FIRST && has_other_way(session)) {
        session_login_again(session, WAY_OTHER);
        return true;
    }
    return false;
}

bool
session_way_cannot_bind(struct session *session)
{
    if (session->way != WAY_FIRST || !is_first_message(session) ||
        !stream_is_tls(session->client) || !stream_is_tls(session->old) ||
        !has_other_way(session)) {
        return false;
    }
    log_event(LOG_INFO_LEVEL, "old_without_tls",
              "session=%llu hint=\"the client cannot bind to old's channel, and sslmode=prefer in "
              "`old` allows a connection without TLS; for TLS on both sides give listen.tls old's "
              "own certificate and key\"",
              (unsigned long long)session->id);
    session_login_again(session, WAY_FOR_BINDING);
    return true;
}
