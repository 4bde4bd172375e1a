// compare/ without memory: results, differences and rounds are run with their first allocation
// failing, then their second, and so on until none fails. Each says so or gives the right answer,
// leaks nothing, and never calls two results equal that are not, nor different that are equal.
// The linker puts our allocators in place of the library's (see tests/CMakeLists.txt).
#include "compare/digest.h"
#include "compare/rounds.h"
#include "digests.h"
#include "tables.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

static long allocations_left = -1; // negative: without limit; one failure, then all succeed again
enum { MAX_ALLOCATIONS = 5000 };

static bool
may_allocate(void)
{
    if (allocations_left < 0)
        return true;
    return allocations_left-- != 0;
}

void *
__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *
__wrap_realloc(void *memory, size_t size)
{
    return may_allocate() ? __real_realloc(memory, size) : NULL;
}

char *
__wrap_strdup(const char *text)
{
    return may_allocate() ? __real_strdup(text) : NULL;
}

// A large object, out of order on one side, so that forms grow and members are sorted.
#define DATA_1                                                                                     \
    "{\"zebra\":[1,2,3,4,5,6,7,8],\"yak\":\"a text of some length, so that forms "                 \
    "grow\",\"ant\":1}"
#define DATA_2                                                                                     \
    "{\"ant\":1.0,\"yak\":\"a text of some length, so that forms "                                 \
    "grow\",\"zebra\":[1,2,3,4,5,6,7,8]}"

static const char *const columns = "id int4, data json, tags _text, weight float8, span int4range";

static struct result
old_table(void)
{
    return table(columns,
                 "1|" DATA_1 "|{a,\"b\\\\c\"}|1.5|[1,5)\n2|[]|{}|2.5|empty\n3|1|{x,y}|3|[1,2)\n");
}

static struct result
equal_table(void)
{
    return table(columns, "3|1.0|{y,x}|3.0000000000001|[1,2)\n1|" DATA_2
                          "|{\"b\\\\c\",a}|1.5|[1,5)\n2|[]|{}|2.5|empty\n");
}

static struct result
other_table(void)
{
    return table(columns,
                 "3|1.0|{y,z}|3|[1,2)\n1|" DATA_2 "|{\"b\\\\c\",a}|1.5|[1,5)\n2|[]|{}|2.5|empty\n");
}

static const struct column_rule rules_of_columns[] = {{.tolerance = -1},
                                                      {.tolerance = -1},
                                                      {.tolerance = -1, .unordered = true},
                                                      {.tolerance = -1},
                                                      {.tolerance = -1}};
static const struct difference_rules rules = {
    .float_tolerance = 1e-12, .columns = rules_of_columns, .column_count = 5};
static const struct determinacy no_order = {.order = ORDER_NONE};

// Runs `compare` with each allocation failing once; gives how many there are.
static long
fail_each(bool (*compare)(void))
{
    for (long i = 0; i < MAX_ALLOCATIONS; i++) {
        allocations_left = i;
        bool is_done = compare();
        bool has_failed = allocations_left < 0;
        allocations_left = -1;
        if (!has_failed) {
            cr_assert(is_done);
            return i;
        }
    }
    cr_assert_fail("allocations without end");
    return 0;
}

static struct result old_result, equal_result, other_result;

static void
make_tables(void)
{
    old_result = old_table();
    equal_result = equal_table();
    other_result = other_table();
}

static void
drop_tables(void)
{
    result_fini(&old_result);
    result_fini(&equal_result);
    result_fini(&other_result);
}

static bool
find_none(void)
{
    struct difference difference;
    if (!difference_find(&old_result, &equal_result, &no_order, &rules, &difference))
        return false;
    cr_expect_eq(difference.class, DIFFERENCE_NONE, "%s", difference_class_name(difference.class));
    return true;
}

static bool
find_value(void)
{
    struct difference difference;
    if (!difference_find(&old_result, &other_result, &no_order, &rules, &difference))
        return false;
    cr_expect_eq(difference.class, DIFFERENCE_VALUE, "%s", difference_class_name(difference.class));
    cr_expect_eq(difference.column, 2);
    return true;
}

Test(allocation_compare, differences_are_never_wrong, .init = make_tables, .fini = drop_tables)
{
    cr_expect(fail_each(find_none) > 5);
    cr_expect(fail_each(find_value) > 10);
}

static bool
build_result(void)
{
    static const uint8_t row[] = {0, 1, 0, 0, 0, 1, '7'};
    static const uint8_t error[] = "C42P01\0Mno table\0";
    struct reply_column column = {.name = "a", .type = 23};
    struct result results[2];
    result_init(&results[0]);
    result_init(&results[1]);
    bool is_done = result_set_columns(&results[0], &column, 1, NULL, 0);
    for (int i = 0; i < 300 && is_done; i++)
        is_done = result_add(&results[0], 'D', row, sizeof row) == RESULT_OK;
    is_done = is_done &&
              result_add(&results[0], 'C', (const uint8_t *)"SELECT 1", 9) == RESULT_ENDED &&
              result_add(&results[1], 'E', error, sizeof error) == RESULT_ENDED;
    result_fini(&results[0]);
    result_fini(&results[1]);
    return is_done;
}

Test(allocation_compare, results_say_that_they_are_incomplete)
{
    cr_expect(fail_each(build_result) > 4);
}

// Rounds without memory are unverified, or come to the same verdict; what they keep is whole.
static void
settle_without(long allocation, const char *const readings[][3], bool has_key,
               enum verdict expected)
{
    struct rounds_settings settings = {.rounds = 3, .attempts = 6};
    struct rounds rounds;
    enum rounds_step step = ROUNDS_AGAIN;
    uint16_t first_column[] = {0};
    struct determinacy determinacy = no_order;
    determinacy.row_key = first_column;
    determinacy.row_key_count = has_key;
    rounds_init(&rounds, &settings, &determinacy, &rules);
    for (int i = 0; i < 3 && step == ROUNDS_AGAIN; i++) {
        struct result results[4];
        for (int k = 0; k < 4; k++)
            results[k] = table("id int4, v text", readings[i][k < 3 ? k : 1]);
        allocations_left = allocation;
        bool again = rounds_wants_new_again(&rounds, &results[0], &results[1], &results[2]);
        step =
            rounds_add(&rounds, &results[0], &results[1], &results[2], again ? &results[3] : NULL);
        allocation = allocations_left;
        allocations_left = -1;
        for (int k = 0; k < 4; k++)
            result_fini(&results[k]);
    }
    if (step == ROUNDS_SETTLED)
        cr_expect(rounds.verdict == expected || rounds.verdict == VERDICT_UNVERIFIED, "%s",
                  verdict_name(rounds.verdict));
    rounds_fini(&rounds);
}

Test(allocation_compare, rounds_are_never_wrong)
{
    static const char *const still[][3] = {
        {"1|a\n", "1|b\n", "1|a\n"}, {"1|a\n", "1|b\n", "1|a\n"}, {"1|a\n", "1|b\n", "1|a\n"}};
    static const char *const hot[][3] = {{"1|a\n9|h1\n", "1|b\n9|h1\n", "1|a\n9|h2\n"},
                                         {"1|a\n9|h3\n", "1|b\n9|h3\n", "1|a\n9|h4\n"},
                                         {"1|a\n9|h5\n", "1|b\n9|h5\n", "1|a\n9|h6\n"}};
    for (long i = 0; i < 300; i++) {
        settle_without(i, still, false, VERDICT_MISMATCH);
        settle_without(i, hot, false, VERDICT_MISMATCH);
        settle_without(i, hot, true, VERDICT_MISMATCH);
    }
}

static bool
digest_both(const struct result *new_result, enum digest_relation expected)
{
    struct result heads[2];
    struct result kept;
    struct digest *digests[3] = {NULL};
    struct digest_selection selection;
    bool has_heads = head_of(&heads[0], &old_result);
    has_heads = head_of(&heads[1], new_result) && has_heads;
    bool has_kept = head_of(&kept, &old_result);
    struct digest_plan *plan =
        has_heads && has_kept ? digest_plan_new(&heads[0], &heads[1], &no_order, &rules) : NULL;
    bool is_done = plan != NULL;
    if (is_done) {
        digests[0] = digest_of(plan, false, &old_result, NULL, NULL, 3);
        digests[1] = digest_of(plan, true, new_result, NULL, NULL, 3);
        is_done = digests[0] != NULL && digests[1] != NULL;
    }
    if (is_done) {
        enum digest_relation relation = digest_compare(digests[0], digests[1]);
        cr_expect_eq(relation, expected, "%d", relation);
        cr_expect(digest_select(digests[0], digests[1], &selection));
        digests[2] = digest_of(plan, false, &old_result, &selection, &kept, 3);
        is_done = digests[2] != NULL;
        cr_expect(!is_done || kept.row_count > 0);
    }
    for (size_t i = 0; i < 3; i++)
        digest_free(&digests[i]);
    digest_plan_free(&plan);
    result_fini(&heads[0]);
    result_fini(&heads[1]);
    result_fini(&kept);
    return is_done;
}

static bool
digest_equal(void)
{
    return digest_both(&equal_result, DIGEST_INEXACT);
}

static bool
digest_other(void)
{
    return digest_both(&other_result, DIGEST_ROWS);
}

Test(allocation_compare, digests_say_that_they_are_incomplete, .init = make_tables,
     .fini = drop_tables)
{
    cr_expect(fail_each(digest_equal) > 10);
    cr_expect(fail_each(digest_other) > 10);
}
