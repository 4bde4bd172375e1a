// Random tables, of a fixed seed: rows permuted and re-typed are equal; one change is found, with
// its class and its column; memory that runs out is told and loses nothing.
#include "compare/difference.h"
#include "tables.h"

enum { MAX_ROWS = 400, TRIALS = 50, MAX_LINE = 200 };

static const char old_columns[] =
    "id int4, kind text, note text, price numeric, weight float8, data json";
static const char new_columns[] =
    "id int8, kind varchar, note text, price numeric, weight float8, data jsonb";

enum { ID, KIND, NOTE, PRICE, WEIGHT, DATA, COLUMNS };

struct row {
    int id, kind, note, price, weight, data;
};

static uint64_t seed = 20221122;

static unsigned
random_below(unsigned limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % limit;
}

static size_t
random_rows(struct row *rows)
{
    size_t count = 2 + random_below(MAX_ROWS - 2);
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct row){(int)i * 3,           (int)random_below(3), (int)random_below(50),
                               (int)random_below(9), (int)random_below(5), (int)random_below(7)};
    return count;
}

static void
shuffle(struct row *rows, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below((unsigned)i);
        struct row row = rows[i - 1];
        rows[i - 1] = rows[other];
        rows[other] = row;
    }
}

static struct result
build(const struct row *rows, size_t count, bool is_new)
{
    char *text = malloc(count * MAX_LINE + 1);
    size_t length = 0;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        length += (size_t)snprintf(
            text + length, MAX_LINE,
            is_new ? "%d|k%d|n%d|%d.500|%d.2500000000001|{\"b\": %d, \"a\": [1, 2]}\n"
                   : "%d|k%d|n%d|%d.5|%d.25|{\"a\":[1.0,2],\"b\":%d}\n",
            row->id, row->kind, row->note, row->price, row->weight, row->data);
    }
    struct result result = table(is_new ? new_columns : old_columns, text);
    free(text);
    return result;
}

static struct difference
compare(const struct row *old_rows, size_t old_count, const struct row *new_rows, size_t new_count)
{
    struct result old_result = build(old_rows, old_count, false);
    struct result new_result = build(new_rows, new_count, true);
    struct determinacy determinacy = {.order = ORDER_NONE};
    struct difference_rules rules = {.float_tolerance = 1e-9};
    struct difference difference;
    cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
    cr_expect(difference.has_type_change);
    result_fini(&old_result);
    result_fini(&new_result);
    return difference;
}

Test(difference_property, permuted_and_retyped_rows_are_equal)
{
    struct row old_rows[MAX_ROWS], new_rows[MAX_ROWS];
    for (int trial = 0; trial < TRIALS; trial++) {
        size_t count = random_rows(old_rows);
        memcpy(new_rows, old_rows, count * sizeof *old_rows);
        shuffle(new_rows, count);
        struct difference difference = compare(old_rows, count, new_rows, count);
        cr_expect_eq(difference.class, DIFFERENCE_NONE, "trial %d: %s", trial,
                     difference_class_name(difference.class));
    }
}

Test(difference_property, changed_values_are_found_in_their_column)
{
    struct row old_rows[MAX_ROWS], new_rows[MAX_ROWS];
    for (int trial = 0; trial < TRIALS; trial++) {
        size_t count = random_rows(old_rows);
        size_t column = 1 + random_below(COLUMNS - 1);
        size_t changes = 1 + random_below(trial % 2 == 0 ? 1 : (unsigned)count);
        memcpy(new_rows, old_rows, count * sizeof *old_rows);
        for (size_t i = 0; i < changes; i++)
            ((int *)&new_rows[i])[column] += 100;
        shuffle(new_rows, count);
        struct difference difference = compare(old_rows, count, new_rows, count);
        cr_expect_eq(difference.class, DIFFERENCE_VALUE, "trial %d: %s", trial,
                     difference_class_name(difference.class));
        cr_expect_eq(difference.column, column, "trial %d: column %zu, not %zu", trial,
                     difference.column, column);
        cr_expect_eq(difference.rows, changes, "trial %d", trial);
    }
}

Test(difference_property, missing_and_extra_rows_are_counted)
{
    struct row old_rows[MAX_ROWS], new_rows[MAX_ROWS];
    for (int trial = 0; trial < TRIALS; trial++) {
        size_t count = random_rows(old_rows);
        size_t gone = 1 + random_below((unsigned)count);
        memcpy(new_rows, old_rows, count * sizeof *old_rows);
        shuffle(new_rows, count);
        struct difference missing = compare(old_rows, count, new_rows, count - gone);
        cr_expect_eq(missing.class, DIFFERENCE_MISSING_ROWS);
        cr_expect_eq(missing.rows, gone);
        struct difference extra = compare(new_rows, count - gone, old_rows, count);
        cr_expect_eq(extra.class, DIFFERENCE_EXTRA_ROWS);
        cr_expect_eq(extra.rows, gone);
    }
}

// More unmatched rows than are tried pair by pair: a column that is wrong in every row.
Test(difference_property, wrong_in_every_row_of_a_large_result)
{
    enum { LARGE = 20000 };
    struct row *old_rows = calloc(LARGE, sizeof *old_rows);
    struct row *new_rows = calloc(LARGE, sizeof *new_rows);
    for (int i = 0; i < LARGE; i++) {
        old_rows[i] = (struct row){i, i % 3, i % 50, i % 9, i % 5, i % 7};
        new_rows[i] = old_rows[i];
        new_rows[i].price += 100;
    }
    shuffle(new_rows, LARGE);
    struct difference difference = compare(old_rows, LARGE, new_rows, LARGE);
    cr_expect_eq(difference.class, DIFFERENCE_VALUE);
    cr_expect_eq(difference.column, PRICE);
    cr_expect_eq(difference.rows, LARGE);
    free(old_rows);
    free(new_rows);
}

Test(difference_property, ties_permute_under_order_by)
{
    struct row old_rows[MAX_ROWS], new_rows[MAX_ROWS];
    static uint16_t keys[] = {PRICE};
    for (int trial = 0; trial < TRIALS; trial++) {
        size_t count = 0, drawn = random_rows(old_rows);
        for (int price = 0; price < 9; price++) // sorted by price, ties as they come
            for (size_t i = 0; i < drawn; i++)
                if (old_rows[i].price == price)
                    new_rows[count++] = old_rows[i];
        memcpy(old_rows, new_rows, count * sizeof *old_rows);
        for (size_t start = 0, end; start < count; start = end) {
            for (end = start; end < count && new_rows[end].price == new_rows[start].price;)
                end++;
            shuffle(new_rows + start, end - start);
        }
        struct result old_result = build(old_rows, count, false);
        struct result new_result = build(new_rows, count, true);
        struct determinacy determinacy = {.order = ORDER_VISIBLE, .keys = keys, .key_count = 1};
        struct difference_rules rules = {.float_tolerance = 1e-9};
        struct difference difference;
        cr_assert(difference_find(&old_result, &new_result, &determinacy, &rules, &difference));
        cr_expect_eq(difference.class, DIFFERENCE_NONE, "trial %d", trial);
        result_fini(&old_result);
        result_fini(&new_result);
    }
}
