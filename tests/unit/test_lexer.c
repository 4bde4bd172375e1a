// The lexer agrees with PostgreSQL on where tokens, comments and statements end; shapes are equal for
// statements that differ in what does not change their analysis, and only for those.
#include "compare/sql/lexer.h"
#include "compare/sql/shape.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct kinds {
    const char *sql;
    const char *kinds; // one letter a token
};

static const char letters[] = {
    [LEXER_END] = '.',      [LEXER_WORD] = 'w',        [LEXER_QUOTED_WORD] = 'q',
    [LEXER_STRING] = 's',   [LEXER_NUMBER] = 'n',      [LEXER_PARAMETER] = 'p',
    [LEXER_OPERATOR] = 'o', [LEXER_PUNCTUATION] = ',', [LEXER_COMMENT] = 'c',
    [LEXER_JUNK] = 'J'};

static const struct kinds token_cases[] = {
    {"", ""},
    {"SELECT 1", "wn"},
    {"select 'it''s'", "ws"},
    {"select 'a\\' , 1", "ws,n"},
    {"select E'a\\'b', e'\\\\'", "ws,s"},
    {"select U&'d\\0061t' , u&\"x\"", "ws,q"},
    {"select B'101', x'ff', N'n'", "ws,s,s"},
    {"select $$a;b$$, $t$ $$ ' $t$", "ws,s"},
    {"select $1, $23", "wp,p"},
    {"a$b$c", "w"},
    {"\"a\"\"b\"", "q"},
    {"/* a /* b */ c */ x", "cw"},
    {"-- x\ny", "cw"},
    {"1.5e-3 .5 1 .. 2", "nnn,,n"},
    {"a=-1", "woon"},
    {"a @-1", "won"},
    {"a--b", "wc"},
    {"a*/*c*/b", "wocw"},
    {"a::int[1]", "w,w,n,"},
    {"a:=1", "w,n"},
    {"'open", "J"},
    {"\"open", "J"},
    {"$x$ open", "J"},
    {"/* open /* */", "J"},
    {"E'open\\'", "J"},
    {"caf\xc3\xa9", "w"},
};

Test(lexer, finds_the_tokens_that_postgresql_finds)
{
    for (size_t i = 0; i < sizeof(token_cases) / sizeof(token_cases[0]); i++) {
        char found[64] = "";
        size_t count = 0;
        struct lexer lexer;
        struct lexer_token token;
        // A copy of exactly that size: reading past it is seen by the sanitizer.
        size_t length = strlen(token_cases[i].sql);
        char *sql = memcpy(malloc(length + (length == 0)), token_cases[i].sql, length);
        lexer_init(&lexer, sql, length);
        for (;;) {
            lexer_next(&lexer, &token);
            if (token.kind == LEXER_END || count == sizeof(found) - 1)
                break;
            found[count++] = letters[token.kind];
        }
        free(sql);
        cr_expect_str_eq(found, token_cases[i].kinds, "%s: %s", token_cases[i].sql, found);
    }
}

struct pieces {
    char text[512];
    size_t count;
};

static bool
collect(void *context, const char *statement, size_t length)
{
    struct pieces *pieces = context;
    (void)strncat(pieces->text, statement, length);
    (void)strcat(pieces->text, "|");
    pieces->count++;
    return true;
}

static const struct {
    const char *sql;
    bool is_split;
    const char *pieces;
} split_cases[] = {
    {"", true, ""},
    {" ; ; ", true, ""},
    {"select 1", true, "select 1|"},
    {"select 1;", true, "select 1|"},
    {"select 1; select 2", true, "select 1|select 2|"},
    {"select ';'; select $$;$$ -- ;\n; /* ; */ select 3", true,
     "select ';'|select $$;$$ -- ;|select 3|"},
    {"create rule r as on insert to t do (select 1; select 2); select 3", true,
     "create rule r as on insert to t do (select 1; select 2)|select 3|"},
    {"create function f() returns int begin atomic select 1; end", false, ""},
    {"select 'open", false, ""},
    {"begin; select 1; commit", true, "begin|select 1|commit|"},
};

Test(lexer, splits_a_query_into_its_statements)
{
    for (size_t i = 0; i < sizeof(split_cases) / sizeof(split_cases[0]); i++) {
        struct pieces pieces = {"", 0};
        const char *sql = split_cases[i].sql;
        cr_expect_eq(lexer_split(sql, strlen(sql), collect, &pieces), split_cases[i].is_split, "%s",
                     sql);
        if (split_cases[i].is_split)
            cr_expect_str_eq(pieces.text, split_cases[i].pieces, "%s: %s", sql, pieces.text);
    }
}

Test(lexer, finds_the_first_word)
{
    static const char *const cases[][2] = {
        {"SELECT 1", "select"},
        {"/* a */ (( select 1))", "select"},
        {"", ""},
        {"-- x\n  Begin", "begin"},
        {"1", ""},
        {"\"select\"", ""},
        {"a_word_that_is_longer_than_thirty_one_characters x", "a_word_that_is_longer_than_thir"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char word[32];
        lexer_first_word(cases[i][0], strlen(cases[i][0]), word);
        cr_expect_str_eq(word, cases[i][1], "%s: %s", cases[i][0], word);
    }
}

static bool
key_of(const char *sql, const struct shape_context *context, struct shape_key *key)
{
    return shape_key_of(sql, strlen(sql), context, key);
}

static const struct {
    const char *one, *other;
    bool is_equal;
} shape_cases[] = {
    {"select * from t where id = 1", "SELECT  *\nfrom T where ID = 22 -- x", true},
    {"select * from t where id = 1", "select * from t where id = '1'", false},
    {"select * from t where a = 'x'", "select * from t where a = E'y\\n'", true},
    {"select * from t where a like 'x%'", "select * from t where a like 'y%'", true},
    {"select * from t where a in (1, 2, 3)", "select * from t where a in (4)", true},
    {"select * from t where a in (1, 2) and b = 1", "select * from t where a in (3) and b = 2",
     true},
    {"select a, b from t order by 1", "select a, b from t order by 2", false},
    {"select a, b from t group by 1", "select a, b from t group by 2", false},
    {"select a from t limit 1", "select a from t limit 2", false},
    {"select a from t limit 1 offset 2", "select a from t limit 1 offset 3", false},
    {"select a from t fetch first 2 rows only", "select a from t fetch first 3 rows only", false},
    {"select 'a'::text from t", "select 'b'::text from t", false},
    {"select cast('a' as text) from t", "select cast('b' as text) from t", false},
    {"select timestamp '2020-01-01' from t", "select timestamp 'now' from t", false},
    {"select f('2020-01-01') from t", "select f('now') from t", false},
    {"explain (costs off) select 1", "explain (costs on) select 1", false},
    {"explain (buffers 1) select 1", "explain (buffers 0) select 1", false},
    {"select \"user\" from t", "select user from t", false},
    {"select a from t", "select b from t", false},
    {"select ab from t", "select a b from t", false},
    {"select a from (select 1 order by 1) s where x = 1",
     "select a from (select 1 order by 1) s where x = 2", true},
    {"select $1 from t", "select $2 from t", false},
    {"/* tenant 1 */ select a from t", "select a from t", true},
};

Test(shape, is_equal_for_what_has_the_same_analysis)
{
    struct shape_context context = {NULL, 0, 0, 0};
    for (size_t i = 0; i < sizeof(shape_cases) / sizeof(shape_cases[0]); i++) {
        struct shape_key one, other;
        cr_assert(key_of(shape_cases[i].one, &context, &one));
        cr_assert(key_of(shape_cases[i].other, &context, &other));
        cr_expect_eq(one.high == other.high && one.low == other.low, shape_cases[i].is_equal,
                     "%s | %s", shape_cases[i].one, shape_cases[i].other);
    }
}

Test(shape, depends_on_types_state_and_epoch)
{
    const uint32_t types[] = {23, 25};
    const struct shape_context contexts[] = {
        {NULL, 0, 0, 0}, {types, 1, 0, 0}, {types, 2, 0, 0}, {NULL, 0, 1, 0}, {NULL, 0, 0, 1}};
    struct shape_key keys[5];
    for (size_t i = 0; i < 5; i++) {
        cr_assert(key_of("select $1", &contexts[i], &keys[i]));
        for (size_t k = 0; k < i; k++)
            cr_expect(keys[i].low != keys[k].low || keys[i].high != keys[k].high);
    }
    struct shape_key key;
    cr_expect_not(key_of("select 'open", &contexts[0], &key));
}
