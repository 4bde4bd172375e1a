// Digests agree where results are equal, whatever the formats, types and order, and where they do not, a second
// reading keeps the rows that differ and few others.
#include "compare/digest.h"
#include "digests.h"
#include "tables.h"

static uint16_t first_key[] = {0};
static const struct determinacy unordered = {.order = ORDER_NONE};
static const struct determinacy by_first = {
    .order = ORDER_VISIBLE, .keys = first_key, .key_count = 1};
static const struct determinacy by_id = {
    .order = ORDER_VISIBLE, .keys = first_key, .key_count = 1, .is_total = true};
static const struct determinacy hidden = {.order = ORDER_HIDDEN};

struct pairing { // two results and their digests
    struct result results[2];
    struct digest_plan *plan;
    struct digest *digests[2];
    struct difference_rules rules;
    const struct determinacy *determinacy;
};

static void
take(struct pairing *pair, struct result old_result, struct result new_result,
     const struct determinacy *determinacy, size_t piece)
{
    struct result heads[2];
    *pair = (struct pairing){.results = {old_result, new_result},
                             .rules = {.float_tolerance = 1e-9},
                             .determinacy = determinacy};
    for (size_t i = 0; i < 2; i++)
        cr_assert(head_of(&heads[i], &pair->results[i]));
    pair->plan = digest_plan_new(&heads[0], &heads[1], determinacy, &pair->rules);
    cr_assert(pair->plan != NULL);
    for (size_t i = 0; i < 2; i++) {
        pair->digests[i] = digest_of(pair->plan, i == 1, &pair->results[i], NULL, NULL, piece);
        cr_assert(pair->digests[i] != NULL);
        result_fini(&heads[i]);
    }
}

static void
drop(struct pairing *pair)
{
    for (size_t i = 0; i < 2; i++) {
        digest_free(&pair->digests[i]);
        result_fini(&pair->results[i]);
    }
    digest_plan_free(&pair->plan);
}

// The rows that a further reading keeps, and the difference between them.
static struct difference
narrow(struct pairing *pair, struct result kept[2])
{
    struct digest_selection selection;
    struct difference difference;
    cr_assert(digest_select(pair->digests[0], pair->digests[1], &selection));
    for (size_t i = 0; i < 2; i++) {
        cr_assert(head_of(&kept[i], &pair->results[i]));
        struct digest *digest =
            digest_of(pair->plan, i == 1, &pair->results[i], &selection, &kept[i], 7);
        cr_assert(digest != NULL && !digest_has_overflown(digest));
        cr_expect_eq(digest_compare(digest, pair->digests[i]), DIGEST_SAME);
        digest_free(&digest);
        kept[i].kind = RESULT_ROWS;
    }
    if (selection.is_by_place)
        cr_assert(
            digest_find_order(&kept[0], &kept[1], pair->determinacy, &pair->rules, &difference));
    else
        cr_assert(
            difference_find(&kept[0], &kept[1], pair->determinacy, &pair->rules, &difference));
    return difference;
}

Test(digest, agrees_with_equality)
{
    static const struct {
        const char *what;
        const struct determinacy *determinacy;
        const char *old_columns, *old_rows, *new_columns, *new_rows;
        enum digest_relation relation;
    } cases[] = {
        {"identical", &unordered, "id int4, t text", "1|a\n2|\n", NULL, "1|a\n2|\n", DIGEST_SAME},
        {"empty", &unordered, "id int4", "", NULL, "", DIGEST_SAME},
        {"permuted", &unordered, "id int4, t text", "1|a\n2|b\n", NULL, "2|b\n1|a\n", DIGEST_SAME},
        {"numeric scale", &unordered, "p numeric", "1.50\n", NULL, "1.5\n", DIGEST_SAME},
        {"widened", &unordered, "id int4", "7\n", "id int8", "7\n", DIGEST_SAME},
        {"json to jsonb", &unordered, "j json", "{\"a\":1,\"b\":2}\n", "j jsonb",
         "{\"b\": 2, \"a\": 1.0}\n", DIGEST_SAME},
        {"within tolerance", &unordered, "id int4, f float8", "1|1.5\n", NULL,
         "1|1.5000000000001\n", DIGEST_INEXACT},
        {"NULL is not empty", &unordered, "t text", "\\N\n", NULL, "\n", DIGEST_ROWS},
        {"a value", &unordered, "id int4, t text", "1|a\n", NULL, "1|b\n", DIGEST_ROWS},
        {"cells do not run together", &unordered, "a text, b text", "ab|c\n", NULL, "a|bc\n",
         DIGEST_ROWS},
        {"values in each other's column", &unordered, "a int4, b int4", "1|2\n", NULL, "2|1\n",
         DIGEST_ROWS},
        {"duplicates count", &unordered, "id int4", "1\n1\n2\n", NULL, "1\n2\n2\n", DIGEST_ROWS},
        {"twice as many", &unordered, "id int4", "1\n", NULL, "1\n1\n", DIGEST_ROWS},
        {"keys out of order", &by_first, "id int4, t text", "1|a\n2|b\n", NULL, "2|b\n1|a\n",
         DIGEST_ORDER},
        {"ties may permute", &by_first, "id int4, t text", "1|a\n1|b\n", NULL, "1|b\n1|a\n",
         DIGEST_SAME},
        {"hidden keys", &hidden, "id int4, t text", "1|a\n2|b\n", NULL, "2|b\n1|a\n", DIGEST_ORDER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 0; piece < 6; piece++) {
            struct pairing pair;
            const char *columns = cases[i].new_columns;
            take(&pair, table(cases[i].old_columns, cases[i].old_rows),
                 table(columns != NULL ? columns : cases[i].old_columns, cases[i].new_rows),
                 cases[i].determinacy, piece);
            cr_expect_eq(digest_compare(pair.digests[0], pair.digests[1]), cases[i].relation,
                         "%s in pieces of %zu", cases[i].what, piece);
            drop(&pair);
        }
}

enum { MANY = 40000 };

// Rows 0 to MANY: `changed` has another text, `missing` is not there, `first` and the next change places.
static struct result
many(size_t changed, size_t missing, size_t first)
{
    struct result result = table("id int4, state text, name text", "");
    result.kind = RESULT_OPEN;
    for (size_t i = 0; i < MANY; i++) {
        char line[80];
        size_t id = i == first ? i + 1 : i == first + 1 && first != SIZE_MAX ? i - 1 : i;
        if (id == missing)
            continue;
        snprintf(line, sizeof line, "%zu|%s|name %zu%s", id, id % 2 ? "new" : "old", id,
                 changed != SIZE_MAX && id % changed == 5 ? "!" : "");
        add_row(&result, line);
    }
    result.kind = RESULT_ROWS;
    return result;
}

Test(digest, a_wrong_value_is_found_in_its_column_among_few_rows)
{
    struct pairing pair;
    struct result kept[2];
    take(&pair, many(SIZE_MAX, SIZE_MAX, SIZE_MAX), many(MANY, SIZE_MAX, SIZE_MAX), &unordered, 0);
    struct difference difference = narrow(&pair, kept);
    cr_expect_eq(difference.class, DIFFERENCE_VALUE);
    cr_expect_eq(difference.column, 2);
    cr_expect_eq(difference.rows, 1);
    cr_expect(kept[0].row_count < 20 && kept[0].row_count == kept[1].row_count);
    result_fini(&kept[0]);
    result_fini(&kept[1]);
    drop(&pair);
}

Test(digest, values_wrong_in_half_of_the_rows_are_values_of_that_column)
{
    struct pairing pair;
    struct result kept[2];
    take(&pair, many(SIZE_MAX, SIZE_MAX, SIZE_MAX), many(6, SIZE_MAX, SIZE_MAX), &unordered, 0);
    struct difference difference = narrow(&pair, kept);
    cr_expect_eq(difference.class, DIFFERENCE_VALUE);
    cr_expect_eq(difference.column, 2);
    for (size_t i = 0; i < difference.sample_count;
         i++) // rows that correspond were kept of both sides
        cr_expect_eq(difference.samples[i].column, 2);
    result_fini(&kept[0]);
    result_fini(&kept[1]);
    drop(&pair);
}

Test(digest, a_missing_row_is_found)
{
    struct pairing pair;
    struct result kept[2];
    take(&pair, many(SIZE_MAX, SIZE_MAX, SIZE_MAX), many(SIZE_MAX, 777, SIZE_MAX), &by_id, 0);
    struct difference difference = narrow(&pair, kept);
    cr_expect_eq(difference.class, DIFFERENCE_MISSING_ROWS);
    cr_expect_eq(difference.rows, 1);
    result_fini(&kept[0]);
    result_fini(&kept[1]);
    drop(&pair);
}

Test(digest, rows_that_change_places_are_an_order_and_the_place_is_found)
{
    struct pairing pair;
    struct result kept[2];
    take(&pair, many(SIZE_MAX, SIZE_MAX, SIZE_MAX), many(SIZE_MAX, SIZE_MAX, 30000), &by_id, 0);
    cr_expect_eq(digest_compare(pair.digests[0], pair.digests[1]), DIGEST_ORDER);
    struct difference difference = narrow(&pair, kept);
    cr_expect_eq(difference.class, DIFFERENCE_ORDER);
    cr_expect_eq(difference.column, 0);
    cr_expect_eq(difference.rows, 2);
    cr_expect(!difference.is_open);
    cr_expect_eq(difference.samples[0].old_value.length, 5);
    cr_expect_eq(memcmp(difference.samples[0].old_value.bytes, "30000", 5), 0);
    result_fini(&kept[0]);
    result_fini(&kept[1]);
    drop(&pair);
}

// One row: an id and a value of `length` bytes in a format: a head, ones as that format writes them, and `last`.
static struct result
with_large_value(const char *type, int16_t format, const char *head, size_t length, char last)
{
    struct result result;
    struct writer body;
    struct reply_column columns[2] = {{.name = "id", .type = type_named("int4")},
                                      {.name = "v", .type = type_named(type)}};
    int16_t formats[2] = {0, format};
    char *value = malloc(length);
    memset(value, format == 0 ? '1' : '\x11', length);
    memcpy(value, head, strlen(head));
    value[length - 1] = last;
    result_init(&result);
    cr_assert(result_set_columns(&result, columns, 2, formats, 2));
    writer_init(&body);
    writer_i16(&body, 2);
    writer_value(&body, "1", 1);
    writer_value(&body, value, length);
    cr_assert_eq(result_add(&result, 'D', body.bytes, body.length), RESULT_OK);
    writer_fini(&body);
    free(value);
    result.kind = RESULT_ROWS;
    return result;
}

enum { LARGE = 2 * 1024 * 1024 + 2 };

Test(digest, a_value_too_large_to_be_kept_is_compared_all_the_same)
{
    static const struct {
        const char *old_type, *new_type, *head;
        char last;
        enum digest_relation relation;
        bool is_uncertain;
    } cases[] = {
        {"text", "varchar", "a", '1', DIGEST_SAME, false},
        {"text", "varchar", "a", '2', DIGEST_ROWS, false},
        {"bytea", "bytea", "\\x", '1', DIGEST_SAME, false},
        {"bytea", "bytea", "\\x", '2', DIGEST_ROWS, false},
        {"jsonb", "jsonb", "1", '1', DIGEST_SAME, true},
        {"jsonb", "jsonb", "1", '2', DIGEST_ROWS, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pairing pair;
        struct result kept[2];
        take(&pair, with_large_value(cases[i].old_type, 0, cases[i].head, LARGE, '1'),
             with_large_value(cases[i].new_type, 0, cases[i].head, LARGE, cases[i].last),
             &unordered, 1009);
        cr_expect_eq(digest_compare(pair.digests[0], pair.digests[1]), cases[i].relation, "%zu", i);
        cr_expect(!digest_is_unreadable(pair.digests[0]));
        if (cases[i].relation == DIGEST_ROWS) {
            struct digest_selection selection;
            struct difference difference = narrow(&pair, kept);
            cr_expect_eq(difference.class, DIFFERENCE_VALUE);
            cr_expect_eq(difference.column, 1, "%zu", i);
            cr_expect(kept[0].rows_length < 1000);
            cr_expect(digest_select(pair.digests[0], pair.digests[1], &selection));
            cr_expect_eq(digest_is_uncertain(pair.digests[0], &selection), cases[i].is_uncertain);
            result_fini(&kept[0]);
            result_fini(&kept[1]);
        }
        drop(&pair);
    }
}

// The digits of a bytea of either format, of which one is short enough to be read whole.
Test(digest, bytea_is_one_whether_hashed_whole_or_in_pieces)
{
    struct pairing pair;
    size_t bytes = DIGEST_CELL_LIMIT - 100; // as text twice that
    struct result binary = with_large_value("bytea", 1, "", bytes, '\x11');
    struct result text = with_large_value("bytea", 0, "\\x", 2 + 2 * bytes, '1');
    take(&pair, binary, text, &unordered, 4099);
    cr_expect_eq(digest_compare(pair.digests[0], pair.digests[1]), DIGEST_SAME);
    drop(&pair);
}

Test(digest, a_large_value_of_types_that_must_be_read_to_compare_is_unreadable)
{
    struct pairing pair;
    take(&pair, with_large_value("json", 0, "1", LARGE, '1'),
         with_large_value("jsonb", 0, "1", LARGE, '1'), &unordered, 0);
    cr_expect(digest_is_unreadable(pair.digests[0]));
    drop(&pair);
}

Test(digest, junk_in_rows_is_junk)
{
    static const struct {
        const char *what;
        const char bytes[16];
        size_t length;
    } cases[] = {
        {"no count", "\0", 1},
        {"another count",
         "\0\2\0\0\0\1"
         "a\0\0\0\1"
         "b",
         12},
        {"ends in a length", "\0\1\0\0", 4},
        {"ends in a value",
         "\0\1\0\0\0\2"
         "a",
         7},
        {"a negative length", "\0\1\377\377\377\376", 6},
        {"more bytes than values",
         "\0\1\0\0\0\1"
         "ab",
         8},
        {"nothing", "", 0},
    };
    struct pairing pair;
    take(&pair, table("t text", ""), table("t text", ""), &unordered, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(digest_row(pair.digests[0], (const uint8_t *)cases[i].bytes, cases[i].length,
                                true, true),
                     DIGEST_JUNK, "%s", cases[i].what);
    drop(&pair);
}
