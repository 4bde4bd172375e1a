// The server's side of SCRAM-SHA-256 (RFC 5802, 7677; without channel binding) and of MD5. Owns copies of the
// secrets and wipes them. Pure but for random nonces and salts. Any one thread.
//
// Known compromise: passwords are not put through SASLprep, which changes none that is ASCII.
#include "protocol/challenge.h"
#include "protocol/reader.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY = 32,
    NONCE = 18, // bytes, 24 in base64
    SALT_MAX = 64,
    ITERATIONS = 4096, // of verifiers made here
    ITERATIONS_MAX = 10000000,
    MESSAGE_MAX = 1024,
    MD5_TEXT = 35, // "md5" and 32 hex digits
};

enum challenge_state { NOT_BEGUN, MD5_SENT, SASL_SENT, FIRST_SENT, OVER };

struct challenge {
    enum challenge_state state;
    bool is_md5;
    bool is_mock; // whatever is answered is wrong
    char *user;
    char md5[MD5_TEXT + 1];
    uint8_t md5_salt[4];
    uint8_t salt[SALT_MAX];
    size_t salt_length;
    int iterations;
    uint8_t stored_key[KEY], server_key[KEY];
    char gs2[8];             // "n,," or "y,,"
    char nonce[MESSAGE_MAX]; // the client's and ours
    char client_first_bare[MESSAGE_MAX];
    char server_first[2 * MESSAGE_MAX];
};

static bool
hmac(const uint8_t key[KEY], const void *bytes, size_t length, uint8_t out[KEY])
{
    unsigned out_length = KEY;

    return HMAC(EVP_sha256(), key, KEY, bytes, length, out, &out_length) != NULL;
}

static bool
hash(const EVP_MD *kind, const void *bytes, size_t length, uint8_t *out)
{
    return EVP_Digest(bytes, length, out, NULL, kind, NULL) == 1;
}

static void
encode(const uint8_t *bytes, size_t length, char *out) // 4 * ((length + 2) / 3) + 1 characters
{
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);
}

// Strict base64 of at most `size` bytes.
static bool
decode(const char *text, size_t text_length, uint8_t *out, size_t size, size_t *length)
{
    uint8_t bytes[MESSAGE_MAX];

    if (text_length == 0 || text_length % 4 != 0 || text_length > sizeof bytes)
        return false;

    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)text_length);

    if (decoded < 0)
        return false;
    *length = (size_t)decoded;
    *length -= text[text_length - 1] == '=';
    *length -= text[text_length - 2] == '=';
    if (*length > size)
        return false;
    memcpy(out, bytes, *length);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

static bool
derive(struct challenge *challenge, const char *password)
{
    uint8_t salted[KEY], client_key[KEY];
    bool ok = RAND_bytes(challenge->salt, 16) == 1 &&
              PKCS5_PBKDF2_HMAC(password, (int)strlen(password), challenge->salt, 16, ITERATIONS,
                                EVP_sha256(), KEY, salted) == 1 &&
              hmac(salted, "Client Key", 10, client_key) &&
              hash(EVP_sha256(), client_key, KEY, challenge->stored_key) &&
              hmac(salted, "Server Key", 10, challenge->server_key);

    challenge->salt_length = 16;
    challenge->iterations = ITERATIONS;
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client_key, sizeof client_key);
    return ok;
}

// "SCRAM-SHA-256$iterations:salt$stored:server"
static bool
read_verifier(struct challenge *challenge, const char *verifier)
{
    char *end;
    const char *at = verifier + strlen("SCRAM-SHA-256$");
    long iterations = strtol(at, &end, 10);
    size_t length;

    if (end == at || *end != ':' || iterations < 1 || iterations > ITERATIONS_MAX)
        return false;
    challenge->iterations = (int)iterations;
    at = end + 1;
    length = strcspn(at, "$");
    if (at[length] != '$' ||
        !decode(at, length, challenge->salt, SALT_MAX, &challenge->salt_length))
        return false;
    at += length + 1;
    length = strcspn(at, ":");

    size_t stored_length, server_length;

    return at[length] == ':' && decode(at, length, challenge->stored_key, KEY, &stored_length) &&
           decode(at + length + 1, strlen(at + length + 1), challenge->server_key, KEY,
                  &server_length) &&
           stored_length == KEY && server_length == KEY;
}

static bool
make_mock(struct challenge *challenge, const char *user, const uint8_t mock_seed[32])
{
    uint8_t salt[KEY];

    challenge->is_mock = true;
    challenge->salt_length = 16;
    challenge->iterations = ITERATIONS;
    if (!hmac(mock_seed, user, strlen(user), salt) || RAND_bytes(challenge->stored_key, KEY) != 1 ||
        RAND_bytes(challenge->server_key, KEY) != 1)
        return false;
    memcpy(challenge->salt, salt, 16);
    return true;
}

struct challenge *
challenge_new(const char *user, const char *secret, const uint8_t mock_seed[32])
{
    struct challenge *challenge = calloc(1, sizeof *challenge);
    bool ok = true;

    if (challenge == NULL)
        return NULL;
    challenge->user = strdup(user);
    if (secret == NULL || secret[0] == '\0') {
        ok = make_mock(challenge, user, mock_seed);
    } else if (strncmp(secret, "md5", 3) == 0 && strlen(secret) == MD5_TEXT &&
               strspn(secret + 3, "0123456789abcdef") == 32) {
        challenge->is_md5 = true;
        memcpy(challenge->md5, secret, MD5_TEXT);
    } else if (strncmp(secret, "SCRAM-SHA-256$", 14) == 0) {
        if (!read_verifier(challenge, secret))
            ok = make_mock(challenge, user, mock_seed);
    } else {
        ok = derive(challenge, secret);
    }
    if (challenge->user == NULL || !ok)
        challenge_free(&challenge);
    return challenge;
}

void
challenge_free(struct challenge **challenge)
{
    if (*challenge == NULL)
        return;
    free((*challenge)->user);
    OPENSSL_cleanse(*challenge, sizeof **challenge);
    free(*challenge);
    *challenge = NULL;
}

enum challenge_status
challenge_begin(struct challenge *challenge, struct writer *writer)
{
    if (challenge->is_md5 && RAND_bytes(challenge->md5_salt, sizeof challenge->md5_salt) != 1)
        return CHALLENGE_FAILED;
    writer_begin(writer, 'R');
    if (challenge->is_md5) {
        writer_i32(writer, 5); // AuthenticationMD5Password
        writer_bytes(writer, challenge->md5_salt, sizeof challenge->md5_salt);
        challenge->state = MD5_SENT;
    } else {
        writer_i32(writer, 10); // AuthenticationSASL
        writer_string(writer, "SCRAM-SHA-256");
        writer_u8(writer, 0);
        challenge->state = SASL_SENT;
    }
    writer_end(writer);
    return writer->failed ? CHALLENGE_FAILED : CHALLENGE_SEND;
}

static enum challenge_status
check_md5(struct challenge *challenge, const uint8_t *body, size_t length)
{
    // 'md5' || hex(md5(hex(md5(password || user)) || salt)), and its NUL.
    uint8_t salted[32 + 4], digest[16];
    char wanted[MD5_TEXT + 1] = "md5";

    if (length == 0 || body[length - 1] != '\0')
        return CHALLENGE_JUNK;
    memcpy(salted, challenge->md5 + 3, 32);
    memcpy(salted + 32, challenge->md5_salt, 4);
    if (!hash(EVP_md5(), salted, sizeof salted, digest))
        return CHALLENGE_FAILED;
    for (int i = 0; i < 16; i++)
        snprintf(wanted + 3 + 2 * i, 3, "%02x", digest[i]);
    return length == sizeof wanted && CRYPTO_memcmp(wanted, body, sizeof wanted) == 0
               ? CHALLENGE_PASSED
               : CHALLENGE_REFUSED;
}

// The attribute "x=value" at the beginning of `text`; the value's length goes up to the comma.
static const char *
attribute(const char *text, char name, size_t *length)
{
    if (text == NULL || text[0] != name || text[1] != '=')
        return NULL;
    *length = strcspn(text + 2, ",");
    return text + 2;
}

static enum challenge_status
write_first(struct challenge *challenge, struct writer *writer)
{
    char salt[4 * ((SALT_MAX + 2) / 3) + 1];

    encode(challenge->salt, challenge->salt_length, salt);
    snprintf(challenge->server_first, sizeof challenge->server_first, "r=%s,s=%s,i=%d",
             challenge->nonce, salt, challenge->iterations);
    writer_begin(writer, 'R');
    writer_i32(writer, 11); // AuthenticationSASLContinue
    writer_bytes(writer, challenge->server_first, strlen(challenge->server_first));
    writer_end(writer);
    challenge->state = FIRST_SENT;
    return writer->failed ? CHALLENGE_FAILED : CHALLENGE_SEND;
}

// "n,,n=,r=nonce"; the name in it is not looked at, the startup packet has said it.
static enum challenge_status
client_first(struct challenge *challenge, const char *text, struct writer *writer)
{
    const char *bare;
    size_t length;
    uint8_t nonce[NONCE];
    char ours[4 * ((NONCE + 2) / 3) + 1];

    if ((text[0] != 'n' && text[0] != 'y') || text[1] != ',')
        return CHALLENGE_JUNK; // 'p': channel binding, which was not offered
    bare = strchr(text + 2, ',');
    if (bare != text + 2) // an authzid
        return CHALLENGE_JUNK;
    bare++;
    snprintf(challenge->gs2, sizeof challenge->gs2, "%c,,", text[0]);

    const char *name = attribute(bare, 'n', &length);
    const char *client_nonce =
        name == NULL || name[length] != ',' ? NULL : attribute(name + length + 1, 'r', &length);

    if (client_nonce == NULL || length == 0 || length > MESSAGE_MAX / 2 ||
        strlen(bare) >= sizeof challenge->client_first_bare)
        return CHALLENGE_JUNK;
    if (RAND_bytes(nonce, sizeof nonce) != 1)
        return CHALLENGE_FAILED;
    encode(nonce, sizeof nonce, ours);
    snprintf(challenge->nonce, sizeof challenge->nonce, "%.*s%s", (int)length, client_nonce, ours);
    strcpy(challenge->client_first_bare, bare);
    return write_first(challenge, writer);
}

static enum challenge_status
write_final(const uint8_t signature[KEY], struct writer *writer)
{
    char text[2 + 4 * ((KEY + 2) / 3) + 1] = "v=";

    encode(signature, KEY, text + 2);
    writer_begin(writer, 'R');
    writer_i32(writer, 12); // AuthenticationSASLFinal
    writer_bytes(writer, text, strlen(text));
    writer_end(writer);
    return writer->failed ? CHALLENGE_FAILED : CHALLENGE_PASSED;
}

static enum challenge_status
check_proof(struct challenge *challenge, const char *without_proof, const uint8_t proof[KEY],
            struct writer *writer)
{
    char message[5 * MESSAGE_MAX];
    uint8_t signature[KEY], client_key[KEY], stored_key[KEY], server_signature[KEY];
    int length = snprintf(message, sizeof message, "%s,%s,%s", challenge->client_first_bare,
                          challenge->server_first, without_proof);

    if (length < 0 || (size_t)length >= sizeof message)
        return CHALLENGE_JUNK;
    if (!hmac(challenge->stored_key, message, (size_t)length, signature))
        return CHALLENGE_FAILED;
    for (int i = 0; i < KEY; i++)
        client_key[i] = proof[i] ^ signature[i];
    if (!hash(EVP_sha256(), client_key, KEY, stored_key) ||
        !hmac(challenge->server_key, message, (size_t)length, server_signature))
        return CHALLENGE_FAILED;
    OPENSSL_cleanse(client_key, sizeof client_key);
    if (CRYPTO_memcmp(stored_key, challenge->stored_key, KEY) != 0 || challenge->is_mock)
        return CHALLENGE_REFUSED;
    return write_final(server_signature, writer);
}

// "c=biws,r=nonce,p=proof"
static enum challenge_status
client_final(struct challenge *challenge, const char *text, struct writer *writer)
{
    char without_proof[2 * MESSAGE_MAX];
    char binding[16];
    uint8_t proof[KEY];
    size_t length, proof_length;
    const char *at = attribute(text, 'c', &length);

    encode((const uint8_t *)challenge->gs2, strlen(challenge->gs2), binding);
    if (at == NULL || length != strlen(binding) || strncmp(at, binding, length) != 0 ||
        at[length] != ',')
        return CHALLENGE_JUNK;
    at = attribute(at + length + 1, 'r', &length);
    if (at == NULL || length != strlen(challenge->nonce) ||
        CRYPTO_memcmp(at, challenge->nonce, length) != 0)
        return CHALLENGE_JUNK;
    // Extensions may stand in between.
    at = strstr(at + length, ",p=");
    if (at == NULL || (size_t)(at - text) >= sizeof without_proof)
        return CHALLENGE_JUNK;
    memcpy(without_proof, text, (size_t)(at - text));
    without_proof[at - text] = '\0';
    if (!decode(at + 3, strlen(at + 3), proof, KEY, &proof_length) || proof_length != KEY)
        return CHALLENGE_JUNK;
    return check_proof(challenge, without_proof, proof, writer);
}

// What a SASL message says, as a string. False: it holds a NUL, or is too long.
static bool
take_text(const uint8_t *bytes, size_t length, char text[MESSAGE_MAX])
{
    if (bytes == NULL || length >= MESSAGE_MAX || memchr(bytes, '\0', length) != NULL)
        return false;
    memcpy(text, bytes, length);
    text[length] = '\0';
    return true;
}

static enum challenge_status
sasl_initial(struct challenge *challenge, const uint8_t *body, size_t length, struct writer *writer)
{
    struct reader reader = reader_over(body, length);
    const char *mechanism = reader_string(&reader);
    int32_t said = reader_i32(&reader);
    char text[MESSAGE_MAX];

    if (reader.failed || strcmp(mechanism, "SCRAM-SHA-256") != 0 || said < 0 ||
        (size_t)said != reader_left(&reader) ||
        !take_text(reader_bytes(&reader, (size_t)said), (size_t)said, text))
        return CHALLENGE_JUNK;
    return client_first(challenge, text, writer);
}

enum challenge_status
challenge_step(struct challenge *challenge, const uint8_t *body, size_t length,
               struct writer *writer)
{
    enum challenge_state state = challenge->state;
    char text[MESSAGE_MAX];

    challenge->state = OVER;
    switch (state) {
    case MD5_SENT:
        return check_md5(challenge, body, length);
    case SASL_SENT:
        return sasl_initial(challenge, body, length, writer);
    case FIRST_SENT:
        return take_text(body, length, text) ? client_final(challenge, text, writer)
                                             : CHALLENGE_JUNK;
    case NOT_BEGUN:
    case OVER:
        break;
    }
    return CHALLENGE_JUNK;
}
