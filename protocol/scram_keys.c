// SCRAM's sums by OpenSSL, for the client's side (scram.c), the server's (challenge_scram.c) and who stands
// beside (scram_witness.c). Every secret is wiped where it goes out of scope. Pure, any thread.
#include "protocol/scram_keys.h"

#include "protocol/password.h"
#include "protocol/scram_text.h"
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

static const char scheme[] = "SCRAM-SHA-256$";

bool
scram_keys_hmac(const uint8_t key[SCRAM_KEY], const void *bytes, size_t length,
                uint8_t sum[SCRAM_KEY])
{
    return HMAC(EVP_sha256(), key, SCRAM_KEY, bytes, length, sum, NULL) != NULL;
}

static bool
store(const uint8_t client[SCRAM_KEY], uint8_t stored[SCRAM_KEY])
{
    return EVP_Digest(client, SCRAM_KEY, stored, NULL, EVP_sha256(), NULL) == 1;
}

bool
scram_keys_derive(const char *password, const uint8_t *salt, size_t salt_length,
                  uint32_t iterations, struct scram_keys *keys)
{
    uint8_t salted[SCRAM_KEY];
    char *prepared = password_prepare(password);
    if (prepared == NULL) {
        return false;
    }
    bool is_done = PKCS5_PBKDF2_HMAC(prepared, (int)strlen(prepared), salt, (int)salt_length,
                                     (int)iterations, EVP_sha256(), sizeof(salted), salted) == 1 &&
                   scram_keys_hmac(salted, "Client Key", 10, keys->client) &&
                   scram_keys_hmac(salted, "Server Key", 10, keys->server);
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(prepared, strlen(prepared));
    free(prepared);
    return is_done;
}

// What the proof hides ClientKey with, and ClientKey hides the proof with.
static bool
mask(const uint8_t stored[SCRAM_KEY], const char *auth, size_t length,
     const uint8_t from[SCRAM_KEY], uint8_t to[SCRAM_KEY])
{
    uint8_t signature[SCRAM_KEY] = {0};
    bool is_done = scram_keys_hmac(stored, auth, length, signature);
    for (size_t i = 0; i < SCRAM_KEY; i++) {
        to[i] = (uint8_t)(from[i] ^ signature[i]);
    }
    OPENSSL_cleanse(signature, sizeof(signature));
    return is_done;
}

bool
scram_keys_prove(const struct scram_keys *keys, const char *auth, size_t length,
                 uint8_t proof[SCRAM_KEY])
{
    uint8_t stored[SCRAM_KEY];
    return store(keys->client, stored) && mask(stored, auth, length, keys->client, proof);
}

enum scram_proof
scram_keys_open(const struct scram_verifier *verifier, const char *auth, size_t length,
                const uint8_t proof[SCRAM_KEY], struct scram_keys *keys)
{
    uint8_t stored[SCRAM_KEY];
    enum scram_proof result = SCRAM_PROOF_FAILED;
    if (mask(verifier->stored, auth, length, proof, keys->client) && store(keys->client, stored)) {
        result = CRYPTO_memcmp(stored, verifier->stored, SCRAM_KEY) == 0 ? SCRAM_PROOF_RIGHT
                                                                         : SCRAM_PROOF_WRONG;
        memcpy(keys->server, verifier->server, SCRAM_KEY);
    }
    if (result != SCRAM_PROOF_RIGHT) {
        OPENSSL_cleanse(keys, sizeof(*keys));
    }
    return result;
}

bool
scram_verifier_is_meant(const char *secret)
{
    return secret != NULL && strncmp(secret, scheme, strlen(scheme)) == 0;
}

// Decodes what stands at *at up to `end`, and moves behind that.
static bool
take_base64(const char **at, const char *end, uint8_t *to, size_t capacity, size_t *length)
{
    size_t size = strcspn(*at, end);
    if (!scram_text_decode(*at, size, to, capacity, length)) {
        return false;
    }
    *at += size;
    bool is_ended = **at == *end;
    *at += **at != '\0';
    return is_ended;
}

bool
scram_verifier_read(struct scram_verifier *verifier, const char *text)
{
    size_t stored, server;
    if (!scram_verifier_is_meant(text)) {
        return false;
    }
    const char *at = text + strlen(scheme);
    size_t digits = strcspn(at, ":");
    if (at[digits] != ':' || !scram_text_number(at, digits, INT32_MAX, &verifier->iterations)) {
        return false;
    }
    at += digits + 1;
    return take_base64(&at, "$", verifier->salt, sizeof(verifier->salt), &verifier->salt_length) &&
           take_base64(&at, ":", verifier->stored, SCRAM_KEY, &stored) &&
           take_base64(&at, "", verifier->server, SCRAM_KEY, &server) && stored == SCRAM_KEY &&
           server == SCRAM_KEY;
}

bool
scram_verifier_make(struct scram_verifier *verifier, const char *password, const uint8_t *salt,
                    size_t salt_length, uint32_t iterations)
{
    struct scram_keys keys = {0};
    assert(salt_length <= SCRAM_SALT_MAX);
    memcpy(verifier->salt, salt, salt_length);
    verifier->salt_length = salt_length;
    verifier->iterations = iterations;
    bool is_done = scram_keys_derive(password, salt, salt_length, iterations, &keys) &&
                   store(keys.client, verifier->stored);
    memcpy(verifier->server, keys.server, SCRAM_KEY);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return is_done;
}
