// The server's side of a login: which method, the messages, and MD5; SCRAM itself is challenge_scram.c's.
//
//   NOT_BEGUN --begin, MD5--> MD5_SENT --PasswordMessage--> OVER
//   NOT_BEGUN --begin, SCRAM--> SASL_SENT --SASLInitialResponse--> FIRST_SENT --SASLResponse--> OVER
//
// Owns copies of what it needs of the secret, and wipes them. Pure but for random nonces and salts. Any
// one thread.
//
// Known compromise: the keys of a plain secret are derived here, some thousand sums, and neither an unknown
// user nor a verifier costs those: who measures the time can tell users with plain secrets from others.
#include "protocol/challenge.h"

#include "protocol/challenge_scram.h"
#include "protocol/password.h"
#include "protocol/reader.h"
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum {
    SALT = 16,         // bytes of a salt that is made here, as PostgreSQL's
    ITERATIONS = 4096, // the same
    MD5_SALT = 4,
    AUTHENTICATION_MD5 = 5, // manual 55.7
    AUTHENTICATION_SASL = 10,
    AUTHENTICATION_SASL_CONTINUE = 11,
    AUTHENTICATION_SASL_FINAL = 12,
};

enum challenge_state { NOT_BEGUN, MD5_SENT, SASL_SENT, FIRST_SENT, OVER };

struct challenge {
    enum challenge_state state;
    bool is_md5;
    bool is_md5_mock;                // whatever is answered is wrong
    char md5[PASSWORD_MD5_TEXT + 1]; // as pg_authid would keep it
    uint8_t md5_salt[MD5_SALT];
    bool has_keys;
    struct challenge_scram scram;
};

// The same for a user whose secret is plain and for one that is not there, at each login.
static bool
make_salt(const struct challenge_settings *settings, uint8_t salt[SCRAM_KEY])
{
    return scram_keys_hmac(settings->mock_seed, settings->user, strlen(settings->user), salt);
}

static bool
prepare_scram(struct challenge_scram *scram, const struct challenge_settings *settings)
{
    struct scram_verifier *verifier = &scram->verifier;
    uint8_t salt[SCRAM_KEY];
    if (settings->channel_binding != NULL) {
        assert(settings->channel_binding_length <= sizeof(scram->binding));
        memcpy(scram->binding, settings->channel_binding, settings->channel_binding_length);
        scram->binding_length = settings->channel_binding_length;
    }
    bool is_verifier = scram_verifier_is_meant(settings->secret);
    if (is_verifier && scram_verifier_read(verifier, settings->secret)) {
        return true;
    }
    if (!make_salt(settings, salt)) {
        return false;
    }
    if (settings->secret != NULL && !is_verifier && !password_is_md5(settings->secret)) {
        return scram_verifier_make(verifier, settings->secret, salt, SALT, ITERATIONS);
    }
    scram->is_mock = true;
    memcpy(verifier->salt, salt, SALT);
    verifier->salt_length = SALT;
    verifier->iterations = ITERATIONS;
    return RAND_bytes(verifier->stored, SCRAM_KEY) == 1 &&
           RAND_bytes(verifier->server, SCRAM_KEY) == 1;
}

static bool
prepare_md5(struct challenge *challenge, const struct challenge_settings *settings)
{
    const char *secret = settings->secret;
    challenge->is_md5 = true;
    if (password_is_md5(secret)) {
        memcpy(challenge->md5, secret, sizeof(challenge->md5));
        return true;
    }
    challenge->is_md5_mock = secret == NULL;
    secret = secret != NULL ? secret : "";
    return password_md5(secret, strlen(secret), settings->user, strlen(settings->user),
                        challenge->md5);
}

struct challenge *
challenge_new(const struct challenge_settings *settings)
{
    struct challenge_settings known = *settings;
    struct challenge *challenge = calloc(1, sizeof(*challenge));
    if (challenge == NULL) {
        return NULL;
    }
    if (known.secret != NULL && known.secret[0] == '\0') {
        known.secret = NULL; // an empty password lets nobody in, as in PostgreSQL
    }
    bool is_md5 = (known.method == CHALLENGE_BY_SECRET && password_is_md5(known.secret)) ||
                  (known.method == CHALLENGE_BY_MD5 && !scram_verifier_is_meant(known.secret));
    if (!(is_md5 ? prepare_md5(challenge, &known) : prepare_scram(&challenge->scram, &known))) {
        challenge_free(&challenge);
    }
    return challenge;
}

void
challenge_free(struct challenge **challenge)
{
    if (*challenge != NULL) {
        OPENSSL_cleanse(*challenge, sizeof(**challenge));
        free(*challenge);
        *challenge = NULL;
    }
}

static enum challenge_status
write_request(struct writer *writer, int32_t code, const char *text, enum challenge_status status)
{
    writer_begin(writer, 'R');
    writer_i32(writer, code);
    writer_bytes(writer, text, strlen(text));
    writer_end(writer);
    return writer->failed ? CHALLENGE_FAILED : status;
}

enum challenge_status
challenge_begin(struct challenge *challenge, struct writer *writer)
{
    if (challenge->is_md5 && RAND_bytes(challenge->md5_salt, MD5_SALT) != 1) {
        return CHALLENGE_FAILED;
    }
    writer_begin(writer, 'R');
    if (challenge->is_md5) {
        writer_i32(writer, AUTHENTICATION_MD5);
        writer_bytes(writer, challenge->md5_salt, MD5_SALT);
        challenge->state = MD5_SENT;
    } else {
        writer_i32(writer, AUTHENTICATION_SASL);
        if (challenge->scram.binding_length > 0) {
            writer_string(writer, "SCRAM-SHA-256-PLUS"); // the better first
        }
        writer_string(writer, "SCRAM-SHA-256");
        writer_u8(writer, 0);
        challenge->state = SASL_SENT;
    }
    writer_end(writer);
    return writer->failed ? CHALLENGE_FAILED : CHALLENGE_SEND;
}

static enum challenge_status
check_md5(const struct challenge *challenge, const uint8_t *body, size_t length)
{
    char wanted[PASSWORD_MD5_TEXT + 1];
    struct reader reader = reader_over(body, length);
    const char *answer = reader_string(&reader);
    if (!reader_is_done(&reader)) {
        return CHALLENGE_JUNK;
    }
    if (!password_md5(challenge->md5 + 3, PASSWORD_MD5_TEXT - 3, challenge->md5_salt, MD5_SALT,
                      wanted)) {
        return CHALLENGE_FAILED;
    }
    bool is_right = length == sizeof(wanted) && CRYPTO_memcmp(answer, wanted, sizeof(wanted)) == 0;
    OPENSSL_cleanse(wanted, sizeof(wanted));
    return is_right && !challenge->is_md5_mock ? CHALLENGE_PASSED : CHALLENGE_REFUSED;
}

static enum challenge_status
take_initial(struct challenge *challenge, const uint8_t *body, size_t length, struct writer *writer)
{
    struct reader reader = reader_over(body, length);
    const char *mechanism = reader_string(&reader);
    int32_t said = reader_i32(&reader);
    if (reader.failed || said < 0 || (size_t)said != reader_left(&reader)) {
        return CHALLENGE_JUNK;
    }
    bool is_plus = strcmp(mechanism, "SCRAM-SHA-256-PLUS") == 0;
    if (!is_plus && strcmp(mechanism, "SCRAM-SHA-256") != 0) {
        return CHALLENGE_JUNK;
    }
    enum challenge_status status =
        challenge_scram_first(&challenge->scram, is_plus, reader.at, (size_t)said);
    if (status == CHALLENGE_SEND) {
        challenge->state = FIRST_SENT;
        status = write_request(writer, AUTHENTICATION_SASL_CONTINUE, challenge->scram.server_first,
                               status);
    }
    return status;
}

static enum challenge_status
take_final(struct challenge *challenge, const uint8_t *body, size_t length, struct writer *writer)
{
    enum challenge_status status = challenge_scram_final(&challenge->scram, body, length);
    challenge->has_keys = status == CHALLENGE_PASSED;
    return challenge->has_keys ? write_request(writer, AUTHENTICATION_SASL_FINAL,
                                               challenge->scram.server_final, status)
                               : status;
}

enum challenge_status
challenge_step(struct challenge *challenge, const uint8_t *body, size_t length,
               struct writer *writer)
{
    enum challenge_state state = challenge->state;
    challenge->state = OVER;
    switch (state) {
    case MD5_SENT:
        return check_md5(challenge, body, length);
    case SASL_SENT:
        return take_initial(challenge, body, length, writer);
    case FIRST_SENT:
        return take_final(challenge, body, length, writer);
    case NOT_BEGUN:
    case OVER:
        break;
    }
    return CHALLENGE_JUNK;
}

bool
challenge_keys(const struct challenge *challenge, struct scram_keys *keys)
{
    if (challenge->has_keys) {
        *keys = challenge->scram.keys;
    }
    return challenge->has_keys;
}
