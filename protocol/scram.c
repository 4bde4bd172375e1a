// SCRAM-SHA-256 as a client (RFC 5802, RFC 7677). Texts are built in fixed buffers by a bounded
// appender that sticks on failure; the sums are OpenSSL's. Every secret is wiped where it goes out
// of scope; what stays in struct scram is what an onlooker of the exchange sees, and the signature.
//
// Known compromise: no SASLprep. ASCII passwords pass through it unchanged, and for what it rejects
// PostgreSQL uses the raw bytes, as we always do. A password that normalisation would change
// (compatibility characters, combining sequences) does not open a SCRAM verifier here.
#include "protocol/scram.h"

#include "protocol/reader.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { NONCE_BYTES = SCRAM_NONCE / 4 * 3, KEY_BASE64 = 44, GS2_MAX = 32 };

// Text in a fixed buffer, always terminated.
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

static struct text
text_in(char *bytes, size_t capacity)
{
    bytes[0] = '\0';
    return (struct text){.bytes = bytes, .capacity = capacity};
}

static void
append(struct text *text, const void *bytes, size_t length)
{
    if (text->failed || length >= text->capacity - text->length) {
        text->failed = true;
        return;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

static void
append_string(struct text *text, const char *string)
{
    append(text, string, strlen(string));
}

static void
append_base64(struct text *text, const uint8_t *bytes, size_t length)
{
    unsigned char encoded[(GS2_MAX + SCRAM_BINDING_MAX + 2) / 3 * 4 + 1];
    if (length > GS2_MAX + SCRAM_BINDING_MAX) {
        text->failed = true;
        return;
    }
    int size = EVP_EncodeBlock(encoded, bytes, (int)length);
    append(text, encoded, (size_t)size);
}

// Exactly one block of base64, nothing around it. `to` has room for length / 4 * 3 bytes.
static bool
decode_base64(const char *from, size_t length, uint8_t *to, size_t *decoded)
{
    size_t letters = 0;
    while (letters < length && from[letters] != '\0' &&
           strchr(base64_alphabet, from[letters]) != NULL) {
        letters++;
    }
    size_t padding = length - letters;
    bool is_sound = length > 0 && length % 4 == 0 && padding <= 2 &&
                    (padding < 1 || from[length - 1] == '=') &&
                    (padding < 2 || from[length - 2] == '=');
    if (!is_sound || EVP_DecodeBlock(to, (const unsigned char *)from, (int)length) < 0) {
        return false;
    }
    *decoded = length / 4 * 3 - padding;
    return true;
}

static bool
hmac(const uint8_t *key, const void *bytes, size_t length, uint8_t *sum)
{
    return HMAC(EVP_sha256(), key, SCRAM_KEY, bytes, length, sum, NULL) != NULL;
}

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
    struct text own = text_in(scram->nonce, sizeof(scram->nonce));
    append_string(&own, nonce);
    if (binding == SCRAM_BOUND) {
        if (length > sizeof(scram->binding)) {
            return false;
        }
        memcpy(scram->binding, data, length);
        scram->binding_length = length;
    }
    struct text text = text_in(scram->first, sizeof(scram->first));
    append_string(&text, headers[binding]);
    scram->bare = text.length;
    append_string(&text, "n=");
    append_string(&text, user);
    append_string(&text, ",r=");
    append_string(&text, nonce);
    return !text.failed && !own.failed;
}

// The value of the attribute `name` at *at, up to the next comma or the end; *at moves behind both.
static const char *
attribute(const char **at, char name, size_t *length)
{
    const char *value = *at;
    if (value[0] != name || value[1] != '=') {
        return NULL;
    }
    value += 2;
    *length = strcspn(value, ",");
    *at = value + *length;
    if (**at == ',') {
        (*at)++;
    }
    return value;
}

static bool
read_iterations(const char *digits, size_t length, uint32_t *iterations)
{
    uint32_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9' || value > SCRAM_ITERATIONS_MAX) {
            return false;
        }
        value = value * 10 + (uint32_t)(digits[i] - '0');
    }
    *iterations = value;
    return value > 0 && value <= SCRAM_ITERATIONS_MAX;
}

bool
scram_read_challenge(const struct scram *scram, const uint8_t *bytes, size_t length,
                     struct scram_challenge *challenge)
{
    char copy[SCRAM_SERVER_FIRST_MAX];
    struct text text = text_in(copy, sizeof(copy));
    append(&text, bytes, length);
    if (text.failed || strlen(copy) != length) {
        return false;
    }
    const char *at = copy;
    size_t size;
    const char *nonce = attribute(&at, 'r', &size);
    size_t own = strlen(scram->nonce);
    if (nonce == NULL || size <= own || memcmp(nonce, scram->nonce, own) != 0) {
        return false;
    }
    memcpy(challenge->nonce, nonce, size);
    challenge->nonce[size] = '\0';
    const char *salt = attribute(&at, 's', &size);
    if (salt == NULL || !decode_base64(salt, size, challenge->salt, &challenge->salt_length)) {
        return false;
    }
    const char *iterations = attribute(&at, 'i', &size);
    return iterations != NULL && read_iterations(iterations, size, &challenge->iterations);
}

bool
scram_derive_keys(const char *password, const struct scram_challenge *challenge,
                  struct scram_keys *keys)
{
    uint8_t salted[SCRAM_KEY];
    bool is_done = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), challenge->salt,
                                     (int)challenge->salt_length, (int)challenge->iterations,
                                     EVP_sha256(), sizeof(salted), salted) == 1 &&
                   hmac(salted, "Client Key", 10, keys->client) &&
                   hmac(salted, "Server Key", 10, keys->server);
    OPENSSL_cleanse(salted, sizeof(salted));
    return is_done;
}

// client-final-message-without-proof: the gs2 header and the binding data again, and the nonce.
static void
append_final(struct text *text, const struct scram *scram, const char *nonce)
{
    uint8_t bound[GS2_MAX + SCRAM_BINDING_MAX];
    memcpy(bound, scram->first, scram->bare);
    memcpy(bound + scram->bare, scram->binding, scram->binding_length);
    append_string(text, "c=");
    append_base64(text, bound, scram->bare + scram->binding_length);
    append_string(text, ",r=");
    append_string(text, nonce);
}

// ClientProof = ClientKey xor HMAC(H(ClientKey), AuthMessage).
static bool
prove(const struct scram_keys *keys, const struct text *auth, uint8_t *proof)
{
    uint8_t stored[SCRAM_KEY];
    bool is_done = EVP_Digest(keys->client, SCRAM_KEY, stored, NULL, EVP_sha256(), NULL) == 1 &&
                   hmac(stored, auth->bytes, auth->length, proof);
    for (size_t i = 0; i < SCRAM_KEY; i++) {
        proof[i] = (uint8_t)(proof[i] ^ keys->client[i]);
    }
    return is_done;
}

bool
scram_answer(struct scram *scram, const uint8_t *bytes, size_t length,
             const struct scram_challenge *challenge, const struct scram_keys *keys)
{
    struct text final = text_in(scram->final, sizeof(scram->final));
    append_final(&final, scram, challenge->nonce);

    char message[SCRAM_AUTH_MAX];
    struct text auth = text_in(message, sizeof(message));
    append_string(&auth, scram->first + scram->bare);
    append_string(&auth, ",");
    append(&auth, bytes, length);
    append_string(&auth, ",");
    append(&auth, final.bytes, final.length);

    uint8_t proof[SCRAM_KEY] = {0};
    if (auth.failed || !prove(keys, &auth, proof) ||
        !hmac(keys->server, auth.bytes, auth.length, scram->server_signature)) {
        return false;
    }
    append_string(&final, ",p=");
    append_base64(&final, proof, sizeof(proof));
    return !final.failed;
}

bool
scram_verify(const struct scram *scram, const uint8_t *bytes, size_t length)
{
    uint8_t signature[KEY_BASE64 / 4 * 3];
    size_t decoded;
    if (length < 2 + KEY_BASE64 || memcmp(bytes, "v=", 2) != 0 ||
        (length > 2 + KEY_BASE64 && bytes[2 + KEY_BASE64] != ',')) {
        return false;
    }
    return decode_base64((const char *)bytes + 2, KEY_BASE64, signature, &decoded) &&
           decoded == SCRAM_KEY &&
           CRYPTO_memcmp(signature, scram->server_signature, SCRAM_KEY) == 0;
}
