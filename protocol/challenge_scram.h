// The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677; manual 55.3): the texts and the checks, for
// challenge.c, which has the messages that carry them. Fixed memory, nothing is allocated.
#ifndef PROTOCOL_CHALLENGE_SCRAM_H
#define PROTOCOL_CHALLENGE_SCRAM_H

#include "protocol/challenge.h"
#include "protocol/scram.h"

struct challenge_scram {
    struct scram_verifier verifier;
    bool is_mock;                       // whatever is proved is wrong
    uint8_t binding[SCRAM_BINDING_MAX]; // of the client's channel
    size_t binding_length;              // 0: none, and -PLUS is not offered
    char gs2[32];                       // the header that the client sent
    bool is_bound;                      // by that header
    char nonce[SCRAM_SERVER_FIRST_MAX]; // the client's and ours
    char client_first_bare[SCRAM_CLIENT_MAX];
    char server_first[SCRAM_SERVER_FIRST_MAX];
    char server_final[64];
    struct scram_keys keys; // once passed
};

// client-first-message. `is_plus`: the client chose SCRAM-SHA-256-PLUS. SEND: `server_first` is set.
enum challenge_status challenge_scram_first(struct challenge_scram *scram, bool is_plus,
                                            const uint8_t *bytes, size_t length);
// client-final-message. PASSED: `server_final` and `keys` are set.
enum challenge_status challenge_scram_final(struct challenge_scram *scram, const uint8_t *bytes,
                                            size_t length);

#endif
