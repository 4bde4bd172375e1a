// The client's side of a login, for the sessions that the proxy opens itself (manual 55.2.1, 55.3):
// cleartext, MD5, SCRAM-SHA-256 (also -PLUS, when channel binding data is given). Steps only: the
// body of an Authentication message in, the message to send out. The writer then holds a secret:
// writer_wipe it when it is sent, and look at its `failed` before.
#ifndef PROTOCOL_LOGIN_H
#define PROTOCOL_LOGIN_H

#include "protocol/writer.h"

enum login_status {
    LOGIN_SEND,        // `writer` holds what to send
    LOGIN_WAIT,        // nothing to send, more to come
    LOGIN_DONE,        // AuthenticationOk
    LOGIN_NO_SECRET,   // the server asks for what we do not have
    LOGIN_UNSUPPORTED, // a method that is not ours: Kerberos, GSSAPI, SSPI, another SASL mechanism
    LOGIN_JUNK,        // malformed, or the server failed to prove itself
};

struct login; // SCRAM's state between the steps

// What the user is known by. `client_key` and `server_key` (32 bytes each, both or neither) with no
// password: an exchange with the same verifier was seen. All borrowed for the life of the login.
struct login_secret {
    const char *user;
    const char *password; // NULL: not known
    const char *md5;      // "md5" and 32 hex digits, for servers that ask for MD5; NULL: not known
    const uint8_t *client_key; // NULL: not known
    const uint8_t *server_key;
    const uint8_t *channel_binding; // tls-server-end-point data, NULL without TLS
    size_t channel_binding_length;
};

struct login *login_new(const struct login_secret *secret);
void login_free(struct login **login); // wipes
// One Authentication message, its body with the code. After anything but SEND and WAIT the login is over.
enum login_status login_step(struct login *login, const uint8_t *body, size_t length,
                             struct writer *writer);

#endif
