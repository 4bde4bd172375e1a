// The server's side of a login against our own client's side, and against what it must refuse.
#include "protocol/challenge.h"
#include "protocol/login.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const uint8_t seed[32] = {1, 2, 3};

// Leads both sides to the end, and gives the server's last word.
static enum challenge_status
exchange(const char *user, const char *secret, const char *password)
{
    struct challenge *challenge = challenge_new(user, secret, seed);
    struct login_secret known = {.user = user, .password = password};
    struct login *login = login_new(&known);
    struct writer server, client;
    enum challenge_status status = CHALLENGE_FAILED;

    cr_assert_not_null(challenge);
    cr_assert_not_null(login);
    writer_init(&server);
    writer_init(&client);
    status = challenge_begin(challenge, &server);
    for (int i = 0; i < 4 && status == CHALLENGE_SEND; i++) {
        cr_assert_eq(login_step(login, server.bytes + 5, server.length - 5, &client), LOGIN_SEND);
        writer_clear(&server);
        status = challenge_step(challenge, client.bytes + 5, client.length - 5, &server);
        writer_clear(&client);
    }
    // The server has proved itself to the client.
    if (status == CHALLENGE_PASSED && server.length > 0)
        cr_expect_eq(login_step(login, server.bytes + 5, server.length - 5, &client), LOGIN_WAIT);
    writer_fini(&server);
    writer_fini(&client);
    login_free(&login);
    challenge_free(&challenge);
    return status;
}

// Made by PostgreSQL 15 for the password `pencil`.
static const char verifier[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

Test(challenge, admits_the_right_secret_only)
{
    cr_expect_eq(exchange("ann", "pencil", "pencil"), CHALLENGE_PASSED);
    cr_expect_eq(exchange("ann", "pencil", "pencils"), CHALLENGE_REFUSED);
    cr_expect_eq(exchange("user", verifier, "pencil"), CHALLENGE_PASSED);
    cr_expect_eq(exchange("user", verifier, "Pencil"), CHALLENGE_REFUSED);
    // md5 of "pencilann"
    cr_expect_eq(exchange("ann", "md5d48eaaf14fb8bb5f3f9a1a5d56d5b8d4", "pencil"),
                 CHALLENGE_REFUSED);
}

Test(challenge, leads_unknown_users_through_the_whole_exchange)
{
    cr_expect_eq(exchange("nobody", NULL, "pencil"), CHALLENGE_REFUSED);
    cr_expect_eq(exchange("nobody", "", ""), CHALLENGE_REFUSED);
    cr_expect_eq(exchange("ann", "SCRAM-SHA-256$junk", "pencil"), CHALLENGE_REFUSED);
}

Test(challenge, gives_an_unknown_user_the_same_salt_each_time)
{
    char salts[2][64] = {"", ""};

    for (int i = 0; i < 2; i++) {
        struct challenge *challenge = challenge_new("nobody", NULL, seed);
        struct writer writer;
        static const char first[] = "SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=abcd";

        writer_init(&writer);
        cr_assert_eq(challenge_begin(challenge, &writer), CHALLENGE_SEND);
        writer_clear(&writer);
        cr_assert_eq(challenge_step(challenge, (const uint8_t *)first, sizeof first - 1, &writer),
                     CHALLENGE_SEND);

        const char *salt = memmem(writer.bytes, writer.length, ",s=", 3);

        cr_assert_not_null(salt);
        snprintf(salts[i], sizeof salts[i], "%.24s", salt + 3);
        writer_fini(&writer);
        challenge_free(&challenge);
    }
    cr_expect_str_eq(salts[0], salts[1]);
}

static const struct junk {
    const char *bytes;
    size_t length;
} junk[] = {
    {"", 0},
    {"SCRAM-SHA-256", 13},
    {"SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=ab", 28},
    {"SCRAM-SHA-256\0\xff\xff\xff\xff", 18},
    {"SCRAM-SHA-256-PLUS\0\0\0\0\x0cn,,n=,r=abcd", 35},
    {"SCRAM-SHA-256\0\0\0\0\x0cp=x,,r=abcde", 30},
    {"SCRAM-SHA-256\0\0\0\0\x0cn,a=b,r=abcd", 30},
    {"SCRAM-SHA-256\0\0\0\0\x08n,,n=,r=", 26},
};

Test(challenge, refuses_junk)
{
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        struct challenge *challenge = challenge_new("ann", "pencil", seed);
        struct writer writer;

        writer_init(&writer);
        cr_assert_eq(challenge_begin(challenge, &writer), CHALLENGE_SEND);
        cr_expect_eq(
            challenge_step(challenge, (const uint8_t *)junk[i].bytes, junk[i].length, &writer),
            CHALLENGE_JUNK, "%zu", i);
        cr_expect_eq(
            challenge_step(challenge, (const uint8_t *)junk[i].bytes, junk[i].length, &writer),
            CHALLENGE_JUNK, "nothing goes on after junk");
        writer_fini(&writer);
        challenge_free(&challenge);
    }
}
