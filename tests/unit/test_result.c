// Results as they are built from servers' messages: what ends them, what is junk, what they keep.
#include "compare/result.h"
#include <criterion/criterion.h>
#include <string.h>

#define BODY(text) (const uint8_t *)(text), sizeof(text) - 1

// RowDescription with one int4 column "id", text format.
#define ONE_COLUMN "\0\1id\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"

Test(result, rows_end_with_their_tag)
{
    struct result result;
    result_init(&result);
    cr_assert_eq(result_add(&result, 'T', BODY(ONE_COLUMN)), RESULT_OK);
    cr_assert_eq(result_add(&result, 'D',
                            BODY("\0\1\0\0\0\1"
                                 "7")),
                 RESULT_OK);
    cr_assert_eq(result_add(&result, 'D', BODY("\0\1\xff\xff\xff\xff")), RESULT_OK);
    cr_assert_eq(result_add(&result, 'C', BODY("SELECT 2\0")), RESULT_ENDED);
    cr_expect_eq(result.kind, RESULT_ROWS);
    cr_expect_eq(result.row_count, 2);
    cr_expect_eq(result.column_count, 1);
    cr_expect_str_eq(result.columns[0].name, "id");
    cr_expect_eq(result.columns[0].type, 23);
    cr_expect_str_eq(result.tag, "SELECT 2");
    cr_expect(result_memory(&result) >= result.rows_length);
    cr_expect_eq(result_add(&result, 'C', BODY("SELECT 2\0")), RESULT_JUNK);
    result_fini(&result);
}

Test(result, each_end_has_its_kind)
{
    static const struct {
        char type;
        const char *body;
        size_t length;
        enum result_kind kind;
    } cases[] = {
        {'C', "SELECT 0", 9, RESULT_ROWS},    {'C', "SET", 4, RESULT_COMMAND},
        {'C', "SELECTED", 9, RESULT_COMMAND}, {'I', "", 0, RESULT_COMMAND},
        {'s', "", 0, RESULT_PARTIAL},         {'E', "C42P01\0Mno\0", 12, RESULT_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result result;
        result_init(&result);
        cr_expect_eq(result_add(&result, 'n', NULL, 0), RESULT_OK);
        cr_expect_eq(
            result_add(&result, cases[i].type, (const uint8_t *)cases[i].body, cases[i].length),
            RESULT_ENDED, "case %zu", i);
        cr_expect_eq(result.kind, cases[i].kind, "case %zu", i);
        result_fini(&result);
    }
}

Test(result, error_keeps_state_and_message)
{
    struct result result;
    result_init(&result);
    cr_assert_eq(result_add(&result, 'E', BODY("SERROR\0C42P01\0Mno table\0\0")), RESULT_ENDED);
    cr_expect_str_eq(result.sqlstate, "42P01");
    cr_expect_str_eq(result.message, "no table");
    result_fini(&result);
}

Test(result, junk_is_refused)
{
    static const struct {
        const char *what;
        char type;
        const char *body;
        size_t length;
    } cases[] = {
        {"a row narrower than the columns", 'D', "\0\0", 2},
        {"a row wider than the columns", 'D', "\0\2\0\0\0\0\0\0\0\0", 10},
        {"a value past the end", 'D',
         "\0\1\0\0\0\5"
         "ab",
         8},
        {"a value of length -2", 'D', "\0\1\xff\xff\xff\xfe", 6},
        {"bytes after the row", 'D',
         "\0\1\0\0\0\1"
         "7x",
         8},
        {"an empty row message", 'D', "", 0},
        {"a tag without its end", 'C', "SELECT", 6},
        {"an error without SQLSTATE", 'E', "Mno\0\0", 5},
        {"an SQLSTATE of 4 characters", 'E', "C42P0\0\0", 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result result;
        result_init(&result);
        cr_assert_eq(result_add(&result, 'T', BODY(ONE_COLUMN)), RESULT_OK);
        cr_expect_eq(
            result_add(&result, cases[i].type, (const uint8_t *)cases[i].body, cases[i].length),
            RESULT_JUNK, "%s", cases[i].what);
        result_fini(&result);
    }
}

Test(result, set_columns_applies_formats_as_bind_says_them)
{
    struct reply_column columns[] = {{.name = "a", .type = 23}, {.name = "b", .type = 25}};
    static const struct {
        int16_t formats[2];
        size_t count;
        int16_t expected[2];
    } cases[] = {{{0, 0}, 0, {0, 0}}, {{1, 0}, 1, {1, 1}}, {{0, 1}, 2, {0, 1}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result result;
        result_init(&result);
        cr_assert(result_set_columns(&result, columns, 2, cases[i].formats, cases[i].count));
        cr_expect_eq(result.columns[0].format, cases[i].expected[0]);
        cr_expect_eq(result.columns[1].format, cases[i].expected[1]);
        cr_expect_eq(result_add(&result, 'D',
                                BODY("\0\1\0\0\0\1"
                                     "7")),
                     RESULT_JUNK);
        result_fini(&result);
    }
    struct result result;
    result_init(&result);
    cr_assert_eq(result_add(&result, 'D',
                            BODY("\0\1\0\0\0\1"
                                 "7")),
                 RESULT_OK);
    cr_expect(!result_set_columns(&result, columns, 2, NULL, 0), "the rows have one value");
    cr_expect(result_set_columns(&result, columns, 1, NULL, 0));
    result_fini(&result);
}

static void
digest_of(const char *row, size_t length, const char *name, uint64_t digest[2])
{
    struct result result;
    struct reply_column column = {.name = name, .type = 25};
    result_init(&result);
    cr_assert(result_set_columns(&result, &column, 1, NULL, 0));
    cr_assert_eq(result_add(&result, 'D', (const uint8_t *)row, length), RESULT_OK);
    cr_assert_eq(result_add(&result, 'C', BODY("SELECT 1\0")), RESULT_ENDED);
    result_digest(&result, digest);
    result_fini(&result);
}

Test(result, digest_sees_values_and_names)
{
    uint64_t first[2], again[2], other[2], renamed[2];
    digest_of("\0\1\0\0\0\1"
              "7",
              7, "a", first);
    digest_of("\0\1\0\0\0\1"
              "7",
              7, "a", again);
    digest_of("\0\1\0\0\0\1"
              "8",
              7, "a", other);
    digest_of("\0\1\0\0\0\1"
              "7",
              7, "b", renamed);
    cr_expect_arr_eq(first, again, sizeof first);
    cr_expect_arr_neq(first, other, sizeof first);
    cr_expect_arr_neq(first, renamed, sizeof first);
}
