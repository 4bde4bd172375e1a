// A glance never tells less than the analysis would of what a statement does to its session and to the catalogs.
#include "compare/sql/analysis.h"
#include "compare/sql/effect.h"
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
    {"CREATE VIEW x AS SELECT set_config('a', 'b', false)", GLANCE_DDL, true},
    {"WITH a AS (SELECT 1) SELECT * FROM a", GLANCE_READ, false},
    {"with recursive a AS (VALUES ('delete')) TABLE a", GLANCE_READ, false},
    {"WITH a AS (SELECT set_config('a', 'b', true)) SELECT * FROM a", GLANCE_READ, true},
    {"WITH a AS (SELECT 1 AS b) SELECT b INTO TEMP x FROM a", GLANCE_READ, true},
    {"WITH a AS (SELECT 1 AS id) INSERT INTO orders SELECT id FROM a", GLANCE_UNKNOWN, false},
    {"WITH a AS (SELECT 1) UPDATE orders SET id = 1", GLANCE_UNKNOWN, false},
    {"WITH a AS (DELETE FROM orders RETURNING id) SELECT * FROM a", GLANCE_UNKNOWN, false},
    {"WITH a AS (SELECT 1) MERGE INTO orders USING a ON true WHEN MATCHED THEN DELETE",
     GLANCE_UNKNOWN, false},
    {"WITH a AS (SELECT 1) SELECT * FROM orders FOR UPDATE", GLANCE_UNKNOWN, false},
    {"EXPLAIN SELECT 1", GLANCE_READ, false},
    {"EXPLAIN (COSTS off, FORMAT json) INSERT INTO orders VALUES (1)", GLANCE_READ, false},
    {"EXPLAIN SELECT set_config('a', 'b', false)", GLANCE_READ, true},
    {"EXPLAIN ANALYZE SELECT 1", GLANCE_UNKNOWN, false},
    {"explain analyse select 1", GLANCE_UNKNOWN, false},
    {"EXPLAIN (COSTS off, ANALYZE) DELETE FROM orders", GLANCE_UNKNOWN, false},
    {"EXPLAIN (\"analyze\") DELETE FROM orders", GLANCE_UNKNOWN, false},
    {"EXPLAIN (U&\"\\0061nalyze\") DELETE FROM orders", GLANCE_READ, true},
    {"COPY orders FROM stdin", GLANCE_WRITE, false},
    {"COPY (SELECT set_config('a', 'b', false)) TO stdout", GLANCE_WRITE, true},
    {"MERGE INTO orders USING items ON true WHEN MATCHED THEN DELETE", GLANCE_WRITE, false},
    {"CALL set_config('a', 'b', false)", GLANCE_WRITE, true},
    {"DECLARE c CURSOR FOR SELECT 1", GLANCE_WRITE, false},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", GLANCE_UNKNOWN, false},
    {"DECLARE c CURSOR FOR SELECT set_config('a', 'b', false)", GLANCE_WRITE, true},
    {"SELECT 1; -- and no more", GLANCE_READ, false},
    {"SELECT 1; SET x.y = 1", GLANCE_READ, true},
    {"EXPLAIN SELECT 1; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", GLANCE_READ,
     true},
    {"EXECUTE p", GLANCE_UNKNOWN, false},
    {"PREPARE p AS SELECT 1", GLANCE_UNKNOWN, false},
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
    {"CREATE MATERIALIZED VIEW x AS TABLE v_keeper", GLANCE_DDL, true},
    {"CREATE TABLE x (LIKE orders)", GLANCE_DDL, false},
    {"CREATE TABLE x (a of_keeper)", GLANCE_DDL, false},
    {"CREATE FUNCTION keeper() RETURNS int LANGUAGE sql AS 'SELECT 1'", GLANCE_DDL, false},
    {"DROP VIEW v_keeper", GLANCE_DDL, false},
    {"ALTER TABLE orders ADD COLUMN x int DEFAULT keeper()", GLANCE_DDL, false},
    {"ALTER TABLE orders ALTER COLUMN id TYPE int USING keeper()", GLANCE_DDL, false},
    {"ALTER TABLE orders ADD CHECK (keeper() = 1)", GLANCE_DDL, false},
    {"CREATE INDEX ON orders (keeper())", GLANCE_DDL, false},
    {"EXPLAIN SELECT k FROM v_keeper", GLANCE_READ, true},
    {"WITH a AS (SELECT keeper()) TABLE a", GLANCE_READ, true},
    {"COPY v_keeper TO stdout", GLANCE_WRITE, true},
    {"CALL keeper()", GLANCE_WRITE, true},
    {"DECLARE c CURSOR FOR SELECT 1 ==> 2", GLANCE_WRITE, true},
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

// One at least of every word that a glance is enough for.
static const char *const of_each_form[] = {
    "SELECT id FROM orders WHERE id = 1 FOR UPDATE",
    "VALUES (1), (2)",
    "TABLE orders",
    "SHOW ALL",
    "WITH a AS (SELECT id FROM orders) SELECT * FROM a, v_bad",
    "WITH RECURSIVE a(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM a) TABLE a",
    "EXPLAIN SELECT vol() FROM orders",
    "EXPLAIN VERBOSE SELECT * INTO TEMP x FROM orders",
    "EXPLAIN INSERT INTO orders SELECT * FROM orders",
    "EXPLAIN WITH a AS (SELECT 1) UPDATE orders SET id = 1",
    "EXPLAIN DELETE FROM orders",
    "EXPLAIN MERGE INTO orders USING items ON true WHEN MATCHED THEN DELETE",
    "EXPLAIN EXECUTE p(1)",
    "EXPLAIN DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "EXPLAIN CREATE TEMP TABLE x AS SELECT 1",
    "EXPLAIN CREATE TABLE x AS EXECUTE p",
    "EXPLAIN CREATE MATERIALIZED VIEW x AS SELECT 1",
    "EXPLAIN REFRESH MATERIALIZED VIEW x",
    "INSERT INTO orders VALUES (1)",
    "UPDATE orders SET id = 1",
    "DELETE FROM orders",
    "MERGE INTO orders USING items ON true WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
    "COPY orders TO stdout",
    "COPY orders FROM stdin WITH (FORMAT csv)",
    "COPY orders FROM '/a'",
    "COPY orders TO PROGRAM 'a'",
    "COPY (SELECT vol() FROM v_bad) TO stdout",
    "COPY (INSERT INTO orders VALUES (1) RETURNING *) TO stdout",
    "CALL vol()",
    "CALL nobody_knows(1, 'a')",
    "TRUNCATE orders",
    "LOCK TABLE orders IN SHARE MODE",
    "VACUUM FULL orders",
    "ANALYZE",
    "ANALYZE VERBOSE orders (id)",
    "ANALYSE orders",
    "CLUSTER",
    "CLUSTER orders USING x",
    "REINDEX TABLE CONCURRENTLY orders",
    "REINDEX (VERBOSE) SYSTEM shop",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY x WITH NO DATA",
    "DECLARE c BINARY SCROLL CURSOR FOR SELECT * FROM orders",
    "DECLARE c CURSOR FOR SELECT * FROM orders FOR UPDATE",
    "FETCH FORWARD ALL FROM c",
    "MOVE 3 c",
    "CLOSE ALL",
    "CREATE TABLE x AS SELECT vol() FROM orders",
    "CREATE UNLOGGED TABLE x AS EXECUTE p(1)",
    "CREATE MATERIALIZED VIEW x AS SELECT 1",
    "CREATE VIEW x AS SELECT * FROM orders",
    "CREATE INDEX ON orders (id)",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT set_config(1)'",
    "CREATE SCHEMA s CREATE TABLE x (a int)",
    "CREATE TYPE e AS ENUM ('a')",
    "ALTER TABLE orders ADD COLUMN x int DEFAULT vol()",
    "ALTER TABLE orders RENAME TO x",
    "DROP TABLE orders",
    "COMMENT ON TABLE orders IS 'a'",
    "GRANT SELECT ON orders TO a",
    "REVOKE SELECT ON orders FROM a",
};

static bool
is_of_names(enum effect_kind kind)
{
    return kind == EFFECT_NONE || kind == EFFECT_ALTER || kind == EFFECT_RENAME ||
           kind == EFFECT_DROP;
}

// Where a glance is enough, what an analysis would find, whether it knows new or not, is what is done without one.
static void
check_deeds(const char *sql, const struct catalog *new_catalog)
{
    struct analysis_context context = {.old_catalog = catalog, .new_catalog = new_catalog};
    struct analysis *analysis = analysis_new(sql, strlen(sql), &context);
    cr_assert_not_null(analysis);
    struct glance glance = glance_at(sql, strlen(sql), catalog);
    cr_expect(glance_is_enough(&glance), "%s", sql);
    cr_expect_neq(analysis->skip, SKIP_UNPARSED, "%s", sql);
    cr_expect_eq(analysis->is_read, glance.kind == GLANCE_READ, "%s", sql);
    cr_expect_eq(analysis->changes_catalog, glance.kind == GLANCE_DDL, "%s", sql);
    cr_expect_not(analysis->has_effects, "%s", sql);
    cr_expect_not(analysis->sets_config, "%s", sql);
    cr_expect(!analysis->may_be_temporary || glance.kind == GLANCE_DDL, "%s", sql);
    analysis_unref(&analysis);
}

// Nothing that would have to be followed: names of what may be temporary are, where the session has any.
static void
check_effects(const char *sql)
{
    struct effect *effects;
    size_t count;
    cr_assert(effects_of(sql, strlen(sql), NULL, &effects, &count));
    for (size_t i = 0; i < count; i++)
        cr_expect(is_of_names(effects[i].kind), "%s", sql);
    effects_free(&effects, count);
}

Test(glance, is_enough_for_what_leaves_nothing)
{
    for (size_t i = 0; i < sizeof(of_each_form) / sizeof(of_each_form[0]); i++) {
        check_deeds(of_each_form[i], catalog);
        check_deeds(of_each_form[i], NULL);
        check_effects(of_each_form[i]);
    }
}
