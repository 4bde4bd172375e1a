// How a suspicion is settled (DESIGN 3.3): sequences of rounds and the verdict that they give.
#include "compare/rounds.h"
#include "tables.h"
#include <stdio.h>

enum { MAX_ROUNDS = 10 };

struct sequence {
    const char *what;
    const char *order; // "" or "limit"
    // A round each: old, new, old; the last one is repeated while more is asked for.
    // The fourth is new's second one; NULL: as the first.
    const char *readings[MAX_ROUNDS][4];
    enum verdict verdict;
    unsigned rounds_taken;
};

static struct result
reading(const char *rows)
{
    return table("id int4, v text", rows);
}

static enum difference_class expect_class; // DIFFERENCE_NONE: any

// As a judge does it: new is read again where that is wanted. Frees the readings.
static enum rounds_step
add(struct rounds *rounds, struct result *old_first, struct result *new_first,
    struct result *old_second, struct result *new_second)
{
    bool again = rounds_wants_new_again(rounds, old_first, new_first, old_second);
    enum rounds_step step =
        rounds_add(rounds, old_first, new_first, old_second, again ? new_second : NULL);
    result_fini(old_first);
    result_fini(new_first);
    result_fini(old_second);
    result_fini(new_second);
    return step;
}

static void
settle(const struct sequence *sequence)
{
    struct determinacy determinacy = {.order = ORDER_NONE,
                                      .is_limited = strcmp(sequence->order, "limit") == 0,
                                      .cuts_end = strcmp(sequence->order, "limit") == 0,
                                      .limit = UINT64_MAX};
    static const uint8_t second_open[] = {OPEN_NOTHING, OPEN_VALUE};
    if (strcmp(sequence->order, "open") == 0) {
        determinacy.open = second_open;
        determinacy.open_count = 2;
    }
    struct difference_rules rules = {.float_tolerance = 1e-12};
    struct rounds_settings settings = {.rounds = 3, .attempts = 6};
    struct rounds rounds;
    rounds_init(&rounds, &settings, &determinacy, &rules);
    enum rounds_step step = ROUNDS_AGAIN;
    unsigned taken = 0;
    for (size_t i = 0; step == ROUNDS_AGAIN && taken < 20; taken++) {
        struct result old_first = reading(sequence->readings[i][0]);
        struct result new_result = reading(sequence->readings[i][1]);
        struct result old_second = reading(sequence->readings[i][2]);
        struct result new_second = reading(sequence->readings[i][sequence->readings[i][3] ? 3 : 1]);
        step = add(&rounds, &old_first, &new_result, &old_second, &new_second);
        if (i + 1 < MAX_ROUNDS && sequence->readings[i + 1][0] != NULL)
            i++;
    }
    cr_expect_eq(rounds.verdict, sequence->verdict, "%s: %s", sequence->what,
                 verdict_name(rounds.verdict));
    cr_expect_eq(taken, sequence->rounds_taken, "%s: %u rounds", sequence->what, taken);
    if (rounds.verdict == VERDICT_MISMATCH) {
        cr_expect_neq(rounds.difference.class, DIFFERENCE_NONE, "%s", sequence->what);
        cr_expect(expect_class == DIFFERENCE_NONE || rounds.difference.class == expect_class,
                  "%s: %s", sequence->what, difference_class_name(rounds.difference.class));
        cr_expect(rounds.old_result.kind != RESULT_OPEN && rounds.new_result.kind != RESULT_OPEN);
    } else if (rounds.verdict != VERDICT_LAGGING) {
        cr_expect(rounds.because != NULL, "%s", sequence->what);
    }
    rounds_fini(&rounds);
}

#define A "1|a\n"
#define B "1|b\n"
#define C "1|c\n"
#define D "1|d\n"

Test(rounds, verdicts)
{
    static const struct sequence sequences[] = {
        {"agreement settles at once", "", {{A, A, A}}, VERDICT_LAGGING, 1},
        {"agreement after differences", "", {{A, B, A}, {A, B, A}, {A, A, A}}, VERDICT_LAGGING, 3},
        {"consecutive differences", "", {{A, B, A}}, VERDICT_MISMATCH, 3},
        {"new's first reading of old does not agree, the second does",
         "",
         {{B, A, A}, {A, A, A}},
         VERDICT_LAGGING,
         2},
        {"old moves once, then all stand", "", {{A, B, C}, {C, B, C}}, VERDICT_MISMATCH, 4},
        {"old moves between rounds", "", {{A, B, A}, {A, B, A}, {C, B, C}}, VERDICT_MISMATCH, 5},
        {"new moves between rounds", "", {{A, B, A}, {A, B, A}, {A, C, A}}, VERDICT_MISMATCH, 5},
        {"old never stands", "", {{A, B, C}}, VERDICT_UNSTABLE, 6},
        {"new never stands",
         "",
         {{A, B, A}, {A, C, A}, {A, B, A}, {A, C, A}, {A, B, A}, {A, C, A}},
         VERDICT_UNSTABLE,
         6},
        {"new moves within a round", "", {{A, B, A, C}, {A, B, A}}, VERDICT_MISMATCH, 4},
        {"both sides move by turns", "", {{A, B, A, A}}, VERDICT_UNSTABLE, 6},
        {"new fails by circumstance the second time",
         "",
         {{A, B, A, "!57014"}},
         VERDICT_UNVERIFIED,
         1},
        {"left open", "limit", {{A, B, A}}, VERDICT_UNSTABLE, 1},
        {"how many rows come is not left open by LIMIT",
         "limit",
         {{A, A B, A}},
         VERDICT_MISMATCH,
         3},
        {"an open value", "open", {{"1|a\n", "1|x\n", "1|a\n"}}, VERDICT_UNSTABLE, 1},
        {"an open value that moves hides no fault",
         "open",
         {{"1|a\n2|b\n", "1|a\n3|b\n", "1|x\n2|b\n"}, {"1|y\n2|b\n", "1|z\n3|b\n", "1|x\n2|c\n"}},
         VERDICT_MISMATCH,
         3},
        {"a fault on both of old's readings", "", {{"!42P01", A, "!42P01"}}, VERDICT_MISMATCH, 3},
        {"new fails", "", {{A, "!42883", A}}, VERDICT_MISMATCH, 3},
        {"new fails by circumstance", "", {{A, "!57014", A}}, VERDICT_UNVERIFIED, 1},
        {"old fails by circumstance", "", {{"!08006", B, A}}, VERDICT_UNVERIFIED, 1},
        {"circumstance later", "", {{A, B, A}, {A, B, "!53300"}}, VERDICT_UNVERIFIED, 2},
    };
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
        settle(&sequences[i]);
}

#define HOT(number) "9|hot" #number "\n"

// One row is written all the time; is the one beside it judged all the same?
Test(rounds, a_hot_row_hides_no_cold_one)
{
    static const struct {
        struct sequence sequence;
        enum difference_class class;
    } cases[] = {
        {{"a wrong value",
          "",
          {{A HOT(1), B HOT(1), A HOT(2)},
           {A HOT(2), B HOT(3), A HOT(4)},
           {A HOT(5), B HOT(5), A HOT(6)}},
          VERDICT_MISMATCH,
          3},
         DIFFERENCE_VALUE},
        {{"a missing row",
          "",
          {{A C HOT(1), A HOT(1), A C HOT(2)},
           {A C HOT(2), A HOT(3), A C HOT(4)},
           {A C HOT(5), A HOT(5), A C HOT(6)}},
          VERDICT_MISMATCH,
          3},
         DIFFERENCE_MISSING_ROWS},
        {{"an extra row",
          "",
          {{A HOT(1), A C HOT(2), A HOT(3)},
           {A HOT(4), A C HOT(5), A HOT(6)},
           {A HOT(7), A C HOT(8), A HOT(9)}},
          VERDICT_MISMATCH,
          3},
         DIFFERENCE_EXTRA_ROWS},
        {{"rows are inserted",
          "",
          {{A, B, A HOT(1)},
           {A HOT(1), B HOT(1), A HOT(1) HOT(2)},
           {A HOT(1) HOT(2), B HOT(1) HOT(2), A HOT(1) HOT(2) HOT(3)}},
          VERDICT_MISMATCH,
          3},
         DIFFERENCE_VALUE},
        {{"the hot row alone",
          "",
          {{A HOT(1), A HOT(2), A HOT(3)},
           {A HOT(4), A HOT(5), A HOT(6)},
           {A HOT(7), A HOT(8), A HOT(9)},
           {A HOT(10), A HOT(11), A HOT(12)},
           {A HOT(13), A HOT(14), A HOT(15)},
           {A HOT(16), A HOT(17), A HOT(18)}},
          VERDICT_UNSTABLE,
          6},
         DIFFERENCE_NONE},
        {{"a value that moves on new",
          "",
          {{A HOT(1), B HOT(1), A HOT(2)},
           {A HOT(2), C HOT(3), A HOT(4)},
           {A HOT(5), D HOT(5), A HOT(6)},
           {A HOT(7), B HOT(8), A HOT(9)},
           {A HOT(10), C HOT(11), A HOT(12)},
           {A HOT(13), D HOT(14), A HOT(15)}},
          VERDICT_UNSTABLE,
          6},
         DIFFERENCE_NONE},
        {{"a row that is mended",
          "",
          {{A HOT(1), B HOT(1), A HOT(2)},
           {A HOT(2), B HOT(3), A HOT(4)},
           {A HOT(5), A HOT(5), A HOT(6)},
           {A HOT(7), A HOT(7), A HOT(7)}},
          VERDICT_LAGGING,
          4},
         DIFFERENCE_NONE},
        {{"a row that new has the second time only",
          "",
          {{A HOT(1), B HOT(1), A HOT(2), A HOT(2)},
           {A HOT(3), B HOT(3), A HOT(4), A HOT(4)},
           {A HOT(5), B HOT(5), A HOT(6), A HOT(6)},
           {A HOT(7), B HOT(7), A HOT(8), A HOT(8)},
           {A HOT(9), B HOT(9), A HOT(10), A HOT(10)},
           {A HOT(11), B HOT(11), A HOT(12), A HOT(12)}},
          VERDICT_UNSTABLE,
          6},
         DIFFERENCE_NONE},
        {{"under LIMIT", "limit", {{A HOT(1), B HOT(1), A HOT(2)}}, VERDICT_UNSTABLE, 1},
         DIFFERENCE_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_class = cases[i].class, settle(&cases[i].sequence);
}

Test(rounds, circumstances)
{
    static const struct {
        const char *sqlstate;
        bool is_circumstance;
    } cases[] = {
        {"08006", true},  {"40001", true},  {"53300", true},  {"57014", true},  {"58030", true},
        {"55P03", true},  {"25P03", true},  {"25006", true},  {"42P01", false}, {"55000", false},
        {"25001", false}, {"22012", false}, {"XX000", false}, {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(rounds_is_circumstance(cases[i].sqlstate), cases[i].is_circumstance, "%s",
                     cases[i].sqlstate);
}

Test(rounds, giving_up_is_unverified)
{
    struct rounds rounds;
    struct determinacy determinacy = {.order = ORDER_NONE};
    struct difference_rules rules = {.float_tolerance = 0};
    rounds_init(&rounds, &(struct rounds_settings){5, 10}, &determinacy, &rules);
    rounds_give_up(&rounds, "lag unknown");
    cr_expect_eq(rounds.verdict, VERDICT_UNVERIFIED);
    cr_expect_str_eq(rounds.because, "lag unknown");
    rounds_fini(&rounds);
}

// A clock in a column that is ignored, and one in a column that only new has, are no movement.
Test(rounds, what_rules_do_not_see_is_no_movement)
{
    struct column_rule columns[] = {
        {.tolerance = -1}, {.tolerance = -1}, {.tolerance = -1, .ignore = true}};
    struct determinacy determinacy = {.order = ORDER_NONE};
    struct difference_rules rules = {
        .columns = columns, .column_count = 3, .allow_extra_columns = true};
    struct rounds rounds;
    rounds_init(&rounds, &(struct rounds_settings){3, 6}, &determinacy, &rules);
    enum rounds_step step = ROUNDS_AGAIN;
    for (int i = 0; step == ROUNDS_AGAIN && i < 6; i++) {
        char rows[4][64];
        snprintf(rows[0], sizeof rows[0], "1|a|%d\n", i);
        snprintf(rows[1], sizeof rows[1], "%d|1|%d|b\n", i + 10, i + 20);
        snprintf(rows[2], sizeof rows[2], "1|a|%d\n", i + 30);
        snprintf(rows[3], sizeof rows[3], "%d|1|%d|b\n", i + 40, i + 50);
        struct result old_first = table("id int4, v text, seen int4", rows[0]);
        struct result new_result = table("extra int4, id int4, seen int4, v text", rows[1]);
        struct result old_second = table("id int4, v text, seen int4", rows[2]);
        struct result new_second = table("extra int4, id int4, seen int4, v text", rows[3]);
        step = add(&rounds, &old_first, &new_result, &old_second, &new_second);
    }
    cr_expect_eq(rounds.verdict, VERDICT_MISMATCH, "%s", verdict_name(rounds.verdict));
    cr_expect_eq(rounds.attempts, 3);
    cr_expect_eq(rounds.difference.class, DIFFERENCE_VALUE);
    cr_expect_eq(rounds.difference.column, 1);
    rounds_fini(&rounds);
}
