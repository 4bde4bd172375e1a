// Every statement that hides a side effect is refused, and every plain read is not. Statements run
// against the shop of sql_catalog.h, which both sides have unless a test says otherwise.
#include "compare/sql/analysis.h"
#include "sql_catalog.h"

static struct catalog *catalog;

static void
setup(void)
{
    catalog = shop_catalog();
}

static void
teardown(void)
{
    catalog_unref(&catalog);
}

TestSuite(analysis, .init = setup, .fini = teardown);

static struct analysis *
analyse(const char *sql)
{
    char *safe[] = {"public.safe"};
    struct analysis_context context = {.old_catalog = catalog,
                                       .new_catalog = catalog,
                                       .safe_functions = safe,
                                       .safe_function_count = 1};
    struct analysis *analysis = analysis_new(sql, strlen(sql), &context);
    cr_assert_not_null(analysis);
    return analysis;
}

static const char *const hidden_effects[] = {
    "SELECT vol()",
    "SELECT public.vol()",
    "SELECT \"vol\"()",
    "SELECT U&\"\\0076ol\"()",
    "SELECT lying() FROM orders",
    "SELECT sql_bad()",
    "SELECT sql_nested()",
    "SELECT sql_write()",
    "SELECT sql_return_bad('x')",
    "SELECT bad_default(1)",
    "SELECT made_internal()",
    "SELECT overload(1)",
    "SELECT o.cheeky FROM orders o",
    "SELECT (o).cheeky FROM orders o",
    "SELECT cheeky(o) FROM orders o",
    "SELECT public.orders.cheeky FROM public.orders",
    "SELECT s.cheeky FROM (SELECT * FROM orders) s",
    "SELECT (SELECT o.cheeky) FROM orders o",
    "WITH c AS (SELECT * FROM orders) SELECT c.cheeky FROM c",
    "SELECT (SELECT 1 FROM (SELECT o.cheeky) s, items o) FROM orders o",
    "SELECT * FROM v_bad",
    "SELECT id FROM v_bad",
    "SELECT id FROM v_bad2",
    "SELECT * FROM rls_bad",
    "SELECT * FROM far",
    "SELECT * FROM twice",
    "SELECT 1 FROM orders WHERE id === 2",
    "SELECT 1 FROM orders WHERE id OPERATOR(public.===) 2",
    "SELECT 1 FROM orders WHERE id === ANY (ARRAY[1])",
    "SELECT 1 FROM orders WHERE id @@@ 1",
    "SELECT id FROM orders ORDER BY id USING ===",
    "SELECT 1 FROM orders WHERE id === (SELECT 1)",
    "SELECT 1::bad_domain",
    "SELECT CAST(1 AS bad_domain)",
    "SELECT 1::bad_domain[]",
    "SELECT id FROM has_bad_domain",
    "SELECT bad_domain(1)",
    "SELECT 'x'::castable",
    "SELECT castable('x') FROM orders",
    "SELECT * FROM has_cast",
    "SELECT total::bool FROM orders",
    "SELECT * FROM f(1) AS t(a bad_domain)",
    "SELECT bad_aggregate(id) FROM orders",
    "SELECT nextval('s')",
    "SELECT pg_catalog.nextval('s')",
    "SELECT pg_notify('a', 'b')",
    "SELECT lo_create(0)",
    "SELECT query_to_xml('select vol()', true, true, '')",
    "SELECT table_to_xml('v', true, true, '')",
    "SELECT txid_current()",
    "SELECT pg_current_xact_id()",
    "SELECT extension_volatile()",
    "SELECT * FROM crosstab('select vol()') AS t(a int)",
    "SELECT * INTO x FROM orders",
    "SELECT * INTO TEMP x FROM orders",
    "WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d",
    "WITH d AS (INSERT INTO orders VALUES (1)) SELECT 1",
    "SELECT * FROM (WITH d AS (UPDATE orders SET id = 1 RETURNING 1) SELECT * FROM d) s",
    "SELECT 1 FROM orders WHERE EXISTS (SELECT vol())",
    "SELECT id FROM orders GROUP BY vol()",
    "SELECT id FROM orders GROUP BY id HAVING vol() = 1",
    "SELECT id FROM orders GROUP BY GROUPING SETS ((id), (vol()))",
    "SELECT count(*) FILTER (WHERE vol() = 1) FROM orders",
    "SELECT id FROM orders ORDER BY vol()",
    "SELECT sum(id) OVER (ORDER BY vol()) FROM orders",
    "SELECT sum(id) OVER w FROM orders WINDOW w AS (PARTITION BY vol())",
    "SELECT sum(id) OVER (ROWS vol() PRECEDING) FROM orders",
    "SELECT array_agg(id ORDER BY vol()) FROM orders",
    "SELECT id FROM orders LIMIT vol()",
    "SELECT id FROM orders OFFSET vol()",
    "SELECT DISTINCT ON (vol()) id FROM orders",
    "VALUES (1), (vol())",
    "SELECT 1 WHERE 1 IN (1, vol())",
    "SELECT CASE vol() WHEN 1 THEN 2 END",
    "SELECT CASE WHEN true THEN 1 ELSE vol() END",
    "SELECT ROW(1, vol())",
    "SELECT ARRAY[vol()]",
    "SELECT (ARRAY[1])[vol()]",
    "SELECT coalesce(1, vol())",
    "SELECT greatest(1, vol())",
    "SELECT nullif(1, vol())",
    "SELECT vol() IS NULL",
    "SELECT vol() IS TRUE",
    "SELECT NOT vol()",
    "SELECT vol() BETWEEN 1 AND 2",
    "SELECT lower(b => vol())",
    "SELECT lower(VARIADIC ARRAY[vol()])",
    "SELECT vol() COLLATE \"C\"",
    "SELECT xmlelement(name a, xmlattributes(vol() AS b))",
    "SELECT * FROM orders o JOIN items i ON vol() = 1",
    "SELECT * FROM vol()",
    "SELECT * FROM ROWS FROM (generate_series(1, 2), vol()) AS t",
    "SELECT * FROM orders, LATERAL (SELECT vol()) s",
    "SELECT * FROM xmltable('/a' PASSING vol() COLUMNS b int)",
    "SELECT id FROM orders TABLESAMPLE system(vol())",
    "SELECT id FROM orders TABLESAMPLE mine(1)",
    "SELECT 1 UNION SELECT vol()",
    "SELECT 1 EXCEPT (SELECT 2 INTERSECT SELECT vol())",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT vol() FROM t) SELECT * FROM t",
    "WITH unused AS (SELECT vol()) SELECT 1 FROM orders",
    "EXPLAIN ANALYZE SELECT vol()",
    "EXPLAIN (ANALYZE) DELETE FROM orders",
    "EXPLAIN ANALYZE EXECUTE p",
    "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
    "SELECT pg_temp.f()",
    "SELECT id FROM orders FOR UPDATE",
    "SELECT * FROM (SELECT id FROM orders FOR SHARE) s",
    "SELECT 1 FROM orders WHERE id IN (SELECT id FROM items FOR KEY SHARE)",
};

Test(analysis, refuses_what_hides_a_side_effect)
{
    for (size_t i = 0; i < sizeof(hidden_effects) / sizeof(hidden_effects[0]); i++) {
        struct analysis *analysis = analyse(hidden_effects[i]);
        cr_expect(analysis->skip == SKIP_VOLATILE_FUNCTION || analysis->skip == SKIP_LOCKING_CLAUSE,
                  "%s: %d", hidden_effects[i], (int)analysis->skip);
        cr_expect_not(analysis->is_harmless, "%s", hidden_effects[i]);
        cr_expect(analysis->is_read, "%s", hidden_effects[i]);
        analysis_unref(&analysis);
    }
}

static const struct {
    const char *sql, *function;
} to_blame[] = {
    {"SELECT vol()", "public.vol"},
    {"SELECT random(), vol() FROM orders", "public.vol"},
    {"SELECT lying() FROM orders", "public.lying"},
    {"SELECT id FROM v_bad2", "public.vol"},
    {"SELECT sql_nested()", "public.vol"},
    {"SELECT sql_write()", "public.sql_write"},
    {"SELECT o.cheeky FROM orders o", "public.cheeky"},
    {"SELECT 1 FROM orders WHERE id === 2", "public.op_function"},
    {"SELECT pg_notify('a', 'b')", "pg_catalog.pg_notify"},
    {"SELECT set_config('a', 'b', true)", "pg_catalog.set_config"},
    {"SELECT id FROM orders ORDER BY random()", "pg_catalog.random"},
    {"SELECT random(), id FROM orders", NULL},
    {"EXPLAIN ANALYZE DELETE FROM orders", NULL},
    {"EXPLAIN ANALYZE DELETE FROM orders WHERE random() < 0.5", NULL},
    {"SELECT id FROM orders", NULL},
};

Test(analysis, names_the_function_that_is_not_proven)
{
    for (size_t i = 0; i < sizeof(to_blame) / sizeof(to_blame[0]); i++) {
        struct analysis *analysis = analyse(to_blame[i].sql);
        const char *function = analysis->unproven_function, *wanted = to_blame[i].function;
        cr_expect(function == wanted || (function && wanted && strcmp(function, wanted) == 0),
                  "%s: %s", to_blame[i].sql, function ? function : "nobody");
        analysis_unref(&analysis);
    }
}

static const char *const plain_reads[] = {
    "SELECT * FROM orders",
    "TABLE orders",
    "SELECT * FROM orders WHERE id = $1",
    "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.at < now()",
    "SELECT customer_id, count(*), sum(total) FROM orders GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "SELECT id FROM orders WHERE at BETWEEN $1 AND $2 AND total IN (1, 2, 3) OR NOT id <> ALL ($3)",
    "SELECT lower(name) || 'x', CASE WHEN id < 5 THEN 'a' END, coalesce(name, '') FROM customers",
    "SELECT id, at < now() FROM orders",
    "SELECT CASE WHEN at < now() THEN 1 END FROM orders",
    "WITH c AS (SELECT id FROM orders) SELECT * FROM c WHERE id IN (SELECT order_id FROM items)",
    "SELECT * FROM v_ok",
    "SELECT amount FROM v_ok v",
    "SELECT id FROM v_clock",
    "SELECT * FROM rls_ok",
    "SELECT made_range()",
    "SELECT sql_ok(1)",
    "SELECT sql_atomic('x')",
    "SELECT safe()",
    "SELECT id FROM orders WHERE at < sql_clock()",
    "SELECT good_aggregate(id) FROM orders",
    "SELECT extension_ok() FROM orders",
    "SELECT 1::good_domain FROM orders",
    "SELECT ping()",
    "SELECT * FROM has_enum WHERE m = 'ok'::mood",
    "SELECT ARRAY['ok']::mood[] FROM orders",
    "SELECT o.total, (o).total FROM orders o",
    "SELECT s.x FROM (SELECT id AS x FROM orders) s",
    "SELECT id FROM orders WHERE xmin::text = '1'",
    "SELECT o FROM orders o",
    "SELECT relname, id FROM pg_class, orders",
    "SELECT count(*) FROM orders, pg_class",
    "SELECT * FROM orders o, LATERAL (SELECT sum(qty) FROM items i WHERE i.order_id = o.id) s",
    "SELECT id FROM orders UNION ALL SELECT id FROM customers ORDER BY 1",
    "SELECT * FROM generate_series(1, 3) g, orders",
    "SELECT DISTINCT customer_id FROM orders",
    "SELECT sum(total) OVER (PARTITION BY customer_id ORDER BY id) FROM orders",
    "SELECT id FROM (SELECT id, random() FROM orders) s",
    "SELECT * FROM v2.twice",
};

Test(analysis, lets_plain_reads_through)
{
    for (size_t i = 0; i < sizeof(plain_reads) / sizeof(plain_reads[0]); i++) {
        struct analysis *analysis = analyse(plain_reads[i]);
        cr_expect_eq(analysis->skip, SKIP_NONE, "%s: %d", plain_reads[i], (int)analysis->skip);
        cr_expect(analysis->is_harmless, "%s", plain_reads[i]);
        cr_expect(analysis->is_read, "%s", plain_reads[i]);
        cr_expect_not(analysis->needs_catalog, "%s", plain_reads[i]);
        cr_expect_not(analysis->has_effects, "%s", plain_reads[i]);
        cr_expect_eq(strlen(analysis->fingerprint), 16, "%s", plain_reads[i]);
        analysis_unref(&analysis);
    }
}

static const struct {
    const char *sql;
    enum skip_reason skip;
    bool is_harmless;
} reasons[] = {
    {"SELECT FROM WHERE", SKIP_UNPARSED, false},
    {"SELECT id, now() FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT at - now() FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT current_timestamp, id FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT current_date, id FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT current_user, id FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT age(at) FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT version()", SKIP_NONDETERMINISTIC, true},
    {"SELECT pg_backend_pid()", SKIP_NONDETERMINISTIC, true},
    {"SELECT clock_timestamp(), id FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT random(), id FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT gen_random_uuid(), id FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT uuid_generate_v4(), id FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT t FROM v_clock", SKIP_NONDETERMINISTIC, true},
    {"SELECT * FROM v_clock", SKIP_NONDETERMINISTIC, true},
    {"SELECT x FROM (SELECT now() AS x FROM orders) s", SKIP_NONDETERMINISTIC, true},
    {"WITH c AS (SELECT now() AS x) SELECT x, id FROM c, orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT (SELECT now()) FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT sql_clock() FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT 'now'::timestamptz FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT id FROM orders TABLESAMPLE system(10)", SKIP_NONDETERMINISTIC, true},
    {"EXPLAIN SELECT * FROM orders", SKIP_NONDETERMINISTIC, true},
    {"EXPLAIN ANALYZE SELECT * FROM orders", SKIP_NONDETERMINISTIC, true},
    {"EXPLAIN DELETE FROM orders", SKIP_NONDETERMINISTIC, true},
    {"SELECT id FROM orders ORDER BY random()", SKIP_VOLATILE_FUNCTION, true},
    {"SELECT id FROM orders WHERE random() < 0.5", SKIP_VOLATILE_FUNCTION, true},
    {"SELECT pg_sleep(1), id FROM orders", SKIP_VOLATILE_FUNCTION, true},
    {"SELECT ctid, id FROM orders", SKIP_SYSTEM_COLUMN, true},
    {"SELECT o.xmin FROM orders o", SKIP_SYSTEM_COLUMN, true},
    {"SELECT tableoid::text FROM orders", SKIP_SYSTEM_COLUMN, true},
    {"SELECT 'orders'::regclass FROM orders", SKIP_SYSTEM_COLUMN, true},
    {"SELECT c.oid, id FROM pg_class c, orders", SKIP_SYSTEM_COLUMN, true},
    {"SELECT * FROM pg_class", SKIP_SYSTEM_CATALOG, true},
    {"SHOW search_path", SKIP_SYSTEM_CATALOG, true},
    {"SELECT 1", SKIP_NO_RELATION, true},
    {"SELECT lower('x')", SKIP_NO_RELATION, true},
    {"SELECT current_setting('x')", SKIP_NO_RELATION, true},
    {"", SKIP_NO_RELATION, true},
    {"SELECT * FROM pg_temp.x", SKIP_TEMPORARY_OBJECT, false},
    {"SELECT id FROM orders FOR NO KEY UPDATE", SKIP_LOCKING_CLAUSE, false},
};

Test(analysis, gives_the_reason_that_says_most)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct analysis *analysis = analyse(reasons[i].sql);
        cr_expect_eq(analysis->skip, reasons[i].skip, "%s: %d", reasons[i].sql,
                     (int)analysis->skip);
        cr_expect_eq(analysis->is_harmless, reasons[i].is_harmless, "%s", reasons[i].sql);
        analysis_unref(&analysis);
    }
}

static const struct {
    const char *sql;
    bool is_harmless, has_effects, changes_catalog;
} others[] = {
    {"BEGIN", true, true, false},
    {"COMMIT", true, true, false},
    {"SET x.y = 1", true, true, false},
    {"SAVEPOINT a", true, true, false},
    {"DISCARD ALL", true, true, false},
    {"PREPARE p AS SELECT 1", true, true, false},
    {"EXECUTE p(1)", true, true, false},
    {"EXECUTE p(vol())", false, true, false},
    {"DEALLOCATE p", true, true, false},
    {"LISTEN a", true, false, false},
    {"NOTIFY a", false, false, false},
    {"FETCH 1 FROM c", true, false, false},
    {"DECLARE c CURSOR FOR SELECT * FROM orders", true, false, false},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders", true, true, false},
    {"DECLARE c CURSOR FOR SELECT vol()", false, false, false},
    {"COPY orders TO STDOUT", true, false, false},
    {"COPY orders FROM STDIN", false, false, false},
    {"COPY (SELECT vol()) TO STDOUT", false, false, false},
    {"COPY orders TO '/tmp/x'", false, false, false},
    {"COPY orders TO PROGRAM 'x'", false, false, false},
    {"COPY v_bad TO STDOUT", false, false, false},
    {"INSERT INTO orders VALUES (1)", false, false, false},
    {"UPDATE orders SET id = 1", false, false, false},
    {"DELETE FROM orders", false, false, false},
    {"TRUNCATE orders", false, false, false},
    {"CALL p()", false, false, false},
    {"LOCK orders", false, false, false},
    {"DO 'begin end'", false, true, true},
    {"CREATE TABLE x (a int)", false, false, true},
    {"ALTER TABLE orders ADD b int", false, false, true},
    {"DROP VIEW v_ok", false, false, true},
    {"CREATE INDEX ON orders (id)", false, false, true},
    {"CREATE DOMAIN d AS int", false, false, true},
    {"CREATE DOMAIN pg_temp.d AS int", false, true, true},
    {"CREATE TYPE pg_temp.e AS ENUM ('a')", false, true, true},
    {"CREATE TEMP TABLE x (a int)", false, true, false},
    {"CREATE TEMP VIEW x AS SELECT 1", false, true, false},
    {"PREPARE TRANSACTION 'x'", false, true, false},
    {"COMMIT PREPARED 'x'", false, true, false},
};

// They leave something in their session, which is no write: the transaction's other reads are mirrored.
Test(analysis, never_mirrors_what_its_session_keeps_but_counts_it_as_no_write)
{
    static const char *const kept[] = {"SELECT set_config('a', 'b', true)",
                                       "SELECT pg_advisory_lock(1)"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct analysis *analysis = analyse(kept[i]);
        cr_expect_eq(analysis->skip, SKIP_VOLATILE_FUNCTION, "%s", kept[i]);
        cr_expect(analysis->is_read, "%s", kept[i]);
        cr_expect(analysis->has_effects, "%s", kept[i]);
        analysis_unref(&analysis);
    }
    static const char *const writes[] = {
        "DELETE FROM orders WHERE set_config('a', 'b', false) = ''",
        "INSERT INTO orders SELECT id FROM orders WHERE pg_catalog.set_config('a', 'b', false) = "
        "''",
        "UPDATE orders SET id = 1 RETURNING lower(set_config('a', 'b', false))",
        "EXPLAIN ANALYZE DELETE FROM orders WHERE set_config('a', 'b', false) = ''",
        "CREATE TABLE x AS SELECT set_config('a', 'b', false)",
        "CALL p(set_config('a', 'b', false))",
    };
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        struct analysis *analysis = analyse(writes[i]);
        cr_expect(analysis->has_effects && analysis->sets_config, "%s", writes[i]);
        cr_expect_not(analysis->is_harmless, "%s", writes[i]);
        analysis_unref(&analysis);
    }
    struct analysis *analysis = analyse(kept[0]);
    cr_expect(analysis->is_harmless);
    cr_expect(analysis->sets_config);
    analysis_unref(&analysis);
    analysis = analyse("EXPLAIN EXECUTE p");
    cr_expect(analysis->is_harmless);
    cr_expect_eq(analysis->skip, SKIP_NONDETERMINISTIC);
    analysis_unref(&analysis);
}

Test(analysis, tells_what_other_statements_do)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct analysis *analysis = analyse(others[i].sql);
        cr_expect_not(analysis->is_read, "%s", others[i].sql);
        cr_expect_neq(analysis->skip, SKIP_NONE, "%s", others[i].sql);
        cr_expect_eq(analysis->is_harmless, others[i].is_harmless, "%s", others[i].sql);
        cr_expect_eq(analysis->has_effects, others[i].has_effects, "%s", others[i].sql);
        cr_expect_eq(analysis->changes_catalog, others[i].changes_catalog, "%s", others[i].sql);
        analysis_unref(&analysis);
    }
}

Test(analysis, refuses_several_statements)
{
    struct analysis *analysis = analyse("SELECT * FROM orders; SELECT vol()");
    cr_expect_eq(analysis->skip, SKIP_VOLATILE_FUNCTION);
    cr_expect_not(analysis->is_harmless);
    analysis_unref(&analysis);
}

// What only one catalog knows.
Test(analysis, needs_both_catalogs)
{
    struct catalog_build *build = catalog_build_new();
    build_system(build);
    relation(build, ORDERS, "public", "orders", 'r', NULL);
    column(build, ORDERS, 1, "id", INT4);
    function(build, SQL_OK, "sql_ok", 'v', "plpgsql", "", INT4); // volatile on this side
    relation(build, 30000, "public", "only_here", 'r', NULL);
    struct catalog *other = catalog_build_finish(&build);
    static const struct {
        const char *sql;
        bool is_new; // `other` is new, else old
        enum skip_reason skip;
        bool needs_catalog;
    } cases[] = {
        {"SELECT * FROM orders", true, SKIP_NONE, false},
        {"SELECT sql_ok(1)", true, SKIP_VOLATILE_FUNCTION, false},
        {"SELECT sql_ok(1)", false, SKIP_VOLATILE_FUNCTION, false},
        {"SELECT * FROM customers", true, SKIP_NONE, true},
        {"SELECT * FROM customers", false, SKIP_VOLATILE_FUNCTION, true},
        {"SELECT * FROM only_here", true, SKIP_VOLATILE_FUNCTION, true},
        {"SELECT * FROM nowhere", true, SKIP_NONE, true},
        {"SELECT nowhere(id) FROM orders", true, SKIP_NONE, true},
        {"SELECT extension_ok(id) FROM orders", false, SKIP_VOLATILE_FUNCTION, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct analysis_context context = {.old_catalog = cases[i].is_new ? catalog : other,
                                           .new_catalog = cases[i].is_new ? other : catalog};
        struct analysis *analysis = analysis_new(cases[i].sql, strlen(cases[i].sql), &context);
        cr_expect_eq(analysis->skip, cases[i].skip, "%s: %d", cases[i].sql, (int)analysis->skip);
        cr_expect_eq(analysis->needs_catalog, cases[i].needs_catalog, "%s", cases[i].sql);
        analysis_unref(&analysis);
    }
    struct analysis_context context = {.old_catalog = catalog};
    struct analysis *analysis = analysis_new("TABLE orders", 12, &context);
    cr_expect_neq(analysis->skip, SKIP_NONE);
    cr_expect(analysis->is_harmless);
    analysis_unref(&analysis);
    catalog_unref(&other);
}

// A search path that is known exactly says which of two relations is meant.
Test(analysis, follows_a_known_search_path)
{
    struct analysis_context context = {.old_catalog = catalog,
                                       .new_catalog = catalog,
                                       .old_search_path = "v2, v3",
                                       .new_search_path = "v2"};
    struct analysis *analysis = analysis_new("TABLE twice", 11, &context);
    cr_expect_eq(analysis->skip, SKIP_NONE);
    cr_expect_str_eq(analysis->tables[0].name, "v2.twice");
    analysis_unref(&analysis);
    context.new_search_path = "v3, v2";
    analysis = analysis_new("TABLE twice", 11, &context);
    cr_expect_eq(analysis->skip, SKIP_VOLATILE_FUNCTION);
    analysis_unref(&analysis);
}

// An implicit cast between two of PostgreSQL's types: no statement names it.
Test(analysis, fears_casts_that_nothing_names)
{
    struct catalog_build *build = catalog_build_new();
    build_system(build);
    build_relations(build);
    build_functions(build);
    cr_assert(
        catalog_build_dependency(build, &(struct catalog_dependency){0, CAST_FUNCTION, true}));
    struct catalog *hazard = catalog_build_finish(&build);
    struct analysis_context context = {.old_catalog = hazard, .new_catalog = hazard};
    struct analysis *analysis = analysis_new("TABLE orders", 12, &context);
    cr_expect_eq(analysis->skip, SKIP_VOLATILE_FUNCTION);
    analysis_unref(&analysis);
    catalog_unref(&hazard);
}

Test(analysis, hides_literals_in_the_query_that_it_keeps)
{
    struct analysis *analysis = analyse("SELECT * FROM orders WHERE id = 12345");
    cr_expect_str_eq(analysis->query, "SELECT * FROM orders WHERE id = $1");
    analysis_unref(&analysis);
    analysis = analyse("SELECT WHERE 12345 = 'secret' 'open");
    cr_expect_null(strstr(analysis->query, "secret"));
    cr_expect_null(strstr(analysis->query, "12345"));
    cr_expect_null(strstr(analysis->query, "open"));
    analysis_unref(&analysis);
}

Test(analysis, tells_what_ddl_may_be_on_a_temporary_object)
{
    static const struct {
        const char *sql;
        bool may_be;
    } cases[] = {
        {"ALTER TABLE orders ADD b int", true},
        {"ALTER VIEW v_ok RENAME TO v", true},
        {"DROP VIEW v_ok", true},
        {"CREATE INDEX ON orders (id)", true},
        {"CREATE TABLE x (a int)", false},
        {"CREATE DOMAIN d AS int", false},
        {"GRANT SELECT ON orders TO x", false},
        {"SELECT 1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct analysis *analysis = analyse(cases[i].sql);
        cr_expect_eq(analysis->may_be_temporary, cases[i].may_be, "%s", cases[i].sql);
        analysis_unref(&analysis);
    }
}

Test(analysis, has_texts_of_all_that_may_be_a_read_in_the_books)
{
    static const struct {
        const char *sql;
        bool is_named, has_fingerprint;
    } cases[] = {
        {"SELECT 1", true, true},
        {"SHOW x", true, true},
        {"EXPLAIN SELECT 1", true, true},
        {"EXECUTE p", true, true},
        {"VALUES (1)", true, true},
        {"SELECT 1 FROM", true, false},
        {"INSERT INTO orders VALUES (1)", false, false},
        {"CREATE TABLE x (a int)", false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct analysis *analysis = analyse(cases[i].sql);
        cr_expect_eq(analysis->query != NULL, cases[i].is_named, "%s", cases[i].sql);
        cr_expect_eq(analysis->fingerprint[0] != '\0', cases[i].has_fingerprint, "%s",
                     cases[i].sql);
        analysis_unref(&analysis);
    }
}

// The shadow has no use for the texts of reads that it does not even look at; all else is the same.
Test(analysis, for_deeds_has_texts_of_reads_with_effects_alone)
{
    static const struct {
        const char *sql;
        bool is_named;
    } cases[] = {
        {"SELECT * FROM orders", false},
        {"SELECT vol()", false},
        {"SELECT set_config('a.b', 'c', false)", true},
        {"SELECT * INTO TEMP x FROM orders", true},
        {"EXPLAIN SELECT set_config('a.b', 'c', false)", true},
        {"EXPLAIN ANALYZE SELECT 1", false},
        {"SHOW x", false},
        {"EXECUTE p", true},
        {"SET x.y = 1", false},
        {"SELECT 1 FROM", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *sql = cases[i].sql;
        struct analysis_context context = {
            .old_catalog = catalog, .new_catalog = catalog, .is_for_deeds = true};
        struct analysis *analysis = analysis_new(sql, strlen(sql), &context), *all = analyse(sql);
        cr_assert_not_null(analysis);
        cr_expect_eq(analysis->query != NULL, cases[i].is_named, "%s", sql);
        cr_expect_str_eq(analysis->fingerprint, cases[i].is_named ? all->fingerprint : "", "%s",
                         sql);
        cr_expect_eq(analysis->is_read, all->is_read, "%s", sql);
        cr_expect_eq(analysis->has_effects, all->has_effects, "%s", sql);
        cr_expect_eq(analysis->sets_config, all->sets_config, "%s", sql);
        cr_expect_eq(analysis->skip, all->skip, "%s", sql);
        analysis_unref(&all);
        analysis_unref(&analysis);
    }
}
