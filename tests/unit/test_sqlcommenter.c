// A comment's values are read as the sqlcommenter specification writes them, and nothing else is taken for one.
#include "compare/sql/sqlcommenter.h"
#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *sql;
    const char *value; // of `tenant`; "": none
} cases[] = {
    {"SELECT 1 /*tenant='42'*/", "42"},
    {"/*tenant='42'*/ SELECT 1", "42"},
    {"SELECT /*tenant='42'*/ 1", "42"},
    {"SELECT 1; /*tenant='42'*/", "42"},
    {"SELECT 1 /* tenant='42' */", "42"},
    {"SELECT 1 /*action='index',tenant='42',traceparent='00-5bd66ef5-01'*/", "42"},
    {"SELECT 1 /*action='index', tenant='42'\n*/", "42"},
    // Decoded: percents, then quotes with backslashes.
    {"SELECT 1 /*tenant='a%20b'*/", "a b"},
    {"SELECT 1 /*tenant='%2Fparam*d'*/", "/param*d"},
    {"SELECT 1 /*tenant='congo%3Dt61%2Crojo%3D00f0'*/", "congo=t61,rojo=00f0"},
    {"SELECT 1 /*tenant='o%27neil'*/", "o'neil"},
    {"SELECT 1 /*tenant='o\\'neil',b='2'*/", "o'neil"},
    {"SELECT 1 /*b='\\'',tenant='x'*/", "x"},
    {"SELECT 1 /*b=',tenant=\\'1\\'',tenant='x'*/", "x"},
    {"SELECT 1 /*tenant='a\\\\b'*/", "a\\b"},
    {"SELECT 1 /*tenant='a\\b'*/", "a\\b"},
    {"SELECT 1 /*tenant='a%5Cb'*/", "a\\b"},
    {"SELECT 1 /*tenant='%C3%BC'*/", "\xC3\xBC"},
    {"SELECT 1 /*tenant='a+b'*/", "a+b"},
    {"SELECT 1 /*tenant='100%'*/", "100%"},
    {"SELECT 1 /*tenant='%zz%4'*/", "%zz%4"},
    {"SELECT 1 /*te%6Eant='x'*/", "x"},
    // The first of a comment, the last of the comments.
    {"SELECT 1 /*tenant='1',tenant='2'*/", "1"},
    {"/*tenant='1'*/ SELECT 1 /*tenant='2'*/", "2"},
    {"/*tenant='1'*/ SELECT 1 /*action='x'*/", "1"},
    // Nothing, or nothing that may be cut.
    {"SELECT 1 /*tenant=''*/", ""},
    {"SELECT 1 /*tenant='a%00b'*/", ""},
    {"SELECT 1", ""},
    {"", ""},
    {"SELECT 1 /**/", ""},
    {"SELECT 1 /*/", ""},
    {"SELECT 1 /*Tenant='42'*/", ""},
    {"SELECT 1 /*my_tenant='42'*/", ""},
    {"SELECT 1 /*tenant*/", ""},
    {"SELECT 1 /*tenant='*/", ""},
    {"SELECT 1 /*tenant='42*/", ""},
    {"SELECT 1 /*tenant='42\\'*/", ""},
    {"SELECT 1 /*tenant='42' or so*/", ""},
    {"SELECT 1 /*see tenant='42'*/", ""},
    {"SELECT 1 /*tenant='42',*/", ""},
    {"SELECT 1 /*,tenant='42'*/", ""},
    {"SELECT 1 /*tenant=42*/", ""},
    {"SELECT 1 /*tenant:42*/", ""},
    {"SELECT 1 /*+ SeqScan(tenant='42') */", ""},
    {"SELECT 1 -- tenant='42'", ""},
    {"SELECT '/*tenant=''42''*/'", ""},
    {"SELECT $$/*tenant='42'*/$$", ""},
    {"SELECT \"/*tenant='42'*/\" FROM t", ""},
    {"SELECT 1 /* /*tenant='42'*/ */", ""},
    {"SELECT 1 -- /*tenant='42'*/", ""},
    {"SELECT 1 /*tenant='42'*/ 'unterminated", ""},
};

Test(sqlcommenter, finds_the_value_and_nothing_else)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char value[64];
        // Exactly so long: a byte beyond is found.
        size_t length = strlen(cases[i].sql);
        char *sql = malloc(length + (length == 0));
        memcpy(sql, cases[i].sql, length);
        bool is_found = sqlcommenter_value(sql, length, "tenant", value, sizeof(value));
        cr_expect_str_eq(value, cases[i].value, "%s: %s", cases[i].sql, value);
        cr_expect(is_found || cases[i].value[0] == '\0', "%s", cases[i].sql);
        free(sql);
    }
}

Test(sqlcommenter, cuts_no_value)
{
    static const char sql[] = "SELECT 1 /*a='1234567',b='12345678',%20='x'*/";
    char value[8];
    cr_expect(sqlcommenter_value(sql, strlen(sql), "a", value, sizeof(value)));
    cr_expect_str_eq(value, "1234567");
    cr_expect_not(sqlcommenter_value(sql, strlen(sql), "b", value, sizeof(value)));
    cr_expect_str_eq(value, "");
    cr_expect(sqlcommenter_value(sql, strlen(sql), " ", value, sizeof(value)));
    cr_expect_str_eq(value, "x");
}
