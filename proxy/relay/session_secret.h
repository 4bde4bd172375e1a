// What is learnt of a user's secret while the user logs in: what auth.file or auth.query has of it, what the client
// showed, and what an exchange yields to who knows both. The worker's thread.
#ifndef PROXY_RELAY_SESSION_SECRET_H
#define PROXY_RELAY_SESSION_SECRET_H

#include "protocol/challenge.h"
#include "protocol/scram_witness.h"
#include "proxy/control/credentials.h"
#include "proxy/transport/secret.h"

struct session;

struct session_secret {
    bool was_asked;  // credentials were
    bool is_awaited; // and have not answered
    enum credentials_status status;
    char *kept;  // as auth.file or auth.query has it, NULL: not known; owned, wiped
    char *shown; // the cleartext password that the client sent, NULL: none; owned, wiped
    struct scram_witness *witness; // of an exchange between the client and old, or NULL; owned
};

// Asks once, if anything is configured; the answer comes to session_auth_answered. False: no memory.
bool session_secret_look_up(struct session *session, struct session_secret *secret);
void session_secret_answered(struct session_secret *secret, enum credentials_status status,
                             const char *kept);
// The body of a PasswordMessage with a cleartext password.
void session_secret_shown(struct session_secret *secret, const uint8_t *body, size_t length);
// What opens further sessions; `challenge`: the proxy's own, passed, or NULL. NULL: nothing does, or no memory.
struct secret *session_secret_make(const struct session_secret *secret,
                                   const struct challenge *challenge);
void session_secret_fini(struct session_secret *secret); // wipes

#endif
