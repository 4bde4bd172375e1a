// The client's side of a login: what to answer to each Authentication message (manual 55.2.1, 55.3).
// A table tells, for each code of the manual, which step takes it. States, for SCRAM alone:
//
//   START --SASL--> CHALLENGED --SASLContinue--> ANSWERED --SASLFinal, verified--> PROVEN
//
// AuthenticationOk ends the login from START (trust, or after a password) and from PROVEN; before
// that it would mean that the server got round proving itself. Owns only its state; wiped when freed.
#include "protocol/login.h"

#include "protocol/password.h"
#include "protocol/reader.h"
#include "protocol/scram.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { MD5_SALT = 4 };

enum state { START, CHALLENGED, ANSWERED, PROVEN };

struct login {
    struct login_secret secret; // what it points to is borrowed
    enum state state;
    struct scram scram;
};

struct login *
login_new(const struct login_secret *secret)
{
    struct login *login = calloc(1, sizeof(*login));
    if (login != NULL) {
        login->secret = *secret;
    }
    return login;
}

void
login_free(struct login **login)
{
    if (*login != NULL) {
        OPENSSL_cleanse(*login, sizeof(**login));
        free(*login);
        *login = NULL;
    }
}

static void
write_password(struct writer *writer, const char *password)
{
    writer_begin(writer, 'p');
    writer_string(writer, password);
    writer_end(writer);
}

static enum login_status
take_ok(struct login *login, struct reader *reader, struct writer *writer)
{
    (void)writer;
    bool is_proven = login->state == START || login->state == PROVEN;
    return is_proven && reader_is_done(reader) ? LOGIN_DONE : LOGIN_JUNK;
}

static enum login_status
take_cleartext(struct login *login, struct reader *reader, struct writer *writer)
{
    if (login->state != START || !reader_is_done(reader)) {
        return LOGIN_JUNK;
    }
    if (login->secret.password == NULL) {
        return LOGIN_NO_SECRET;
    }
    write_password(writer, login->secret.password);
    return LOGIN_SEND;
}

// The sum of the digits that are kept, or of those that would be, and the server's salt.
static enum login_status
take_md5(struct login *login, struct reader *reader, struct writer *writer)
{
    const struct login_secret *secret = &login->secret;
    const uint8_t *salt = reader_bytes(reader, MD5_SALT);
    if (login->state != START || !reader_is_done(reader)) {
        return LOGIN_JUNK;
    }
    bool is_kept = secret->password == NULL && password_is_md5(secret->md5);
    if (secret->password == NULL && !is_kept) {
        return LOGIN_NO_SECRET;
    }
    char kept[PASSWORD_MD5_TEXT + 1];
    char answer[PASSWORD_MD5_TEXT + 1];
    if (is_kept) {
        memcpy(kept, secret->md5, sizeof(kept));
    }
    bool is_done = (is_kept || password_md5(secret->password, strlen(secret->password),
                                            secret->user, strlen(secret->user), kept)) &&
                   password_md5(kept + 3, PASSWORD_MD5_TEXT - 3, salt, MD5_SALT, answer);
    if (is_done) {
        write_password(writer, answer);
    }
    OPENSSL_cleanse(kept, sizeof(kept));
    OPENSSL_cleanse(answer, sizeof(answer));
    return is_done ? LOGIN_SEND : LOGIN_UNSUPPORTED; // OpenSSL may be set up without MD5
}

// The mechanisms that the server offers: names up to an empty one.
struct offer {
    bool scram;
    bool scram_plus;
};

static bool
read_offer(struct reader *reader, struct offer *offer)
{
    *offer = (struct offer){0};
    const char *name = reader_string(reader);
    while (name != NULL && name[0] != '\0') {
        offer->scram = offer->scram || strcmp(name, "SCRAM-SHA-256") == 0;
        offer->scram_plus = offer->scram_plus || strcmp(name, "SCRAM-SHA-256-PLUS") == 0;
        name = reader_string(reader);
    }
    return reader_is_done(reader);
}

static bool
has_scram_secret(const struct login_secret *secret)
{
    return secret->password != NULL || (secret->client_key != NULL && secret->server_key != NULL);
}

static enum login_status
take_sasl(struct login *login, struct reader *reader, struct writer *writer)
{
    const struct login_secret *secret = &login->secret;
    struct offer offer;
    if (login->state != START || !read_offer(reader, &offer)) {
        return LOGIN_JUNK;
    }
    bool can_bind = secret->channel_binding != NULL;
    bool is_bound = can_bind && offer.scram_plus;
    if (!is_bound && !offer.scram) {
        return LOGIN_UNSUPPORTED;
    }
    if (!has_scram_secret(secret)) {
        return LOGIN_NO_SECRET;
    }
    enum scram_binding binding = SCRAM_UNBOUND;
    if (can_bind) {
        binding = is_bound ? SCRAM_BOUND : SCRAM_NOT_OFFERED;
    }
    char nonce[SCRAM_NONCE + 1];
    if (!scram_make_nonce(nonce) || !scram_begin(&login->scram, binding, secret->channel_binding,
                                                 secret->channel_binding_length, "", nonce)) {
        return LOGIN_UNSUPPORTED;
    }
    writer_begin(writer, 'p');
    writer_string(writer, is_bound ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256");
    writer_value(writer, login->scram.first, strlen(login->scram.first));
    writer_end(writer);
    login->state = CHALLENGED;
    return LOGIN_SEND;
}

static bool
find_keys(const struct login_secret *secret, const struct scram_challenge *challenge,
          struct scram_keys *keys)
{
    if (secret->password != NULL) {
        return scram_keys_derive(secret->password, challenge->salt, challenge->salt_length,
                                 challenge->iterations, keys);
    }
    memcpy(keys->client, secret->client_key, SCRAM_KEY);
    memcpy(keys->server, secret->server_key, SCRAM_KEY);
    return true;
}

static enum login_status
take_sasl_continue(struct login *login, struct reader *reader, struct writer *writer)
{
    size_t length = reader_left(reader);
    const uint8_t *bytes = reader_bytes(reader, length);
    struct scram_challenge challenge;
    if (login->state != CHALLENGED ||
        !scram_read_challenge(&login->scram, bytes, length, &challenge)) {
        return LOGIN_JUNK;
    }
    struct scram_keys keys;
    bool is_answered = find_keys(&login->secret, &challenge, &keys) &&
                       scram_answer(&login->scram, bytes, length, &challenge, &keys);
    OPENSSL_cleanse(&keys, sizeof(keys));
    if (!is_answered) {
        return LOGIN_JUNK;
    }
    writer_begin(writer, 'p');
    writer_bytes(writer, login->scram.final, strlen(login->scram.final));
    writer_end(writer);
    login->state = ANSWERED;
    return LOGIN_SEND;
}

static enum login_status
take_sasl_final(struct login *login, struct reader *reader, struct writer *writer)
{
    (void)writer;
    size_t length = reader_left(reader);
    const uint8_t *bytes = reader_bytes(reader, length);
    if (login->state != ANSWERED || !scram_verify(&login->scram, bytes, length)) {
        return LOGIN_JUNK;
    }
    login->state = PROVEN;
    return LOGIN_WAIT;
}

typedef enum login_status step(struct login *login, struct reader *reader, struct writer *writer);

// By the code of the Authentication message (manual 55.7). What is not here (Kerberos, GSS, SSPI,
// and what is to come) we cannot answer.
static step *const steps[] = {
    [0] = take_ok,    [3] = take_cleartext,      [5] = take_md5,
    [10] = take_sasl, [11] = take_sasl_continue, [12] = take_sasl_final,
};

enum login_status
login_step(struct login *login, const uint8_t *body, size_t length, struct writer *writer)
{
    struct reader reader = reader_over(body, length);
    uint32_t code = reader_u32(&reader);
    if (reader.failed) {
        return LOGIN_JUNK;
    }
    if (code >= sizeof(steps) / sizeof(steps[0]) || steps[code] == NULL) {
        return LOGIN_UNSUPPORTED;
    }
    return steps[code](login, &reader, writer);
}
