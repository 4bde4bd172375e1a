// Rows of the same bytes are taken away from both sides wherever they stand: results of so many rows
// that their digests are parted, each row twice, in opposite orders.
#include "compare/difference.h"
#include "tables.h"

enum { ROWS = 6000, MAX_LINE = 16, LEFT_OUT = 4321, NOWHERE = ROWS };

// Row i holds i / 2.
static struct result
twice(bool is_backwards, int left_out)
{
    char *text = malloc(ROWS * MAX_LINE + 1);
    size_t length = 0;
    for (int i = 0; i < ROWS; i++) {
        int row = is_backwards ? ROWS - 1 - i : i;
        if (row != left_out)
            length += (size_t)snprintf(text + length, MAX_LINE, "%d\n", row / 2);
    }
    struct result result = table("id int4", text);
    free(text);
    return result;
}

static struct difference
compare(int old_left_out, int new_left_out)
{
    struct result old_result = twice(false, old_left_out);
    struct result new_result = twice(true, new_left_out);
    struct determinacy determinacy = {.order = ORDER_NONE};
    struct difference_rules rules = {0};
    struct difference difference;
    cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
    result_fini(&old_result);
    result_fini(&new_result);
    return difference;
}

Test(difference_match, permuted_rows_are_equal)
{
    cr_expect_eq(compare(NOWHERE, NOWHERE).class, DIFFERENCE_NONE);
    cr_expect_eq(compare(LEFT_OUT, LEFT_OUT ^ 1).class, DIFFERENCE_NONE);
}

// Of two rows that are the same the first is taken first.
Test(difference_match, one_of_two_equal_rows_is_missed)
{
    struct difference missing = compare(NOWHERE, LEFT_OUT ^ 1);
    cr_expect_eq(missing.class, DIFFERENCE_MISSING_ROWS);
    cr_expect_eq(missing.rows, 1);
    cr_expect_eq(missing.samples[0].old_row, LEFT_OUT);
    struct difference extra = compare(LEFT_OUT, NOWHERE);
    cr_expect_eq(extra.class, DIFFERENCE_EXTRA_ROWS);
    cr_expect_eq(extra.rows, 1);
    cr_expect_eq(extra.samples[0].new_row, ROWS - 1 - (LEFT_OUT & ~1));
}

Test(difference_match, different_rows_are_left_on_both_sides)
{
    struct difference difference = compare(LEFT_OUT, LEFT_OUT - 100);
    cr_expect_eq(difference.class, DIFFERENCE_VALUE);
    cr_expect_eq(difference.rows, 1);
    cr_expect_eq(difference.samples[0].old_row, LEFT_OUT - 100 + (LEFT_OUT % 2 == 0));
}

// `sevens` rows of 7 and one of 8 among them.
static struct result
sevens_and_an_eight(size_t sevens, size_t at)
{
    char *text = malloc(2 * sevens + 3);
    for (size_t i = 0; i <= sevens; i++)
        memcpy(text + 2 * i, i == at ? "8\n" : "7\n", 3);
    struct result result = table("id int4", text);
    free(text);
    return result;
}

// All in one part and one place of its table, and so many that memory comes in large pages.
Test(difference_match, many_rows_of_one_digest_are_counted)
{
    enum { SEVENS = 70000 };
    struct determinacy determinacy = {.order = ORDER_NONE};
    struct difference_rules rules = {0};
    for (size_t missing = 0; missing < 3; missing++) {
        struct result old_result = sevens_and_an_eight(SEVENS, 0);
        struct result new_result = sevens_and_an_eight(SEVENS - missing, SEVENS - missing);
        struct difference difference;
        cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
        cr_expect_eq(difference.class, missing > 0 ? DIFFERENCE_MISSING_ROWS : DIFFERENCE_NONE);
        cr_expect_eq(difference.rows, missing);
        result_fini(&old_result);
        result_fini(&new_result);
    }
}
