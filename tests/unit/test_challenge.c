// The server's side of a login against our own client's side, and against what it must refuse.
#include "exact.h"
#include "protocol/password.h"
#include "scram_exchange.h"
#include <openssl/evp.h>
#include <stdio.h>

static struct challenge_settings
settings_for(enum challenge_method method, const char *secret, bool is_tls)
{
    return (struct challenge_settings){
        .method = method,
        .user = "ann",
        .secret = secret,
        .mock_seed = mock_seed,
        .channel_binding = is_tls ? server_hash : NULL,
        .channel_binding_length = is_tls ? sizeof(server_hash) : 0,
    };
}

// What a challenge begins with: the code of the message, and the first mechanism.
static void
look_at_offer(const struct challenge_settings *settings, int *code, char mechanism[32])
{
    struct challenge *challenge = challenge_new(settings);
    struct writer writer;
    writer_init(&writer);
    cr_assert_eq(challenge_begin(challenge, &writer), CHALLENGE_SEND);
    *code = writer.bytes[8];
    snprintf(mechanism, 32, "%s", *code == 10 ? (const char *)writer.bytes + 9 : "");
    writer_fini(&writer);
    challenge_free(&challenge);
}

#define MD5 "md5e0fa7a37ff0a7d1b6e7a4b0d2c3f9d11"

enum { SCRAM, BY_MD5 };

static const struct kind {
    const char *secret;
    int asked[3];   // by method: SCRAM or BY_MD5
    bool admits[3]; // the password `pencil`
} kinds[] = {
    {"pencil", {SCRAM, BY_MD5, SCRAM}, {true, true, true}},
    {"MD5", {SCRAM, BY_MD5, BY_MD5}, {false, true, true}}, // stands for the right one
    {PENCIL, {SCRAM, SCRAM, SCRAM}, {true, true, true}},
    {NULL, {SCRAM, BY_MD5, SCRAM}, {false, false, false}},
    {"", {SCRAM, BY_MD5, SCRAM}, {false, false, false}},
    {"SCRAM-SHA-256$junk", {SCRAM, SCRAM, SCRAM}, {false, false, false}},
    {"md5 is not what this is", {SCRAM, BY_MD5, SCRAM}, {false, false, false}},
};

Test(challenge, each_method_admits_the_right_secret_alone)
{
    char kept[PASSWORD_MD5_TEXT + 1];
    cr_assert(password_md5("pencil", 6, "ann", 3, kept));
    for (size_t i = 0; i < COUNT(kinds) * 3 * 2 * 2; i++) {
        const struct kind *kind = &kinds[i / 12];
        int method = (int)(i / 4 % 3);
        bool is_server_tls = i & 1, is_client_tls = i & 2;
        const char *secret =
            kind->secret != NULL && strcmp(kind->secret, "MD5") == 0 ? kept : kind->secret;
        struct challenge_settings settings =
            settings_for((enum challenge_method)method, secret, is_server_tls);
        struct login_secret known = {.user = "ann", .password = "pencil"};
        if (is_client_tls) {
            known.channel_binding = server_hash;
            known.channel_binding_length = sizeof(server_hash);
        }
        int code;
        char mechanism[32];
        look_at_offer(&settings, &code, mechanism);
        cr_expect_eq(code, kind->asked[method] == SCRAM ? 10 : 5, "%zu", i);
        cr_expect_str_eq(mechanism, code != 10      ? ""
                                    : is_server_tls ? "SCRAM-SHA-256-PLUS"
                                                    : "SCRAM-SHA-256");
        struct outcome outcome = run_exchange(&settings, &known, NULL);
        cr_expect_eq(outcome.server, kind->admits[method] ? CHALLENGE_PASSED : CHALLENGE_REFUSED,
                     "%zu", i);
        cr_expect_eq(outcome.has_keys, kind->admits[method] && code == 10, "%zu", i);
        cr_expect(!kind->admits[method] || outcome.client == LOGIN_DONE, "%zu", i);
        static const char *const wrong[] = {"pencils", "Pencil", "penci", "", PENCIL};
        for (size_t j = 0; j < COUNT(wrong); j++) {
            known.password = wrong[j];
            outcome = run_exchange(&settings, &known, NULL);
            cr_expect_eq(outcome.server, CHALLENGE_REFUSED, "%zu by %s", i, wrong[j]);
            cr_expect_not(outcome.has_keys);
        }
        known.password = NULL;
        known.md5 = kept;
        outcome = run_exchange(&settings, &known, NULL);
        cr_expect_eq(outcome.server == CHALLENGE_PASSED, kind->admits[method] && code == 5, "%zu",
                     i);
        cr_expect(code == 5 || outcome.client == LOGIN_NO_SECRET);
    }
}

Test(challenge, a_channel_that_ends_elsewhere_is_refused)
{
    static const uint8_t other[32] = {'H', 'a', 's', 'h'};
    struct challenge_settings settings = settings_for(CHALLENGE_BY_SCRAM, PENCIL, true);
    struct login_secret known = {.user = "ann",
                                 .password = "pencil",
                                 .channel_binding = other,
                                 .channel_binding_length = sizeof(other)};
    cr_expect_eq(run_exchange(&settings, &known, NULL).server, CHALLENGE_JUNK);
    known.channel_binding = server_hash;
    known.channel_binding_length = sizeof(server_hash) - 1;
    cr_expect_eq(run_exchange(&settings, &known, NULL).server, CHALLENGE_JUNK);
}

Test(challenge, its_keys_open_what_holds_the_same_verifier)
{
    struct challenge_settings settings = settings_for(CHALLENGE_BY_SCRAM, PENCIL, true);
    struct login_secret known = {.user = "ann", .password = "pencil"};
    struct outcome outcome = run_exchange(&settings, &known, NULL);
    cr_assert(outcome.has_keys);
    struct login_secret keys = {
        .user = "ann", .client_key = outcome.keys.client, .server_key = outcome.keys.server};
    cr_expect_eq(run_exchange(&settings, &keys, NULL).server, CHALLENGE_PASSED);
    settings.secret = "pencil"; // with another salt
    cr_expect_eq(run_exchange(&settings, &keys, NULL).server, CHALLENGE_REFUSED);
}

// The messages of a client that says exactly this: the state behind the first of them, and what the
// server answered.
static enum challenge_status
say_first(struct challenge *challenge, const void *bytes, size_t length, struct writer *writer)
{
    uint8_t *copy = exact(bytes, length);
    cr_assert_eq(challenge_begin(challenge, writer), CHALLENGE_SEND);
    writer_clear(writer);
    enum challenge_status status = challenge_step(challenge, copy, length, writer);
    free(copy);
    return status;
}

#define FIRST "SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=abcd"

static void
look_at_salt(const char *user, const char *secret, char salt[64])
{
    struct challenge_settings settings = settings_for(CHALLENGE_BY_SCRAM, secret, false);
    settings.user = user;
    struct challenge *challenge = challenge_new(&settings);
    struct writer writer;
    writer_init(&writer);
    cr_assert_eq(say_first(challenge, FIRST, sizeof(FIRST) - 1, &writer), CHALLENGE_SEND);
    const char *at = memmem(writer.bytes, writer.length, ",s=", 3);
    cr_assert_not_null(at);
    snprintf(salt, 64, "%.*s", (int)((const char *)writer.bytes + writer.length - at), at);
    writer_fini(&writer);
    challenge_free(&challenge);
}

Test(challenge, salts_do_not_tell_who_exists)
{
    char unknown[64], again[64], plain[64], md5[64], other[64];
    look_at_salt("nobody", NULL, unknown);
    look_at_salt("nobody", NULL, again);
    look_at_salt("nobody", "pencil", plain);
    look_at_salt("nobody", MD5, md5);
    look_at_salt("somebody", NULL, other);
    cr_expect_str_eq(unknown, again);
    cr_expect_str_eq(unknown, plain);
    cr_expect_str_eq(unknown, md5);
    cr_expect_str_neq(unknown, other);
    cr_expect_eq(strlen(unknown), strlen(",s=") + 24 + strlen(",i=4096"));
}

#define SAYS(text) text, sizeof(text) - 1

static const struct junk {
    const char *bytes;
    size_t length;
} junk[] = {
    {SAYS("")},
    {SAYS("SCRAM-SHA-256")},
    {SAYS("SCRAM-SHA-256\0")},
    {SAYS("SCRAM-SHA-256\0\0\0\0")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=abcd")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x0dn,,n=,r=abcd")},
    {SAYS("SCRAM-SHA-256\0\xff\xff\xff\xff")},
    {SAYS("SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=abcd")},
    {SAYS("SCRAM-SHA-1\0\0\0\0\x0cn,,n=,r=abcd")},
    {SAYS("\0\0\0\0\x0cn,,n=,r=abcd")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\0")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\1n")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\3n,,")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x08n,,n=,r=")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x06n,,n=,")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x05n,,n=")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x09n,,r=abcd")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x0fn,a=b,n=,r=abcd")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x10n,,m=x,n=,r=abcd")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=ab\0d")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=ab d")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=ab\xc3\xa4")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x0cx,,n=,r=abcd")},
    {SAYS("SCRAM-SHA-256\0\0\0\0\x21p=tls-server-end-point,,n=,r=abcd")}, // without -PLUS
};

Test(challenge, refuses_junk)
{
    for (size_t i = 0; i < 2 * COUNT(junk); i++) {
        struct challenge_settings settings = settings_for(CHALLENGE_BY_SCRAM, "pencil", i & 1);
        struct challenge *challenge = challenge_new(&settings);
        struct writer writer;
        writer_init(&writer);
        cr_expect_eq(say_first(challenge, junk[i / 2].bytes, junk[i / 2].length, &writer),
                     CHALLENGE_JUNK, "%zu", i / 2);
        cr_expect_eq(writer.length, 0u);
        cr_expect_eq(challenge_step(challenge, (const uint8_t *)FIRST, sizeof(FIRST) - 1, &writer),
                     CHALLENGE_JUNK, "nothing goes on after junk");
        writer_fini(&writer);
        challenge_free(&challenge);
    }
}

static const struct header {
    const char *mechanism, *header;
    bool is_tls;
    bool is_taken;
} headers[] = {
    {"SCRAM-SHA-256", "n,,", false, true},
    {"SCRAM-SHA-256", "y,,", false, true},
    {"SCRAM-SHA-256", "n,,", true, true},
    {"SCRAM-SHA-256", "y,,", true, false}, // somebody took -PLUS out of our offer
    {"SCRAM-SHA-256", "p=tls-server-end-point,,", true, false},
    {"SCRAM-SHA-256", "p=tls-server-end-point,,", false, false},
    {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", true, true},
    {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", false, false}, // not offered
    {"SCRAM-SHA-256-PLUS", "p=tls-unique,,", true, false},
    {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,a=x,", true, false},
    {"SCRAM-SHA-256-PLUS", "p,,", true, false},
    {"SCRAM-SHA-256-PLUS", "n,,", true, false},
    {"SCRAM-SHA-256-PLUS", "y,,", true, false},
    {"SCRAM-SHA-256-PLUS", "n,,", false, false},
};

// What a client sends first, with its mechanism and length.
static void
write_initial(struct writer *writer, const char *mechanism, const char *header, const char *rest)
{
    char text[8192];
    int length = snprintf(text, sizeof(text), "%s%s", header, rest);
    writer_string(writer, mechanism);
    writer_value(writer, text, (size_t)length);
}

Test(challenge, the_header_must_fit_the_channel)
{
    for (size_t i = 0; i < COUNT(headers); i++) {
        const struct header *header = &headers[i];
        struct challenge_settings settings =
            settings_for(CHALLENGE_BY_SCRAM, PENCIL, header->is_tls);
        struct challenge *challenge = challenge_new(&settings);
        struct writer client, writer;
        writer_init(&client);
        writer_init(&writer);
        write_initial(&client, header->mechanism, header->header, "n=,r=abcd");
        cr_expect_eq(say_first(challenge, client.bytes, client.length, &writer),
                     header->is_taken ? CHALLENGE_SEND : CHALLENGE_JUNK, "%zu", i);
        writer_fini(&client);
        writer_fini(&writer);
        challenge_free(&challenge);
    }
}

Test(challenge, messages_have_a_limit)
{
    static const size_t nonces[] = {1, 512, 513, 1000, 1023, 1024, 1025, 4000};
    char rest[4096];
    for (size_t i = 0; i < COUNT(nonces); i++) {
        struct challenge_settings settings = settings_for(CHALLENGE_BY_SCRAM, PENCIL, false);
        struct challenge *challenge = challenge_new(&settings);
        struct writer client, writer;
        writer_init(&client);
        writer_init(&writer);
        memcpy(rest, "n=,r=", 5);
        memset(rest + 5, 'x', nonces[i]);
        rest[5 + nonces[i]] = '\0';
        write_initial(&client, "SCRAM-SHA-256", "n,,", rest);
        cr_expect_eq(say_first(challenge, client.bytes, client.length, &writer),
                     nonces[i] <= 512 ? CHALLENGE_SEND : CHALLENGE_JUNK, "%zu", nonces[i]);
        writer_fini(&client);
        writer_fini(&writer);
        challenge_free(&challenge);
    }
}

// client-final-message for a nonce that is filled in where `%s` stands.
#define PROOF "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static const struct final {
    const char *format;
    enum challenge_status status;
} finals[] = {
    {"c=biws,r=%s,p=" PROOF, CHALLENGE_REFUSED},
    {"c=biws,r=%s,x=some,y=thing,p=" PROOF, CHALLENGE_REFUSED},
    {"", CHALLENGE_JUNK},
    {"c=biws", CHALLENGE_JUNK},
    {"c=biws,r=%s", CHALLENGE_JUNK},
    {"c=biws,r=%s,", CHALLENGE_JUNK},
    {"c=biws,r=%s,p=", CHALLENGE_JUNK},
    {"c=biws,p=" PROOF, CHALLENGE_JUNK},
    {"c=biws,r=,p=" PROOF, CHALLENGE_JUNK},
    {"c=biws,r=%sx,p=" PROOF, CHALLENGE_JUNK},
    {"c=biws,r=x%s,p=" PROOF, CHALLENGE_JUNK},
    {"c=biws,r=abcd,p=" PROOF, CHALLENGE_JUNK},
    {"r=%s,p=" PROOF, CHALLENGE_JUNK},
    {"r=%s,c=biws,p=" PROOF, CHALLENGE_JUNK},
    {"c=,r=%s,p=" PROOF, CHALLENGE_JUNK},
    {"c=eSws,r=%s,p=" PROOF, CHALLENGE_JUNK}, // "y,,"
    {"c=biwsAA==,r=%s,p=" PROOF, CHALLENGE_JUNK},
    {"m=x,c=biws,r=%s,p=" PROOF, CHALLENGE_JUNK},
    {"c=biws,r=%s,p=" PROOF "x", CHALLENGE_JUNK},
    {"c=biws,r=%s,p=" PROOF ",x=y", CHALLENGE_JUNK},
    {"c=biws,r=%s,p=AAAA" PROOF, CHALLENGE_JUNK},
    {"c=biws,r=%s,p=AAAA", CHALLENGE_JUNK},
    {"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", CHALLENGE_JUNK},
    {"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA A=", CHALLENGE_JUNK},
};

static void
expect_final(const char *format, size_t tail, enum challenge_status wanted)
{
    struct challenge_settings settings = settings_for(CHALLENGE_BY_SCRAM, PENCIL, false);
    struct challenge *challenge = challenge_new(&settings);
    struct writer writer;
    char nonce[64] = "", text[4096];
    writer_init(&writer);
    cr_assert_eq(say_first(challenge, FIRST, sizeof(FIRST) - 1, &writer), CHALLENGE_SEND);
    snprintf(nonce, sizeof(nonce), "%.28s", (const char *)writer.bytes + 11);
    cr_assert_eq(strncmp(nonce, "abcd", 4), 0);
    writer_clear(&writer);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    int length = snprintf(text, sizeof(text), format, nonce);
#pragma GCC diagnostic pop
    memset(text + length, '\0', tail); // NULs within the message
    uint8_t *copy = exact(text, (size_t)length + tail);
    cr_expect_eq(challenge_step(challenge, copy, (size_t)length + tail, &writer), wanted, "%s",
                 format);
    cr_expect_eq(writer.length, 0u);
    free(copy);
    writer_fini(&writer);
    challenge_free(&challenge);
}

Test(challenge, final_messages_that_are_not_sound_are_refused)
{
    for (size_t i = 0; i < COUNT(finals); i++) {
        expect_final(finals[i].format, 0, finals[i].status);
        expect_final(finals[i].format, 1, CHALLENGE_JUNK);
    }
    char huge[3000] = "c=biws,r=%s,x=";
    memset(huge + strlen(huge), 'x', 2000);
    strcat(huge, ",p=" PROOF);
    expect_final(huge, 0, CHALLENGE_JUNK);
}

Test(challenge, md5_answers_that_are_not_sound_are_refused)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum challenge_status status;
    } cases[] = {
        {SAYS(""), CHALLENGE_JUNK},          {SAYS("md5"), CHALLENGE_JUNK},
        {SAYS("md5\0"), CHALLENGE_REFUSED},  {SAYS(MD5), CHALLENGE_JUNK},
        {SAYS(MD5 "\0"), CHALLENGE_REFUSED}, // what is kept opens nothing
        {SAYS(MD5 "\0\0"), CHALLENGE_JUNK},  {SAYS("\0"), CHALLENGE_REFUSED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct challenge_settings settings = settings_for(CHALLENGE_BY_MD5, MD5, false);
        struct challenge *challenge = challenge_new(&settings);
        struct writer writer;
        writer_init(&writer);
        cr_expect_eq(say_first(challenge, cases[i].bytes, cases[i].length, &writer),
                     cases[i].status, "%zu", i);
        cr_expect_eq(challenge_step(challenge, (const uint8_t *)"x", 2, &writer), CHALLENGE_JUNK);
        writer_fini(&writer);
        challenge_free(&challenge);
    }
}

Test(challenge, verifiers_that_are_malformed_let_nobody_in)
{
    static const char *const verifiers[] = {
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$4096",
        "SCRAM-SHA-256$4096:",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==",
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF ":" PROOF,
        "SCRAM-SHA-256$-1:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF ":" PROOF,
        "SCRAM-SHA-256$4294967296:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF ":" PROOF,
        "SCRAM-SHA-256$99999999999999999999:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF ":" PROOF,
        "SCRAM-SHA-256$4096:$" PROOF ":" PROOF,
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF ":",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$:" PROOF,
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:" PROOF,
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF ":" PROOF "x",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF ":" PROOF ":",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" PROOF PROOF ":" PROOF,
    };
    struct scram_verifier verifier;
    cr_expect(scram_verifier_read(&verifier, PENCIL));
    cr_expect_eq(verifier.salt_length, 16u);
    for (size_t i = 0; i < COUNT(verifiers); i++) {
        size_t length = strlen(verifiers[i]) + 1;
        char *copy = (char *)exact(verifiers[i], length);
        cr_expect_not(scram_verifier_read(&verifier, copy), "%s", copy);
        free(copy);
    }
    char huge[2000] = "SCRAM-SHA-256$4096:";
    memset(huge + strlen(huge), 'A', 1200);
    strcat(huge, "$" PROOF ":" PROOF);
    cr_expect_not(scram_verifier_read(&verifier, huge));
}
