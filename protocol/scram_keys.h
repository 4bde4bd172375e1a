// SCRAM-SHA-256's sums (RFC 5802, section 3; RFC 7677): the keys, and the verifier that a server keeps of
// them.
#ifndef PROTOCOL_SCRAM_KEYS_H
#define PROTOCOL_SCRAM_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SCRAM_KEY = 32,       // bytes of a SHA-256 sum
    SCRAM_SALT_MAX = 192, // bytes of a verifier's salt; PostgreSQL's have 16
};

struct scram_keys {
    uint8_t client[SCRAM_KEY];
    uint8_t server[SCRAM_KEY];
};

// What stands in pg_authid: not enough to log in with.
struct scram_verifier {
    uint32_t iterations;
    uint8_t salt[SCRAM_SALT_MAX];
    size_t salt_length;
    uint8_t stored[SCRAM_KEY]; // the sum of ClientKey
    uint8_t server[SCRAM_KEY]; // ServerKey
};

// What a proof turned out to be.
enum scram_proof { SCRAM_PROOF_RIGHT, SCRAM_PROOF_WRONG, SCRAM_PROOF_FAILED }; // FAILED: no memory

bool scram_keys_hmac(const uint8_t key[SCRAM_KEY], const void *bytes, size_t length,
                     uint8_t sum[SCRAM_KEY]);
// From the password, after SASLprep. False: no memory.
bool scram_keys_derive(const char *password, const uint8_t *salt, size_t salt_length,
                       uint32_t iterations, struct scram_keys *keys);
// ClientProof = ClientKey xor HMAC(H(ClientKey), AuthMessage).
bool scram_keys_prove(const struct scram_keys *keys, const char *auth, size_t length,
                      uint8_t proof[SCRAM_KEY]);
// The keys that were proved by `proof`, when it fits the verifier; in constant time.
enum scram_proof scram_keys_open(const struct scram_verifier *verifier, const char *auth,
                                 size_t length, const uint8_t proof[SCRAM_KEY],
                                 struct scram_keys *keys);

// Is it meant to be a verifier? It begins "SCRAM-SHA-256$". NULL is none.
bool scram_verifier_is_meant(const char *secret);
// "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey". False: malformed.
bool scram_verifier_read(struct scram_verifier *verifier, const char *text);
// The verifier of a password. `salt_length` is at most SCRAM_SALT_MAX. False: no memory.
bool scram_verifier_make(struct scram_verifier *verifier, const char *password, const uint8_t *salt,
                         size_t salt_length, uint32_t iterations);

#endif
