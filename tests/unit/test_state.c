// A session's state follows what old accepted, through transactions and savepoints, and its snapshots
// replay it.
#include "compare/sql/effect.h"
#include "compare/sql/state.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {[EFFECT_NONE] = "none",
                                    [EFFECT_SET] = "set",
                                    [EFFECT_SET_LOCAL] = "local",
                                    [EFFECT_RESET] = "reset",
                                    [EFFECT_RESET_ALL] = "reset_all",
                                    [EFFECT_DISCARD_ALL] = "discard_all",
                                    [EFFECT_DISCARD_TEMP] = "discard_temp",
                                    [EFFECT_DISCARD_PLANS] = "discard_plans",
                                    [EFFECT_SET_ROLE] = "role",
                                    [EFFECT_BEGIN] = "begin",
                                    [EFFECT_COMMIT] = "commit",
                                    [EFFECT_ROLLBACK] = "rollback",
                                    [EFFECT_SAVEPOINT] = "savepoint",
                                    [EFFECT_RELEASE] = "release",
                                    [EFFECT_ROLLBACK_TO] = "rollback_to",
                                    [EFFECT_PREPARE] = "prepare",
                                    [EFFECT_EXECUTE] = "execute",
                                    [EFFECT_DEALLOCATE] = "deallocate",
                                    [EFFECT_DEALLOCATE_ALL] = "deallocate_all",
                                    [EFFECT_TEMPORARY] = "temporary",
                                    [EFFECT_TEMPORARY_TYPE] = "temporary_type",
                                    [EFFECT_ALTER] = "alter",
                                    [EFFECT_RENAME] = "rename",
                                    [EFFECT_DROP] = "drop",
                                    [EFFECT_TAINT] = "taint"};

// kind[+local][+chain] name [sql], one a line.
static const struct {
    const char *sql, *effects;
} effect_cases[] = {
    {"SET DateStyle = 'ISO, MDY'", "set datestyle SET \"datestyle\" TO 'ISO, MDY'|"},
    {"SET search_path TO a, \"B\", 'c''d'",
     "set search_path SET \"search_path\" TO 'a', 'B', 'c''d'|"},
    {"SET SESSION x.y = 1", "set x.y SET \"x\".\"y\" TO 1|"},
    {"SET extra_float_digits TO -3", "set extra_float_digits SET \"extra_float_digits\" TO -3|"},
    {"SET LOCAL TimeZone = 'UTC'", "local+local timezone SET \"timezone\" TO 'UTC'|"},
    {"SET TIME ZONE 'Europe/Berlin'", "set timezone SET \"timezone\" TO 'Europe/Berlin'|"},
    {"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
     "set timezone SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE|"},
    {"SET x TO DEFAULT", "reset x|"},
    {"RESET x", "reset x|"},
    {"RESET ALL", "reset_all|"},
    {"SET a = 'b\\c'", "set a SET \"a\" TO  E'b\\\\c'|"},
    {"DELETE FROM t WHERE set_config('search_path', 'x', false) = ''", "set search_path|"},
    {"INSERT INTO t SELECT set_config('a.b', 'x', true)", "local+local a.b|"},
    {"CREATE TABLE t AS SELECT set_config(x, 'x', false) FROM u", "taint set_config|"},
    {"CALL p(set_config('a.b', 'x', false))", "set a.b|"},
    {"EXPLAIN ANALYZE DELETE FROM t WHERE set_config('a.b', 'x', false) = ''", "set a.b|"},
    {"DELETE FROM t WHERE a = 'set_config'", ""},
    {"DECLARE c CURSOR FOR SELECT set_config('a.b', 'x', false)", ""},
    {"SET idle_session_timeout = 5", ""},
    {"SET application_name = 'x'", ""},
    {"SET lock_timeout = 5", ""},
    {"SET x FROM CURRENT", ""},
    {"SET TRANSACTION READ ONLY", ""},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
     "set default_transaction_isolation SET \"default_transaction_isolation\" TO 'serializable'|"},
    {"SET TRANSACTION SNAPSHOT 'x'", "taint+local snapshot|"},
    {"SET ROLE bob", "role role SET ROLE 'bob'|"},
    {"SET ROLE NONE", "role role SET ROLE NONE|"},
    {"SET LOCAL ROLE bob", "role+local role SET ROLE 'bob'|"},
    {"RESET ROLE", "reset role|"},
    {"SET SESSION AUTHORIZATION 'bo''b'",
     "role session_authorization SET SESSION AUTHORIZATION 'bo''b'|"},
    {"SELECT set_config('a.b', 'c''d', false)",
     "set a.b SELECT pg_catalog.set_config('a.b', 'c''d', false)|"},
    {"SELECT set_config('a.b', 'c', true), set_config('d', 'e', false)",
     "local+local a.b SELECT pg_catalog.set_config('a.b', 'c', false)|"
     "set d SELECT pg_catalog.set_config('d', 'e', false)|"},
    {"SELECT set_config('a', $1, true)", "local+local a|"},
    {"SELECT set_config('a', lower('B'), false)", "set a|"},
    {"SELECT set_config('a', NULL, false)", "reset a|"},
    {"SELECT set_config('a', 'b', x())", "set a|"},
    {"SELECT set_config('role', lower('B'), false)", "role role|"},
    {"SELECT set_config('a', 'b', false) FROM t", "set a|"},
    {"SELECT CASE WHEN x() THEN set_config('a', 'b', false) END", "set a|"},
    {"SELECT 1 WHERE SET_CONFIG('a', 'b', false) = ''", "set a|"},
    {"SELECT set_config(x, 'b', true) FROM t", "taint+local set_config|"},
    {"SELECT set_config('application_name', 'b', false)", "none|"},
    {"SELECT 'set_config'", ""},
    {"BEGIN", "begin|"},
    {"START TRANSACTION READ ONLY", "begin|"},
    {"COMMIT", "commit|"},
    {"END", "commit|"},
    {"COMMIT AND CHAIN", "commit+chain|"},
    {"ROLLBACK", "rollback|"},
    {"ABORT", "rollback|"},
    {"SAVEPOINT a", "savepoint a|"},
    {"RELEASE a", "release a|"},
    {"ROLLBACK TO a", "rollback_to a|"},
    {"PREPARE p AS SELECT 1", "prepare p SELECT 1|"},
    {"PREPARE p (int, numeric(1,2)) AS SELECT $1", "prepare p SELECT $1|"},
    {"EXECUTE p(1)", "execute p|"},
    {"DEALLOCATE p", "deallocate p|"},
    {"DEALLOCATE ALL", "deallocate_all|"},
    {"DISCARD ALL", "discard_all|"},
    {"DISCARD TEMP", "discard_temp|"},
    {"DISCARD PLANS", "discard_plans|"},
    {"DISCARD SEQUENCES", ""},
    {"CREATE TEMP TABLE t (a int)", "temporary t|"},
    {"CREATE TABLE pg_temp.t (a int)", "temporary t|"},
    {"CREATE TABLE t (a int)", ""},
    {"CREATE TEMP VIEW v AS SELECT 1", "temporary v|"},
    {"CREATE TEMP SEQUENCE s", "temporary s|"},
    {"SELECT 1 INTO TEMP t", "temporary t|"},
    {"CREATE TEMP TABLE t AS SELECT 1", "temporary t|"},
    {"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", ""},
    {"CREATE DOMAIN pg_temp.d AS int", "temporary_type d|"},
    {"CREATE TYPE pg_temp.e AS ENUM ('a')", "temporary_type e|"},
    {"CREATE TEMP TABLE t (a int) ON COMMIT DROP", "temporary+local t|"},
    {"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1", "temporary+local t|"},
    {"DROP TABLE t, pg_temp.u, s.v", "drop t|drop u|none|"},
    {"DROP VIEW t", "drop t|"},
    {"DROP INDEX t", "none|"},
    {"ALTER TABLE t ADD b int", "alter t|"},
    {"ALTER TABLE s.t ADD b int", "none|"},
    {"ALTER TABLE t RENAME TO u", "rename t u|"},
    {"ALTER TABLE t RENAME a TO b", "alter t|"},
    {"CREATE INDEX ON t (a)", "alter t|"},
    {"DO $$ BEGIN PERFORM set_config('a', 'b', false); END $$", "taint do|"},
    {"DO $$ BEGIN SET a = 'b'; END $$", "taint do|"},
    {"DO $$ BEGIN IF x THEN RESET ALL; END IF; END $$", "taint do|"},
    {"DO $$ BEGIN UPDATE t SET a = 1; PERFORM reset(); offset := 1; END $$", ""},
    {"LISTEN a", ""},
    {"LOAD 'x'", "taint load|"},
    {"SELECT 1", ""},
    {"not sql", ""},
};

Test(effect, is_read_from_the_text)
{
    for (size_t i = 0; i < sizeof(effect_cases) / sizeof(effect_cases[0]); i++) {
        struct effect *effects;
        size_t count;
        char found[512] = "";
        cr_assert(
            effects_of(effect_cases[i].sql, strlen(effect_cases[i].sql), NULL, &effects, &count));
        for (size_t k = 0; k < count; k++)
            (void)snprintf(
                found + strlen(found), sizeof(found) - strlen(found), "%s%s%s%s%s%s%s|",
                names[effects[k].kind], effects[k].is_local ? "+local" : "",
                effects[k].is_chained ? "+chain" : "", effects[k].name == NULL ? "" : " ",
                effects[k].name == NULL ? "" : effects[k].name, effects[k].sql == NULL ? "" : " ",
                effects[k].sql == NULL ? "" : effects[k].sql);
        cr_expect_str_eq(found, effect_cases[i].effects, "%s: %s", effect_cases[i].sql, found);
        effects_free(&effects, count);
    }
}

// Applies a script: statements, each a unit of its own unless units hold several by ';'. A unit that
// starts with '!' fails at its end.
static void
play(struct state *state, const char *const *units, char *status)
{
    for (size_t i = 0; units[i] != NULL; i++) {
        bool failed = units[i][0] == '!';
        char *copy = strdup(units[i] + (failed ? 1 : 0)), *rest = copy, *sql;
        while ((sql = strsep(&rest, ";")) != NULL) {
            struct effect *effects;
            size_t count;
            cr_assert(effects_of(sql, strlen(sql), NULL, &effects, &count));
            for (size_t k = 0; k < count; k++) {
                cr_assert(state_apply(state, &effects[k]));
                if (effects[k].kind == EFFECT_BEGIN || effects[k].is_chained)
                    *status = 'T';
                else if (effects[k].kind == EFFECT_COMMIT || effects[k].kind == EFFECT_ROLLBACK)
                    *status = 'I';
                else if (effects[k].kind == EFFECT_ROLLBACK_TO)
                    *status = 'T';
            }
            effects_free(&effects, count);
        }
        free(copy);
        if (failed && *status == 'T')
            *status = 'E';
        cr_assert(state_end_unit(state, *status, failed, true));
    }
}

static const struct {
    const char *units[10];
    const char *replay;
} state_cases[] = {
    {{"SET a = 1"}, "SET \"a\" TO 1"},
    {{"SET a = 1", "SET a = 2"}, "SET \"a\" TO 2"},
    {{"SET a = 1", "RESET a"}, ""},
    {{"SET b = 1", "SET a = 2"}, "SET \"a\" TO 2; SET \"b\" TO 1"},
    {{"SET a = 1", "SET ROLE x", "SET SESSION AUTHORIZATION y", "SET ROLE z"},
     "SET SESSION AUTHORIZATION 'y'; SET ROLE 'z'; SET \"a\" TO 1"},
    {{"SET ROLE x", "SET SESSION AUTHORIZATION y"}, "SET SESSION AUTHORIZATION 'y'"},
    {{"SET ROLE x", "BEGIN", "SET LOCAL SESSION AUTHORIZATION y"}, "SET SESSION AUTHORIZATION 'y'"},
    {{"SET ROLE x", "BEGIN", "SET LOCAL SESSION AUTHORIZATION y", "COMMIT"}, "SET ROLE 'x'"},
    {{"SET ROLE x", "BEGIN", "RESET SESSION AUTHORIZATION", "ROLLBACK"}, "SET ROLE 'x'"},
    {{"SET LOCAL a = 1"}, ""},
    {{"BEGIN", "SET LOCAL a = 1"}, "SET \"a\" TO 1"},
    {{"BEGIN", "SET LOCAL a = 1", "COMMIT"}, ""},
    {{"BEGIN", "SET a = 1", "COMMIT"}, "SET \"a\" TO 1"},
    {{"BEGIN", "SET a = 1", "ROLLBACK"}, ""},
    {{"SET a = 0", "BEGIN", "SET a = 1", "SET LOCAL a = 2"}, "SET \"a\" TO 2"},
    {{"SET a = 0", "BEGIN", "SET a = 1", "SET LOCAL a = 2", "COMMIT"}, "SET \"a\" TO 1"},
    {{"SET a = 0", "BEGIN", "SET a = 1", "SET LOCAL a = 2", "ROLLBACK"}, "SET \"a\" TO 0"},
    {{"BEGIN", "SET a = 1", "SAVEPOINT s", "SET a = 2", "ROLLBACK TO s"}, "SET \"a\" TO 1"},
    {{"BEGIN", "SET a = 1", "SAVEPOINT s", "SET a = 2", "RELEASE s", "COMMIT"}, "SET \"a\" TO 2"},
    {{"BEGIN", "SAVEPOINT s", "SET a = 2", "RELEASE s", "ROLLBACK"}, ""},
    {{"BEGIN", "SAVEPOINT s", "SET a = 1", "SAVEPOINT s", "SET a = 2", "ROLLBACK TO s",
      "ROLLBACK TO s", "COMMIT"},
     "SET \"a\" TO 1"},
    {{"BEGIN", "SET a = 1", "!SELECT 1", "COMMIT"}, ""},
    {{"BEGIN", "SAVEPOINT s", "SET a = 1", "!SELECT 1", "ROLLBACK TO s", "SET b = 1", "COMMIT"},
     "SET \"b\" TO 1"},
    {{"!SET a = 1; SELECT 1"}, ""},
    {{"SET a = 1; SELECT 1"}, "SET \"a\" TO 1"},
    {{"SET a = 1; BEGIN", "ROLLBACK"}, ""},
    {{"BEGIN", "SET LOCAL a = 1", "COMMIT AND CHAIN", "SET LOCAL b = 1"}, "SET \"b\" TO 1"},
    {{"BEGIN; SET LOCAL a = 1; COMMIT; SET b = 2"}, "SET \"b\" TO 2"},
    {{"SET a = 1", "SET ROLE x", "RESET ALL"}, "SET ROLE 'x'"},
    {{"SET a = 1", "SET ROLE x", "DISCARD ALL"}, ""},
    {{"SET A = 1", "SET a = 2"}, "SET \"a\" TO 2"},
    {{"SET LOCAL a = 1; SELECT 1"}, ""},
};

Test(state, follows_transactions)
{
    for (size_t i = 0; i < sizeof(state_cases) / sizeof(state_cases[0]); i++) {
        struct state *state = state_new(NULL, 0);
        char status = 'I';
        play(state, state_cases[i].units, &status);
        struct state_snapshot *snapshot = state_snapshot(state);
        cr_expect_str_eq(snapshot->replay, state_cases[i].replay, "case %zu: %s", i,
                         snapshot->replay);
        state_snapshot_unref(&snapshot);
        state_free(&state);
    }
}

Test(state, starts_with_startup_parameters_and_resets_to_them)
{
    const char *const parameters[] = {"user", "bob",      "search_path", "a, b", "application_name",
                                      "x",    "TimeZone", "UTC"};
    struct state *state = state_new(parameters, 4);
    static const char replay[] = "SELECT pg_catalog.set_config('TimeZone', 'UTC', false); "
                                 "SELECT pg_catalog.set_config('search_path', 'a, b', false)";
    struct state_snapshot *first = state_snapshot(state);
    cr_expect_str_eq(first->replay, replay, "%s", first->replay);
    char status = 'I';
    play(state, (const char *const[]){"SET search_path = c", NULL}, &status);
    struct state_snapshot *second = state_snapshot(state);
    cr_expect_neq(first->digest, second->digest);
    cr_expect_neq(first->names_digest, second->names_digest);
    play(state, (const char *const[]){"RESET search_path", NULL}, &status);
    struct state_snapshot *third = state_snapshot(state);
    cr_expect_eq(first->digest, third->digest);
    cr_expect_str_eq(third->replay, replay);
    state_snapshot_unref(&first);
    state_snapshot_unref(&second);
    state_snapshot_unref(&third);
    state_free(&state);
}

Test(state, gives_the_same_snapshot_while_nothing_changes)
{
    struct state *state = state_new(NULL, 0);
    char status = 'I';
    struct state_snapshot *first = state_snapshot(state);
    play(state,
         (const char *const[]){"BEGIN", "SELECT 1", "COMMIT", "SET lock_timeout = 1", "BEGIN",
                               "SET LOCAL a = 1", "ROLLBACK", NULL},
         &status);
    struct state_snapshot *second = state_snapshot(state);
    cr_expect_eq(first, second);
    state_snapshot_unref(&first);
    state_free(&state);
    cr_expect_str_eq(second->replay, ""); // outlives its state
    state_snapshot_unref(&second);
}

Test(state, takes_what_old_reports)
{
    struct state *state = state_new(NULL, 0);
    char status = 'I';
    play(state, (const char *const[]){"SET timezone = 'localtime'", NULL}, &status);
    cr_assert(state_reported(state, "TimeZone", "Europe/Ber'lin"));
    cr_assert(state_reported(state, "application_name", "x"));
    struct state_snapshot *snapshot = state_snapshot(state);
    cr_expect_str_eq(snapshot->replay, "SET TimeZone TO 'Europe/Ber''lin'");
    state_snapshot_unref(&snapshot);
    const char *what;
    cr_expect_not(state_is_tainted(state, &what));
    cr_assert(state_reported(state, "standard_conforming_strings", "off"));
    cr_expect(state_is_tainted(state, &what));
    cr_assert(state_reported(state, "standard_conforming_strings", "on"));
    cr_expect_not(state_is_tainted(state, &what));
    state_free(&state);
}

Test(state, knows_what_cannot_be_replayed)
{
    struct state *state = state_new(NULL, 0);
    char status = 'I';
    const char *what = "";
    play(state,
         (const char *const[]){"CREATE TEMP TABLE t (a int)", "BEGIN",
                               "CREATE TEMP TABLE u (a int)", NULL},
         &status);
    cr_expect(state_has_temporary(state, "t"));
    cr_expect(state_has_temporary(state, "u"));
    cr_expect_not(state_is_tainted(state, &what));
    play(state, (const char *const[]){"SELECT set_config('a', $1, true)", NULL}, &status);
    cr_expect(state_is_tainted(state, &what));
    cr_expect_str_eq(what, "a");
    play(state, (const char *const[]){"ROLLBACK", NULL}, &status);
    cr_expect_not(state_is_tainted(state, &what));
    cr_expect_not(state_has_temporary(state, "u"));
    cr_expect(state_has_temporary(state, "t"));
    play(state, (const char *const[]){"DISCARD TEMP", "LOAD 'x'", NULL}, &status);
    cr_expect_not(state_has_temporary(state, "t"));
    cr_expect(state_is_tainted(state, &what));
    state_free(&state);
}

Test(effect, of_set_config_takes_what_the_execution_tells)
{
    static const struct effect_value given[] = {
        {.bytes = "a", .length = 1, .is_known = true},
        {.bytes = "v\xC3\xBC", .length = 3, .is_known = true},
        {.bytes = "\x01", .length = 1, .is_known = true}, // a bool in binary
        {.is_null = true, .is_known = true},
    };
    static const struct effect_value row[] = {
        {.bytes = "shown", .length = 5, .is_known = true},
        {.bytes = "too", .length = 3, .is_known = true},
    };
    static const struct {
        const char *sql;
        size_t row_width, row_count;
        const char *effects;
    } cases[] = {
        {"SELECT set_config($1, $2, $3)", 0, 0,
         "local a SELECT pg_catalog.set_config('a',  E'v\\u00FC', false)|"},
        {"SELECT set_config('b', $4, false)", 0, 0, "reset b |"},
        {"SELECT set_config('b', $9, false)", 0, 0, "set b |"},
        {"SELECT set_config('b', $1::text, false)", 1, 1,
         "set b SELECT pg_catalog.set_config('b', 'shown', false)|"},
        {"SELECT set_config('b', x(), false), set_config('c', y(), false)", 2, 1,
         "set b SELECT pg_catalog.set_config('b', 'shown', false)|"
         "set c SELECT pg_catalog.set_config('c', 'too', false)|"},
        {"SELECT set_config('b', x, false) FROM t", 1, 7,
         "set b SELECT pg_catalog.set_config('b', 'shown', false)|"},
        {"SELECT set_config('b', x, false) FROM t ORDER BY y", 1, 7, "set b |"},
        {"SELECT set_config('b', 'x', false) FROM t", 1, 0, "none  |"},
        {"SELECT length(set_config('b', x(), false))", 1, 1, "set b |"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct effect_facts facts = {
            given, 4, row, cases[i].row_width, cases[i].row_count, cases[i].row_width > 0};
        struct effect *effects;
        size_t count;
        char found[512] = "";
        cr_assert(effects_of(cases[i].sql, strlen(cases[i].sql), &facts, &effects, &count));
        for (size_t k = 0; k < count; k++)
            (void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s %s %s|",
                           names[effects[k].kind], effects[k].name == NULL ? "" : effects[k].name,
                           effects[k].sql == NULL ? "" : effects[k].sql);
        cr_expect_str_eq(found, cases[i].effects, "%s: %s", cases[i].sql, found);
        effects_free(&effects, count);
    }
}

Test(effect, of_prepare_knows_built_in_types)
{
    static const char sql[] = "PREPARE p (int, text[], varchar(3), mood) AS SELECT $1";
    struct effect *effects;
    size_t count;
    cr_assert(effects_of(sql, strlen(sql), NULL, &effects, &count));
    cr_assert_eq(count, 1);
    cr_assert_eq(effects[0].type_count, 4);
    cr_expect_eq(effects[0].types[0], 23);
    cr_expect_eq(effects[0].types[1], 1009);
    cr_expect_eq(effects[0].types[2], 1043);
    cr_expect_eq(effects[0].types[3], 0);
    cr_expect(effects[0].has_unknown_type);
    effects_free(&effects, count);
}

Test(state, taints_only_a_setting_whose_value_is_not_known)
{
    static const struct {
        const char *units[6];
        const char *what; // NULL: not tainted
    } cases[] = {
        {{"SELECT set_config('a', x(), false)"}, "a"},
        {{"SELECT set_config('a', x(), false)", "SET a = 1"}, NULL},
        {{"SELECT set_config('a', x(), false)", "SET b = 1"}, "a"},
        {{"SELECT set_config('a', x(), false)", "RESET a"}, NULL},
        {{"SELECT set_config('a', x(), false)", "RESET ALL"}, NULL},
        {{"BEGIN", "SELECT set_config('a', x(), true)"}, "a"},
        {{"BEGIN", "SELECT set_config('a', x(), true)", "COMMIT"}, NULL},
        {{"BEGIN", "SELECT set_config('a', x(), false)", "SET LOCAL a = 1"}, NULL},
        {{"BEGIN", "SELECT set_config('a', x(), false)", "SET LOCAL a = 1", "COMMIT"}, "a"},
        {{"BEGIN", "SELECT set_config('a', x(), false)", "ROLLBACK"}, NULL},
        {{"SELECT set_config(x(), 'a', false)", "RESET ALL"}, "set_config"},
        {{"SELECT set_config(x(), 'a', false)", "DISCARD ALL"}, NULL},
        {{"SELECT set_config('TimeZone', x(), false)"}, NULL}, // it is reported
        {{"DO $$ BEGIN SET a = 1 $$"}, "do"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct state *state = state_new(NULL, 0);
        char status = 'I';
        const char *what = NULL;
        cr_assert(state_reported(state, "TimeZone", "UTC"));
        play(state, cases[i].units, &status);
        cr_expect_eq(state_is_tainted(state, &what), cases[i].what != NULL, "case %zu", i);
        if (what != NULL && cases[i].what != NULL)
            cr_expect_str_eq(what, cases[i].what, "case %zu: %s", i, what);
        state_free(&state);
    }
}

static void
expect_replay(struct state *state, const char *replay)
{
    struct state_snapshot *snapshot = state_snapshot(state);
    cr_expect_str_eq(snapshot->replay, replay, "%s", snapshot->replay);
    state_snapshot_unref(&snapshot);
}

static void
apply(struct state *state, const char *sql)
{
    struct effect *effects;
    size_t count;
    cr_assert(effects_of(sql, strlen(sql), NULL, &effects, &count));
    for (size_t i = 0; i < count; i++)
        cr_assert(state_apply(state, &effects[i]));
    effects_free(&effects, count);
}

// Reports come at a unit's end, statements within it set before.
Test(state, takes_a_report_until_something_is_set)
{
    struct state *state = state_new(NULL, 0);
    cr_assert(state_reported(state, "TimeZone", "UTC"));
    expect_replay(state, "SET TimeZone TO 'UTC'");
    apply(state, "SET timezone = 'Asia/Tokyo'");
    expect_replay(state, "SET \"timezone\" TO 'Asia/Tokyo'");
    apply(state, "RESET timezone");
    expect_replay(state, "SET TimeZone TO 'UTC'");
    apply(state, "SET timezone = 'Asia/Tokyo'");
    cr_assert(state_end_unit(state, 'I', true, true)); // rolled back: nothing was reported
    expect_replay(state, "SET TimeZone TO 'UTC'");
    apply(state, "SET timezone = 'japan'");
    cr_assert(state_reported(state, "TimeZone", "Japan"));
    cr_assert(state_end_unit(state, 'I', false, true));
    expect_replay(state, "SET TimeZone TO 'Japan'");
    apply(state, "SET timezone = 'utc'");
    cr_assert(state_end_unit(state, 'I', false, false)); // what it reported is not known
    expect_replay(state, "SET \"timezone\" TO 'utc'");
    apply(state, "RESET ALL");
    expect_replay(state, "SET TimeZone TO 'UTC'");
    state_free(&state);
}

Test(state, discards_all_but_the_startup_packet)
{
    const char *const parameters[] = {"role", "bob", "a", "1"};
    struct state *state = state_new(parameters, 2);
    char status = 'I';
    static const char at_login[] = "SET ROLE 'bob'; SELECT pg_catalog.set_config('a', '1', false)";
    expect_replay(state, at_login);
    play(state,
         (const char *const[]){"SET a = 2", "SET b = 3", "SET ROLE x", "LOAD 'x'",
                               "CREATE TEMP TABLE t (a int)", "CREATE DOMAIN pg_temp.d AS int",
                               "DISCARD ALL", NULL},
         &status);
    const char *what;
    expect_replay(state, at_login);
    cr_expect_not(state_is_tainted(state, &what));
    cr_expect_not(state_has_temporaries(state));
    play(state, (const char *const[]){"SET SESSION AUTHORIZATION x", "RESET a", NULL}, &status);
    expect_replay(state, "SET SESSION AUTHORIZATION 'x'; "
                         "SELECT pg_catalog.set_config('a', '1', false)");
    play(state, (const char *const[]){"RESET SESSION AUTHORIZATION", NULL}, &status);
    expect_replay(state, at_login);
    state_free(&state);
}

Test(state, sets_the_search_path_before_what_is_looked_up_by_it)
{
    struct state *state = state_new(NULL, 0);
    char status = 'I';
    play(state,
         (const char *const[]){"SET default_text_search_config = c", "SET search_path = s",
                               "SET ROLE r", NULL},
         &status);
    expect_replay(state, "SET ROLE 'r'; SET \"search_path\" TO 's'; "
                         "SET \"default_text_search_config\" TO 'c'");
    state_free(&state);
}

Test(state, follows_temporary_objects)
{
    struct state *state = state_new(NULL, 0);
    char status = 'I';
    play(state,
         (const char *const[]){"BEGIN", "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
                               "CREATE TEMP TABLE u (a int)", NULL},
         &status);
    cr_expect(state_has_temporary(state, "t"));
    play(state, (const char *const[]){"COMMIT", NULL}, &status);
    cr_expect_not(state_has_temporary(state, "t"));
    cr_expect(state_has_temporary(state, "u"));
    play(state, (const char *const[]){"ALTER TABLE u RENAME TO v", "DROP TABLE u", NULL}, &status);
    cr_expect(state_has_temporary(state, "v"));
    cr_expect_not(state_has_temporary(state, "u"));
    play(state, (const char *const[]){"BEGIN", "DROP TABLE v", "ROLLBACK", NULL}, &status);
    cr_expect(state_has_temporary(state, "v"));
    play(state, (const char *const[]){"DROP TABLE v", "ALTER TABLE x RENAME TO y", NULL}, &status);
    cr_expect_not(state_has_temporaries(state));
    play(state, (const char *const[]){"CREATE DOMAIN pg_temp.short AS text", NULL}, &status);
    static const char uses[] = "SELECT a::Short", quotes[] = "SELECT a::\"Short\", 'short'";
    cr_expect(state_names_temporary_type(state, uses, strlen(uses)));
    cr_expect_not(state_names_temporary_type(state, quotes, strlen(quotes)));
    state_free(&state);
}

// Reads a value back out of what the state replays.
Test(state, tells_a_settings_value)
{
    const char *const parameters[] = {"app.tenant",         "at login",         "b",
                                      "it's; SET c TO 'x'", "application_name", "x"};
    static const struct {
        const char *units[10];
        const char *name, *value; // NULL: not known
    } cases[] = {
        {{NULL}, "app.tenant", "at login"},
        {{NULL}, "B", "it's; SET c TO 'x'"},
        {{NULL}, "c", NULL},
        {{NULL}, "missing", NULL},
        {{NULL}, "tenant", NULL},
        {{NULL}, "app.tenan", NULL},
        {{"SET app.tenant = 'o''neil'"}, "app.tenant", "o'neil"},
        {{"SET App.Tenant TO 'x'"}, "app.tenant", "x"},
        {{"SET \"App\".\"Tenant\" TO 'x'"}, "app.tenant", "x"},
        {{"SET app.tenant = 42"}, "app.tenant", "42"},
        {{"SET app.tenant = -4.50"}, "app.tenant", "-4.50"},
        {{"SET app.tenant = acme"}, "app.tenant", "acme"},
        {{"SET app.tenant = on"}, "app.tenant", "on"},
        {{"SET app.tenant = ''"}, "app.tenant", ""},
        {{"SET app.tenant = 'a\\b'"}, "app.tenant", "a\\b"},
        {{"SET app.tenant = 'gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80'"},
         "app.tenant",
         "gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"},
        {{"SET search_path TO acme, \"Public\""}, "search_path", "acme, Public"},
        {{"SELECT set_config('app.tenant', 'a''b', false)"}, "app.tenant", "a'b"},
        {{"SELECT set_config('search_path', 'a, b', false)"}, "search_path", "a, b"},
        {{"SELECT set_config('other', 'app.tenant', false)"}, "app.tenant", "at login"},
        {{"SET x.y = 'app.tenant'", "SET z = 1"}, "app.tenant", "at login"},
        {{"SET app.tenant = a", "RESET app.tenant"}, "app.tenant", "at login"},
        {{"SET app.tenant = a", "SET app.tenant TO DEFAULT"}, "app.tenant", "at login"},
        {{"SET app.tenant = a", "RESET ALL"}, "app.tenant", "at login"},
        {{"SET app.tenant = a", "DISCARD ALL"}, "app.tenant", "at login"},
        {{"SET c = a", "RESET c"}, "c", NULL},
        {{"SET c = a", "DISCARD ALL"}, "c", NULL},
        {{"SET c = a", "!SET c = b; SELECT 1"}, "c", "a"},
        {{"SET c = a", "BEGIN", "SET LOCAL c = b"}, "c", "b"},
        {{"SET c = a", "BEGIN", "SET LOCAL c = b", "COMMIT"}, "c", "a"},
        {{"SET c = a", "BEGIN", "SET c = b", "COMMIT"}, "c", "b"},
        {{"SET c = a", "BEGIN", "SET c = b", "ROLLBACK"}, "c", "a"},
        {{"SET c = a", "BEGIN", "SAVEPOINT s", "SET c = b", "ROLLBACK TO s"}, "c", "a"},
        {{"SET c = a", "BEGIN", "SELECT set_config('c', 'b', true)"}, "c", "b"},
        {{"SET c = a", "BEGIN", "SELECT set_config('c', 'b', true)", "COMMIT"}, "c", "a"},
        {{"BEGIN", "SET LOCAL c = b", "COMMIT"}, "c", NULL},
        {{"SET ROLE bob"}, "role", "bob"},
        {{"SET ROLE NONE"}, "role", "none"},
        {{"SET ROLE \"none\""}, "app.tenant", "at login"},
        {{"SET SESSION AUTHORIZATION 'to'"}, "app.tenant", "at login"},
        {{"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE"}, "app.tenant", "at login"},
        {{"SET timezone = 'utc'"}, "TimeZone", "utc"},
        {{"SET application_name = 'y'"}, "application_name", NULL}, // old's reports tell it
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct state *state = state_new(parameters, 3);
        char status = 'I', value[64];
        play(state, cases[i].units, &status);
        struct state_snapshot *snapshot = state_snapshot(state);
        bool is_known = state_value(snapshot, cases[i].name, value, sizeof(value));
        cr_expect_eq(is_known, cases[i].value != NULL, "case %zu", i);
        cr_expect_str_eq(value, cases[i].value == NULL ? "" : cases[i].value, "case %zu: %s", i,
                         value);
        state_snapshot_unref(&snapshot);
        state_free(&state);
    }
}

Test(state, cuts_no_value)
{
    struct state *state = state_new(NULL, 0);
    char status = 'I', value[8];
    play(state, (const char *const[]){"SET a = '1234567'", "SET b = '12345678'", NULL}, &status);
    struct state_snapshot *snapshot = state_snapshot(state);
    cr_expect(state_value(snapshot, "a", value, sizeof(value)));
    cr_expect_str_eq(value, "1234567");
    cr_expect_not(state_value(snapshot, "b", value, sizeof(value)));
    cr_expect_str_eq(value, "");
    state_snapshot_unref(&snapshot);
    state_free(&state);
}

Test(state, knows_the_application_name_as_old_reports_it)
{
    static const struct {
        const char *reported; // NULL: what was reported is lost
        const char *known;
    } cases[] = {{"a", "a"}, {"a", "a"}, {"", ""}, {NULL, NULL}, {"b", "b"}};
    struct state *state = state_new(NULL, 0);
    struct state_snapshot *before = state_snapshot(state);
    cr_expect_null(before->application_name);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].reported != NULL)
            cr_assert(state_reported(state, "application_name", cases[i].reported));
        else
            state_reports_lost(state);
        struct state_snapshot *snapshot = state_snapshot(state);
        const char *known = snapshot->application_name;
        cr_expect_eq(known == NULL, cases[i].known == NULL, "case %zu", i);
        if (known != NULL && cases[i].known != NULL)
            cr_expect_str_eq(known, cases[i].known);
        cr_expect_eq(snapshot == before, i == 1, "a snapshot never changes: case %zu", i);
        cr_expect_str_eq(snapshot->replay, ""); // our own sessions have a name of their own
        state_snapshot_unref(&before);
        before = snapshot;
    }
    state_snapshot_unref(&before);
    state_free(&state);
}

Test(state, tells_what_a_body_may_leave_behind)
{
    static const struct {
        const char *body;
        bool leaves;
    } cases[] = {
        {"BEGIN PERFORM set_config('a.b', 'c', false); END", true},
        {"BEGIN SET a.b = 'c'; END", true},
        {"BEGIN RESET a.b; END", true},
        {"BEGIN CREATE TEMP TABLE x (i int); END", true},
        {"begin create\ttemporary\ntable x (i int); end", true},
        {"BEGIN CREATE TABLE pg_temp.x (i int); END", true},
        {"BEGIN UPDATE t SET temperature = 1 WHERE temp = 2.5 OR template; END", true}, // "temp ="
        {"BEGIN UPDATE t SET temperature = 1, template= 2; END", false},
        {"BEGIN UPDATE t SET a = 1; END", false},
        {"BEGIN RETURN the.temp; END", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_eq(effect_body_leaves(cases[i].body), cases[i].leaves, "%s", cases[i].body);
}
