// The table of functions is bisected: a row that stands in the wrong place would never be found.
#include "compare/sql/known_function.h"

#include "compare/sql/walk.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    enum known_class class;
    unsigned value;
};

static const struct row functions[] = {
#define FUNCTION(name, CLASS, value) {name, CLASS, value},
#include "compare/sql/functions.tbl"
};

static const struct row families[] = {
#define FUNCTIONS(prefix, CLASS, value) {prefix, CLASS, value},
#include "compare/sql/functions.tbl"
};

enum {
    FUNCTION_COUNT = sizeof(functions) / sizeof(functions[0]),
    FAMILY_COUNT = sizeof(families) / sizeof(families[0])
};

static void
check(const char *name, const struct row *row)
{
    const struct known_function *found = known_function(name);
    cr_assert_not_null(found, "%s is not found", name);
    cr_assert_str_eq(found->name, row->name, "%s is taken for %s", name, found->name);
    cr_assert_eq(found->class, row->class);
    cr_assert_eq(found->value, row->value);
}

Test(known_function, finds_every_row_of_the_table)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        check(functions[i].name, &functions[i]);
}

Test(known_function, finds_a_family_by_what_its_names_begin_with)
{
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%sanything", families[i].name);
        check(name, &families[i]);
    }
}

Test(known_function, has_no_function_that_a_family_would_hide)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        for (size_t j = 0; j < FAMILY_COUNT; j++)
            cr_assert(strncmp(functions[i].name, families[j].name, strlen(families[j].name)) != 0,
                      "%s", functions[i].name);
}

Test(known_function, knows_nothing_of_others)
{
    static const char *const names[] = {"", "lower", "pg_slee", "pg_sleep_", "nextvals", "zzz"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_assert_null(known_function(names[i]), "%s", names[i]);
}

Test(known_function, is_plain_only_where_nothing_is_left_to_prove)
{
    const struct catalog_function plain = {.oid = 65,
                                           .schema = "pg_catalog",
                                           .name = "int4eq",
                                           .kind = 'f',
                                           .volatility = 'i',
                                           .language = "internal"};
    cr_expect(known_function_is_plain(&plain));
    struct catalog_function other = plain;
    other.oid = CATALOG_FIRST_USER_OID;
    cr_expect_not(known_function_is_plain(&other), "a user's");
    other = plain;
    other.volatility = 'v';
    cr_expect_not(known_function_is_plain(&other), "volatile");
    other = plain;
    other.language = "sql";
    cr_expect_not(known_function_is_plain(&other), "in SQL");
    other = plain;
    other.kind = 'a';
    cr_expect_not(known_function_is_plain(&other), "an aggregate");
    other = plain;
    other.name = "now";
    cr_expect_not(known_function_is_plain(&other), "a clock");
    cr_expect_not(known_function_is_plain(NULL));
}
