// Who authenticates a client, and what is learnt on the way (DESIGN 3.8). With auth.type passthrough old asks, and the
// proxy looks on; with all others the proxy asks, and old's answers wait until the client is admitted.
// Either way the user's secret is looked up (proxy/control/credentials.h), so that further sessions can be
// opened as this user. For the files session*.c and the worker. The worker's thread.
#ifndef PROXY_RELAY_SESSION_AUTH_H
#define PROXY_RELAY_SESSION_AUTH_H

#include "protocol/frame.h"
#include "proxy/control/credentials.h"
#include "proxy/transport/secret.h"

struct session;
struct session_auth;
struct session_secret;

enum authentication { // codes of Authentication messages (manual 55.7)
    AUTHENTICATION_OK = 0,
    AUTHENTICATION_CLEARTEXT = 3,
    AUTHENTICATION_MD5 = 5,
    AUTHENTICATION_SASL = 10,
    AUTHENTICATION_SASL_FINAL = 12,
};

// The session is connected to old. False: it is closing.
bool session_auth_begin(struct session *session);
// Does the proxy itself log in on old? Else old's exchange with the client passes.
bool session_auth_is_ours(const struct session *session);
// Old has said something that shows that the client may be asked. False: it and all that follows must
// wait until session_login_go_on.
bool session_auth_lets_old_speak(struct session *session);
// Is there something of old's that waits for the client to be admitted?
bool session_auth_holds_old(const struct session *session);
// May the client be read from? Not before there is something to ask.
bool session_auth_hears_client(const struct session *session);
bool session_auth_is_asking(const struct session *session); // an answer of the client is awaited
// A piece of a password message. The session may be closing after it.
void session_auth_from_client(struct session *session, const struct frame_piece *piece);
// Another message came where an answer is awaited: closes the session with an error.
void session_auth_refuse_message(struct session *session, char type);
// An Authentication message of old's that passes to the client; `body` with the code.
void session_auth_saw(struct session *session, uint32_t code, const uint8_t *body, size_t length);
// Old has let the client in: the secret is looked up now, where that has waited for it.
void session_auth_let_in(struct session *session);
// The secret that was looked up: from the worker's mailbox.
void session_auth_answered(struct session *session, enum credentials_status status,
                           const char *secret);
// What opens further sessions as this user, as far as it is known: a reference, or NULL.
struct secret *session_auth_secret(struct session *session);
bool session_auth_awaits_secret(const struct session *session); // it is still looked up
// The session ends: what is known so far of the secret that is still looked up is the caller's. False: it is not
// looked up.
bool session_auth_give_secret(struct session *session, struct session_secret *secret);
// The login is over. Stays as long as an answer is awaited that may make the secret known.
void session_auth_end(struct session *session);
void session_auth_free(struct session *session); // wipes; none is fine

#endif
