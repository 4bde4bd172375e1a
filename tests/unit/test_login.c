// SCRAM by the example of RFC 7677, and whole logins against a server of a few lines.
#include "protocol/login.h"
#include "protocol/scram.h"

#include "exact.h"
#include <criterion/criterion.h>
#include <openssl/evp.h>

#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SERVER_FIRST "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static const uint8_t *
bytes_of(const char *text)
{
    return (const uint8_t *)text;
}

static bool
derive(const char *password, const struct scram_challenge *challenge, struct scram_keys *keys)
{
    return scram_keys_derive(password, challenge->salt, challenge->salt_length,
                             challenge->iterations, keys);
}

Test(scram, says_and_expects_what_rfc_7677_says)
{
    static const char final[] =
        "c=biws,r=" SERVER_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    static const char server_final[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    struct scram scram;
    struct scram_challenge challenge;
    struct scram_keys keys;
    size_t length = strlen(SERVER_FIRST);
    cr_assert(scram_begin(&scram, SCRAM_UNBOUND, NULL, 0, "user", NONCE));
    cr_expect_str_eq(scram.first, "n,,n=user,r=" NONCE);
    cr_assert(scram_read_challenge(&scram, bytes_of(SERVER_FIRST), length, &challenge));
    cr_expect_eq(challenge.iterations, 4096u);
    cr_expect_eq(challenge.salt_length, 16u);
    cr_assert(derive("pencil", &challenge, &keys));
    cr_assert(scram_answer(&scram, bytes_of(SERVER_FIRST), length, &challenge, &keys));
    cr_expect_str_eq(scram.final, final);
    cr_expect(scram_verify(&scram, bytes_of(server_final), strlen(server_final)));
}

Test(scram, challenges_that_are_not_sound_are_refused)
{
    static const char *const challenges[] = {
        "",
        "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", // no nonce of the server's
        "r=xOprNGfwEbeRWgbNEkqOabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=" SERVER_NONCE,
        "r=" SERVER_NONCE ",s=,i=4096",
        "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096",
        "r=" SERVER_NONCE ",s=W22Z=J0SNY7soEsUEjb6gQ==,i=4096",
        "r=" SERVER_NONCE ",s=====,i=4096",
        "r=" SERVER_NONCE ",s=W22ZaJ0S\n===,i=4096",
        "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
        "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001",
        "r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=18446744073709555712",
        "m=x,r=" SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    };
    struct scram scram;
    struct scram_challenge challenge;
    cr_assert(scram_begin(&scram, SCRAM_UNBOUND, NULL, 0, "", NONCE));
    for (size_t i = 0; i < COUNT(challenges); i++) {
        size_t length = strlen(challenges[i]);
        uint8_t *copy = exact(challenges[i], length);
        cr_expect_not(scram_read_challenge(&scram, copy, length, &challenge), "%s", challenges[i]);
        free(copy);
    }
    static const char nul[] = SERVER_FIRST "\0";
    cr_expect_not(scram_read_challenge(&scram, bytes_of(nul), sizeof(nul) - 1, &challenge));
    char *huge = malloc(5000);
    memset(huge, 'x', 5000);
    memcpy(huge, "r=" NONCE, 2 + strlen(NONCE));
    cr_expect_not(scram_read_challenge(&scram, (uint8_t *)huge, 5000, &challenge));
    free(huge);
}

// What the server's side of a login sends, and what it was sent.
struct server {
    struct scram scram; // the same exchange, seen from the other end
    struct scram_keys keys;
    char first[256];
    char final[64];
};

static enum login_status
step(struct login *login, uint32_t code, const void *data, size_t length, struct writer *writer)
{
    uint8_t *body = malloc(4 + length);
    uint8_t header[] = {0, 0, (uint8_t)(code >> 8), (uint8_t)code};
    memcpy(body, header, 4);
    if (length > 0) {
        memcpy(body + 4, data, length);
    }
    writer_clear(writer);
    enum login_status status = login_step(login, body, 4 + length, writer);
    free(body);
    cr_assert_not(writer->failed);
    return status;
}

// Answers the client's first message, which lies behind the mechanism and a length.
static void
challenge_client(struct server *server, const struct writer *writer, enum scram_binding binding,
                 const uint8_t *data, size_t length)
{
    const char *mechanism = (const char *)writer->bytes + 5;
    char first[256];
    size_t skipped = 5 + strlen(mechanism) + 1 + 4;
    memcpy(first, writer->bytes + skipped, writer->length - skipped);
    first[writer->length - skipped] = '\0';
    const char *nonce = strstr(first, ",r=") + 3;
    cr_assert_eq(strlen(nonce), (size_t)SCRAM_NONCE);
    cr_assert(scram_begin(&server->scram, binding, data, length, "", nonce));
    cr_assert_str_eq(server->scram.first, first);
    sprintf(server->first, "r=%sabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", nonce);
}

static void
expect_proof(struct server *server, const struct writer *writer)
{
    struct scram_challenge challenge;
    const uint8_t *first = bytes_of(server->first);
    size_t length = strlen(server->first);
    cr_assert(scram_read_challenge(&server->scram, first, length, &challenge));
    cr_assert(derive("pencil", &challenge, &server->keys));
    cr_assert(scram_answer(&server->scram, first, length, &challenge, &server->keys));
    cr_assert_eq(writer->length - 5, strlen(server->scram.final));
    cr_expect_arr_eq(writer->bytes + 5, server->scram.final, writer->length - 5);
    strcpy(server->final, "v=");
    EVP_EncodeBlock((unsigned char *)server->final + 2, server->scram.server_signature, SCRAM_KEY);
}

#define PLAIN "SCRAM-SHA-256\0"
#define BOTH "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0"

struct exchange {
    const char *name;
    const char *offer;
    size_t offer_length;
    const char *channel_binding;
    enum scram_binding binding;
    const char *mechanism;
};

static const struct exchange exchanges[] = {
    {"without TLS", PLAIN, sizeof(PLAIN), NULL, SCRAM_UNBOUND, "SCRAM-SHA-256"},
    {"PLUS offered, no TLS", BOTH, sizeof(BOTH), NULL, SCRAM_UNBOUND, "SCRAM-SHA-256"},
    {"TLS, PLUS not offered", PLAIN, sizeof(PLAIN), "hash", SCRAM_NOT_OFFERED, "SCRAM-SHA-256"},
    {"TLS and PLUS", BOTH, sizeof(BOTH), "hash", SCRAM_BOUND, "SCRAM-SHA-256-PLUS"},
};

static void
run_exchange(const struct exchange *exchange, struct login_secret secret)
{
    struct server server;
    struct writer writer;
    writer_init(&writer);
    secret.channel_binding = (const uint8_t *)exchange->channel_binding;
    secret.channel_binding_length = exchange->channel_binding != NULL ? 4 : 0;
    struct login *login = login_new(&secret);
    cr_assert_eq(step(login, 10, exchange->offer, exchange->offer_length, &writer), LOGIN_SEND);
    cr_expect_str_eq((char *)writer.bytes + 5, exchange->mechanism, "%s", exchange->name);
    challenge_client(&server, &writer, exchange->binding, secret.channel_binding,
                     secret.channel_binding_length);
    cr_assert_eq(step(login, 11, server.first, strlen(server.first), &writer), LOGIN_SEND);
    expect_proof(&server, &writer);
    cr_expect_eq(step(login, 12, server.final, strlen(server.final), &writer), LOGIN_WAIT);
    cr_expect_eq(step(login, 0, NULL, 0, &writer), LOGIN_DONE);
    login_free(&login);
    cr_expect_null(login);
    writer_fini(&writer);
}

Test(login, scram_with_a_password_or_with_the_keys_of_its_verifier)
{
    struct scram scram;
    struct scram_challenge challenge;
    struct scram_keys keys;
    cr_assert(scram_begin(&scram, SCRAM_UNBOUND, NULL, 0, "", NONCE));
    cr_assert(
        scram_read_challenge(&scram, bytes_of(SERVER_FIRST), strlen(SERVER_FIRST), &challenge));
    cr_assert(derive("pencil", &challenge, &keys));
    for (size_t i = 0; i < COUNT(exchanges); i++) {
        struct login_secret by_password = {.user = "u", .password = "pencil"};
        struct login_secret by_keys = {
            .user = "u", .client_key = keys.client, .server_key = keys.server};
        run_exchange(&exchanges[i], by_password);
        run_exchange(&exchanges[i], by_keys);
    }
}

// Brings a login up to where the server's final message is due.
static struct login *
answered(struct server *server, struct writer *writer)
{
    struct login_secret secret = {.user = "u", .password = "pencil"};
    struct login *login = login_new(&secret);
    cr_assert_eq(step(login, 10, PLAIN, sizeof(PLAIN), writer), LOGIN_SEND);
    challenge_client(server, writer, SCRAM_UNBOUND, NULL, 0);
    cr_assert_eq(step(login, 11, server->first, strlen(server->first), writer), LOGIN_SEND);
    expect_proof(server, writer);
    return login;
}

Test(login, a_server_that_does_not_prove_itself_is_refused)
{
    struct server server;
    struct writer writer;
    writer_init(&writer);
    struct login *login = answered(&server, &writer);
    cr_expect_eq(step(login, 0, NULL, 0, &writer), LOGIN_JUNK, "Ok before the proof");
    login_free(&login);
    for (size_t i = 0; i < 48; i++) { // every letter of the signature counts, and the padding
        login = answered(&server, &writer);
        size_t length = strlen(server.final);
        if (i < length) {
            server.final[i] = server.final[i] == 'A' ? 'Z' : 'A';
        } else {
            length = i - length;
        }
        cr_expect_eq(step(login, 12, server.final, length, &writer), LOGIN_JUNK, "letter %zu", i);
        login_free(&login);
    }
    login = answered(&server, &writer);
    cr_expect_eq(step(login, 12, "e=invalid-proof", 15, &writer), LOGIN_JUNK);
    login_free(&login);
    writer_fini(&writer);
}

Test(login, passwords_in_clear_and_by_md5)
{
    struct login_secret secret = {.user = "u", .password = "pencil"};
    struct login *login = login_new(&secret);
    struct writer writer;
    writer_init(&writer);
    cr_assert_eq(step(login, 3, NULL, 0, &writer), LOGIN_SEND);
    cr_expect_arr_eq(writer.bytes, "p\0\0\0\13pencil", 12);
    cr_assert_eq(step(login, 5, "\1\2\3\4", 4, &writer), LOGIN_SEND);
    // md5(md5("pencilu") || 01020304)
    cr_expect_str_eq((char *)writer.bytes + 5, "md54567f87c27458471591fac9bc78f16f4");
    cr_expect_eq(writer.length, 5u + 36u);
    cr_expect_eq(step(login, 0, NULL, 0, &writer), LOGIN_DONE);
    login_free(&login);
    writer_fini(&writer);
}

Test(login, what_cannot_be_answered_is_told)
{
    static const uint8_t key[SCRAM_KEY];
    const struct login_secret none = {.user = "u"};
    const struct login_secret password = {.user = "u", .password = "p"};
    const struct login_secret keys = {.user = "u", .client_key = key, .server_key = key};
    const struct login_secret half = {.user = "u", .client_key = key};
    const struct {
        const struct login_secret *secret;
        uint32_t code;
        const char *data;
        size_t length;
        enum login_status status;
    } cases[] = {
        {&none, 0, "", 0, LOGIN_DONE},
        {&none, 0, "x", 1, LOGIN_JUNK},
        {&none, 3, "", 0, LOGIN_NO_SECRET},
        {&keys, 3, "", 0, LOGIN_NO_SECRET},
        {&none, 5, "abcd", 4, LOGIN_NO_SECRET},
        {&keys, 5, "abcd", 4, LOGIN_NO_SECRET},
        {&password, 5, "abc", 3, LOGIN_JUNK},
        {&password, 5, "abcde", 5, LOGIN_JUNK},
        {&none, 10, PLAIN, sizeof(PLAIN), LOGIN_NO_SECRET},
        {&half, 10, PLAIN, sizeof(PLAIN), LOGIN_NO_SECRET},
        {&password, 10, "OAUTHBEARER\0", 13, LOGIN_UNSUPPORTED},
        {&password, 10, "SCRAM-SHA-256-PLUS\0", 20, LOGIN_UNSUPPORTED},
        {&password, 10, "SCRAM-SHA-256", 13, LOGIN_JUNK},
        {&password, 10, "", 0, LOGIN_JUNK},
        {&password, 11, SERVER_FIRST, sizeof(SERVER_FIRST) - 1, LOGIN_JUNK},
        {&password, 12, "v=", 2, LOGIN_JUNK},
        {&password, 7, "", 0, LOGIN_UNSUPPORTED},
        {&password, 9, "", 0, LOGIN_UNSUPPORTED},
        {&password, 13, "", 0, LOGIN_UNSUPPORTED},
        {&password, 1000, "", 0, LOGIN_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct writer writer;
        writer_init(&writer);
        struct login *login = login_new(cases[i].secret);
        cr_expect_eq(step(login, cases[i].code, cases[i].data, cases[i].length, &writer),
                     cases[i].status, "case %zu", i);
        login_free(&login);
        writer_fini(&writer);
    }
    struct login *login = login_new(&password);
    struct writer writer;
    writer_init(&writer);
    cr_expect_eq(login_step(login, (const uint8_t *)"\0\0\0", 3, &writer), LOGIN_JUNK);
    login_free(&login);
    writer_fini(&writer);
}
