// Only a unit that is one read and nothing else may go to new; what new answers is presented as old's or
// not at all; and a key is found where the configuration says.
#include "protocol/message.h"
#include "protocol/reader.h"
#include "proxy/canary/canary_columns.h"
#include "proxy/canary/canary_key.h"
#include "proxy/canary/canary_rewrite.h"
#include "proxy/canary/canary_unit.h"
#include <criterion/criterion.h>
#include <string.h>

static struct canary_column
column(enum canary_conversion conversion, uint32_t old_type)
{
    return (struct canary_column){conversion, old_type};
}

static bool
takes(struct writer *writer, void *const *statements)
{
    struct canary_unit unit;
    cr_assert_not(writer->failed);
    bool is_taken =
        canary_unit_read(&unit, writer->bytes, writer->length, statements) == CANARY_UNIT_READS;
    if (is_taken) {
        uint8_t *messages;
        size_t length;
        cr_assert(canary_unit_write(&unit, &messages, &length));
        free(messages);
    }
    canary_unit_fini(&unit);
    return is_taken;
}

Test(canary, takes_statements_that_are_no_commands)
{
    static const struct {
        const char *sql;
        bool is_taken;
    } cases[] = {
        {"select 1", true},           {"select 1;", true}, {" /* c */ select 1 ; ; ", true},
        {"select 1; select 2", true}, {"begin", false},    {"begin; select 1", false},
        {"select 1; commit", false},  {"", false},         {"select 'unterminated", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct writer writer;
        writer_init(&writer);
        request_write_query(&writer, cases[i].sql);
        cr_assert_eq(takes(&writer, &(void *){NULL}), cases[i].is_taken, "%s", cases[i].sql);
        request_write_query(&writer, "select 2");
        cr_assert_not(takes(&writer, &(void *){NULL}), "two units: %s", cases[i].sql);
        writer_fini(&writer);
    }
}

struct shape_of_unit {
    const char *parse, *bind, *portal; // statements' names; parse NULL: no Parse
    uint32_t type;
    int32_t row_limit;
    bool has_close, is_synced, is_taken;
    unsigned executes;
};

static void
write_unit(struct writer *writer, const struct shape_of_unit *shape)
{
    struct parse_request parse = {shape->parse, "select $1", (uint32_t *)&shape->type, 1};
    struct bind_value value = {(const uint8_t *)"1", 1, 0};
    struct bind_request bind = {
        .portal = shape->portal, .statement = shape->bind, .values = &value, .value_count = 1};
    if (shape->has_close) {
        request_write_close(writer, 'S', "gone");
    }
    if (shape->parse) {
        request_write_parse(writer, &parse);
    }
    request_write_bind(writer, &bind);
    for (unsigned i = 0; i < shape->executes; i++) {
        request_write_execute(writer, shape->portal, shape->row_limit);
    }
    if (shape->is_synced) {
        request_write_sync(writer);
    }
}

Test(canary, takes_one_execution_of_a_known_statement)
{
    static const struct shape_of_unit shapes[] = {
        {"", "", "", 23, 0, false, true, true, 1},
        {"", "", "", 23, 0, true, true, true, 1},
        {"named", "named", "", 23, 0, false, true, true, 1},
        {NULL, "known", "", 23, 0, false, true, true, 1},
        {NULL, "unknown", "", 23, 0, false, true, false, 1},
        {NULL, "", "", 23, 0, false, true, false, 1},
        {"named", "known", "", 23, 0, false, true, true, 1},
        {"", "", "portal", 23, 0, false, true, true, 1},
        {"", "", "", 23, 5, false, true, false, 1},
        {"", "", "", 23, 0, false, true, false, 2},
        {"", "", "", 23, 0, false, false, false, 1},
        {"", "", "", 99999, 0, false, true, false, 1}, // a type that a user made
    };
    void *statements = NULL;
    struct statement *known =
        statement_new(&(struct parse_request){.statement = "known", .sql = "select $1"}, false);
    cr_assert(statements_put(&statements, known));
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        struct writer writer;
        writer_init(&writer);
        write_unit(&writer, &shapes[i]);
        cr_assert_eq(takes(&writer, &statements), shapes[i].is_taken, "case %zu", i);
        writer_fini(&writer);
    }
    statements_clear(&statements);
}

Test(canary, the_shadow_sees_the_describe_that_was_added)
{
    struct shape_of_unit shape = {"", "", "", 23, 0, false, true, true, 1};
    struct canary_unit unit;
    struct capture capture;
    struct capture_cursor cursor;
    struct message message;
    struct writer writer;
    char types[8] = "";
    writer_init(&writer);
    write_unit(&writer, &shape);
    cr_assert_eq(canary_unit_read(&unit, writer.bytes, writer.length, &(void *){NULL}),
                 CANARY_UNIT_READS);
    capture_init(&capture);
    cr_assert(canary_unit_capture(&unit, &capture));
    capture_cursor_init(&cursor, &capture);
    while (capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        types[strlen(types)] = message.type;
    }
    cr_assert_str_eq(types, "PBDES");
    capture_cursor_fini(&cursor);
    capture_fini(&capture);
    canary_unit_fini(&unit);
    writer_fini(&writer);
}

Test(canary, a_read_is_rewritten_as_another_of_its_shape_was)
{
    static char sql[] = "select a from t where b = 'x' and c > 1 /* one */",
                new_sql[] =
                    "select a from (select q as a from v) t where b = 'x' and c > 1 /* one */",
                turned[] = "select a from v where c > 1 and b = 'x'",
                foreign[] = "select \"\xc3\xa9\" 'x' 1";
    static const struct {
        char *new_sql;
        bool is_whole;
        const char *sql, *expected; // NULL: left to old
    } cases[] = {
        {new_sql, false, sql, new_sql},
        {new_sql, true, sql, new_sql},
        {new_sql, false, "select a from t where b = 'it''s' and c > 2.5 /* two */",
         "select a from (select q as a from v) t where b = 'it''s' and c > 2.5 /* one */"},
        {new_sql, true, "select a from t where b = 'y' and c > 1", NULL},
        {new_sql, false, "select a from t where b = 'x' and d > 1", NULL},
        {new_sql, false, "select a from t where b = 'x' and c > 'x'", NULL},
        {new_sql, false, "select a from t where b = 'x'", NULL},
        {turned, false, sql, turned},
        {turned, false, "select a from t where b = 'y' and c > 2", NULL},
        {foreign, false, sql, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct shape_rewrite known = {
            .sql = sql, .new_sql = cases[i].new_sql, .is_whole = cases[i].is_whole};
        struct canary_read read = {.sql = cases[i].sql, .sql_length = strlen(cases[i].sql)};
        cr_assert_eq(canary_rewrite(&read, &known), cases[i].expected != NULL, "case %zu", i);
        cr_assert(!read.new_sql || strcmp(read.new_sql, cases[i].expected) == 0, "case %zu: %s", i,
                  read.new_sql);
        free(read.new_sql);
    }
}

Test(canary, columns_are_olds_or_wider)
{
    static const struct {
        uint32_t to, from;
        int16_t format;
        enum canary_conversion conversion;
    } cases[] = {
        {23, 23, 1, CANARY_AS_IS},
        {23, 20, 0, CANARY_CHECK_INTEGER},
        {23, 20, 1, CANARY_RECODE_INTEGER},
        {23, 1700, 0, CANARY_CHECK_INTEGER},
        {23, 1700, 1, CANARY_NO_CONVERSION},
        {1043, 25, 1, CANARY_AS_IS},
        {114, 3802, 0, CANARY_AS_IS},
        {114, 3802, 1, CANARY_JSONB_TO_JSON},
        {20000, 20000, 1, CANARY_NO_CONVERSION}, // numbers of users' types say nothing
        {20000, 30000, 0, CANARY_AS_IS},
        {1114, 1184, 0, CANARY_NO_CONVERSION},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct reply_column to = {.name = "a", .type = cases[i].to};
        struct reply_column from = {.name = "a", .type = cases[i].from, .format = cases[i].format};
        cr_assert_eq(canary_column_conversion(&to, &from), cases[i].conversion, "case %zu", i);
        from.name = "b";
        cr_assert_eq(canary_column_conversion(&to, &from), CANARY_NO_CONVERSION);
    }
}

static bool
converts(struct canary_column to, const void *value, size_t length, const void *expected,
         size_t expected_length)
{
    struct writer in, out;
    writer_init(&in);
    writer_init(&out);
    writer_count(&in, 1);
    writer_value(&in, value, length);
    bool is_fine = canary_row_convert(&out, &to, 1, in.bytes, in.length);
    if (is_fine) {
        cr_assert_eq(out.length, 5 + 2 + 4 + expected_length);
        cr_assert_eq(memcmp(out.bytes + 11, expected, expected_length), 0);
    }
    writer_fini(&in);
    writer_fini(&out);
    return is_fine;
}

Test(canary, values_that_do_not_fit_are_olds)
{
    struct canary_column text = column(CANARY_CHECK_INTEGER, 23);
    struct canary_column binary = column(CANARY_RECODE_INTEGER, 23);
    struct canary_column json = column(CANARY_JSONB_TO_JSON, 114);
    cr_assert(converts(text, "2147483647", 10, "2147483647", 10));
    cr_assert_not(converts(text, "2147483648", 10, "", 0));
    cr_assert_not(converts(text, "1.5", 3, "", 0));
    cr_assert(converts(binary, "\xff\xff\xff\xff\xff\xff\xff\xfe", 8, "\xff\xff\xff\xfe", 4));
    cr_assert_not(converts(binary, "\0\0\0\1\0\0\0\0", 8, "", 0));
    cr_assert(converts(json, "\1{}", 3, "{}", 2));
    cr_assert_not(converts(json, "\2{}", 3, "", 0));
    cr_assert(converts(binary, NULL, 0, "", 0));
}

Test(canary, keys_are_where_the_configuration_says)
{
    struct state_snapshot state = {.replay = "SET a TO 'x'; SET app.tenant TO 'o''neil'"};
    struct configuration_canary canary = {
        .key = COHORT_PARAMETER, .key_name = "app.tenant", .salt = ""};
    const char *sql = "/*controller='a',tenant='b%20c'*/ select 1";
    struct canary_subject subject = {
        .state = &state, .sql = sql, .sql_length = strlen(sql), .user = "u"};
    char key[CANARY_KEY_MAX];
    canary_key_of(&canary, &subject, key);
    cr_assert_str_eq(key, "o'neil");
    canary.key = COHORT_COMMENT;
    canary.key_name = "tenant";
    canary_key_of(&canary, &subject, key);
    cr_assert_str_eq(key, "b c");
    canary.key_name = "missing";
    canary_key_of(&canary, &subject, key);
    cr_assert_str_eq(key, "");
    cr_assert_not(canary_key_is_in(&canary, key, 10000));
    canary.key = COHORT_USER;
    canary_key_of(&canary, &subject, key);
    cr_assert(canary_key_is_in(&canary, key, 10000));
    cr_assert_not(canary_key_is_in(&canary, key, 0));
    canary.include = (char *[]){"u"};
    canary.include_count = 1;
    cr_assert(canary_key_is_in(&canary, key, 0));
    canary.exclude = canary.include;
    canary.exclude_count = 1;
    cr_assert_not(canary_key_is_in(&canary, key, 10000));
}
