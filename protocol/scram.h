// SCRAM-SHA-256 (RFC 5802, RFC 7677; manual 55.3) as a client: the texts and the sums, without the
// messages that carry them (login.h). Fixed memory, nothing is allocated.
#ifndef PROTOCOL_SCRAM_H
#define PROTOCOL_SCRAM_H

#include "protocol/scram_keys.h"

enum {
    SCRAM_NONCE = 24, // characters of our nonce
    SCRAM_FIRST_MAX = 192,
    SCRAM_SERVER_FIRST_MAX = 1024,
    SCRAM_FINAL_MAX = 1536,
    SCRAM_CLIENT_MAX = 1024, // of a client's message, as a server takes it
    SCRAM_AUTH_MAX = SCRAM_CLIENT_MAX + SCRAM_SERVER_FIRST_MAX + SCRAM_FINAL_MAX,
    SCRAM_BINDING_MAX = 64,         // bytes of channel binding data: a sum of the certificate
    SCRAM_ITERATIONS_MAX = 1000000, // more would stop the thread for the server's pleasure
};

// What the client says of channel binding (RFC 5802, gs2-cbind-flag).
enum scram_binding {
    SCRAM_UNBOUND,     // 'n': we cannot
    SCRAM_NOT_OFFERED, // 'y': we can, and the server did not offer it
    SCRAM_BOUND,       // 'p': tls-server-end-point
};

struct scram {
    char first[SCRAM_FIRST_MAX]; // client-first-message
    char final[SCRAM_FINAL_MAX]; // client-final-message
    size_t bare;                 // where client-first-message-bare begins
    char nonce[SCRAM_NONCE + 1];
    uint8_t binding[SCRAM_BINDING_MAX];
    size_t binding_length;
    uint8_t server_signature[SCRAM_KEY]; // what server-final-message has to hold
};

// What server-first-message says.
struct scram_challenge {
    char nonce[SCRAM_SERVER_FIRST_MAX];
    uint8_t salt[SCRAM_SALT_MAX];
    size_t salt_length;
    uint32_t iterations;
};

// A nonce of SCRAM_NONCE characters and a NUL. False: no random bytes.
bool scram_make_nonce(char *nonce);
// Sets `first`. PostgreSQL ignores `user`, which is "" there. `data` for SCRAM_BOUND. False: too long.
bool scram_begin(struct scram *scram, enum scram_binding binding, const uint8_t *data,
                 size_t length, const char *user, const char *nonce);
// Takes server-first-message to pieces. False: malformed, or not an answer to our nonce.
bool scram_read_challenge(const struct scram *scram, const uint8_t *bytes, size_t length,
                          struct scram_challenge *challenge);
// Sets `final` and what the server must answer. `bytes`: server-first-message again.
bool scram_answer(struct scram *scram, const uint8_t *bytes, size_t length,
                  const struct scram_challenge *challenge, const struct scram_keys *keys);
// server-final-message: has the server proved that it knows the verifier?
bool scram_verify(const struct scram *scram, const uint8_t *bytes, size_t length);

#endif
