// Whole logins between the client's side (protocol/login.h) and the server's (protocol/challenge.h), with
// somebody beside them who may hear each message.
#ifndef TESTS_UNIT_SCRAM_EXCHANGE_H
#define TESTS_UNIT_SCRAM_EXCHANGE_H

#include "protocol/challenge.h"
#include "protocol/login.h"
#include "protocol/scram_witness.h"
#include <criterion/criterion.h>

static const uint8_t mock_seed[32] = {1, 2, 3};
static const uint8_t server_hash[32] = {'h', 'a', 's', 'h'};

// Made by PostgreSQL 15 for the password `pencil`.
#define PENCIL                                                                                     \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="     \
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

struct outcome {
    enum challenge_status server;
    enum login_status client;
    bool has_keys;
    struct scram_keys keys;
};

static inline struct outcome
run_exchange(const struct challenge_settings *settings, const struct login_secret *secret,
             struct scram_witness *witness)
{
    struct outcome outcome = {.client = LOGIN_JUNK};
    struct challenge *challenge = challenge_new(settings);
    struct login *login = login_new(secret);
    struct writer server, client;
    cr_assert_not_null(challenge);
    cr_assert_not_null(login);
    writer_init(&server);
    writer_init(&client);
    outcome.server = challenge_begin(challenge, &server);
    while (outcome.server == CHALLENGE_SEND) {
        if (witness != NULL) {
            scram_witness_server(witness, server.bytes + 5, server.length - 5);
        }
        writer_wipe(&client);
        outcome.client = login_step(login, server.bytes + 5, server.length - 5, &client);
        if (outcome.client != LOGIN_SEND) {
            break;
        }
        if (witness != NULL) {
            scram_witness_client(witness, client.bytes + 5, client.length - 5);
        }
        writer_clear(&server);
        outcome.server = challenge_step(challenge, client.bytes + 5, client.length - 5, &server);
    }
    if (outcome.server == CHALLENGE_PASSED && server.length > 0) {
        if (witness != NULL) {
            scram_witness_server(witness, server.bytes + 5, server.length - 5);
        }
        outcome.client = login_step(login, server.bytes + 5, server.length - 5, &client);
        cr_expect_eq(outcome.client, LOGIN_WAIT, "the server proved itself");
    }
    if (outcome.server == CHALLENGE_PASSED) {
        outcome.client = login_step(login, (const uint8_t *)"\0\0\0", 4, &client);
        outcome.has_keys = challenge_keys(challenge, &outcome.keys);
        if (witness != NULL) {
            scram_witness_server(witness, (const uint8_t *)"\0\0\0", 4);
        }
    } else {
        cr_expect_not(challenge_keys(challenge, &outcome.keys));
    }
    writer_fini(&server);
    writer_fini(&client);
    login_free(&login);
    challenge_free(&challenge);
    return outcome;
}

#endif
