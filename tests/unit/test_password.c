// Passwords become what PostgreSQL makes of them: libpq, which has PostgreSQL's own code for that, makes the
// verifiers here.
#include "protocol/password.h"

#include "protocol/scram_keys.h"
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 40 };

static PGconn *nowhere; // PQencryptPasswordConn wants a connection, and asks it nothing

static bool
opens(const char *password, const char *made_from)
{
    char *text = PQencryptPasswordConn(nowhere, made_from, "ann", "scram-sha-256");
    struct scram_verifier theirs, ours;
    cr_assert_not_null(text, "%s", PQerrorMessage(nowhere));
    cr_assert(scram_verifier_read(&theirs, text));
    PQfreemem(text);
    cr_assert(
        scram_verifier_make(&ours, password, theirs.salt, theirs.salt_length, theirs.iterations));
    return memcmp(ours.stored, theirs.stored, SCRAM_KEY) == 0;
}

static void
set_up(void)
{
    nowhere = PQconnectStart("host=/nowhere");
    cr_assert_not_null(nowhere);
}

static void
tear_down(void)
{
    PQfinish(nowhere);
}

TestSuite(password, .init = set_up, .fini = tear_down);

static const struct prepared {
    const char *password, *prepared;
} table[] = {
    {"pencil", "pencil"},
    {"", ""},
    {"\x01 \x7f", "\x01 \x7f"}, // ASCII is left alone
    {"pen\xc2\xa0"              // a non-breaking space
     "cil",
     "pen cil"},
    {"\xef\xac\x81sh", "fish"}, // a ligature
    {"I\xc2\xadX", "IX"},       // a soft hyphen: RFC 4013, example 1
    {"\xc2\xaa", "a"},          // example 4
    {"\xe2\x85\xa8", "IX"},     // example 5
    {"e\xcc\x81", "\xc3\xa9"},  // composed
    {"\xef\xb7\xba", "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
                     "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85"},
    {"\xd7\x90\xe2\x84\xa2\xd7\x90",
     "\xd7\x90TM\xd7\x90"}, // letters of both directions only once it is normalised
    // what cannot be prepared stays as it is
    {"\xe4rger", "\xe4rger"},         // Latin-1
    {"a\xc2", "a\xc2"},               // cut
    {"\xed\xa0\x80", "\xed\xa0\x80"}, // a surrogate
    {"\xc0\xaf", "\xc0\xaf"},         // overlong
    {"\xf4\x90\x80\x80", "\xf4\x90\x80\x80"},
    {"\xef\xac\x81\x07", "\xef\xac\x81\x07"}, // a control character beside the ligature
    {"\xd8\xa7"
     "1",
     "\xd8\xa7"
     "1"}, // example 7: right to left, and ends otherwise
    {"\xef\xac\x81\xd7\x90", "\xef\xac\x81\xd7\x90"},                 // both directions
    {"\xf0\x9f\x94\x91\xef\xac\x81", "\xf0\x9f\x94\x91\xef\xac\x81"}, // unassigned in Unicode 3.2
    {"\xef\xac\x81\xee\x80\x80", "\xef\xac\x81\xee\x80\x80"},         // private use
    {"\xcd\x80\xef\xac\x81", "\xcd\x80\xef\xac\x81"}, // U+0340, forbidden as it is typed
    {"\xc2\xad", "\xc2\xad"},                         // nothing would be left
};

Test(password, is_prepared_as_saslprep_says_or_left_alone)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *prepared = password_prepare(table[i].password);
        cr_assert_not_null(prepared);
        cr_expect_str_eq(prepared, table[i].prepared, "%zu", i);
        free(prepared);
    }
}

Test(password, opens_the_verifier_that_postgresql_makes_of_it)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].password[0] != '\0') {
            cr_expect(opens(table[i].password, table[i].password), "%zu", i);
        }
    }
    cr_expect_not(opens("pencil", "fish"));
}

static void
put_character(char **at, uint32_t code)
{
    if (code < 0x80) {
        *(*at)++ = (char)code;
    } else if (code < 0x800) {
        *(*at)++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *(*at)++ = (char)(0xe0 | code >> 12);
        *(*at)++ = (char)(0x80 | (code >> 6 & 63));
    } else {
        *(*at)++ = (char)(0xf0 | code >> 18);
        *(*at)++ = (char)(0x80 | (code >> 12 & 63));
        *(*at)++ = (char)(0x80 | (code >> 6 & 63));
    }
    if (code >= 0x80) {
        *(*at)++ = (char)(0x80 | (code & 63));
    }
    **at = '\0';
}

// Characters of all planes that are not dull, by a generator of its own so that each run is the same.
Test(password, random_passwords_become_what_postgresql_makes_of_them)
{
    static const uint32_t ranges[][2] = {
        {0x20, 0x7e},     {0xa0, 0x17f},      {0x300, 0x345},     {0x590, 0x6ff},
        {0x1e00, 0x20ff}, {0x2100, 0x24ff},   {0x3000, 0x33ff},   {0xac00, 0xac80},
        {0xf900, 0xfaff}, {0xfb00, 0xfdff},   {0xfe00, 0xffff},   {0xe000, 0xe010},
        {0x340, 0x341},   {0x1d100, 0x1d7ff}, {0x1f300, 0x1f6ff},
    };
    const char *more = getenv("PASSWORD_ROUNDS");
    int rounds = more != NULL ? atoi(more) : ROUNDS;
    uint32_t state = 1;
    size_t changed = 0;
    for (int i = 0; i < rounds; i++) {
        char password[64] = "";
        char *at = password;
        for (int j = 0; j < 1 + i % 4; j++) {
            state = state * 1664525 + 1013904223;
            const uint32_t *range = ranges[(state >> 16) % (sizeof(ranges) / sizeof(ranges[0]))];
            state = state * 1664525 + 1013904223;
            put_character(&at, range[0] + (state >> 8) % (range[1] - range[0] + 1));
        }
        char *prepared = password_prepare(password);
        changed += strcmp(prepared, password) != 0;
        free(prepared);
        cr_expect(opens(password, password), "%s", password);
    }
    cr_expect_gt(changed, (size_t)rounds / 10);
}
