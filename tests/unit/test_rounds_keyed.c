// Rows that have keys are judged one by one (DESIGN 3.3): a row that moves hides no faulty one beside it, is not called
// faulty itself, and restarts no count but its own.
#include "compare/rounds.h"
#include "tables.h"
#include <stdio.h>

enum { MAX_ROUNDS = 8, MAX_TEXT = 8192 };

static uint64_t random_state = 88172645463325252u;

static uint64_t
any(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(0x2545F4914F6CDD1D) >> 20;
}

// As a judge does it. Frees the readings.
static enum rounds_step
add(struct rounds *rounds, struct result readings[4])
{
    bool again = rounds_wants_new_again(rounds, &readings[0], &readings[1], &readings[2]);
    enum rounds_step step =
        rounds_add(rounds, &readings[0], &readings[1], &readings[2], again ? &readings[3] : NULL);
    for (int i = 0; i < 4; i++)
        result_fini(&readings[i]);
    return step;
}

static uint16_t first_column[] = {0};

struct sequence {
    const char *what;
    const char *order; // "", "id LIMIT", "w LIMIT": what it is sorted by
    // A round each: old, new, old; the last one is repeated while more is asked for. The fourth is new's second;
    // NULL: as the first.
    const char *readings[MAX_ROUNDS][4];
    enum verdict verdict;
    unsigned rounds_taken;
    enum difference_class class;
    size_t rows, column;
    const char *id; // of the first sample's row
};

static const char *
id_of(const struct rounds *rounds)
{
    static char id[16];
    const struct difference_sample *sample = &rounds->difference.samples[0];
    bool is_old = sample->old_row != SIZE_MAX;
    const struct result *result = is_old ? &rounds->old_result : &rounds->new_result;
    const uint8_t *body = result->rows;
    for (size_t row = is_old ? sample->old_row : sample->new_row; row > 0; row--) {
        uint32_t length;
        memcpy(&length, body, sizeof length);
        body += sizeof length + length;
    }
    struct reply_row row;
    uint32_t length;
    memcpy(&length, body, sizeof length);
    const uint8_t *bytes;
    size_t size;
    cr_assert(reply_row_begin(&row, body + sizeof length, length));
    cr_assert(reply_row_next(&row, &bytes, &size));
    (void)snprintf(id, sizeof id, "%.*s", (int)size, (const char *)bytes);
    return id;
}

static void
settle(const struct sequence *sequence, const struct difference_rules *rules)
{
    static uint16_t third_column[] = {2};
    bool is_by_id = strcmp(sequence->order, "id LIMIT") == 0;
    bool is_by_w = strcmp(sequence->order, "w LIMIT") == 0;
    struct determinacy determinacy = {
        .order = is_by_id || is_by_w ? ORDER_VISIBLE : ORDER_NONE,
        .keys = is_by_w ? third_column : first_column,
        .key_count = is_by_id || is_by_w,
        .is_total = is_by_id,
        .is_limited = is_by_id || is_by_w,
        .cuts_end = is_by_id || is_by_w,
        .limit = 3,
        .row_key = first_column,
        .row_key_count = 1,
    };
    struct rounds rounds;
    rounds_init(&rounds, &(struct rounds_settings){3, 6}, &determinacy, rules);
    enum rounds_step step = ROUNDS_AGAIN;
    unsigned taken = 0;
    for (size_t i = 0; step == ROUNDS_AGAIN && taken < 20; taken++) {
        struct result readings[4];
        for (int k = 0; k < 4; k++) {
            const char *rows =
                sequence->readings[i][k] ? sequence->readings[i][k] : sequence->readings[i][1];
            readings[k] = table("id int4, v text, w float8", rows);
        }
        step = add(&rounds, readings);
        if (i + 1 < MAX_ROUNDS && sequence->readings[i + 1][0] != NULL)
            i++;
    }
    cr_expect_eq(rounds.verdict, sequence->verdict, "%s: %s", sequence->what,
                 verdict_name(rounds.verdict));
    cr_expect_eq(taken, sequence->rounds_taken, "%s: %u rounds", sequence->what, taken);
    if (rounds.verdict == VERDICT_MISMATCH && sequence->verdict == VERDICT_MISMATCH) {
        const struct difference *difference = &rounds.difference;
        cr_expect_eq(difference->class, sequence->class, "%s: %s", sequence->what,
                     difference_class_name(difference->class));
        cr_expect_eq(difference->rows, sequence->rows, "%s: %zu rows", sequence->what,
                     difference->rows);
        cr_expect_eq(difference->column, sequence->column, "%s: column %zu", sequence->what,
                     difference->column);
        cr_expect_gt(difference->sample_count, 0, "%s", sequence->what);
        if (difference->sample_count > 0)
            cr_expect_str_eq(id_of(&rounds), sequence->id, "%s: row %s", sequence->what,
                             id_of(&rounds));
    }
    rounds_fini(&rounds);
}

#define A "1|a|0\n"
#define B "1|b|0\n"
#define C "1|c|0\n"
#define D "1|d|0\n"
#define SECOND(v) "2|" #v "|0\n"
#define HOT(number) "9|hot" #number "|0\n"

Test(rounds_keyed, each_row_is_judged_by_itself)
{
    static const struct sequence sequences[] = {
        {"a wrong value beside a row that moves",
         "",
         {{A HOT(1), B HOT(1), A HOT(2)},
          {A HOT(2), B HOT(3), A HOT(4)},
          {A HOT(5), B HOT(5), A HOT(6)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_VALUE,
         1,
         1,
         "1"},
        {"a missing row",
         "",
         {{A SECOND(x) HOT(1), A HOT(1), A SECOND(x) HOT(2)},
          {A SECOND(x) HOT(2), A HOT(3), A SECOND(x) HOT(4)},
          {A SECOND(x) HOT(5), A HOT(6), A SECOND(x) HOT(7)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_MISSING_ROWS,
         1,
         SIZE_MAX,
         "2"},
        {"an extra row",
         "",
         {{A HOT(1), A SECOND(x) HOT(2), A HOT(3)},
          {A HOT(4), A SECOND(x) HOT(5), A HOT(6)},
          {A HOT(7), A SECOND(x) HOT(8), A HOT(9)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_EXTRA_ROWS,
         1,
         SIZE_MAX,
         "2"},
        {"new has no row at all",
         "",
         {{A HOT(1), "", A HOT(2)}, {A HOT(3), "", A HOT(4)}, {A HOT(5), "", A HOT(6)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_MISSING_ROWS,
         1,
         SIZE_MAX,
         "1"},
        {"what moves on new alone is no fault, however many rows move on old",
         "",
         {{A HOT(1) SECOND(x), B, A HOT(2) SECOND(y)},
          {A HOT(3) SECOND(z), C, A HOT(4) SECOND(x)},
          {A HOT(5) SECOND(y), D, A HOT(6) SECOND(z)},
          {A HOT(1) SECOND(x), B, A HOT(2) SECOND(y)},
          {A HOT(3) SECOND(z), C, A HOT(4) SECOND(x)},
          {A HOT(5) SECOND(y), D, A HOT(6) SECOND(z)}},
         VERDICT_UNSTABLE,
         6,
         DIFFERENCE_NONE,
         0,
         0,
         NULL},
        {"a row that moves once restarts its own count alone",
         "",
         {{A SECOND(x) HOT(1), B SECOND(y) HOT(1), A SECOND(x) HOT(2)},
          {A SECOND(p) HOT(2), B SECOND(q) HOT(3), A SECOND(p) HOT(4)},
          {A SECOND(p) HOT(5), B SECOND(q) HOT(6), A SECOND(p) HOT(7)},
          {A SECOND(p) HOT(8), B SECOND(q) HOT(9), A SECOND(p) HOT(10)}},
         VERDICT_MISMATCH,
         4, // two have moved: one round more
         DIFFERENCE_VALUE,
         1,
         1,
         "1"},
        {"and is found itself when it has stood for long enough",
         "",
         {{A HOT(1), B HOT(1), A HOT(2)},
          {C HOT(2), D HOT(3), C HOT(4)},
          {C HOT(5), D HOT(6), C HOT(7)},
          {C HOT(8), D HOT(9), C HOT(10)},
          {C HOT(11), D HOT(12), C HOT(13)}},
         VERDICT_MISMATCH,
         5,
         DIFFERENCE_VALUE,
         1,
         1,
         "1"},
        {"nothing is held against a row that was equal once",
         "",
         {{A HOT(1), B HOT(1), A HOT(2)},
          {A HOT(2), A HOT(3), A HOT(4)},
          {A HOT(5), B HOT(5), A HOT(6)},
          {A HOT(7), B HOT(7), A HOT(8)},
          {A HOT(9), B HOT(9), A HOT(10)},
          {A HOT(11), B HOT(11), A HOT(12)}},
         VERDICT_UNSTABLE,
         6,
         DIFFERENCE_NONE,
         0,
         0,
         NULL},
        {"new's second reading counts",
         "",
         {{A HOT(1), B HOT(2), A HOT(3), C HOT(4)},
          {A HOT(5), B HOT(6), A HOT(7), C HOT(8)},
          {A HOT(1), B HOT(2), A HOT(3), C HOT(4)},
          {A HOT(5), B HOT(6), A HOT(7), C HOT(8)},
          {A HOT(1), B HOT(2), A HOT(3), C HOT(4)},
          {A HOT(5), B HOT(6), A HOT(7), C HOT(8)}},
         VERDICT_UNSTABLE,
         6,
         DIFFERENCE_NONE,
         0,
         0,
         NULL},
        {"rows of one key are taken together, and only those that differ",
         "",
         {{A B C HOT(1), D C A HOT(1), C B A HOT(2)},
          {A B C HOT(2), D A C HOT(3), A C B HOT(4)},
          {A B C HOT(5), D C A HOT(5), A B C HOT(6)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_VALUE,
         1,
         1,
         "1"},
        {"what moves within tolerance stands",
         "",
         {{"1|a|1\n" HOT(1), "1|b|1\n" HOT(1), "1|a|1.0000001\n" HOT(2)},
          {"1|a|0.9999999\n" HOT(2), "1|b|1\n" HOT(3), "1|a|1\n" HOT(4)},
          {"1|a|1\n" HOT(5), "1|b|1.0000001\n" HOT(5), "1|a|1\n" HOT(6)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_VALUE,
         1,
         1,
         "1"},
        {"what moves beyond it does not",
         "",
         {{"1|a|1\n" HOT(1), "1|b|1\n" HOT(1), "1|a|1\n" HOT(2)},
          {"1|a|2\n" HOT(2), "1|b|2\n" HOT(3), "1|a|2\n" HOT(4)},
          {"1|a|3\n" HOT(5), "1|b|3\n" HOT(6), "1|a|3\n" HOT(7)},
          {"1|a|4\n" HOT(1), "1|b|4\n" HOT(2), "1|a|4\n" HOT(3)},
          {"1|a|5\n" HOT(4), "1|b|5\n" HOT(5), "1|a|5\n" HOT(6)},
          {"1|a|6\n" HOT(7), "1|b|6\n" HOT(8), "1|a|6\n" HOT(9)}},
         VERDICT_UNSTABLE,
         6,
         DIFFERENCE_NONE,
         0,
         0,
         NULL},
        {"a wrong number beyond tolerance",
         "",
         {{"1|a|1\n" HOT(1), "1|a|1.1\n" HOT(1), "1|a|1\n" HOT(2)},
          {"1|a|1\n" HOT(2), "1|a|1.1\n" HOT(3), "1|a|1\n" HOT(4)},
          {"1|a|1\n" HOT(5), "1|a|1.1\n" HOT(5), "1|a|1\n" HOT(6)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_VALUE,
         1,
         2,
         "1"},
        {"rows correspond by their keys, though more of them is another's",
         "",
         {{"1|x|5\n2|y|6\n" HOT(1), "1|y|6\n2|x|5\n" HOT(1), "1|x|5\n2|y|6\n" HOT(2)},
          {"1|x|5\n2|y|6\n" HOT(2), "1|y|6\n2|x|5\n" HOT(3), "1|x|5\n2|y|6\n" HOT(4)},
          {"1|x|5\n2|y|6\n" HOT(5), "1|y|6\n2|x|5\n" HOT(6), "1|x|5\n2|y|6\n" HOT(7)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_VALUE,
         2,
         1,
         "1"},
        {"a row that a missing one lets in from behind LIMIT is no fault",
         "id LIMIT",
         {{A SECOND(x) "3|hot1|0\n", A "3|hot1|0\n4|z|0\n", A SECOND(x) "3|hot2|0\n"},
          {A SECOND(x) "3|hot3|0\n", A "3|hot4|0\n4|z|0\n", A SECOND(x) "3|hot5|0\n"},
          {A SECOND(x) "3|hot6|0\n", A "3|hot7|0\n4|z|0\n", A SECOND(x) "3|hot8|0\n"}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_MISSING_ROWS,
         1,
         SIZE_MAX,
         "2"},
        {"rows that tie at a cut are open, the others are not",
         "w LIMIT",
         {{"1|a|1\n2|hot1|2\n3|x|3\n", "1|b|1\n2|hot2|2\n4|x|3\n", "1|a|1\n2|hot3|2\n3|x|3\n"},
          {"1|a|1\n2|hot4|2\n3|x|3\n", "1|b|1\n2|hot5|2\n4|x|3\n", "1|a|1\n2|hot6|2\n3|x|3\n"},
          {"1|a|1\n2|hot7|2\n3|x|3\n", "1|b|1\n2|hot8|2\n4|x|3\n", "1|a|1\n2|hot9|2\n3|x|3\n"}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_VALUE,
         1,
         1,
         "1"},
        {"where sort keys move under a cut nothing is known",
         "w LIMIT",
         {{"1|a|1\n2|h|2\n3|x|3\n", "1|b|1\n2|h|2.1\n3|x|3\n", "1|a|1\n2|h|2.2\n3|x|3\n"},
          {"1|a|1\n2|h|2\n3|x|3\n", "1|b|1\n2|h|2.1\n3|x|3\n", "1|a|1\n2|h|2.2\n3|x|3\n"}},
         VERDICT_UNSTABLE,
         6,
         DIFFERENCE_NONE,
         0,
         0,
         NULL},
        {"an order that is wrong is the whole result's",
         "id LIMIT",
         {{A SECOND(x) HOT(1), SECOND(x) A HOT(1), A SECOND(x) HOT(1)}},
         VERDICT_MISMATCH,
         3,
         DIFFERENCE_ORDER,
         2,
         0,
         "1"},
        {"rows that new fails to read are the whole result's",
         "",
         {{A HOT(1), "!42883", A HOT(2)}},
         VERDICT_UNSTABLE,
         6,
         DIFFERENCE_NONE,
         0,
         0,
         NULL},
    };
    static const struct difference_rules rules = {.float_tolerance = 1e-6};
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
        settle(&sequences[i], &rules);
}

// Rows are then judged by all that they say.
Test(rounds_keyed, a_key_that_a_rule_ignores_names_no_row)
{
    static const struct column_rule columns[] = {
        {.tolerance = -1, .ignore = true}, {.tolerance = -1}, {.tolerance = -1}};
    static const struct difference_rules rules = {
        .float_tolerance = 1e-6, .columns = columns, .column_count = 3};
    static const struct sequence sequence = {"a key that is ignored",
                                             "",
                                             {{A HOT(1), B HOT(1), A HOT(2)},
                                              {A HOT(2), B HOT(3), A HOT(4)},
                                              {A HOT(5), B HOT(5), A HOT(6)}},
                                             VERDICT_MISMATCH,
                                             3,
                                             DIFFERENCE_VALUE,
                                             1,
                                             1,
                                             "1"};
    settle(&sequence, &rules);
}

enum fault { FAULT_NONE, FAULT_VALUE, FAULT_MISSING, FAULT_EXTRA, FAULTS };

// Rows from 1 on that show one of `states` at random in each reading, and row 0 that is right on old.
static struct result
reading(unsigned hot, unsigned states, enum fault fault, bool is_new)
{
    static char text[MAX_TEXT];
    int length = 0;
    if (fault != (is_new ? FAULT_MISSING : FAULT_EXTRA))
        length = snprintf(text, sizeof text, "0|%s|1\n",
                          is_new && fault == FAULT_VALUE ? "wrong" : "right");
    for (unsigned i = 1; i <= hot; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%u|%u|1\n", i,
                           (unsigned)(any() % states));
    text[length] = 0;
    return table("id int4, v text, w float8", text);
}

static enum verdict
suspect(struct rounds *rounds, const struct rounds_settings *settings, unsigned hot,
        unsigned states, enum fault fault)
{
    static const struct determinacy determinacy = {
        .order = ORDER_NONE, .row_key = first_column, .row_key_count = 1};
    static const struct difference_rules rules = {.float_tolerance = 1e-6};
    enum rounds_step step = ROUNDS_AGAIN;
    rounds_init(rounds, settings, &determinacy, &rules);
    while (step == ROUNDS_AGAIN) {
        struct result readings[4];
        for (int i = 0; i < 4; i++)
            readings[i] = reading(hot, states, fault, i % 2 == 1);
        step = add(rounds, readings);
    }
    return rounds->verdict;
}

Test(rounds_keyed, a_faulty_row_is_found_whatever_moves_beside_it, .timeout = 120)
{
    static const enum difference_class classes[] = {
        [FAULT_VALUE] = DIFFERENCE_VALUE,
        [FAULT_MISSING] = DIFFERENCE_MISSING_ROWS,
        [FAULT_EXTRA] = DIFFERENCE_EXTRA_ROWS,
    };
    for (unsigned i = 0; i < 60; i++) {
        enum fault fault = (enum fault)(1 + any() % (FAULTS - 1));
        unsigned hot = 1 + (unsigned)(any() % (i % 10 == 0 ? 200 : 20));
        struct rounds rounds;
        suspect(&rounds, &(struct rounds_settings){5, 10}, hot, 1000, fault);
        cr_expect_eq(rounds.verdict, VERDICT_MISMATCH, "fault %d beside %u: %s", fault, hot,
                     verdict_name(rounds.verdict));
        cr_expect_eq(rounds.difference.class, classes[fault]);
        cr_expect_eq(rounds.difference.rows, 1);
        if (rounds.difference.sample_count > 0)
            cr_expect_str_eq(id_of(&rounds), "0");
        rounds_fini(&rounds);
    }
}

// Each row is a coin that is tossed for each reading. By itself one of them shows the same in two rounds about once in a
// hundred suspicions; that there are many must not make it likelier that some one does.
Test(rounds_keyed, many_rows_that_move_are_no_likelier_mismatch_than_one, .timeout = 120)
{
    enum { SUSPICIONS = 300, ALLOWED = 3, HOT_ROWS = 32 };
    unsigned verdicts[VERDICT_COUNT] = {0};
    for (unsigned i = 0; i < SUSPICIONS; i++) {
        struct rounds rounds;
        verdicts[suspect(&rounds, &(struct rounds_settings){2, 4}, HOT_ROWS, 2, FAULT_NONE)]++;
        rounds_fini(&rounds);
    }
    cr_expect_leq(verdicts[VERDICT_MISMATCH], ALLOWED, "%u mismatches", verdicts[VERDICT_MISMATCH]);
    cr_expect_gt(verdicts[VERDICT_UNSTABLE], SUSPICIONS / 2);
}
