// Only a unit that is one read and nothing else may go to new; what new answers is presented as old's or
// not at all; and a key is found where the configuration says.
#include "compare/sql/effect.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include "proxy/canary/canary_columns.h"
#include "proxy/canary/canary_key.h"
#include "proxy/canary/canary_rewrite.h"
#include "proxy/canary/canary_unit.h"
#include <criterion/criterion.h>
#include <string.h>

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
        is_taken = canary_unit_write(&unit, &(struct recode_sides){0}, "0", &messages, &length);
        if (is_taken) {
            free(messages);
        }
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

static struct canary_column
column(uint32_t to, uint32_t from, int16_t format)
{
    struct canary_types types = {.is_utf8 = true};
    struct reply_column old_column = {.name = "a", .type = to, .type_modifier = -1};
    struct reply_column new_column = {
        .name = "a", .type = from, .type_modifier = -1, .format = format};
    struct canary_column column;
    canary_column_init(&column, &types, &old_column, &new_column);
    return column;
}

Test(canary, columns_are_olds_by_name)
{
    struct canary_types types = {0};
    struct reply_column old_column = {.name = "a", .type = 23}, new_column = old_column;
    struct canary_column same;
    canary_column_init(&same, &types, &old_column, &new_column);
    cr_assert_eq(same.outcome, RECODE_AS_IS);
    new_column.name = "b";
    canary_column_init(&same, &types, &old_column, &new_column);
    cr_assert_eq(same.outcome, RECODE_IMPOSSIBLE);
}

// Two columns, int8 as int4 and jsonb as json, in binary.
static bool
converts(const char *value, size_t length, size_t limit, const char *expected,
         size_t expected_length)
{
    struct canary_column columns[] = {column(23, 20, 1), column(114, 3802, 1)};
    struct writer in, out;
    writer_init(&in);
    writer_init(&out);
    writer_count(&in, 2);
    writer_value(&in, value, length);
    writer_value(&in, "\1{}", 3);
    bool is_fine = canary_row_convert(&out, columns, 2, in.bytes, in.length, limit);
    if (is_fine) {
        cr_assert_eq(out.length, 5 + 2 + 4 + expected_length + 4 + 2);
        cr_assert_eq(memcmp(out.bytes + 11, expected, expected_length), 0);
        cr_assert_eq(memcmp(out.bytes + 11 + expected_length, "\0\0\0\2{}", 6), 0);
        cr_assert_not(canary_row_convert(&out, columns, 2, in.bytes, in.length - 1, limit),
                      "cut off");
    }
    writer_fini(&in);
    writer_fini(&out);
    canary_column_fini(&columns[0]);
    canary_column_fini(&columns[1]);
    return is_fine;
}

Test(canary, rows_are_olds_or_not_put_at_all)
{
    cr_assert(converts("\xff\xff\xff\xff\xff\xff\xff\xfe", 8, 100, "\xff\xff\xff\xfe", 4));
    cr_assert_not(converts("\0\0\0\1\0\0\0\0", 8, 100, "", 0));
    cr_assert(converts(NULL, 0, 100, "", 0));
    cr_assert_not(converts("\0\0\0\0\0\0\0\1", 8, 12, "", 0), "over the limit");
}

static struct state *
state_of(const char *const *statements, const char *application_name)
{
    const char *const parameters[] = {"app.tenant", "at login", "application_name", "at login"};
    struct state *state = state_new(parameters, 2);
    cr_assert(state);
    for (; *statements; statements++) {
        struct effect *effects;
        size_t count;
        cr_assert(effects_of(*statements, strlen(*statements), NULL, &effects, &count));
        for (size_t i = 0; i < count; i++) {
            cr_assert(state_apply(state, &effects[i]));
        }
        effects_free(&effects, count);
    }
    cr_assert(!application_name || state_reported(state, "application_name", application_name));
    return state;
}

#define LONG_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_256 LONG_64 LONG_64 LONG_64 LONG_64

Test(canary, keys_are_where_the_configuration_says)
{
    static const struct {
        enum cohort_key key;
        const char *name;
        const char *set[3];
        const char *reported, *sql, *value;
        bool is_sessions;
    } cases[] = {
        {COHORT_SESSION, "", {NULL}, "app", "", "0123456789abcdef", true},
        {COHORT_USER,
         "",
         {"SET ROLE other", "SET SESSION AUTHORIZATION other"},
         "app",
         "",
         "web",
         true},
        {COHORT_CLIENT_ADDR, "", {NULL}, "app", "", "10.0.0.7", true},
        {COHORT_APPLICATION_NAME, "", {NULL}, "till 4", "", "till 4", false},
        {COHORT_APPLICATION_NAME,
         "",
         {"SET application_name = 'x'"},
         "till 4",
         "",
         "till 4",
         false},
        {COHORT_APPLICATION_NAME, "", {NULL}, NULL, "", "", false},
        {COHORT_APPLICATION_NAME, "", {NULL}, LONG_256, "", "", false},
        {COHORT_PARAMETER, "Application_Name", {NULL}, "till 4", "", "till 4", false},
        {COHORT_PARAMETER, "app.tenant", {NULL}, "app", "", "at login", false},
        {COHORT_PARAMETER,
         "APP.tenant",
         {"SET app.tenant TO 'o''neil'"},
         "app",
         "",
         "o'neil",
         false},
        {COHORT_PARAMETER, "app.tenant", {"SET app.tenant TO ''"}, "app", "", "", false},
        {COHORT_PARAMETER,
         "app.tenant",
         {"SET app.tenant TO '" LONG_256 "'"},
         "app",
         "",
         "",
         false},
        {COHORT_PARAMETER, "app.other", {NULL}, "app", "", "", false},
        {COHORT_PARAMETER,
         "app.tenant",
         {"SELECT set_config('app.tenant', x(), false)"},
         "app",
         "",
         "",
         false},
        {COHORT_COMMENT,
         "tenant",
         {NULL},
         "app",
         "SELECT 1 /*a='b',tenant='c%20d'*/",
         "c d",
         false},
        {COHORT_COMMENT, "tenant", {NULL}, "app", "/*tenant='c'*/ SELECT 1", "c", false},
        {COHORT_COMMENT, "tenant", {NULL}, "app", "SELECT 1 /*tenant='" LONG_256 "'*/", "", false},
        {COHORT_COMMENT, "tenant", {"SET tenant TO 'x'"}, "app", "SELECT 1", "", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct state *state = state_of(cases[i].set, cases[i].reported);
        struct state_snapshot *snapshot = state_snapshot(state);
        struct configuration_canary canary = {
            .key = cases[i].key, .key_name = (char *)(uintptr_t)cases[i].name, .salt = ""};
        struct canary_subject subject = {.session = "0123456789abcdef",
                                         .user = "web",
                                         .client_address = "10.0.0.7",
                                         .state = snapshot,
                                         .sql = cases[i].sql,
                                         .sql_length = strlen(cases[i].sql)};
        char key[CANARY_KEY_MAX];
        canary_key_of(&canary, &subject, key);
        cr_expect_str_eq(key, cases[i].value, "case %zu: %s", i, key);
        cr_expect_eq(canary_key_is_sessions(&canary), cases[i].is_sessions, "case %zu", i);
        // What is the session's own needs nothing else; what is not, is none without it.
        subject = (struct canary_subject){
            subject.session, subject.user, subject.client_address, NULL, NULL, 0};
        canary_key_of(&canary, &subject, key);
        cr_expect_str_eq(key, cases[i].is_sessions ? cases[i].value : "", "case %zu: %s", i, key);
        state_snapshot_unref(&snapshot);
        state_free(&state);
    }
}

Test(canary, lists_win_over_places_and_exclude_over_include)
{
    static const struct {
        const char *key;
        unsigned percent;
        enum canary_standing standing;
        bool is_in;
    } cases[] = {
        {"alice", 0, CANARY_KEY_IS_PLACED, false},
        {"alice", 6348, CANARY_KEY_IS_PLACED, false}, // her place
        {"alice", 6349, CANARY_KEY_IS_PLACED, true},
        {"alice", 10000, CANARY_KEY_IS_PLACED, true},
        {"Alice", 0, CANARY_KEY_IS_INCLUDED, true},
        {"o'neil", 0, CANARY_KEY_IS_INCLUDED, true},
        {"bob", 10000, CANARY_KEY_IS_EXCLUDED, false},
        {"both", 10000, CANARY_KEY_IS_EXCLUDED, false},
        {"", 10000, CANARY_KEY_IS_EMPTY, false},
    };
    char *include[] = {"Alice", "both", "o'neil", ""}, *exclude[] = {"both", "bob"};
    struct configuration_canary canary = {
        .salt = "", .include = include, .include_count = 4, .exclude = exclude, .exclude_count = 2};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct canary_key_place place = canary_key_place(&canary, cases[i].key, cases[i].percent);
        cr_expect_eq(place.standing, cases[i].standing, "case %zu", i);
        cr_expect_eq(place.is_in, cases[i].is_in, "case %zu", i);
        cr_expect_eq(place.place == -1, cases[i].key[0] == '\0', "case %zu", i);
    }
}
