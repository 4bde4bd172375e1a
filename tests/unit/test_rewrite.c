// SQL in, SQL out: what new is asked when it calls tables, columns and schemas something else, and what is refused
// since other names can't say it. Old is a small shop; new has it in another schema.
#include "compare/sql/catalog_build.h"
#include "compare/sql/rewrite.h"
#include <criterion/criterion.h>
#include <pg_query.h>
#include <string.h>

static struct catalog *old_catalog, *new_catalog;

static void
table(struct catalog_build *build, uint32_t oid, const char *schema, const char *name, int16_t key,
      const char *const *columns)
{
    struct catalog_relation relation = {.oid = oid, .schema = schema, .name = name, .kind = 'r'};
    struct catalog_key unique = {oid, &key, 1};
    cr_assert(catalog_build_relation(build, &relation));
    for (int16_t i = 0; columns[i]; i++) {
        struct catalog_column column = {oid, (int16_t)(i + 1), i == 0, 23, columns[i], -1};
        cr_assert(catalog_build_column(build, &column));
    }
    cr_assert(catalog_build_key(build, &unique));
}

static void
setup(void)
{
    struct catalog_build *before = catalog_build_new(), *after = catalog_build_new();
    table(before, 20000, "public", "orders", 1, (const char *[]){"id", "total", "note", NULL});
    table(before, 20001, "public", "items", 1, (const char *[]){"id", "order_id", "total", NULL});
    table(before, 20002, "crm", "people", 1, (const char *[]){"id", "name", NULL});
    table(before, 20003, "a", "twice", 1, (const char *[]){"id", NULL});
    table(before, 20004, "public", "twice", 1, (const char *[]){"id", NULL});
    table(after, 30000, "sales", "orders_v2", 1,
          (const char *[]){"more", "id", "amount", "note", NULL});
    table(after, 30001, "public", "things", 1, (const char *[]){"id", "order_id", "total", NULL});
    table(after, 30002, "people", "people", 1, (const char *[]){"id", "name", NULL});
    table(after, 30003, "a", "once", 1, (const char *[]){"id", NULL});
    old_catalog = catalog_build_finish(&before);
    new_catalog = catalog_build_finish(&after);
    cr_assert(old_catalog && new_catalog);
}

static void
teardown(void)
{
    catalog_unref(&old_catalog);
    catalog_unref(&new_catalog);
}

TestSuite(rewrite, .init = setup, .fini = teardown);

static enum rewrite_status
put(const struct rewrites *rewrites, const char *sql, struct rewritten *rewritten)
{
    PgQueryNormalizeResult normal = pg_query_normalize(sql);
    PgQueryFingerprintResult fingerprint = pg_query_fingerprint(sql);
    struct rewrite_subject subject = {
        .sql = sql,
        .length = strlen(sql),
        .fingerprint = fingerprint.fingerprint_str ? fingerprint.fingerprint_str : "",
        .query = normal.normalized_query ? normal.normalized_query : "",
        .old_catalog = old_catalog,
        .new_catalog = new_catalog,
    };
    enum rewrite_status status = rewrite_statement(rewrites, &subject, rewritten);
    pg_query_free_normalize_result(normal);
    pg_query_free_fingerprint_result(fingerprint);
    return status;
}

struct example {
    const char *sql;
    const char *becomes; // NULL: stays
    const char *refused; // a part of why
};

static void
check(const struct rewrites *rewrites, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rewritten rewritten;
        enum rewrite_status status = put(rewrites, examples[i].sql, &rewritten);
        if (examples[i].refused) {
            cr_expect_eq(status, REWRITE_REFUSED, "%s: %d %s", examples[i].sql, status,
                         rewritten.sql);
            cr_expect(rewritten.because && strstr(rewritten.because, examples[i].refused), "%s: %s",
                      examples[i].sql, rewritten.because);
        } else if (examples[i].becomes) {
            cr_expect_eq(status, REWRITE_CHANGED, "%s: %d %s", examples[i].sql, status,
                         rewritten.because ? rewritten.because : "");
            cr_expect(rewritten.sql && strcmp(rewritten.sql, examples[i].becomes) == 0,
                      "%s\nbecomes %s\nnot     %s", examples[i].sql, rewritten.sql,
                      examples[i].becomes);
        } else {
            cr_expect_eq(status, REWRITE_SAME, "%s: %d %s", examples[i].sql, status,
                         rewritten.because ? rewritten.because : rewritten.sql);
        }
        rewritten_fini(&rewritten);
    }
}

#define CHECK(rewrites, examples) check(rewrites, examples, sizeof(examples) / sizeof(*(examples)))
#define LIST(...)                                                                                  \
    (struct rewrite[])                                                                             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define TABLES(...)                                                                                \
    .tables = (struct rewrite_pair[]){__VA_ARGS__},                                                \
    .table_count = sizeof((struct rewrite_pair[]){__VA_ARGS__}) / sizeof(struct rewrite_pair)
#define COLUMNS(...)                                                                               \
    .columns = (struct rewrite_pair[]){__VA_ARGS__},                                               \
    .column_count = sizeof((struct rewrite_pair[]){__VA_ARGS__}) / sizeof(struct rewrite_pair)

Test(rewrite, a_renamed_table_keeps_its_name_in_the_statement)
{
    struct rewrites rewrites = {LIST({TABLES({"items", "things"}, {"crm.*", "people.*"})}), 1, 0};
    static const struct example examples[] = {
        {"SELECT id FROM items", "SELECT id FROM \"things\" AS \"items\"", NULL},
        {"SELECT items.id FROM public.items WHERE public.items.id = 3 -- items",
         "SELECT items.id FROM \"things\" AS \"items\" WHERE items.id = 3 -- items", NULL},
        {"SELECT i.id FROM items i, ONLY items AS \"J\"",
         "SELECT i.id FROM \"things\" i, ONLY \"things\" AS \"J\"", NULL},
        {"TABLE items", "SELECT * FROM \"things\" AS \"items\"", NULL},
        {"SELECT 1 FROM orders JOIN (SELECT * FROM items) x USING (id)",
         "SELECT 1 FROM orders JOIN (SELECT * FROM \"things\" AS \"items\") x USING (id)", NULL},
        {"SELECT 1 FROM orders WHERE id IN (SELECT order_id FROM ITEMS)",
         "SELECT 1 FROM orders WHERE id IN (SELECT order_id FROM \"things\" AS \"items\")", NULL},
        {"SELECT name FROM crm.people UNION SELECT crm.f('x'::crm.mood) FROM crm . people AS p",
         "SELECT name FROM \"people\".\"people\" UNION SELECT \"people\".f('x'::\"people\".mood) "
         "FROM "
         "\"people\".\"people\" AS p",
         NULL},
        {"SELECT id, total, count(*) FROM items GROUP BY id",
         "SELECT id, total, count(*) FROM \"things\" AS \"items\" GROUP BY id", NULL},
    };
    CHECK(&rewrites, examples);
}

Test(rewrite, names_that_hide_a_renamed_table_are_left_alone)
{
    struct rewrites rewrites = {LIST({TABLES({"items", "things"}, {"orders", "sales.orders_v2"}),
                                      COLUMNS({"orders.total", "amount"})}),
                                1, 0};
    static const struct example examples[] = {
        {"WITH items AS (SELECT 1 AS id) SELECT id FROM items", NULL, NULL},
        {"WITH RECURSIVE items AS (SELECT 1 AS id UNION SELECT id + 1 FROM items WHERE id < 9) "
         "TABLE items",
         NULL, NULL},
        {"WITH items AS (SELECT id FROM items) SELECT id FROM items",
         "WITH items AS (SELECT id FROM \"things\" AS \"items\") SELECT id FROM items", NULL},
        {"SELECT (WITH items AS (SELECT 1 AS id) SELECT id FROM items), id FROM items",
         "SELECT (WITH items AS (SELECT 1 AS id) SELECT id FROM items), id FROM \"things\" AS "
         "\"items\"",
         NULL},
        {"SELECT orders.total FROM people orders", NULL, NULL},
        {"SELECT total, items FROM people, generate_series(1, 2) items", NULL, NULL},
        {"SELECT (SELECT o.x FROM people o) FROM orders o",
         "SELECT (SELECT o.x FROM people o) FROM (SELECT FROM \"sales\".\"orders_v2\") o", NULL},
        {"SELECT id FROM other.items", NULL, NULL},
        {"SELECT 'items', \"items.id\" FROM people -- items", NULL, NULL},
    };
    CHECK(&rewrites, examples);
}

Test(rewrite, a_renamed_column_is_shown_under_its_old_name_and_at_its_old_place)
{
    struct rewrites rewrites = {
        LIST({TABLES({"orders", "sales.orders_v2"}), COLUMNS({"public.orders.total", "amount"})}),
        1, 0};
#define ORDERS_ALL "(SELECT \"id\", \"amount\" AS \"total\", \"note\" FROM \"sales\".\"orders_v2\")"
    static const struct example examples[] = {
        {"SELECT * FROM orders", "SELECT * FROM " ORDERS_ALL " AS \"orders\"", NULL},
        {"SELECT o.* FROM orders AS o ORDER BY o.total",
         "SELECT o.* FROM " ORDERS_ALL " AS o ORDER BY o.total", NULL},
        {"SELECT total FROM orders",
         "SELECT total FROM (SELECT \"amount\" AS \"total\" FROM \"sales\".\"orders_v2\") AS "
         "\"orders\"",
         NULL},
        {"SELECT count(*) FROM orders",
         "SELECT count(*) FROM (SELECT FROM \"sales\".\"orders_v2\") AS \"orders\"", NULL},
        {"SELECT id FROM orders JOIN items USING (total)",
         "SELECT id FROM (SELECT \"id\", \"amount\" AS \"total\" FROM \"sales\".\"orders_v2\") AS "
         "\"orders\" JOIN items USING (total)",
         NULL},
        {"SELECT 1 FROM orders NATURAL JOIN items",
         "SELECT 1 FROM " ORDERS_ALL " AS \"orders\" NATURAL JOIN items", NULL},
        {"SELECT c FROM orders o (a, b, c)", "SELECT c FROM " ORDERS_ALL " o (a, b, c)", NULL},
        {"SELECT public.orders.total FROM public.orders",
         "SELECT orders.total FROM (SELECT \"amount\" AS \"total\" FROM \"sales\".\"orders_v2\") "
         "AS "
         "\"orders\"",
         NULL},
        {"SELECT note, sum(total) FROM orders GROUP BY note",
         "SELECT note, sum(total) FROM (SELECT \"amount\" AS \"total\", \"note\" FROM "
         "\"sales\".\"orders_v2\") AS \"orders\" GROUP BY note",
         NULL},
        {"SELECT o FROM orders o", NULL, "whole row"},
        {"SELECT orders.cheeky FROM orders", NULL, "function"},
        {"SELECT NULL::orders FROM orders", NULL, "as a type"},
        {"SELECT 'orders'::regclass, id FROM orders", NULL, "name as a value"},
        {"SELECT id, total FROM orders GROUP BY id", NULL, "GROUP BY"},
        {"SELECT id AS x, total FROM orders GROUP BY 1, total", NULL, "GROUP BY"},
        {"SELECT id FROM ONLY orders", NULL, "ONLY"},
        {"SELECT id FROM orders TABLESAMPLE system (1)", NULL, "TABLESAMPLE"},
    };
    CHECK(&rewrites, examples);
}

Test(rewrite, what_leads_to_nothing_on_new_is_refused)
{
    struct rewrites rewrites = {
        LIST({TABLES({"orders", "nowhere"}, {"a.twice", "a.once"}, {"items", "things"}),
              COLUMNS({"items.total", "price"})}),
        1, 0};
    static const struct example examples[] = {
        {"SELECT id FROM orders", NULL, "no table"},
        {"SELECT total FROM items", NULL, "no column"},
        {"SELECT id FROM items", "SELECT id FROM (SELECT \"id\" FROM \"things\") AS \"items\"",
         NULL},
        {"SELECT id FROM twice", NULL, "could mean several"},
        {"SELECT id FROM a.twice", "SELECT id FROM \"a\".\"once\" AS \"twice\"", NULL},
        {"SELECT id FROM public.twice", NULL, NULL},
        {"WITH things AS (SELECT 1) SELECT id FROM items", NULL, "CTE"},
    };
    CHECK(&rewrites, examples);
}

Test(rewrite, a_whole_statement_takes_parameters_and_literals_by_number)
{
    struct rewrites rewrites = {
        LIST({.like = "SELECT id, total FROM orders WHERE id = $1 AND note = $2%",
              .to = "SELECT id, amount AS total FROM a WHERE n=$2 AND id=$1 AND '$3' = '$3'"},
             {.like = "SELECT note%", .to = "DELETE FROM orders"},
             {.like = "SELECT max(total)%", .to = "SELECT ($1"},
             {.fingerprint = "*", .to = "SELECT $1 - $2"}),
        4, 0};
    static const struct example examples[] = {
        {"SELECT id, total FROM orders WHERE id = 7 AND note = 'it''s /* $1 */'",
         "SELECT id, amount AS total FROM a WHERE n=('it''s /* $1 */') AND id=(7) AND '$3' = '$3'",
         NULL},
        {"SELECT id, total FROM orders WHERE id = $1 AND note = E'\\'x'",
         "SELECT id, amount AS total FROM a WHERE n=(E'\\'x') AND id=$1 AND '$3' = '$3'", NULL},
        {"SELECT id, total FROM orders WHERE id = $1 AND note = $2",
         "SELECT id, amount AS total FROM a WHERE n=$2 AND id=$1 AND '$3' = '$3'", NULL},
        {"SELECT id, total FROM orders WHERE id = 7 AND note = 'x' AND total = 8", NULL,
         "just the"},
        {"SELECT note FROM orders", NULL, "one SELECT"},
        {"SELECT max(total) FROM orders WHERE id = 1", NULL, "one SELECT"},
        {"SELECT id FROM orders WHERE id = -1 AND total = -2.5e3", "SELECT (-1) - (-2.5e3)", NULL},
        {"SELECT id FROM orders WHERE id = 1", NULL, "just the"},
    };
    CHECK(&rewrites, examples);
    atomic_store(&rewrites.list[3].is_broken, true);
    static const struct example broken[] = {
        {"SELECT id FROM orders WHERE id = 1 AND total = 2", NULL, "prepare"}};
    CHECK(&rewrites, broken);
}

Test(rewrite, without_rewrites_nothing_changes)
{
    struct rewrites none = {0};
    static const struct example examples[] = {{"SELECT id FROM orders", NULL, NULL},
                                              {"SELECT FROM WHERE", NULL, NULL}};
    CHECK(&none, examples);
}
