// SCRAM-SHA-256 as a server. Refuses as PostgreSQL does what is malformed, and a client that says that we do
// not offer channel binding when we do: somebody in between took it out of our offer. Owned by a challenge,
// which wipes it. Pure but for random nonces.
#include "protocol/challenge_scram.h"

#include "protocol/scram_text.h"
#include <openssl/crypto.h>
#include <string.h>

enum { CLIENT_NONCE_MAX = 512, BINDING_BASE64 = 4 * ((32 + SCRAM_BINDING_MAX + 2) / 3) + 1 };

// The gs2 header of client-first-message; *at moves behind it. False: malformed, or a lie.
static bool
take_header(struct challenge_scram *scram, bool is_plus, const char **at)
{
    static const char bound[] = "p=tls-server-end-point,,";
    struct scram_text header = scram_text_in(scram->gs2, sizeof(scram->gs2));
    const char *wanted = bound;
    if (!is_plus) {
        // 'y': the client could bind to the channel, and thinks that we cannot.
        wanted = **at == 'y' && scram->binding_length == 0 ? "y,," : "n,,";
    }
    if (strncmp(*at, wanted, strlen(wanted)) != 0) {
        return false; // an authzid among others
    }
    scram_text_string(&header, wanted);
    scram->is_bound = is_plus;
    *at += strlen(wanted);
    return !header.failed;
}

static bool
is_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '!' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool
write_server_first(struct challenge_scram *scram, const char *client_nonce, size_t length)
{
    char ours[SCRAM_NONCE + 1];
    if (!scram_make_nonce(ours)) {
        return false;
    }
    struct scram_text nonce = scram_text_in(scram->nonce, sizeof(scram->nonce));
    scram_text_append(&nonce, client_nonce, length);
    scram_text_string(&nonce, ours);

    struct scram_text text = scram_text_in(scram->server_first, sizeof(scram->server_first));
    scram_text_string(&text, "r=");
    scram_text_string(&text, scram->nonce);
    scram_text_string(&text, ",s=");
    scram_text_base64(&text, scram->verifier.salt, scram->verifier.salt_length);
    scram_text_string(&text, ",i=");
    scram_text_decimal(&text, scram->verifier.iterations);
    return !nonce.failed && !text.failed;
}

enum challenge_status
challenge_scram_first(struct challenge_scram *scram, bool is_plus, const uint8_t *bytes,
                      size_t length)
{
    char text[SCRAM_CLIENT_MAX];
    const char *at = text;
    size_t size;
    if (is_plus && scram->binding_length == 0) {
        return CHALLENGE_JUNK; // not offered
    }
    if (!scram_text_copy(text, sizeof(text), bytes, length) || !take_header(scram, is_plus, &at)) {
        return CHALLENGE_JUNK;
    }
    strcpy(scram->client_first_bare, at); // shorter than `text`, which is as large
    // The name is not looked at: the startup packet has said it. What stands before it is "m=", reserved
    // for extensions that must be understood; what stands behind the nonce need not be.
    if (scram_text_attribute(&at, 'n', &size) == NULL) {
        return CHALLENGE_JUNK;
    }
    const char *nonce = scram_text_attribute(&at, 'r', &size);
    if (nonce == NULL || size == 0 || size > CLIENT_NONCE_MAX || !is_printable(nonce, size)) {
        return CHALLENGE_JUNK;
    }
    return write_server_first(scram, nonce, size) ? CHALLENGE_SEND : CHALLENGE_FAILED;
}

// "c=": the header again, and what the channel is bound to.
static bool
is_our_channel(const struct challenge_scram *scram, const char *value, size_t length)
{
    uint8_t bound[sizeof(scram->gs2) + SCRAM_BINDING_MAX];
    char wanted[BINDING_BASE64];
    size_t size = strlen(scram->gs2);
    struct scram_text text = scram_text_in(wanted, sizeof(wanted));
    memcpy(bound, scram->gs2, size);
    if (scram->is_bound) {
        memcpy(bound + size, scram->binding, scram->binding_length);
        size += scram->binding_length;
    }
    scram_text_base64(&text, bound, size);
    return !text.failed && length == text.length && CRYPTO_memcmp(value, wanted, length) == 0;
}

static enum challenge_status
check_proof(struct challenge_scram *scram, const char *without_proof,
            const uint8_t proof[SCRAM_KEY])
{
    char message[SCRAM_AUTH_MAX];
    uint8_t signature[SCRAM_KEY];
    struct scram_text auth = scram_text_in(message, sizeof(message));
    struct scram_text final = scram_text_in(scram->server_final, sizeof(scram->server_final));
    scram_text_auth(&auth, scram->client_first_bare, scram->server_first, without_proof);
    if (auth.failed) {
        return CHALLENGE_JUNK;
    }
    enum scram_proof result =
        scram_keys_open(&scram->verifier, auth.bytes, auth.length, proof, &scram->keys);
    if (result == SCRAM_PROOF_FAILED ||
        !scram_keys_hmac(scram->verifier.server, auth.bytes, auth.length, signature)) {
        return CHALLENGE_FAILED;
    }
    if (result == SCRAM_PROOF_WRONG || scram->is_mock) {
        OPENSSL_cleanse(&scram->keys, sizeof(scram->keys));
        return CHALLENGE_REFUSED;
    }
    scram_text_string(&final, "v=");
    scram_text_base64(&final, signature, sizeof(signature));
    return CHALLENGE_PASSED;
}

enum challenge_status
challenge_scram_final(struct challenge_scram *scram, const uint8_t *bytes, size_t length)
{
    char text[SCRAM_CLIENT_MAX];
    uint8_t proof[SCRAM_KEY];
    const char *at = text;
    size_t size;
    if (!scram_text_copy(text, sizeof(text), bytes, length)) {
        return CHALLENGE_JUNK;
    }
    const char *channel = scram_text_attribute(&at, 'c', &size);
    if (channel == NULL || !is_our_channel(scram, channel, size)) {
        return CHALLENGE_JUNK;
    }
    const char *nonce = scram_text_attribute(&at, 'r', &size);
    if (nonce == NULL || size != strlen(scram->nonce) ||
        CRYPTO_memcmp(nonce, scram->nonce, size) != 0 ||
        !scram_text_proof(text, &size, proof, sizeof(proof))) {
        return CHALLENGE_JUNK;
    }
    text[size] = '\0';
    return check_proof(scram, text, proof);
}
