// The server's side of a login (manual 55.2.1, 55.3): SCRAM-SHA-256, also -PLUS where the client's channel can be
// bound to, and MD5. Steps only: the body of the client's message in, the message to send out. A user without
// a secret is led through a whole exchange that fails at its end, as PostgreSQL does, so that nobody
// learns who exists.
#ifndef PROTOCOL_CHALLENGE_H
#define PROTOCOL_CHALLENGE_H

#include "protocol/scram.h"
#include "protocol/writer.h"

// What is asked for, as the methods of pg_hba.conf do.
enum challenge_method {
    CHALLENGE_BY_SCRAM, // scram-sha-256: a secret that is kept as "md5…" lets nobody in
    CHALLENGE_BY_MD5,   // md5: SCRAM for those whose secret is a SCRAM verifier, MD5 for all others
    CHALLENGE_BY_SECRET, // as the secret is kept; plain: SCRAM
};

enum challenge_status {
    CHALLENGE_SEND,    // `writer` holds what to send; another message of the client follows
    CHALLENGE_PASSED,  // `writer` may hold what to send before AuthenticationOk
    CHALLENGE_REFUSED, // the wrong secret, or none: 28P01
    CHALLENGE_JUNK,    // malformed: 08P01
    CHALLENGE_FAILED,  // no memory, or no random numbers
};

struct challenge;

struct challenge_settings { // borrowed for the call
    enum challenge_method method;
    const char *user;
    const char *
        secret; // as in PgBouncer's userlist.txt: plain, "md5…", "SCRAM-SHA-256$…"; NULL: unknown user
    const uint8_t
        *mock_seed; // 32 bytes that stay the same in a process: the salts of unknown users
                    // and of plain secrets come from it, so that they cannot be told apart
    const uint8_t
        *channel_binding; // tls-server-end-point data of the client's channel; NULL: no TLS
    size_t channel_binding_length;
};

struct challenge *challenge_new(const struct challenge_settings *settings); // NULL: no memory
void challenge_free(struct challenge **challenge);                          // wipes
// Writes the AuthenticationRequest that begins it.
enum challenge_status challenge_begin(struct challenge *challenge, struct writer *writer);
// A PasswordMessage, SASLInitialResponse or SASLResponse.
enum challenge_status challenge_step(struct challenge *challenge, const uint8_t *body,
                                     size_t length, struct writer *writer);
// After PASSED: the keys that open every server that holds the same verifier. False: it was not by SCRAM.
bool challenge_keys(const struct challenge *challenge, struct scram_keys *keys);

#endif
