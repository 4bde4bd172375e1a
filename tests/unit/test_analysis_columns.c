// Output columns are traced to tables, and the order of a result is total only where it is.
#include "compare/sql/analysis.h"
#include "sql_catalog.h"
#include <stdio.h>

static struct analysis *
analyse(const struct catalog *catalog, const char *sql)
{
    struct analysis_context context = {.old_catalog = catalog, .new_catalog = catalog};
    struct analysis *analysis = analysis_new(sql, strlen(sql), &context);
    cr_assert_not_null(analysis);
    return analysis;
}

static const struct {
    const char *sql, *columns;
} column_cases[] = {
    {"SELECT * FROM orders", "orders.id orders.customer_id orders.total orders.at "},
    {"SELECT o.id AS x, name FROM orders o, customers c", "orders.id customers.name "},
    {"SELECT c.*, 1 FROM orders o JOIN customers c ON true", "customers.id customers.name - "},
    {"SELECT * FROM orders JOIN customers USING (id)",
     "orders.id orders.customer_id orders.total orders.at customers.name "},
    {"SELECT * FROM items i NATURAL JOIN (SELECT line, order_id FROM items) x",
     "items.order_id items.line items.qty "},
    {"SELECT * FROM (orders o JOIN customers c ON true) j (a, b)",
     "orders.id orders.customer_id orders.total orders.at customers.id customers.name "},
    {"SELECT j.b FROM (orders o JOIN customers c ON true) j (a, b)", "orders.customer_id "},
    {"SELECT s.y FROM (SELECT total AS y, id FROM orders) s", "orders.total "},
    {"SELECT * FROM (SELECT total, id FROM orders) s (a)", "orders.total orders.id "},
    {"WITH c (a) AS (SELECT name FROM customers) SELECT a, c.* FROM c",
     "customers.name customers.name "},
    {"SELECT amount FROM v_ok", "orders.total "},
    {"SELECT id FROM orders UNION ALL SELECT id FROM orders", "orders.id "},
    {"SELECT id FROM orders UNION ALL SELECT id FROM customers", "- "},
    {"SELECT id FROM orders UNION ALL SELECT customer_id FROM orders", "orders.expression "},
    {"SELECT sum(total), max(at) FILTER (WHERE id > 5), count(*) FROM orders",
     "orders.total orders.at - "},
    {"SELECT total + id, lower(name) || 'x' FROM orders o, customers",
     "orders.expression customers.name "},
    {"SELECT o.total || name FROM orders o, customers", "- "},
    {"SELECT coalesce(s.t, 0) FROM (SELECT sum(total) AS t FROM orders) s", "orders.total "},
    {"WITH c AS (SELECT customer_id, max(total) AS m FROM orders GROUP BY 1) SELECT m FROM c JOIN "
     "customers ON id = customer_id",
     "orders.total "},
    {"SELECT sum(amount) FROM v_ok", "orders.total "},
    {"SELECT string_agg(name, ',' ORDER BY id) FROM customers", "customers.name "},
    {"SELECT CASE WHEN id > 5 THEN total END, total IN (1, 2) FROM orders",
     "orders.expression orders.total "},
    {"SELECT EXISTS (SELECT 1 FROM items), id IN (SELECT order_id FROM items) FROM orders", "- - "},
    {"SELECT o FROM orders o", "orders.expression "},
    {"SELECT sum(total) OVER (PARTITION BY customer_id ORDER BY at) FROM orders", "orders.total "},
    {"SELECT id + 1, total FROM orders", "orders.id orders.total "},
    {"SELECT (SELECT name FROM customers LIMIT 1), id FROM orders", "customers.name orders.id "},
    {"SELECT g, o.id FROM generate_series(1, 2) g, orders o", "- orders.id "},
    {"SELECT *, 1 FROM generate_series(1, 2) g", ""},
    {"VALUES (1, 2)", "- - "},
    {"SELECT", ""},
};

Test(analysis_columns, come_from_their_tables)
{
    struct catalog *catalog = shop_catalog();
    for (size_t i = 0; i < sizeof(column_cases) / sizeof(column_cases[0]); i++) {
        struct analysis *analysis = analyse(catalog, column_cases[i].sql);
        char found[512] = "";
        for (size_t c = 0; c < analysis->column_count; c++) {
            const struct analysis_column *column = &analysis->columns[c];
            if (column->table < 0)
                (void)strcat(found, "- ");
            else
                (void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s.%s ",
                               strchr(analysis->tables[column->table].name, '.') + 1,
                               column->column);
        }
        cr_expect_str_eq(found, column_cases[i].columns, "%s: %s", column_cases[i].sql, found);
        analysis_unref(&analysis);
    }
    catalog_unref(&catalog);
}

Test(analysis_columns, tables_carry_olds_oid)
{
    struct catalog *catalog = shop_catalog();
    struct analysis *analysis = analyse(catalog, "SELECT * FROM v_ok, nowhere.x");
    cr_assert_eq(analysis->table_count, 3);
    cr_expect_str_eq(analysis->tables[0].name, "public.v_ok");
    cr_expect_eq(analysis->tables[0].old_table, V_OK);
    cr_expect_str_eq(analysis->tables[1].name, "public.orders");
    cr_expect_eq(analysis->tables[1].old_table, ORDERS);
    cr_expect_str_eq(analysis->tables[2].name, "nowhere.x");
    cr_expect_eq(analysis->tables[2].old_table, 0);
    analysis_unref(&analysis);
    catalog_unref(&catalog);
}

// Output columns that name a row; "-": none do.
static const struct {
    const char *sql, *key;
} key_cases[] = {
    {"SELECT * FROM orders", "0"},
    {"SELECT total, id FROM orders LIMIT 5", "1"},
    {"SELECT total FROM orders", "-"},
    {"SELECT id + 1, total FROM orders", "-"},
    {"SELECT qty, line, order_id FROM items", "2 1"},
    {"SELECT qty, line FROM items", "-"},
    // An order's customer follows from it; a customer's orders do not.
    {"SELECT c.id, c.name, o.id FROM customers c JOIN orders o ON o.customer_id = c.id", "2"},
    {"SELECT c.id, c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id", "0"},
    {"SELECT o.id, c.id, c.name FROM orders o, customers c", "0 1"},
    {"SELECT a.id, b.id, b.total FROM orders a JOIN orders b ON b.id = a.customer_id", "0"},
    {"SELECT o.id, i.qty FROM orders o LEFT JOIN items i ON i.order_id = o.id", "0"},
    {"SELECT customer_id, sum(total) FROM orders GROUP BY customer_id", "0"},
    {"SELECT sum(total) FROM orders GROUP BY customer_id", "-"},
    {"SELECT count(*) FROM orders", "-"},
    {"SELECT DISTINCT ON (customer_id) total, customer_id FROM orders ORDER BY customer_id", "1"},
    {"SELECT DISTINCT total, at FROM orders", "-"},
    {"SELECT * FROM (SELECT DISTINCT total, at FROM orders) s", "-"},
    {"SELECT id FROM orders UNION SELECT id FROM customers", "-"},
    {"SELECT amount, id FROM v_ok", "1"},
    {"WITH c AS (SELECT total AS t, id AS i FROM orders) SELECT i, t FROM c", "0"},
    {"SELECT id, generate_series(1, 2) FROM orders", "-"},
};

Test(analysis_columns, rows_are_named_by_keys)
{
    struct catalog *catalog = shop_catalog();
    for (size_t i = 0; i < sizeof(key_cases) / sizeof(key_cases[0]); i++) {
        struct analysis *analysis = analyse(catalog, key_cases[i].sql);
        char found[64] = "";
        for (size_t k = 0; k < analysis->determinacy.row_key_count; k++)
            (void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%u",
                           k > 0 ? " " : "", analysis->determinacy.row_key[k]);
        cr_expect_str_eq(found[0] != 0 ? found : "-", key_cases[i].key, "%s: %s", key_cases[i].sql,
                         found);
        analysis_unref(&analysis);
    }
    catalog_unref(&catalog);
}

// Which columns are of one row: equal letters; "-": not known.
static const struct {
    const char *sql, *rows;
} reference_cases[] = {
    {"SELECT id, total FROM orders", "aa"},
    {"SELECT a.id, b.id, b.total, a.total FROM orders a JOIN orders b ON b.id = a.id + 1", "abba"},
    {"SELECT a.*, b.name FROM customers a, customers b", "aab"},
    {"SELECT a.x, b.y, b.x FROM (SELECT id AS x, total AS y FROM orders) a, "
     "(SELECT id AS x, total AS y FROM orders) b",
     "abb"},
    {"WITH c AS (SELECT id, total FROM orders) SELECT a.id, b.id, b.total FROM c a, c b", "abb"},
    {"WITH c AS (SELECT a.id, b.total FROM orders a, orders b) SELECT x.id, x.total, y.total, y.id "
     "FROM c x, c y",
     "abcd"},
    {"SELECT a.id, b.amount, b.id FROM v_ok a, v_ok b", "abb"},
    {"SELECT id + 1, total, lower('x') FROM orders", "-a-"},
    {"SELECT id FROM orders UNION ALL SELECT id FROM orders", "-"},
    {"SELECT (SELECT o.total), o.id FROM orders o", "-a"},
};

Test(analysis_columns, columns_of_one_row_are_told_from_another_alias_s)
{
    struct catalog *catalog = shop_catalog();
    for (size_t i = 0; i < sizeof(reference_cases) / sizeof(reference_cases[0]); i++) {
        struct analysis *analysis = analyse(catalog, reference_cases[i].sql);
        char found[64] = "", letters = 'a';
        for (size_t c = 0; c < analysis->column_count && c < sizeof(found) - 1; c++) {
            unsigned reference = analysis->columns[c].reference;
            found[c] = reference == 0 ? '-' : letters;
            for (size_t k = 0; reference != 0 && k < c; k++)
                if (analysis->columns[k].reference == reference)
                    found[c] = found[k];
            letters += found[c] == letters;
        }
        cr_expect_str_eq(found, reference_cases[i].rows, "%s: %s", reference_cases[i].sql, found);
        analysis_unref(&analysis);
    }
    catalog_unref(&catalog);
}

// n, v or h for the order, then its keys, then T for total, L for limited, O for open rows; behind a
// slash what of each column is open: - nothing, r rounding, s a sequence, v the value.
static const struct {
    const char *sql, *order;
} order_cases[] = {
    {"SELECT id FROM orders", "n"},
    {"SELECT id FROM orders ORDER BY id", "v0T"},
    {"SELECT total, id FROM orders ORDER BY 2", "v1T"},
    {"SELECT total AS x FROM orders ORDER BY x", "v0T"}, // ties are equal rows
    {"SELECT total AS x, at FROM orders ORDER BY x", "v0"},
    {"SELECT total AS x, at FROM orders ORDER BY x LIMIT 5", "v0L"},
    {"SELECT total FROM orders ORDER BY id LIMIT 5", "hTL"},
    {"SELECT total FROM orders ORDER BY at LIMIT 5", "hL"},
    {"SELECT * FROM orders ORDER BY at DESC, id LIMIT 5", "v30TL"},
    {"SELECT o.* FROM orders o ORDER BY o.at, o.id OFFSET 5", "v30TL"},
    {"SELECT id AS total, total AS id FROM orders ORDER BY id", "v1"},
    {"SELECT lower(name), id FROM customers ORDER BY lower(name)", "v0"},
    {"SELECT id + 1, id FROM orders ORDER BY id + 1", "h"},
    {"SELECT id FROM orders LIMIT 5", "nL"},
    {"SELECT id FROM orders LIMIT ALL", "n"},
    {"SELECT id FROM orders LIMIT NULL", "n"},
    {"SELECT id FROM orders FETCH FIRST ROW ONLY", "nL"},
    {"SELECT * FROM orders WHERE id = $1", "nT"},
    {"SELECT * FROM orders WHERE id = $1 AND total > 1 LIMIT 1", "nTL"},
    {"SELECT * FROM orders WHERE id = $1 OR total > 1 LIMIT 1", "nL"},
    {"SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY o.id "
     "LIMIT 3",
     "v0TL"},
    {"SELECT o.id, c.name FROM orders o, customers c WHERE c.id = o.customer_id ORDER BY o.id "
     "LIMIT 3",
     "v0TL"},
    {"SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON o.customer_id = c.id ORDER BY 1 "
     "LIMIT 3",
     "v0TL"},
    {"SELECT c.id, o.id FROM orders o LEFT JOIN customers c ON o.customer_id = c.id ORDER BY c.id "
     "LIMIT 3",
     "v0L"},
    {"SELECT c.id, c.name FROM customers c RIGHT JOIN orders o ON o.id = c.id ORDER BY c.id "
     "LIMIT 3",
     "v0L"},
    {"SELECT o.id, i.qty FROM orders o JOIN items i ON i.order_id = o.id ORDER BY o.id LIMIT 3",
     "v0L"},
    {"SELECT o.id, i.qty, i.line FROM orders o JOIN items i ON i.order_id = o.id ORDER BY 1, 3 "
     "LIMIT 3",
     "v02TL"},
    {"SELECT customer_id, count(*) FROM orders GROUP BY customer_id ORDER BY customer_id", "v0T"},
    {"SELECT customer_id, count(*) AS n FROM orders GROUP BY 1 ORDER BY n DESC LIMIT 3", "v1L"},
    {"SELECT customer_id, count(*) AS n FROM orders GROUP BY 1 ORDER BY n, 1 LIMIT 3", "v10TL"},
    {"SELECT lower(name) AS l, count(*) FROM customers GROUP BY lower(name) ORDER BY l", "v0T"},
    {"SELECT lower(name) AS name, count(*) FROM customers GROUP BY name ORDER BY name", "v0"},
    {"SELECT count(*) FROM orders", "nT"},
    {"SELECT count(*) FROM orders LIMIT 1", "nTL"},
    {"SELECT DISTINCT customer_id, total FROM orders ORDER BY customer_id, total", "v01T"},
    {"SELECT DISTINCT customer_id, total FROM orders ORDER BY customer_id LIMIT 3", "v0L"},
    {"SELECT DISTINCT ON (customer_id) customer_id, id, at FROM orders ORDER BY 1", "v0T/-vv"},
    {"SELECT DISTINCT ON (customer_id) customer_id, id, at FROM orders ORDER BY 1, 2", "v01T"},
    {"SELECT id FROM orders UNION SELECT id FROM customers ORDER BY id LIMIT 1", "v0TL"},
    {"SELECT id, total FROM orders UNION ALL SELECT 1, 2 ORDER BY id LIMIT 1", "v0L"},
    {"SELECT *, id FROM generate_series(1, 2) g, orders ORDER BY at LIMIT 1", "hL"},
    {"SELECT unnest(ARRAY[1]), id FROM orders ORDER BY id LIMIT 1", "v1L"},
    {"SELECT x.id FROM (SELECT id FROM orders) x ORDER BY x.id LIMIT 3", "v0TL"},
    {"SELECT id, amount FROM v_ok ORDER BY id LIMIT 3", "v0TL"},
    {"SELECT array_agg(id) FROM orders", "nT/s"},
    {"SELECT array_agg(id ORDER BY id) FROM orders", "nT"},
    {"SELECT array_agg(DISTINCT total) FROM orders", "nT"},
    {"SELECT string_agg(name, ',' ORDER BY name) FROM customers", "nT"},
    {"SELECT string_agg(name, ',' ORDER BY length) FROM customers", "nT/s"},
    {"SELECT customer_id, array_agg(total ORDER BY at) FROM orders GROUP BY 1", "n/-s"},
    {"SELECT customer_id, array_agg(total ORDER BY at, id) FROM orders GROUP BY 1", "n"},
    {"SELECT count(a) FROM (SELECT array_agg(id) AS a FROM orders) s", "nT"},
    {"SELECT id, row_number() OVER (ORDER BY id) FROM orders", "n"},
    {"SELECT id, row_number() OVER (ORDER BY at) FROM orders", "n/-v"},
    {"SELECT id, row_number() OVER () FROM orders", "n/-v"},
    {"SELECT id, rank() OVER (ORDER BY at) FROM orders", "n"},
    {"SELECT id, sum(total) OVER (ORDER BY at) FROM orders", "n"},
    {"SELECT id, sum(total) OVER (ORDER BY at ROWS 2 PRECEDING) FROM orders", "n/-v"},
    {"SELECT id, row_number() OVER w FROM orders WINDOW w AS (ORDER BY at, id)", "n"},
    {"SELECT id AS k, row_number() OVER (ORDER BY customer_id) FROM orders", "n/-v"},
    {"SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY at) AS n "
     "FROM orders) s WHERE n = 1",
     "nO"},
    {"SELECT id FROM orders WHERE id IN (SELECT order_id FROM items LIMIT 5)", "nO"},
    {"SELECT * FROM (SELECT id FROM orders LIMIT 5) s", "n/v"},
    {"SELECT * FROM (SELECT id FROM orders ORDER BY id LIMIT 5) s", "n"},
    {"SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM items LIMIT 1)", "n"},
    {"SELECT id, (SELECT name FROM customers c WHERE c.id = customer_id LIMIT 1) FROM orders", "n"},
    {"SELECT id, (SELECT qty FROM items i WHERE i.order_id = o.id LIMIT 1) FROM orders o", "n/-v"},
    {"SELECT ARRAY(SELECT id FROM orders)", "nT/s"},
    {"SELECT ARRAY(SELECT id FROM orders ORDER BY id)", "nT"},
    // LIMIT and OFFSET: what they cut.
    {"SELECT id, at FROM orders ORDER BY at FETCH FIRST 3 ROWS WITH TIES", "v1L"},
    {"SELECT id, at FROM orders ORDER BY at OFFSET 0", "v1"},
    {"SELECT id, at FROM orders ORDER BY at DESC NULLS FIRST LIMIT 3", "v1L"},
    {"SELECT at, id FROM orders ORDER BY at, total, id", "h0T"},
    // A subquery's sort keys are determined where its other columns are not.
    {"SELECT * FROM (SELECT at, total FROM orders ORDER BY at LIMIT 5) s", "n/-v"},
    {"SELECT count(*), max(at) FROM (SELECT at, total FROM orders ORDER BY at LIMIT 5) s", "nT"},
    {"SELECT count(total) FROM (SELECT at, total FROM orders ORDER BY at LIMIT 5) s", "nT/v"},
    {"SELECT at FROM (SELECT at, total FROM orders ORDER BY at LIMIT 5) s WHERE total > 1", "nO"},
    {"WITH c AS (SELECT id, total FROM orders LIMIT 5) SELECT c.id, o.id FROM c JOIN orders o ON "
     "o.id = 1",
     "n/v-"},
    {"WITH c AS (SELECT id FROM orders LIMIT 5) SELECT id, total FROM c JOIN orders USING (id)",
     "nO/v-"},
    {"SELECT id, total FROM orders NATURAL JOIN (SELECT id FROM orders LIMIT 5) s", "nO"},
    {"SELECT o.id, s.at FROM orders o, LATERAL (SELECT at, total FROM orders ORDER BY at LIMIT 1) "
     "s",
     "n"},
    {"SELECT DISTINCT id FROM (SELECT id FROM orders LIMIT 5) s", "nO/v"},
    {"SELECT id, count(*) FROM (SELECT id FROM orders LIMIT 5) s GROUP BY 1", "nO/v-"},
    {"SELECT id FROM (SELECT id FROM orders LIMIT 5) s UNION SELECT 1", "nO/v"},
    {"SELECT id FROM (SELECT id FROM orders LIMIT 5) s UNION ALL SELECT 1", "n/v"},
    {"SELECT unnest(a) FROM (SELECT array_agg(id) AS a FROM orders) s", "nO/v"},
    {"SELECT id, (SELECT max(qty) FROM items WHERE line IN (SELECT id FROM orders LIMIT 1)) FROM "
     "orders",
     "n/-v"},
    // DISTINCT ON: what it is distinct on and sorted by is determined, and what follows from that.
    {"SELECT DISTINCT ON (customer_id) customer_id, at, total FROM orders ORDER BY customer_id, at",
     "v01T/--v"},
    {"SELECT DISTINCT ON (customer_id) id, total FROM orders", "n/vv"},
    {"SELECT DISTINCT ON (o.customer_id) name, total FROM orders o JOIN customers c ON c.id = "
     "o.customer_id",
     "n/-v"},
    {"SELECT DISTINCT ON (customer_id) customer_id, at FROM orders ORDER BY 1 LIMIT 5", "v0TL/-v"},
    // Aggregates: elements, pieces, members; what is made of them.
    {"SELECT coalesce(array_agg(id), '{}') FROM orders", "nT/s"},
    {"SELECT string_agg(name, ',') || 'x' FROM customers", "nT/v"},
    {"SELECT (array_agg(id))[1], count(*) FROM orders", "nT/v-"},
    {"SELECT customer_id, array_agg(id), sum(total) FROM orders GROUP BY 1 ORDER BY 1", "v0T/-s-"},
    {"SELECT customer_id, array_agg(id) FROM orders GROUP BY ROLLUP (customer_id) ORDER BY 1",
     "v0/-s"},
    {"SELECT a, 1 AS n FROM (SELECT array_agg(id) AS a FROM orders) s ORDER BY a", "h/s-"},
    {"SELECT good_aggregate(total), count(*) FROM orders", "nT/v-"},
    {"SELECT id, array_agg(total) OVER (PARTITION BY customer_id) FROM orders", "n/-s"},
    {"SELECT customer_id, count(*) FROM orders GROUP BY GROUPING SETS ((customer_id), ()) ORDER BY "
     "1, 2",
     "v01T"},
    // Sums of floats round; what is left of some may be all rounding.
    {"SELECT sum(total::float8), corr(total::float8, id), sum(total) FROM orders", "nT/rv-"},
    {"SELECT sum(total::float8) * 100 + 1, count(corr(total::float8, id)) FROM orders", "nT/r-"},
};

Test(analysis_columns, tell_whether_the_order_is_total)
{
    struct catalog *catalog = shop_catalog();
    for (size_t i = 0; i < sizeof(order_cases) / sizeof(order_cases[0]); i++) {
        struct analysis *analysis = analyse(catalog, order_cases[i].sql);
        const struct determinacy *determinacy = &analysis->determinacy;
        char found[64] = {"nvh"[determinacy->order]};
        for (size_t k = 0; k < determinacy->key_count; k++)
            (void)snprintf(found + strlen(found), sizeof(found) - strlen(found), "%d",
                           determinacy->keys[k]);
        (void)strcat(found, determinacy->is_total ? "T" : "");
        (void)strcat(found, determinacy->is_limited ? "L" : "");
        (void)strcat(found, determinacy->has_open_rows ? "O" : "");
        if (determinacy->open != NULL) {
            size_t length = strlen(found);
            found[length++] = '/';
            for (size_t c = 0; c < determinacy->open_count; c++)
                found[length++] = "-rsv"[determinacy->open[c]];
        }
        cr_expect_str_eq(found, order_cases[i].order, "%s: %s", order_cases[i].sql, found);
        bool is_cut = determinacy->cuts_start || determinacy->cuts_end;
        bool is_open = determinacy->has_open_rows || determinacy->open != NULL ||
                       (is_cut && !determinacy->is_total);
        cr_expect_eq(determinacy->open_because != NULL, is_open, "%s", order_cases[i].sql);
        analysis_unref(&analysis);
    }
    catalog_unref(&catalog);
}

Test(analysis_columns, catalog_names_and_stand_ins)
{
    struct catalog *catalog = shop_catalog();
    cr_expect_str_eq(catalog_table_name(catalog, ITEMS), "public.items");
    cr_expect_str_eq(catalog_column_name(catalog, ITEMS, 2), "line");
    cr_expect_null(catalog_column_name(catalog, ITEMS, 9));
    cr_expect_null(catalog_table_name(catalog, 1));
    cr_expect_str_eq(catalog_type_name(catalog, MOOD), "mood");
    struct type_resolver resolver = catalog_type_resolver(catalog);
    struct type_shape shape;
    cr_expect(resolver.resolve(resolver.context, MOOD, &shape) && shape.type == TEXT);
    cr_expect(resolver.resolve(resolver.context, MOOD_ARRAY, &shape) && shape.type == MOOD_ARRAY);
    cr_expect(shape.family == TYPE_FAMILY_ARRAY && shape.element == MOOD);
    cr_expect(resolver.resolve(resolver.context, GOOD_DOMAIN, &shape) && shape.type == INT4);
    cr_expect_not(resolver.resolve(resolver.context, 31000, &shape));
    catalog_unref(&catalog);
}
