// A glance never tells less than the analysis would of what a statement does to its session and to the catalogs.
#include "compare/sql/analysis.h"
#include "compare/sql/glance.h"
#include "sql_catalog.h"

enum { KEEPER = 23000, OF_KEEPER, V_KEEPER, ARROW };

static struct catalog *catalog;

static void
setup(void)
{
    catalog = shop_catalog();
}

// The shop, and a function that leaves a setting behind, itself and through a view, a domain and an operator.
static void
setup_with_keeper(void)
{
    struct catalog_build *build = shop_build();
    function(build, KEEPER, "keeper", 'v', "plpgsql",
             "BEGIN PERFORM set_config('a.b', 'c', false); END", INT4);
    relation(build, V_KEEPER, "public", "v_keeper", 'v', "SELECT public.keeper() AS k");
    type(build, OF_KEEPER, "of_keeper", 'd', INT4, 0, false);
    cr_assert(catalog_build_check(build, &(struct catalog_check){OF_KEEPER, "(keeper() > 0)"}));
    struct catalog_operator arrow = {.schema = "public", .name = "==>", .function = KEEPER};
    cr_assert(catalog_build_operator(build, &arrow));
    catalog = catalog_build_finish(&build);
    cr_assert_not_null(catalog);
}

static void
teardown(void)
{
    catalog_unref(&catalog);
}

TestSuite(glance, .init = setup, .fini = teardown);
TestSuite(glance_with_keeper, .init = setup_with_keeper, .fini = teardown);

struct seen {
    const char *sql;
    enum glance_kind kind;
    bool may_leave;
};

static void
check(const struct seen *cases, size_t count, const struct catalog *with)
{
    for (size_t i = 0; i < count; i++) {
        struct glance glance = glance_at(cases[i].sql, strlen(cases[i].sql), with);
        cr_expect_eq(glance.kind, cases[i].kind, "%s", cases[i].sql);
        cr_expect_eq(glance.may_leave, cases[i].may_leave, "%s", cases[i].sql);
    }
}

static const struct seen by_words[] = {
    {"SELECT vol() FROM orders", GLANCE_READ, false},
    {"(((select 1)))", GLANCE_READ, false},
    {"/* SET */ -- into\n TABLE v_bad", GLANCE_READ, false},
    {"VALUES ('into', 'set_config')", GLANCE_READ, false},
    {"SHOW search_path", GLANCE_READ, false},
    {"SELECT 1 AS a, $$set_config(into)$$ \"INTO\"", GLANCE_READ, false},
    {"SELECT * INTO x FROM orders", GLANCE_READ, true},
    {"SELECT * into TEMP x FROM orders", GLANCE_READ, true},
    {"SELECT set_config('a', 'b', true)", GLANCE_READ, true},
    {"SELECT Pg_Catalog.SET_CONFIG('a', 'b', true)", GLANCE_READ, true},
    {"SELECT \"set_config\"('a', 'b', true)", GLANCE_READ, true},
    {"SELECT U&\"\\0073et_config\"('a', 'b', true)", GLANCE_READ, true},
    {"SELECT setseed(1)", GLANCE_READ, true},
    {"SELECT pg_advisory_lock(1)", GLANCE_READ, true},
    {"SELECT pg_try_advisory_xact_lock_shared(1)", GLANCE_READ, true},
    {"SELECT 'never ended", GLANCE_READ, true},
    {"SELECT a_name_of_so_many_letters_that_it_is_cut_off_somewhere_by_the_server", GLANCE_READ,
     true},
    {"INSERT INTO orders VALUES (1)", GLANCE_WRITE, false},
    {"UPDATE orders SET id = 1", GLANCE_WRITE, false},
    {"DELETE FROM orders WHERE set_config('a', 'b', false) = 'b'", GLANCE_WRITE, true},
    {"CREATE TABLE x (a int)", GLANCE_DDL, false},
    {"create temp table x (a int)", GLANCE_DDL, true},
    {"CREATE LOCAL TEMPORARY TABLE x (a int)", GLANCE_DDL, true},
    {"CREATE TABLE pg_temp.x (a int)", GLANCE_DDL, true},
    {"CREATE TABLE \"pg_temp_3\".x (a int)", GLANCE_DDL, true},
    {"CREATE TABLE U&\"pg\\005ftemp\".x (a int)", GLANCE_DDL, true},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'CREATE TEMP TABLE x()'", GLANCE_DDL, false},
    {"CREATE TABLE x AS SELECT set_config('a', 'b', false)", GLANCE_DDL, true},
    {"DROP TABLE x", GLANCE_DDL, false},
    {"GRANT SELECT ON x TO y", GLANCE_DDL, false},
    {"WITH a AS (SELECT 1) SELECT * FROM a", GLANCE_UNKNOWN, false},
    {"WITH a AS (SELECT set_config('a', 'b', true)) SELECT * FROM a", GLANCE_UNKNOWN, true},
    {"EXPLAIN SELECT 1", GLANCE_UNKNOWN, false},
    {"SET x.y = 1", GLANCE_UNKNOWN, false},
    {"BEGIN", GLANCE_UNKNOWN, false},
    {"DO 'begin end'", GLANCE_UNKNOWN, false},
    {"", GLANCE_UNKNOWN, false},
};

static const struct seen of_the_keeper[] = {
    {"SELECT keeper()", GLANCE_READ, true},
    {"SELECT \"keeper\"()", GLANCE_READ, true},
    {"SELECT KEEPER FROM orders", GLANCE_READ, true},
    {"SELECT k FROM v_keeper", GLANCE_READ, true},
    {"SELECT '1'::of_keeper", GLANCE_READ, true},
    {"SELECT 1 ==> 2", GLANCE_READ, true},
    {"SELECT * FROM rls_ok", GLANCE_READ, true},
    {"SELECT 1 @@@ 2", GLANCE_READ, true}, // its estimator is a user's
    {"INSERT INTO orders SELECT keeper()", GLANCE_WRITE, true},
    {"CREATE TABLE x AS SELECT keeper()", GLANCE_DDL, true},
    {"CREATE TABLE x (LIKE orders)", GLANCE_DDL, false},
    {"SELECT lower(name), id + 1 FROM orders WHERE at < now()", GLANCE_READ, false},
    {"SELECT 'keeper', count(*) FROM customers", GLANCE_READ, false},
};

Test(glance, tells_by_words_alone)
{
    check(by_words, sizeof(by_words) / sizeof(by_words[0]), catalog);
}

Test(glance, tells_the_same_without_a_catalog)
{
    check(by_words, sizeof(by_words) / sizeof(by_words[0]), NULL);
}

Test(glance_with_keeper, finds_what_can_reach_users_code)
{
    check(by_words + 1, sizeof(by_words) / sizeof(by_words[0]) - 1, NULL);
    check(of_the_keeper, sizeof(of_the_keeper) / sizeof(of_the_keeper[0]), catalog);
}

// What a glance says without more looking is what the analysis says.
static void
agree(const struct seen *cases, size_t count)
{
    struct analysis_context context = {.old_catalog = catalog, .new_catalog = catalog};
    for (size_t i = 0; i < count; i++) {
        const char *sql = cases[i].sql;
        struct analysis *analysis = analysis_new(sql, strlen(sql), &context);
        cr_assert_not_null(analysis);
        struct glance glance = glance_at(sql, strlen(sql), catalog);
        if (glance_is_enough(&glance)) {
            cr_expect_eq(analysis->is_read, glance.kind == GLANCE_READ, "%s", sql);
            cr_expect_eq(analysis->changes_catalog, glance.kind == GLANCE_DDL, "%s", sql);
            cr_expect_not(analysis->has_effects, "%s", sql);
        }
        analysis_unref(&analysis);
    }
}

Test(glance, agrees_with_the_analysis)
{
    agree(by_words, sizeof(by_words) / sizeof(by_words[0]));
}

Test(glance_with_keeper, agrees_with_the_analysis)
{
    agree(by_words, sizeof(by_words) / sizeof(by_words[0]));
    agree(of_the_keeper, sizeof(of_the_keeper) / sizeof(of_the_keeper[0]));
}
