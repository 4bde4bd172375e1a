// SCRAM-SHA-256 as a client (RFC 5802, RFC 7677): what is said in which order. The texts are scram_text.c's,
// the sums scram_keys.c's. Every secret is wiped where it goes out of scope; what stays in struct scram is
// what an onlooker of the exchange sees, and the signature.
#include "protocol/scram.h"

#include "protocol/scram_text.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum { NONCE_BYTES = SCRAM_NONCE / 4 * 3, KEY_BASE64 = 44, GS2_MAX = 32 };

bool
scram_make_nonce(char *nonce)
{
    uint8_t bytes[NONCE_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    EVP_EncodeBlock((unsigned char *)nonce, bytes, sizeof(bytes));
    return true;
}

bool
scram_begin(struct scram *scram, enum scram_binding binding, const uint8_t *data, size_t length,
            const char *user, const char *nonce)
{
    static const char *const headers[] = {
        [SCRAM_UNBOUND] = "n,,",
        [SCRAM_NOT_OFFERED] = "y,,",
        [SCRAM_BOUND] = "p=tls-server-end-point,,",
    };
    *scram = (struct scram){0};
    struct scram_text own = scram_text_in(scram->nonce, sizeof(scram->nonce));
    scram_text_string(&own, nonce);
    if (binding == SCRAM_BOUND) {
        if (length > sizeof(scram->binding)) {
            return false;
        }
        memcpy(scram->binding, data, length);
        scram->binding_length = length;
    }
    struct scram_text text = scram_text_in(scram->first, sizeof(scram->first));
    scram_text_string(&text, headers[binding]);
    scram->bare = text.length;
    scram_text_string(&text, "n=");
    scram_text_string(&text, user);
    scram_text_string(&text, ",r=");
    scram_text_string(&text, nonce);
    return !text.failed && !own.failed;
}

bool
scram_read_challenge(const struct scram *scram, const uint8_t *bytes, size_t length,
                     struct scram_challenge *challenge)
{
    char copy[SCRAM_SERVER_FIRST_MAX];
    if (!scram_text_copy(copy, sizeof(copy), bytes, length)) {
        return false;
    }
    const char *at = copy;
    size_t size;
    const char *nonce = scram_text_attribute(&at, 'r', &size);
    size_t own = strlen(scram->nonce);
    if (nonce == NULL || size <= own || memcmp(nonce, scram->nonce, own) != 0) {
        return false;
    }
    memcpy(challenge->nonce, nonce, size);
    challenge->nonce[size] = '\0';
    const char *salt = scram_text_attribute(&at, 's', &size);
    if (salt == NULL || !scram_text_decode(salt, size, challenge->salt, sizeof(challenge->salt),
                                           &challenge->salt_length)) {
        return false;
    }
    const char *iterations = scram_text_attribute(&at, 'i', &size);
    return iterations != NULL &&
           scram_text_number(iterations, size, SCRAM_ITERATIONS_MAX, &challenge->iterations);
}

// client-final-message-without-proof: the gs2 header and the binding data again, and the nonce.
static void
append_final(struct scram_text *text, const struct scram *scram, const char *nonce)
{
    uint8_t bound[GS2_MAX + SCRAM_BINDING_MAX];
    memcpy(bound, scram->first, scram->bare);
    memcpy(bound + scram->bare, scram->binding, scram->binding_length);
    scram_text_string(text, "c=");
    scram_text_base64(text, bound, scram->bare + scram->binding_length);
    scram_text_string(text, ",r=");
    scram_text_string(text, nonce);
}

bool
scram_answer(struct scram *scram, const uint8_t *bytes, size_t length,
             const struct scram_challenge *challenge, const struct scram_keys *keys)
{
    struct scram_text final = scram_text_in(scram->final, sizeof(scram->final));
    append_final(&final, scram, challenge->nonce);

    char message[SCRAM_AUTH_MAX];
    struct scram_text auth = scram_text_in(message, sizeof(message));
    scram_text_string(&auth, scram->first + scram->bare);
    scram_text_string(&auth, ",");
    scram_text_append(&auth, bytes, length);
    scram_text_string(&auth, ",");
    scram_text_append(&auth, final.bytes, final.length);

    uint8_t proof[SCRAM_KEY] = {0};
    if (auth.failed || !scram_keys_prove(keys, auth.bytes, auth.length, proof) ||
        !scram_keys_hmac(keys->server, auth.bytes, auth.length, scram->server_signature)) {
        return false;
    }
    scram_text_string(&final, ",p=");
    scram_text_base64(&final, proof, sizeof(proof));
    return !final.failed;
}

bool
scram_verify(const struct scram *scram, const uint8_t *bytes, size_t length)
{
    uint8_t signature[SCRAM_KEY];
    size_t decoded;
    if (length < 2 + KEY_BASE64 || memcmp(bytes, "v=", 2) != 0 ||
        (length > 2 + KEY_BASE64 && bytes[2 + KEY_BASE64] != ',')) {
        return false;
    }
    return scram_text_decode((const char *)bytes + 2, KEY_BASE64, signature, sizeof(signature),
                             &decoded) &&
           decoded == SCRAM_KEY &&
           CRYPTO_memcmp(signature, scram->server_signature, SCRAM_KEY) == 0;
}
