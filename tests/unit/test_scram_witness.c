// An exchange seen from beside: its keys open what holds the same verifier, and nothing else gives any.
#include "exact.h"
#include "scram_exchange.h"
#include <stdio.h>

// Another verifier for the same password: the salt is another.
#define OTHER_SALT "pencil"

// The example of RFC 7677, as the messages of a login, and the verifier that it is about.
static const struct said {
    bool is_client;
    const char *bytes;
    size_t length;
} rfc_7677[] = {
#define SERVER(text)                                                                               \
    {                                                                                              \
        false, text, sizeof(text) - 1                                                              \
    }
#define CLIENT(text)                                                                               \
    {                                                                                              \
        true, text, sizeof(text) - 1                                                               \
    }
    SERVER("\0\0\0\x0aSCRAM-SHA-256\0"),
    CLIENT("SCRAM-SHA-256\0\0\0\0\x20n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
    SERVER("\0\0\0\x0br=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
           "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
    CLIENT("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
           "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
    SERVER("\0\0\0\x0cv=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
    SERVER("\0\0\0\0"),
};

static void
tell(struct scram_witness *witness, bool is_client, const void *bytes, size_t length)
{
    uint8_t *copy = exact(bytes, length);
    if (is_client) {
        scram_witness_client(witness, copy, length);
    } else {
        scram_witness_server(witness, copy, length);
    }
    free(copy);
}

static bool
is_without_keys(const struct scram_witness *witness)
{
    struct scram_keys keys;
    return !scram_witness_keys(witness, PENCIL, &keys);
}

Test(scram_witness, takes_the_keys_from_the_exchange_of_rfc_7677)
{
    struct scram_witness *witness = scram_witness_new();
    struct scram_keys keys, wanted;
    struct scram_verifier verifier;
    cr_assert(scram_verifier_read(&verifier, PENCIL));
    cr_assert(scram_keys_derive("pencil", verifier.salt, verifier.salt_length, 4096, &wanted));
    for (size_t i = 0; i < COUNT(rfc_7677); i++) {
        cr_expect_eq(is_without_keys(witness), i < 5, "before message %zu", i);
        tell(witness, rfc_7677[i].is_client, rfc_7677[i].bytes, rfc_7677[i].length);
    }
    cr_assert(scram_witness_keys(witness, PENCIL, &keys));
    cr_expect_arr_eq(keys.client, wanted.client, SCRAM_KEY);
    cr_expect_arr_eq(keys.server, wanted.server, SCRAM_KEY);
    scram_witness_free(&witness);
    cr_expect_null(witness);
}

// Each message changed in one byte, cut short, left out or said twice: no keys, and no harm.
Test(scram_witness, no_other_exchange_gives_keys)
{
    size_t changed = 0;
    for (size_t message = 0; message < 5; message++) {
        for (size_t at = 0; at < rfc_7677[message].length; at++) {
            for (int how = 0; how < 2; how++) {
                struct scram_witness *witness = scram_witness_new();
                for (size_t i = 0; i < COUNT(rfc_7677); i++) {
                    const struct said *said = &rfc_7677[i];
                    char bytes[256];
                    memcpy(bytes, said->bytes, said->length);
                    bytes[at] ^= i == message && how == 0 ? 1 : 0;
                    tell(witness, said->is_client, bytes,
                         i == message && how == 1 ? at : said->length);
                }
                // Not signed: which mechanisms there are, and the header but for its length.
                // Nor the bits of base64's last letter that are over.
                bool is_signed = !(message == 4 && at == 48) && !(message == 0 && at >= 4) &&
                                 !(message == 1 && how == 0 && (at == 18 || at == 19 || at == 20));
                cr_expect(is_without_keys(witness) || !is_signed, "message %zu at %zu (%d)",
                          message, at, how);
                changed += is_signed;
                scram_witness_free(&witness);
            }
        }
    }
    cr_expect_gt(changed, 300u);
    for (size_t message = 0; message < 5; message++) {
        for (size_t times = 0; times < 3; times += 2) {
            struct scram_witness *witness = scram_witness_new();
            for (size_t i = 0; i < COUNT(rfc_7677); i++) {
                for (size_t j = 0; j < (i == message ? times : 1); j++) {
                    tell(witness, rfc_7677[i].is_client, rfc_7677[i].bytes, rfc_7677[i].length);
                }
            }
            cr_expect(is_without_keys(witness), "message %zu, %zu times", message, times);
            scram_witness_free(&witness);
        }
    }
}

static const struct said junk[] = {
    CLIENT(""),
    CLIENT("pencil\0"),
    CLIENT("SCRAM-SHA-256"),
    CLIENT("SCRAM-SHA-256\0\xff\xff\xff\xff"),
    CLIENT("SCRAM-SHA-256\0\0\0\0\0"),
    CLIENT("SCRAM-SHA-256\0\0\0\0\2n,"),
    CLIENT("SCRAM-SHA-256\0\0\0\0\4n,,\0"),
    CLIENT("SCRAM-SHA-512\0\0\0\0\x0cn,,n=,r=abcd"),
    SERVER(""),
    SERVER("\0\0\0"),
    SERVER("\0\0\0\3"),
    SERVER("\0\0\0\5abcd"),
    SERVER("\0\0\0\x0b"),
    SERVER("\0\0\0\x0br=\0"),
    SERVER("\0\0\0\x0ce=other-error"),
    SERVER("\0\0\0\x0cv="),
    SERVER("\0\0\0\x0cv=AAAA"),
    SERVER("\xff\xff\xff\xff"),
};

Test(scram_witness, junk_and_other_methods_are_forgotten)
{
    char huge[5000] = {0};
    memset(huge, ',', sizeof(huge));
    memcpy(huge, "\0\0\0\x0b", 4);
    for (size_t before = 0; before < 5; before++) {
        for (size_t i = 0; i <= COUNT(junk); i++) {
            struct scram_witness *witness = scram_witness_new();
            for (size_t j = 0; j < before; j++) {
                tell(witness, rfc_7677[j].is_client, rfc_7677[j].bytes, rfc_7677[j].length);
            }
            if (i < COUNT(junk)) {
                tell(witness, junk[i].is_client, junk[i].bytes, junk[i].length);
            } else {
                tell(witness, before & 1, huge, sizeof(huge));
            }
            for (size_t j = before; j < COUNT(rfc_7677); j++) {
                tell(witness, rfc_7677[j].is_client, rfc_7677[j].bytes, rfc_7677[j].length);
            }
            // Before anything was said there is nothing that junk could spoil.
            cr_expect(before == 0 || is_without_keys(witness), "%zu after %zu", i, before);
            // It can be used for the next login.
            tell(witness, false, "\0\0\0\3", 4);
            for (size_t j = 0; j < COUNT(rfc_7677); j++) {
                tell(witness, rfc_7677[j].is_client, rfc_7677[j].bytes, rfc_7677[j].length);
            }
            cr_expect_not(is_without_keys(witness));
            scram_witness_free(&witness);
        }
    }
}

Test(scram_witness, verifiers_of_others_give_no_keys)
{
    static const char *const verifiers[] = {
        "",
        "pencil",
        "md5d48eaaf14fb8bb5f3f9a1a5d56d5b8d4",
        "SCRAM-SHA-256$junk",
        // StoredKey, then ServerKey, in one bit
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$XG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":xfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    };
    struct scram_witness *witness = scram_witness_new();
    struct scram_keys keys;
    static const struct scram_keys none;
    for (size_t i = 0; i < COUNT(rfc_7677); i++) {
        tell(witness, rfc_7677[i].is_client, rfc_7677[i].bytes, rfc_7677[i].length);
    }
    for (size_t i = 0; i < COUNT(verifiers); i++) {
        memset(&keys, 0, sizeof(keys));
        cr_expect_not(scram_witness_keys(witness, verifiers[i], &keys), "%s", verifiers[i]);
        cr_expect_eq(memcmp(&keys, &none, sizeof(keys)), 0, "nothing is left");
    }
    cr_expect(scram_witness_keys(witness, PENCIL, &keys));
    scram_witness_free(&witness);
}

Test(scram_witness, what_it_saw_opens_every_server_with_the_same_verifier)
{
    for (int binding = 0; binding < 4; binding++) {
        struct challenge_settings settings = {
            .method = CHALLENGE_BY_SCRAM,
            .user = "ann",
            .secret = PENCIL,
            .mock_seed = mock_seed,
            .channel_binding = binding & 1 ? server_hash : NULL,
            .channel_binding_length = binding & 1 ? sizeof(server_hash) : 0,
        };
        struct login_secret secret = {.user = "ann", .password = "pencil"};
        if (binding & 2) {
            secret.channel_binding = server_hash;
            secret.channel_binding_length = sizeof(server_hash);
        }
        struct scram_witness *witness = scram_witness_new();
        struct outcome outcome = run_exchange(&settings, &secret, witness);
        struct scram_keys keys;
        cr_assert_eq(outcome.server, CHALLENGE_PASSED);
        cr_assert(scram_witness_keys(witness, PENCIL, &keys));
        cr_expect_eq(memcmp(&keys, &outcome.keys, sizeof(keys)), 0);
        scram_witness_free(&witness);

        secret.password = NULL;
        secret.client_key = keys.client;
        secret.server_key = keys.server;
        cr_expect_eq(run_exchange(&settings, &secret, NULL).client, LOGIN_DONE);
        settings.secret = OTHER_SALT;
        cr_expect_eq(run_exchange(&settings, &secret, NULL).server, CHALLENGE_REFUSED);
    }
}

Test(scram_witness, a_refused_login_gives_no_keys)
{
    struct challenge_settings settings = {
        .method = CHALLENGE_BY_SCRAM, .user = "ann", .secret = PENCIL, .mock_seed = mock_seed};
    struct login_secret secret = {.user = "ann", .password = "wrong"};
    struct scram_witness *witness = scram_witness_new();
    cr_assert_eq(run_exchange(&settings, &secret, witness).server, CHALLENGE_REFUSED);
    cr_expect(is_without_keys(witness));
    scram_witness_free(&witness);
}
