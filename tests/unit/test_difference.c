// What two results make of each other: classes, columns, rows, and what is left open.
#include "compare/difference.h"
#include "tables.h"

static uint16_t first_key[] = {0};
static const uint8_t second_rounding[] = {OPEN_NOTHING, OPEN_ROUNDING};
static const uint8_t second_sequence[] = {OPEN_NOTHING, OPEN_SEQUENCE};
static const uint8_t second_value[] = {OPEN_NOTHING, OPEN_VALUE};

static struct determinacy
determinacy_of(const char *order)
{
    struct determinacy determinacy = {.order = ORDER_NONE, .limit = UINT64_MAX, .open_count = 2};
    if (strstr(order, "by") != NULL || strstr(order, "prefix") != NULL) {
        determinacy.order = ORDER_VISIBLE;
        determinacy.keys = first_key;
        determinacy.key_count = 1;
    }
    if (strstr(order, "hidden") != NULL || strstr(order, "prefix") != NULL)
        determinacy.order = ORDER_HIDDEN;
    determinacy.is_total = strstr(order, "total") != NULL;
    determinacy.cuts_end = strstr(order, "limit") != NULL;
    determinacy.cuts_start = strstr(order, "offset") != NULL;
    determinacy.is_limited = determinacy.cuts_start || determinacy.cuts_end;
    if (strstr(order, "limit 9") != NULL)
        determinacy.limit = 9;
    determinacy.has_open_rows = strstr(order, "open") != NULL;
    determinacy.open = strstr(order, "rounding") != NULL   ? second_rounding
                       : strstr(order, "sequence") != NULL ? second_sequence
                       : strstr(order, "value") != NULL    ? second_value
                                                           : NULL;
    return determinacy;
}

struct expectation {
    const char *what;
    // Words: by (the first column), hidden, prefix (a key, then hidden ones), total, limit, limit 9,
    // offset, open (rows); rounding, sequence, value: open of the second column.
    const char *order;
    const char *old_columns, *old_rows, *new_columns, *new_rows;
    enum difference_class class;
    bool is_open;
    size_t column, rows;
};

static void
expect(const struct expectation *expected, const struct difference_rules *rules)
{
    struct result old_result = table(expected->old_columns, expected->old_rows);
    struct result new_result =
        table(expected->new_columns != NULL ? expected->new_columns : expected->old_columns,
              expected->new_rows);
    struct determinacy determinacy = determinacy_of(expected->order);
    struct difference difference;
    cr_assert(difference_find(&old_result, &new_result, &determinacy, rules, &difference));
    cr_expect_eq(difference.class, expected->class, "%s: class %s, not %s", expected->what,
                 difference_class_name(difference.class), difference_class_name(expected->class));
    cr_expect_eq(difference.is_open, expected->is_open, "%s: open", expected->what);
    cr_expect_eq(difference.column, expected->column, "%s: column %zd", expected->what,
                 (ssize_t)difference.column);
    cr_expect_eq(difference.rows, expected->rows, "%s: rows %zu", expected->what, difference.rows);
    if (expected->rows > 0)
        cr_expect(difference.sample_count > 0, "%s: no sample", expected->what);
    result_fini(&old_result);
    result_fini(&new_result);
}

#define NOWHERE SIZE_MAX
#define IDS "id int4"
#define NAMES "id int4, name text"
#define MIXED "id int4, name text, price numeric"

Test(difference, classes)
{
    static const struct expectation cases[] = {
        {"identical", "", NAMES, "1|a\n2|b\n", NULL, "1|a\n2|b\n", DIFFERENCE_NONE, false, NOWHERE,
         0},
        {"empty", "", NAMES, "", NULL, "", DIFFERENCE_NONE, false, NOWHERE, 0},
        {"no order: permuted", "", NAMES, "1|a\n2|b\n3|c\n", NULL, "3|c\n1|a\n2|b\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"no order: duplicates count", "", IDS, "1\n1\n2\n", NULL, "1\n2\n2\n", DIFFERENCE_VALUE,
         false, 0, 1},
        {"widened types", "", "id int4, p numeric", "1|2.50\n", "id int8, p numeric", "1|2.5\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"widened types, permuted", "", "id int4, j json", "1|{\"a\":1,\"b\":2}\n2|[]\n",
         "id int8, j jsonb", "2|[]\n1|{\"b\": 2, \"a\": 1}\n", DIFFERENCE_NONE, false, NOWHERE, 0},
        {"a value", "", MIXED, "1|a|1\n2|b|2\n", NULL, "1|a|1\n2|b|3\n", DIFFERENCE_VALUE, false, 2,
         1},
        {"a value, permuted", "", MIXED, "1|a|1\n2|b|2\n3|c|3\n", NULL, "3|c|3\n2|x|2\n1|a|1\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"most differing column", "", MIXED, "1|a|1\n2|b|2\n3|c|3\n", NULL, "1|x|9\n2|b|9\n3|c|9\n",
         DIFFERENCE_VALUE, false, 2, 3},
        {"the value that the next row had", "by", "id int4, n int4", "1|10\n2|20\n3|30\n", NULL,
         "1|20\n2|30\n3|40\n", DIFFERENCE_VALUE, false, 1, 3},
        {"NULL is not empty", "", NAMES, "1|\\N\n", NULL, "1|\n", DIFFERENCE_VALUE, false, 1, 1},
        {"NULL is NULL", "", NAMES, "1|\\N\n", "id int8, name text", "1|\\N\n", DIFFERENCE_NONE,
         false, NOWHERE, 0},
        {"one value of its own", "", IDS, "5\n", NULL, "6\n", DIFFERENCE_VALUE, false, 0, 1},
        {"missing rows", "", NAMES, "1|a\n2|b\n3|c\n", NULL, "3|c\n", DIFFERENCE_MISSING_ROWS,
         false, NOWHERE, 2},
        {"all rows missing", "", NAMES, "1|a\n", NULL, "", DIFFERENCE_MISSING_ROWS, false, NOWHERE,
         1},
        {"extra rows", "", NAMES, "1|a\n", NULL, "0|z\n1|a\n", DIFFERENCE_EXTRA_ROWS, false,
         NOWHERE, 1},
        {"row count", "", NAMES, "1|a\n2|b\n3|c\n", NULL, "1|a\n9|x\n", DIFFERENCE_ROW_COUNT, false,
         NOWHERE, 2},
        {"another name", "", NAMES, "1|a\n", "id int4, title text", "1|a\n", DIFFERENCE_COLUMNS,
         false, NOWHERE, 0},
        {"one column less", "", NAMES, "1|a\n", IDS, "1\n", DIFFERENCE_COLUMNS, false, NOWHERE, 0},
        {"one column more", "", IDS, "1\n", NAMES, "1|a\n", DIFFERENCE_COLUMNS, false, NOWHERE, 0},
        {"new fails", "", IDS, "1\n", NULL, "!42P01", DIFFERENCE_ERROR_NEW, false, NOWHERE, 0},
        {"old fails", "", IDS, "!42P01", NULL, "1\n", DIFFERENCE_ERROR_OLD, false, NOWHERE, 0},
        {"other errors", "", IDS, "!42P01", NULL, "!42703", DIFFERENCE_ERROR_CODE, false, NOWHERE,
         0},
        {"one error", "", IDS, "!42P01", NULL, "!42P01", DIFFERENCE_NONE, false, NOWHERE, 0},
        {"text that is a number", "", "v text", "5.0\n", "v numeric", "5.0\n", DIFFERENCE_NONE,
         false, NOWHERE, 0},
        {"text that looks otherwise", "", "v text", "5.0\n", "v numeric", "5.00\n",
         DIFFERENCE_VALUE, false, 0, 1},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&cases[i], &rules);
}

Test(difference, order)
{
    static const struct expectation cases[] = {
        {"ties may permute", "by", NAMES, "1|a\n1|b\n2|c\n", NULL, "1|b\n1|a\n2|c\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"keys may not", "by", NAMES, "1|a\n2|b\n", NULL, "2|b\n1|a\n", DIFFERENCE_ORDER, false, 0,
         2},
        {"keys by value", "by", NAMES, "1|a\n1|b\n", "id numeric, name text", "1.0|b\n1.00|a\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"a value among ties", "by", NAMES, "1|a\n1|b\n2|c\n", NULL, "1|x\n1|a\n2|c\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"hidden keys, same sequence", "hidden", NAMES, "1|a\n2|b\n", NULL, "1|a\n2|b\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"hidden keys, other sequence", "hidden", NAMES, "1|a\n2|b\n", NULL, "2|b\n1|a\n",
         DIFFERENCE_ORDER, true, 0, 2},
        {"hidden total keys", "hidden total", NAMES, "1|a\n2|b\n", NULL, "2|b\n1|a\n",
         DIFFERENCE_ORDER, false, 0, 2},
        {"hidden keys, a value", "hidden", NAMES, "1|a\n2|b\n", NULL, "1|a\n2|x\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"total order", "by total", NAMES, "1|a\n2|b\n", NULL, "1|a\n2|x\n", DIFFERENCE_VALUE,
         false, 1, 1},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&cases[i], &rules);
}

Test(difference, what_the_statement_leaves_open)
{
    static const struct expectation cases[] = {
        {"LIMIT without ORDER BY", "limit", NAMES, "1|a\n2|b\n", NULL, "1|a\n3|c\n",
         DIFFERENCE_VALUE, true, 0, 1},
        {"LIMIT over ties", "by limit", NAMES, "1|a\n2|b\n", NULL, "1|a\n2|c\n", DIFFERENCE_VALUE,
         true, 1, 1},
        {"LIMIT, other keys", "by limit", NAMES, "1|a\n2|b\n", NULL, "1|a\n3|b\n", DIFFERENCE_VALUE,
         false, 0, 1},
        {"LIMIT, other row count", "by limit", NAMES, "1|a\n2|b\n", NULL, "1|a\n",
         DIFFERENCE_MISSING_ROWS, false, NOWHERE, 1},
        {"LIMIT over a total order", "by limit total", NAMES, "1|a\n2|b\n", NULL, "1|a\n2|c\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"open rows", "open", NAMES, "1|{a,b}\n", NULL, "1|{b,a}\n", DIFFERENCE_VALUE, true, 1, 1},
        {"an error is never open", "open limit", NAMES, "1|a\n", NULL, "!42P01",
         DIFFERENCE_ERROR_NEW, false, NOWHERE, 0},
        {"columns are never open", "open limit", NAMES, "1|a\n", IDS, "1\n", DIFFERENCE_COLUMNS,
         false, NOWHERE, 0},
        {"a gap that LIMIT fills up", "by limit total", NAMES, "1|a\n2|b\n3|c\n4|d\n", NULL,
         "1|a\n3|c\n4|d\n5|e\n", DIFFERENCE_MISSING_ROWS, false, NOWHERE, 1},
        {"an extra row that LIMIT pushes out", "by limit total", NAMES, "1|a\n3|c\n4|d\n", NULL,
         "1|a\n2|b\n3|c\n", DIFFERENCE_EXTRA_ROWS, false, NOWHERE, 1},
        {"a value under LIMIT is no gap", "by limit total", NAMES, "1|a\n2|b\n3|c\n", NULL,
         "1|a\n2|x\n3|c\n", DIFFERENCE_VALUE, false, 1, 1},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&cases[i], &rules);
}

// Only the tie group that LIMIT or OFFSET cuts is open; what stands inside is checked in full.
Test(difference, at_the_boundary_of_a_limit)
{
    static const struct expectation cases[] = {
        {"the last tie group", "by limit", NAMES, "1|a\n2|b\n3|c\n3|d\n", NULL,
         "1|a\n2|b\n3|e\n3|c\n", DIFFERENCE_VALUE, true, 1, 1},
        {"a value inside", "by limit", NAMES, "1|a\n2|b\n3|c\n", NULL, "1|a\n2|x\n3|c\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"a value inside and the last tie group", "by limit", NAMES, "1|a\n2|b\n3|c\n", NULL,
         "1|a\n2|x\n3|d\n", DIFFERENCE_VALUE, false, 1, 1},
        {"ties inside are determined as a set", "by limit", NAMES, "1|a\n1|b\n3|c\n", NULL,
         "1|a\n1|x\n3|c\n", DIFFERENCE_VALUE, false, 1, 1},
        {"LIMIT cuts nothing before the first", "by limit", NAMES, "1|a\n2|b\n3|c\n", NULL,
         "1|x\n2|b\n3|c\n", DIFFERENCE_VALUE, false, 1, 1},
        {"OFFSET does", "by offset", NAMES, "1|a\n2|b\n3|c\n", NULL, "1|x\n2|b\n3|c\n",
         DIFFERENCE_VALUE, true, 1, 1},
        {"OFFSET cuts nothing behind the last", "by offset", NAMES, "1|a\n2|b\n3|c\n", NULL,
         "1|a\n2|b\n3|x\n", DIFFERENCE_VALUE, false, 1, 1},
        {"both", "by offset limit", NAMES, "1|a\n2|b\n3|c\n", NULL, "1|x\n2|b\n3|y\n",
         DIFFERENCE_VALUE, true, 1, 2},
        {"both, and inside", "by offset limit", NAMES, "1|a\n2|b\n3|c\n", NULL, "1|x\n2|z\n3|y\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"fewer rows than the limit", "by limit 9", NAMES, "1|a\n2|b\n", NULL, "1|a\n2|x\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"without ORDER BY, fewer rows than the limit", "limit 9", NAMES, "1|a\n2|b\n", NULL,
         "1|a\n3|b\n", DIFFERENCE_VALUE, false, 0, 1},
        {"without ORDER BY, another row count", "limit", NAMES, "1|a\n2|b\n", NULL, "1|a\n",
         DIFFERENCE_MISSING_ROWS, false, NOWHERE, 1},
        {"keys that can't be seen", "hidden limit", NAMES, "1|a\n2|b\n", NULL, "3|a\n2|b\n",
         DIFFERENCE_VALUE, true, 0, 1},
        {"a key before those", "prefix limit", NAMES, "1|a\n2|b\n", NULL, "1|a\n3|b\n",
         DIFFERENCE_VALUE, false, 0, 1},
        {"a key before those, inside", "prefix limit", NAMES, "1|a\n2|b\n", NULL, "1|x\n2|b\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"a key before those, other order", "prefix", NAMES, "1|a\n2|b\n", NULL, "2|b\n1|a\n",
         DIFFERENCE_ORDER, false, 0, 2},
        {"ties of a key before those", "prefix", NAMES, "1|a\n1|b\n", NULL, "1|b\n1|a\n",
         DIFFERENCE_ORDER, true, 1, 2},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&cases[i], &rules);
}

// What is open of one column's values leaves every other column and the rows determined.
Test(difference, open_values_hide_nothing_beside_them)
{
#define LISTS "id int4, v _text"
#define DOCUMENTS "id int4, v json"
#define SUMS "id int4, v float8"
    static const struct expectation cases[] = {
        {"an open value", "value", NAMES, "1|a\n2|b\n", NULL, "1|x\n2|b\n", DIFFERENCE_VALUE, true,
         1, 1},
        {"another column", "value", NAMES, "1|a\n2|b\n", NULL, "1|x\n3|b\n", DIFFERENCE_VALUE,
         false, 0, 1},
        {"a row is missing", "value", NAMES, "1|a\n2|b\n", NULL, "1|x\n", DIFFERENCE_MISSING_ROWS,
         false, NOWHERE, 1},
        {"the order", "by value", NAMES, "1|a\n2|b\n", NULL, "2|b\n1|x\n", DIFFERENCE_ORDER, false,
         0, 2},
        {"elements permuted", "sequence", LISTS, "1|{a,b,b}\n", NULL, "1|{b,a,b}\n",
         DIFFERENCE_VALUE, true, 1, 1},
        {"another element", "sequence", LISTS, "1|{a,b,b}\n", NULL, "1|{b,a,a}\n", DIFFERENCE_VALUE,
         false, 1, 1},
        {"an element less", "sequence", LISTS, "1|{a,b,b}\n", NULL, "1|{b,a}\n", DIFFERENCE_VALUE,
         false, 1, 1},
        {"JSON elements permuted", "sequence", DOCUMENTS, "1|[1, {\"a\": [1, 2]}]\n", NULL,
         "1|[{\"a\": [2, 1]}, 1.0]\n", DIFFERENCE_VALUE, true, 1, 1},
        {"another JSON element", "sequence", DOCUMENTS, "1|[1, {\"a\": 2}]\n", NULL,
         "1|[{\"a\": 3}, 1]\n", DIFFERENCE_VALUE, false, 1, 1},
        {"a JSON element twice", "sequence", DOCUMENTS, "1|[1, 1, 2]\n", NULL, "1|[1, 2, 2]\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"members of one name permuted", "sequence", DOCUMENTS, "1|{\"a\": 1, \"a\": 2}\n", NULL,
         "1|{\"a\": 2, \"a\": 1}\n", DIFFERENCE_VALUE, true, 1, 1},
        {"pieces permuted", "sequence", NAMES, "1|a,bc,d\n", NULL, "1|d,a,bc\n", DIFFERENCE_VALUE,
         true, 1, 1},
        {"another piece", "sequence", NAMES, "1|a,bc,d\n", NULL, "1|d,a,bx\n", DIFFERENCE_VALUE,
         false, 1, 1},
        {"no piece is not NULL", "sequence", NAMES, "1|\n", NULL, "1|\\N\n", DIFFERENCE_VALUE,
         false, 1, 1},
        {"rounding", "rounding", SUMS, "1|100\n", NULL, "1|100.00000000002\n", DIFFERENCE_NONE,
         false, NOWHERE, 0},
        {"more rounding than the tolerance takes", "rounding", SUMS, "1|100\n", NULL,
         "1|100.00000005\n", DIFFERENCE_VALUE, true, 1, 1},
        {"terms that cancel leave what rounding leaves", "rounding", SUMS, "1|0\n", NULL,
         "1|5.820766091346741e-11\n", DIFFERENCE_VALUE, true, 1, 1},
        {"with another sign", "rounding", SUMS, "1|-2.9e-05\n", NULL, "1|1.2e-05\n",
         DIFFERENCE_VALUE, true, 1, 1},
        {"of a float4", "rounding", "id int4, v float4", "1|0\n", NULL, "1|0.0625\n",
         DIFFERENCE_VALUE, true, 1, 1},
        {"in rows of any order", "rounding", SUMS, "1|1e-05\n1|100\n1|2e-05\n", NULL,
         "1|3e-05\n1|0\n1|100\n", DIFFERENCE_VALUE, true, 1, 2},
        {"too much is left", "rounding", SUMS, "1|0\n", NULL, "1|0.25\n", DIFFERENCE_VALUE, false,
         1, 1},
        {"of a float4 too", "rounding", "id int4, v float4", "1|0\n", NULL, "1|0.25\n",
         DIFFERENCE_VALUE, false, 1, 1},
        {"one of several", "rounding", SUMS, "1|1e-05\n1|100\n1|2e-05\n", NULL,
         "1|3e-05\n1|0.1\n1|100\n", DIFFERENCE_VALUE, false, 1, 1},
        {"no rounding", "rounding", SUMS, "1|100\n", NULL, "1|100.001\n", DIFFERENCE_VALUE, false,
         1, 1},
        {"float4 rounds more", "rounding", "id int4, v float4", "1|1.0001\n", NULL, "1|1.0002\n",
         DIFFERENCE_VALUE, true, 1, 1},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&cases[i], &rules);
}

// Both sides' sequences are sorted, but by two collations' rules; or one of them is not sorted at all.
Test(difference, names_a_pure_collation_difference)
{
#define WORDS "name text, id int4"
    static const struct {
        struct expectation expected;
        bool is_collation;
    } cases[] = {
        {{"C and a language's", "by", WORDS, "B|1\na|2\nb|3\n", NULL, "a|2\nb|3\nB|1\n",
          DIFFERENCE_ORDER, false, 0, 3},
         true},
        {{"descending", "by", WORDS, "b|3\na|2\nB|1\n", NULL, "B|1\nb|3\na|2\n", DIFFERENCE_ORDER,
          false, 0, 3},
         true},
        {{"punctuation", "by", WORDS, "a b|1\naa|2\n", NULL, "aa|2\na b|1\n", DIFFERENCE_ORDER,
          false, 0, 2},
         true},
        {{"NULL last", "by", WORDS, "B|1\na|2\n\\N|3\n", NULL, "a|2\nB|1\n\\N|3\n",
          DIFFERENCE_ORDER, false, 0, 2},
         true},
        {{"not sorted", "by", WORDS, "a|1\nb|2\nc|3\n", NULL, "a|1\nc|3\nb|2\n", DIFFERENCE_ORDER,
          false, 0, 2},
         false},
        {{"numbers", "by", IDS, "1\n2\n", NULL, "2\n1\n", DIFFERENCE_ORDER, false, 0, 2}, false},
        {{"letters beyond ASCII", "by", WORDS, "z|1\n\xc3\xa4|2\n", NULL, "\xc3\xa4|2\nz|1\n",
          DIFFERENCE_ORDER, false, 0, 2},
         false},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct expectation *expected = &cases[i].expected;
        expect(expected, &rules);
        struct result old_result = table(expected->old_columns, expected->old_rows);
        struct result new_result = table(expected->old_columns, expected->new_rows);
        struct determinacy determinacy = determinacy_of(expected->order);
        struct difference difference;
        cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
        cr_expect_eq(difference.is_collation, cases[i].is_collation, "%s", expected->what);
        result_fini(&old_result);
        result_fini(&new_result);
    }
}

Test(difference, floats_agree_within_tolerance)
{
    static const struct expectation cases[] = {
        {"near, permuted", "", "v float8, n text", "1.0000000000001|a\n2|b\n", NULL, "2|b\n1|a\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"one digest, many rows", "", "v float8", "1\n2\n3\n", NULL, "3\n1.0000000000001\n2\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"two float columns", "", "v float8, w float8", "1|5\n1.0000000000001|6\n", NULL,
         "1|6\n1.0000000000001|5\n", DIFFERENCE_NONE, false, NOWHERE, 0},
        {"NULL and NaN", "", "v float8", "NaN\n\\N\n1\n", NULL, "\\N\n1\nNaN\n", DIFFERENCE_NONE,
         false, NOWHERE, 0},
        {"infinities", "", "v float8", "Infinity\n-Infinity\n1\n", NULL, "1\n-Infinity\nInfinity\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"too far", "", "n text, v float8", "a|1\nb|2\n", NULL, "b|2\na|1.1\n", DIFFERENCE_VALUE,
         false, 1, 1},
        {"arrays", "", "v _float8", "{1,2}\n{3}\n", NULL, "{3}\n{1.0000000000001,2}\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&cases[i], &rules);
}

Test(difference, extra_columns_on_new_can_be_allowed)
{
    static const struct expectation cases[] = {
        {"one at the end", "", IDS, "1\n2\n", NAMES, "1|a\n2|b\n", DIFFERENCE_NONE, false, NOWHERE,
         0},
        {"one before", "", "name text", "b\na\n", NAMES, "1|a\n2|b\n", DIFFERENCE_NONE, false,
         NOWHERE, 0},
        {"namesakes in order", "", "x int4, x int4", "1|2\n", "x int4, y int4, x int4", "1|9|2\n",
         DIFFERENCE_NONE, false, NOWHERE, 0},
        {"one is missing", "", NAMES, "1|a\n", "id int4, title text, more text", "1|a|b\n",
         DIFFERENCE_COLUMNS, false, NOWHERE, 0},
        {"a value", "", "name text", "a\n", NAMES, "1|x\n", DIFFERENCE_VALUE, false, 0, 1},
    };
    struct difference_rules rules = {.float_tolerance = 1e-12, .allow_extra_columns = true};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(&cases[i], &rules);
}

Test(difference, rules_of_columns)
{
    static const struct {
        struct expectation expected;
        struct column_rule rule; // of the second column
        bool is_accepted;
    } cases[] = {
        {{"ignore", "", NAMES, "1|a\n2|b\n", NULL, "2|x\n1|y\n", DIFFERENCE_NONE, false, NOWHERE,
          0},
         {.tolerance = -1, .ignore = true},
         false},
        {{"as text", "", "id int4, p numeric", "1|2.5\n", NULL, "1|2.50\n", DIFFERENCE_VALUE, false,
          1, 1},
         {.tolerance = -1, .as = TYPE_AS_TEXT},
         false},
        {{"as trimmed", "", NAMES, "1| a \n", NULL, "1|a\n", DIFFERENCE_NONE, false, NOWHERE, 0},
         {.tolerance = -1, .as = TYPE_AS_TRIMMED},
         false},
        {{"tolerance", "", "id int4, p numeric", "1|100\n2|7\n", NULL, "2|7\n1|100.5\n",
          DIFFERENCE_NONE, false, NOWHERE, 0},
         {.tolerance = 0.01},
         false},
        {{"tolerance, too far", "", "id int4, p numeric", "1|100\n", NULL, "1|102\n",
          DIFFERENCE_VALUE, false, 1, 1},
         {.tolerance = 0.01},
         false},
        {{"unordered", "", "id int4, t _text", "1|{a,b,b}\n", NULL, "1|{b,a,b}\n", DIFFERENCE_NONE,
          false, NOWHERE, 0},
         {.tolerance = -1, .unordered = true},
         false},
        {{"accept", "", NAMES, "1|a\n2|b\n", NULL, "1|A\n2|B\n", DIFFERENCE_VALUE, false, 1, 2},
         {.tolerance = -1, .accept = "known"},
         true},
        {{"accept, and equal", "", NAMES, "1|a\n2|b\n", NULL, "2|b\n1|a\n", DIFFERENCE_NONE, false,
          NOWHERE, 0},
         {.tolerance = -1, .accept = "known"},
         false},
        {{"accept, and a row is missing", "", NAMES, "1|a\n2|b\n", NULL, "1|A\n",
          DIFFERENCE_MISSING_ROWS, false, NOWHERE, 1},
         {.tolerance = -1, .accept = "known"},
         false},
        {{"accept, and another column", "", NAMES, "1|a\n2|b\n", NULL, "1|A\n3|b\n",
          DIFFERENCE_VALUE, false, 0, 1},
         {.tolerance = -1, .accept = "known"},
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct column_rule columns[] = {{.tolerance = -1}, cases[i].rule};
        struct difference_rules rules = {
            .float_tolerance = 1e-12, .columns = columns, .column_count = 2};
        expect(&cases[i].expected, &rules);
        struct result old_result = table(cases[i].expected.old_columns, cases[i].expected.old_rows);
        struct result new_result = table(cases[i].expected.old_columns, cases[i].expected.new_rows);
        struct determinacy determinacy = {.order = ORDER_NONE};
        struct difference difference;
        cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
        cr_expect_eq(difference.is_accepted, cases[i].is_accepted, "%s", cases[i].expected.what);
        result_fini(&old_result);
        result_fini(&new_result);
    }
}

Test(difference, type_changes_are_told)
{
    static const struct {
        const char *old_columns, *new_columns, *row;
        bool has_type_change;
    } cases[] = {
        {"id int4", "id int4", "1\n", false},
        {"id int4", "id int8", "1\n", true},
        {"j json", "j jsonb", "{}\n", true},
        {"t text", "t varchar", "a\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result old_result = table(cases[i].old_columns, cases[i].row);
        struct result new_result = table(cases[i].new_columns, cases[i].row);
        struct determinacy determinacy = {.order = ORDER_NONE};
        struct difference_rules rules = {.float_tolerance = 0};
        struct difference difference;
        cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
        cr_expect_eq(difference.class, DIFFERENCE_NONE);
        cr_expect_eq(difference.has_type_change, cases[i].has_type_change, "%s",
                     cases[i].new_columns);
        result_fini(&old_result);
        result_fini(&new_result);
    }
}

Test(difference, samples_show_both_values)
{
    struct result old_result = table(MIXED, "1|a|1\n2|b|2\n");
    struct result new_result = table(MIXED, "2|b|2.5\n1|a|1\n");
    struct determinacy determinacy = {.order = ORDER_NONE};
    struct difference_rules rules = {.float_tolerance = 0};
    struct difference difference;
    cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
    cr_assert_eq(difference.sample_count, 1);
    const struct difference_sample *sample = &difference.samples[0];
    cr_expect_eq(sample->old_row, 1);
    cr_expect_eq(sample->new_row, 0);
    cr_expect_eq(sample->column, 2);
    cr_expect_eq(sample->old_value.length, 1);
    cr_expect_arr_eq(sample->old_value.bytes, "2", 1);
    cr_expect_arr_eq(sample->new_value.bytes, "2.5", 3);
    cr_expect_eq(sample->new_value.type, 1700);
    result_fini(&old_result);
    result_fini(&new_result);
}
