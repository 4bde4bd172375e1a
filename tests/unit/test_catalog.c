// A catalog that is built on another one holds what one holds that was built of all rows.
#include "sql_catalog.h"

static void
build_named(struct catalog_build *build, uint32_t oid, const char *name)
{
    function(build, oid, name, 'i', "internal", NULL, INT4);
    type(build, oid, name, 'b', 0, 0, false);
    relation(build, oid, oid < 16384 ? "pg_catalog" : "public", name, 'r', NULL);
    column(build, oid, 2, "second", INT4);
    column(build, oid, 1, "!first", INT4);
    key(build, oid, 1, 0);
}

static const char *const below_names[] = {"m", "c", "x", "m"}, *const names[] = {"m", "a", "z",
                                                                                 "c"};
enum { NAMES = sizeof(names) / sizeof(names[0]), FIRST = 20000 };

static void
build_below(struct catalog_build *build)
{
    for (uint32_t i = 0; i < NAMES; i++)
        build_named(build, 100 + i, below_names[i]);
}

static void
build_above(struct catalog_build *build)
{
    for (uint32_t i = 0; i < NAMES; i++)
        build_named(build, FIRST + i, names[i]);
}

static struct catalog *
finish(struct catalog_build *build)
{
    struct catalog *catalog = catalog_build_finish(&build);
    cr_assert_not_null(catalog);
    return catalog;
}

static void
expect_relation(const struct catalog *catalog, uint32_t oid, const char *name)
{
    const struct catalog_relation *row = catalog_relation_of(catalog, oid);
    cr_assert_not_null(row);
    cr_expect_str_eq(row->name, name);
    cr_assert_eq(row->column_count, 2);
    cr_expect_str_eq(row->columns[0].name, "first");
    cr_expect_str_eq(row->columns[1].name, "second");
    cr_assert_eq(row->key_count, 1);
    cr_expect_eq(row->keys[0].columns[0], 1);
}

static void
expect_all(const struct catalog *catalog)
{
    static const struct {
        const char *name;
        size_t count;
    } cases[] = {{"a", 1}, {"b", 0}, {"c", 2}, {"m", 3}, {"x", 1}, {"z", 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct catalog_function *functions;
        const struct catalog_relation *relations;
        const struct catalog_type *types;
        size_t count = catalog_functions_named(catalog, cases[i].name, &functions);
        cr_expect_eq(count, cases[i].count, "%s: %zu", cases[i].name, count);
        for (size_t j = 1; j < count; j++)
            cr_expect(strcmp(functions[j - 1].schema, functions[j].schema) <= 0);
        cr_expect_eq(catalog_relations_named(catalog, cases[i].name, &relations), cases[i].count);
        cr_expect_eq(catalog_types_named(catalog, cases[i].name, &types), cases[i].count);
    }
    for (uint32_t i = 0; i < NAMES; i++) {
        expect_relation(catalog, 100 + i, below_names[i]);
        expect_relation(catalog, FIRST + i, names[i]);
        cr_expect_str_eq(catalog_type_name(catalog, 100 + i), below_names[i]);
        cr_expect_str_eq(catalog_function_of(catalog, FIRST + i)->name, names[i]);
    }
    cr_expect_null(catalog_function_of(catalog, 99));
}

Test(catalog, on_another_one_has_its_rows)
{
    struct catalog_build *flat = catalog_build_new(), *below_build = catalog_build_new(),
                         *above = catalog_build_new();
    build_below(flat);
    build_above(flat);
    struct catalog *all = finish(flat);
    expect_all(all);

    build_below(below_build);
    struct catalog *below = finish(below_build);
    build_above(above);
    catalog_build_on(above, below);
    struct catalog *layered = finish(above);
    catalog_unref(&below); // the other one keeps it
    expect_all(layered);
    catalog_unref(&all);
    catalog_unref(&layered);
}

Test(catalog, on_another_one_may_have_nothing_of_its_own)
{
    struct catalog_build *below_build = catalog_build_new(), *above = catalog_build_new();
    build_below(below_build);
    struct catalog *below = finish(below_build);
    catalog_build_on(above, below);
    struct catalog *layered = finish(above);
    const struct catalog_function *first;
    cr_expect_eq(catalog_functions_named(layered, "m", &first), 2);
    expect_relation(layered, 102, "x");
    cr_expect_null(catalog_relation_of(layered, FIRST));
    catalog_unref(&layered);
    expect_relation(below, 102, "x");
    catalog_unref(&below);
}

// What users add to what initdb made: a cast of a type.
Test(catalog, what_is_added_below_is_found)
{
    struct catalog *shop = shop_catalog();
    const struct catalog_type *type = catalog_type_of(shop, BOOL);
    cr_assert_eq(type->dependency_count, 1);
    cr_expect_eq(type->dependencies[0].function, CAST_FUNCTION);
    catalog_unref(&shop);
}
