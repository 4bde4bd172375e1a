// The server's side of a login (manual 55.2.1, 55.3): SCRAM-SHA-256, and MD5 for those whose secret is
// kept that way. Steps only: the body of the client's message in, the message to send out. A user without
// a secret is led through a whole SCRAM exchange that fails at its end, as PostgreSQL does, so that nobody
// learns who exists.
#ifndef PROTOCOL_CHALLENGE_H
#define PROTOCOL_CHALLENGE_H

#include "protocol/writer.h"

enum challenge_status {
    CHALLENGE_SEND,    // `writer` holds what to send; another message of the client follows
    CHALLENGE_PASSED,  // `writer` may hold what to send before AuthenticationOk
    CHALLENGE_REFUSED, // the wrong secret, or none: 28P01
    CHALLENGE_JUNK,    // malformed: 08P01
    CHALLENGE_FAILED,  // no memory, or no random numbers
};

struct challenge;

// `secret` as in PgBouncer's userlist.txt: plain, "md5…" or "SCRAM-SHA-256$…"; NULL: unknown user.
// `mock_seed`: 32 bytes that stay the same in a process, for the salts of those. Copies; NULL: no memory.
struct challenge *challenge_new(const char *user, const char *secret, const uint8_t mock_seed[32]);
void challenge_free(struct challenge **challenge); // wipes
// Writes the AuthenticationRequest that begins it.
enum challenge_status challenge_begin(struct challenge *challenge, struct writer *writer);
// A PasswordMessage, SASLInitialResponse or SASLResponse.
enum challenge_status challenge_step(struct challenge *challenge, const uint8_t *body,
                                     size_t length, struct writer *writer);

#endif
