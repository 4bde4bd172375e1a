// The small parts of the shadow: throttle, noise samples, fair shares, rechecks, verdict memory, statements and portals, masking, rules.

#include "proxy/shadow/fair_share.h"
#include "proxy/shadow/masking.h"
#include "proxy/shadow/noise.h"
#include "proxy/shadow/rechecks.h"
#include "proxy/shadow/rules.h"
#include "proxy/shadow/statement.h"
#include "proxy/shadow/throttle.h"
#include "proxy/shadow/verdict_memory.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t SECOND = 1000000000;

Test(throttle, passes_no_more_than_its_rate)
{
    atomic_uint_fast64_t until = 0;
    unsigned passed = 0;
    for (uint64_t now = 1; now <= 10 * SECOND; now += SECOND / 1000)
        passed += throttle_pass(&until, 20, now);
    cr_assert_geq(passed, 200);
    cr_assert_leq(passed, 221, "%u passed: one second's worth of burst and 10 s at 20/s", passed);
}

Test(throttle, zero_is_no_limit)
{
    atomic_uint_fast64_t until = 0;
    for (int i = 0; i < 1000; i++)
        cr_assert(throttle_pass(&until, 0, 1));
}

// A hot shape at 10,000 reads a second beside 200 rare ones with `rare_per_second` in all, for 20 s: how many passed.
struct crowd {
    unsigned hot, rare, rare_asked;
};

static struct crowd
crowd(double per_second, unsigned rare_per_second)
{
    struct fair_share *share = fair_share_new();
    struct crowd crowd = {0};
    unsigned every = 10000 / rare_per_second;
    for (unsigned i = 1; i <= 200000; i++) {
        uint64_t now = i * (SECOND / 10000);
        crowd.hot += fair_share_pass(share, 1, per_second, now);
        if (i % every != 0)
            continue;
        // Spread as a hash is.
        uint64_t shape = (2 + i / every % 200) * UINT64_C(0x9e3779b97f4a7c15);
        crowd.rare_asked++;
        crowd.rare += fair_share_pass(share, shape, per_second, now);
    }
    fair_share_free(&share);
    return crowd;
}

Test(fair_share, rare_shapes_pass_whenever_they_come_while_the_budget_allows)
{
    static const struct {
        double per_second;
        unsigned rare_per_second;
    } cases[] = {{100, 10}, {100, 80}, {20, 10}, {1000, 500}, {5, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct crowd passed = crowd(cases[i].per_second, cases[i].rare_per_second);
        cr_expect_eq(passed.rare, passed.rare_asked, "%u of %u rare ones at %g/s", passed.rare,
                     passed.rare_asked, cases[i].per_second);
        double budget = cases[i].per_second * 20;
        double most = budget + (cases[i].per_second < 16 ? 16 : cases[i].per_second);
        double all = passed.hot + passed.rare;
        cr_expect(all <= most && all >= budget * 0.99, "%g passed of %g: no more, and none wasted",
                  all, budget);
    }
}

Test(fair_share, shapes_that_all_want_more_get_alike)
{
    struct fair_share *share = fair_share_new();
    unsigned passed[10] = {0};
    // The first asks ten times as often as each of the others.
    for (uint64_t i = 1; i <= 400000; i++) {
        unsigned shape = i % 19 < 10 ? 0 : (unsigned)(i % 19) - 9;
        passed[shape] += fair_share_pass(share, shape, 100, i * (SECOND / 10000));
    }
    for (int i = 0; i < 10; i++)
        cr_expect(passed[i] > 350 && passed[i] < 500, "%u of about 400", passed[i]);
    fair_share_free(&share);
}

Test(fair_share, more_shapes_than_it_remembers_do_not_let_the_hot_one_in_first)
{
    struct fair_share *share = fair_share_new();
    unsigned hot = 0, rare = 0;
    for (uint64_t i = 1; i <= 400000; i++) {
        uint64_t now = i * (SECOND / 10000);
        hot += fair_share_pass(share, 1, 1000, now);
        if (i % 20 == 0) // 500 a second, none of them twice
            rare += fair_share_pass(share, i * UINT64_C(0x9e3779b97f4a7c15), 1000, now);
    }
    cr_expect_eq(rare, 20000u);
    cr_expect_geq(hot, 19800u);
    fair_share_free(&share);
}

Test(fair_share, zero_is_no_limit)
{
    struct fair_share *share = fair_share_new();
    for (int i = 0; i < 1000; i++)
        cr_assert(fair_share_pass(share, 1, 0, 1));
    fair_share_free(&share);
}

Test(verdict_memory, forgets_after_a_minute_and_tells_results_apart)
{
    struct verdict_memory *memory = verdict_memory_new();
    struct verdict_key key = {.read = 1, .sides = {2, 3}}, other = {.read = 1, .sides = {2, 4}};
    struct verdict_remembered what = {VERDICT_MISMATCH, DIFFERENCE_VALUE, true}, found = {0};
    verdict_memory_put(memory, &key, &what, SECOND);
    cr_assert(verdict_memory_find(memory, &key, 60 * SECOND, &found));
    cr_assert_eq(found.verdict, VERDICT_MISMATCH);
    cr_assert_eq(found.class, DIFFERENCE_VALUE);
    cr_assert(found.is_accepted);
    cr_assert(!verdict_memory_find(memory, &other, 60 * SECOND, &found));
    cr_assert(!verdict_memory_find(memory, &key, 62 * SECOND, &found));
    verdict_memory_free(&memory);
}

Test(statement, a_portal_keeps_its_statement_alive)
{
    void *statements = NULL, *portals = NULL;
    struct parse_request parse = {.statement = "s", .sql = "SELECT 1"};
    cr_assert(statements_put(&statements, statement_new(&parse, false)));
    cr_assert(
        portals_put(&portals, "", statements_find(&statements, "s"), (const uint8_t *)"\0s\0", 3));
    statements_remove(&statements, "s");
    cr_assert_null(statements_find(&statements, "s"));
    cr_assert_str_eq(portals_find(&portals, "")->statement->sql, "SELECT 1");
    portals_clear(&portals);
    statements_clear(&statements);
}

Test(statement, parsing_a_name_again_replaces_it)
{
    void *statements = NULL;
    struct parse_request first = {.statement = "", .sql = "SELECT 1"};
    struct parse_request second = {.statement = "", .sql = "SELECT 2"};
    cr_assert(statements_put(&statements, statement_new(&first, false)));
    cr_assert(statements_put(&statements, statement_new(&second, false)));
    cr_assert_str_eq(statements_find(&statements, "")->sql, "SELECT 2");
    statements_clear(&statements);
}

Test(statement, what_new_described_is_not_taken_for_old_s)
{
    struct parse_request parse = {.statement = "s", .sql = "SELECT id FROM t"};
    struct reply_column old_column = {.name = "id", .type = 23},
                        new_column = {.name = "id", .type = 20};
    struct statement *statement = statement_new(&parse, false);
    statement_set_columns(statement, SIDE_NEW, &new_column, 1);
    cr_assert_null(statement->columns[SIDE_OLD].list);
    statement_set_columns(statement, SIDE_OLD, &old_column, 1);
    statement_set_columns(statement, SIDE_OLD, &old_column, 1);
    cr_assert_eq(statement->columns[SIDE_OLD].list[0].type, 23);
    cr_assert_eq(statement->columns[SIDE_NEW].list[0].type, 20);
    statement_unref(&statement);
}

Test(masking, shows_null_empty_length_and_equality_but_no_value)
{
    struct cell null = {0}, empty = {.bytes = (const uint8_t *)"", .length = 0};
    struct cell one = {.bytes = (const uint8_t *)"secret", .length = 6, .type = 25};
    struct cell two = {.bytes = (const uint8_t *)"Secret", .length = 6, .type = 25};
    cr_assert(masking_init());
    char *a = masking_show(&one, SAMPLES_MASKED, "text");
    char *b = masking_show(&one, SAMPLES_MASKED, "text");
    char *c = masking_show(&two, SAMPLES_MASKED, "text");
    char *nothing = masking_show(&empty, SAMPLES_MASKED, "text");
    cr_assert_null(masking_show(&null, SAMPLES_MASKED, "text"));
    cr_assert_null(masking_show(&one, SAMPLES_NONE, "text"));
    cr_assert_str_eq(nothing, "");
    cr_assert_str_eq(a, b);
    cr_assert_str_neq(a, c);
    cr_assert_null(strstr(a, "secret"));
    cr_assert_not_null(strstr(a, "text, 6 bytes"));
    free(a);
    free(b);
    free(c);
    free(nothing);
}

Test(masking, full_samples_show_text_and_bytes)
{
    struct cell text = {.bytes = (const uint8_t *)"Größe", .length = 7};
    struct cell binary = {.bytes = (const uint8_t *)"\x00\x01", .length = 2, .format = 1};
    char *a = masking_show(&text, SAMPLES_FULL, NULL);
    char *b = masking_show(&binary, SAMPLES_FULL, NULL);
    cr_assert_str_eq(a, "Größe");
    cr_assert_str_eq(b, "\\x0001");
    free(a);
    free(b);
}

Test(rules, the_first_matching_rule_wins_for_a_column)
{
    struct analysis_table table = {.name = "public.orders", .old_table = 1};
    // The third column is computed from note: a rule for note is not meant for it.
    struct analysis_column columns[] = {
        {0, "total", false, 0}, {0, "note", false, 0}, {0, "note", true, 0}};
    struct analysis analysis = {.fingerprint = "00000000000000aa",
                                .tables = &table,
                                .table_count = 1,
                                .columns = columns,
                                .column_count = 3};
    struct configuration_rule list[] = {
        {.table = "orders", .column = "note", .ignore = true, .tolerance = -1},
        {.table = "public.*", .tolerance = 0.5, .as = RULE_AS_NUMBER},
    };
    struct configuration_compare settings = {.rules = list, .rule_count = 2};
    struct database_catalogs catalogs = {0};
    struct reply_column described[] = {{.name = "total"}, {.name = "note"}, {.name = "lower"}};
    struct read_rules rules;
    cr_assert(rules_for_read(&rules, &settings, &analysis, &catalogs, described, 3));
    cr_assert_eq(rules.columns[0].as, TYPE_AS_NUMBER);
    cr_assert(!rules.columns[0].ignore);
    cr_assert(rules.columns[1].ignore);
    cr_assert(!rules.columns[2].ignore);
    cr_assert(!rules.is_excluded);
    rules_fini(&rules);
}

Test(rules, skip_excludes_by_table)
{
    struct analysis_table table = {.name = "audit.log"};
    struct analysis analysis = {.tables = &table, .table_count = 1};
    struct configuration_rule list[] = {{.table = "audit.*", .skip = true, .tolerance = -1}};
    struct configuration_compare settings = {.rules = list, .rule_count = 1};
    cr_assert(rules_exclude(&settings, &analysis));
    list[0].table = "other.*";
    cr_assert(!rules_exclude(&settings, &analysis));
}

Test(throttle, shared_is_one_limit_however_many_threads_ask)
{
    atomic_uint_fast64_t until = 0;
    unsigned passed = 0, alone = 0;
    uint64_t now = 100 * SECOND;
    for (; now <= 110 * SECOND; now += SECOND / 1000)
        for (int thread = 0; thread < 4; thread++)
            passed += throttle_pass(&until, 20, now);
    cr_assert_geq(passed, 200);
    cr_assert_leq(passed, 221, "%u passed", passed);
    for (uint64_t end = now + 10 * SECOND; now < end; now += SECOND / 1000)
        alone += throttle_pass(&until, 20, now);
    cr_assert_geq(alone, 198, "one thread alone has all of it, not %u", alone);
    until = 0;
    cr_assert(throttle_pass(&until, 0.5, now));
    cr_assert_not(throttle_pass(&until, 0.5, now + SECOND));
    cr_assert(throttle_pass(&until, 0.5, now + 2 * SECOND));
}

Test(rechecks, one_read_is_settled_once_at_a_time)
{
    struct rechecks *rechecks = rechecks_new();
    struct verdict_key key = {.read = 7, .sides = {1, 2}}, other = {.read = 7, .sides = {1, 3}},
                       neighbour = {.read = 7 + 256, .sides = {1, 2}};
    struct recheck one, two;
    struct read *reads[] = {(struct read *)&one, (struct read *)&two};
    cr_assert_null(rechecks_find(rechecks, &key));
    rechecks_begin(rechecks, &one, &key);
    cr_assert_null(rechecks_find(rechecks, &neighbour), "in the same bucket, but another read");
    rechecks_begin(rechecks, &two, &neighbour);
    cr_assert_eq(rechecks_find(rechecks, &other), &one);
    cr_assert(recheck_join(&one, reads[0], &key));
    cr_assert(recheck_join(&one, reads[1], &other));
    for (unsigned i = 1; i < RECHECK_TURNS_LIMIT; i++)
        cr_assert(recheck_join(&one, reads[1], &other));
    cr_assert_not(recheck_join(&one, reads[1], &other), "turns are bounded");
    cr_assert(recheck_join(&one, reads[0], &key), "the same results need no turn");
    struct recheck_joined *joined = recheck_end(&one);
    cr_assert_null(rechecks_find(rechecks, &key));
    cr_assert_eq(rechecks_find(rechecks, &neighbour), &two);
    cr_assert_null(recheck_end(&two));
    unsigned count = 0;
    for (; joined; count++) {
        struct recheck_joined *gone = joined;
        cr_assert(count > 1 || gone->read == reads[count], "in the order of their coming");
        joined = gone->next;
        free(gone);
    }
    cr_assert_eq(count, RECHECK_TURNS_LIMIT + 2);
    rechecks_free(&rechecks);
}

Test(noise, the_first_reads_of_a_shape_are_samples_and_then_a_share)
{
    uint64_t random = 1;
    unsigned due = 0;
    for (unsigned begun = 0; begun < NOISE_FIRST; begun++)
        cr_assert(noise_is_due(begun, 0.01, UINT64_MAX));
    for (unsigned i = 0; i < 100000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        due += noise_is_due(NOISE_FIRST, 0.01, random);
    }
    cr_assert_geq(due, 800);
    cr_assert_leq(due, 1200, "%u of 100000", due);
}

Test(noise, none_is_a_sample_with_no_share_and_all_are_with_one)
{
    cr_assert_not(noise_is_due(0, 0, 0));
    cr_assert_not(noise_is_due(NOISE_FIRST, 0, 0));
    cr_assert(noise_is_due(1000000, 1, UINT64_MAX));
}
