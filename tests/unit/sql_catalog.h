// A small shop's catalog for tests of the SQL analysis, with objects in it that hide side effects.
#ifndef TESTS_UNIT_SQL_CATALOG_H
#define TESTS_UNIT_SQL_CATALOG_H

#include "compare/sql/catalog_build.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum {
    BOOL = 16,
    INT8 = 20,
    INT4 = 23,
    TEXT = 25,
    OID = 26,
    REGCLASS = 2205,
    TIMESTAMPTZ = 1184,
    NUMERIC = 1700,
    // Users' objects.
    ORDERS = 20000,
    CUSTOMERS,
    ITEMS,
    V_OK,
    V_BAD,
    V_BAD2,
    V_CLOCK,
    RLS_BAD,
    RLS_OK,
    FOREIGN,
    HAS_BAD_DOMAIN,
    HAS_ENUM,
    HAS_CAST,
    ORDERS_V2,
    VOL = 21000,
    LYING,
    SAFE,
    SQL_OK,
    SQL_BAD,
    SQL_NESTED,
    SQL_WRITE,
    SQL_CLOCK,
    SQL_ATOMIC,
    SQL_ATOMIC_BAD,
    BAD_DEFAULT,
    CHEEKY,
    OVERLOAD_1,
    OVERLOAD_2,
    OP_FUNCTION,
    CAST_FUNCTION,
    BAD_AGGREGATE,
    GOOD_AGGREGATE,
    EXTENSION_OK,
    EXTENSION_CROSSTAB,
    EXTENSION_VOLATILE,
    MADE_INTERNAL,
    MADE_RANGE,
    RECURSIVE_1,
    RECURSIVE_2,
    UUID_V4,
    BAD_DOMAIN = 22000,
    GOOD_DOMAIN,
    MOOD,
    MOOD_ARRAY,
    CASTABLE,
    BAD_DOMAIN_ARRAY,
};

static void
relation(struct catalog_build *build, uint32_t oid, const char *schema, const char *name, char kind,
         const char *definition)
{
    struct catalog_relation row = {.oid = oid,
                                   .schema = schema,
                                   .name = name,
                                   .kind = kind,
                                   .definition = definition,
                                   .is_foreign = kind == 'f',
                                   .has_row_security = oid == RLS_BAD || oid == RLS_OK};
    cr_assert(catalog_build_relation(build, &row));
}

// "name" is not null where it begins with '!'.
static void
column(struct catalog_build *build, uint32_t table, int16_t number, const char *name, uint32_t type)
{
    struct catalog_column row = {.relation = table,
                                 .number = number,
                                 .type = type,
                                 .name = name[0] == '!' ? name + 1 : name,
                                 .is_not_null = name[0] == '!',
                                 .type_modifier = -1};
    cr_assert(catalog_build_column(build, &row));
}

static void
key(struct catalog_build *build, uint32_t table, int16_t one, int16_t other)
{
    int16_t columns[] = {one, other};
    struct catalog_key row = {table, columns, other == 0 ? 1 : 2};
    cr_assert(catalog_build_key(build, &row));
}

static void
function(struct catalog_build *build, uint32_t oid, const char *name, char volatility,
         const char *language, const char *source, uint32_t type)
{
    struct catalog_function row = {.oid = oid,
                                   .schema = oid < 16384 ? "pg_catalog" : "public",
                                   .name = name,
                                   .kind = 'f',
                                   .volatility = volatility,
                                   .language = language,
                                   .source = source,
                                   .types = &type,
                                   .type_count = type == 0 ? 0 : 1};
    cr_assert(catalog_build_function(build, &row));
}

static void
type(struct catalog_build *build, uint32_t oid, const char *name, char kind, uint32_t base,
     uint32_t array, bool is_array)
{
    struct catalog_type row = {.oid = oid,
                               .schema = oid < 16384 ? "pg_catalog" : "public",
                               .name = name,
                               .kind = kind,
                               .base = base,
                               .array = array,
                               .is_array = is_array,
                               .type_modifier = -1};
    cr_assert(catalog_build_type(build, &row));
}

static void
build_system(struct catalog_build *build)
{
    static const struct {
        const char *name;
        char volatility, kind;
        bool returns_set;
    } functions[] = {
        {"lower", 'i', 'f', 0},          {"now", 's', 'f', 0},
        {"random", 'v', 'f', 0},         {"clock_timestamp", 'v', 'f', 0},
        {"nextval", 'v', 'f', 0},        {"version", 's', 'f', 0},
        {"pg_notify", 'v', 'f', 0},      {"pg_advisory_lock", 'v', 'f', 0},
        {"set_config", 'v', 'f', 0},     {"current_setting", 's', 'f', 0},
        {"lo_create", 'v', 'f', 0},      {"pg_sleep", 'v', 'f', 0},
        {"query_to_xml", 's', 'f', 0},   {"table_to_xml", 's', 'f', 0},
        {"txid_current", 's', 'f', 0},   {"pg_current_xact_id", 's', 'f', 0},
        {"count", 'i', 'a', 0},          {"sum", 'i', 'a', 0},
        {"corr", 'i', 'a', 0},           {"array_agg", 'i', 'a', 0},
        {"string_agg", 'i', 'a', 0},     {"row_number", 'i', 'w', 0},
        {"rank", 'i', 'w', 0},           {"generate_series", 'i', 'f', 1},
        {"unnest", 'i', 'f', 1},         {"age", 's', 'f', 0},
        {"pg_backend_pid", 's', 'f', 0}, {"gen_random_uuid", 'v', 'f', 0},
        {"int4pl", 'i', 'f', 0},         {"coalesce_is_no_function", 'i', 'f', 0},
    };
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        struct catalog_function row = {.oid = (uint32_t)(100 + i),
                                       .schema = "pg_catalog",
                                       .name = functions[i].name,
                                       .kind = functions[i].kind,
                                       .volatility = functions[i].volatility,
                                       .language = "internal",
                                       .returns_set = functions[i].returns_set};
        cr_assert(catalog_build_function(build, &row));
    }
    static const char *const operators[] = {"=", "<>", "<",  ">",  "<=", ">=", "+",
                                            "-", "*",  "||", "~~", "~",  "->>"};
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        struct catalog_operator row = {.schema = "pg_catalog",
                                       .name = operators[i],
                                       .function = 100,
                                       .left = INT4,
                                       .right = INT4};
        cr_assert(catalog_build_operator(build, &row));
    }
    static const struct {
        uint32_t oid;
        const char *name;
    } types[] = {{BOOL, "bool"},
                 {INT8, "int8"},
                 {INT4, "int4"},
                 {TEXT, "text"},
                 {OID, "oid"},
                 {REGCLASS, "regclass"},
                 {TIMESTAMPTZ, "timestamptz"},
                 {NUMERIC, "numeric"}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        type(build, types[i].oid, types[i].name, 'b', 0, 0, false);
    relation(build, 1259, "pg_catalog", "pg_class", 'r', NULL);
    column(build, 1259, 1, "oid", OID);
    column(build, 1259, 2, "relname", TEXT);
}

static void
build_relations(struct catalog_build *build)
{
    relation(build, ORDERS, "public", "orders", 'r', NULL);
    column(build, ORDERS, 1, "!id", INT4);
    column(build, ORDERS, 2, "!customer_id", INT4);
    column(build, ORDERS, 3, "total", NUMERIC);
    column(build, ORDERS, 4, "at", TIMESTAMPTZ);
    key(build, ORDERS, 1, 0);
    relation(build, CUSTOMERS, "public", "customers", 'r', NULL);
    column(build, CUSTOMERS, 1, "!id", INT4);
    column(build, CUSTOMERS, 2, "name", TEXT);
    key(build, CUSTOMERS, 1, 0);
    relation(build, ITEMS, "public", "items", 'r', NULL);
    column(build, ITEMS, 1, "!order_id", INT4);
    column(build, ITEMS, 2, "!line", INT4);
    column(build, ITEMS, 3, "qty", INT4);
    key(build, ITEMS, 1, 2);
    relation(build, V_OK, "public", "v_ok", 'v', "SELECT id, total FROM public.orders;");
    column(build, V_OK, 1, "id", INT4);
    column(build, V_OK, 2, "amount", NUMERIC);
    relation(build, V_BAD, "public", "v_bad", 'v', "SELECT id, public.vol() AS v FROM orders");
    column(build, V_BAD, 1, "id", INT4);
    column(build, V_BAD, 2, "v", INT4);
    relation(build, V_BAD2, "public", "v_bad2", 'v', "SELECT v_bad.id FROM public.v_bad");
    column(build, V_BAD2, 1, "id", INT4);
    relation(build, V_CLOCK, "public", "v_clock", 'v', "SELECT id, now() AS t FROM orders");
    column(build, V_CLOCK, 1, "id", INT4);
    column(build, V_CLOCK, 2, "t", TIMESTAMPTZ);
    relation(build, RLS_BAD, "public", "rls_bad", 'r', NULL);
    column(build, RLS_BAD, 1, "id", INT4);
    cr_assert(catalog_build_policy(build, &(struct catalog_policy){RLS_BAD, "(vol() = 1)"}));
    relation(build, RLS_OK, "public", "rls_ok", 'r', NULL);
    column(build, RLS_OK, 1, "tenant", TEXT);
    cr_assert(catalog_build_policy(
        build, &(struct catalog_policy){RLS_OK, "(tenant = current_setting('app.tenant'::text))"}));
    relation(build, FOREIGN, "public", "far", 'f', NULL);
    column(build, FOREIGN, 1, "id", INT4);
    relation(build, HAS_BAD_DOMAIN, "public", "has_bad_domain", 'r', NULL);
    column(build, HAS_BAD_DOMAIN, 1, "id", INT4);
    column(build, HAS_BAD_DOMAIN, 2, "ds", BAD_DOMAIN_ARRAY);
    relation(build, HAS_ENUM, "public", "has_enum", 'r', NULL);
    column(build, HAS_ENUM, 1, "id", INT4);
    column(build, HAS_ENUM, 2, "m", MOOD);
    relation(build, HAS_CAST, "public", "has_cast", 'r', NULL);
    column(build, HAS_CAST, 1, "c", CASTABLE);
    relation(build, ORDERS_V2, "v2", "twice", 'v', "SELECT 1 AS id FROM public.orders");
    column(build, ORDERS_V2, 1, "id", INT4);
    relation(build, ORDERS_V2 + 1, "v3", "twice", 'v', "SELECT public.vol() AS id");
    column(build, ORDERS_V2 + 1, 1, "id", INT4);
}

static void
aggregate(struct catalog_build *build, uint32_t oid, const char *name, uint32_t part)
{
    struct catalog_function row = {.oid = oid,
                                   .schema = "public",
                                   .name = name,
                                   .kind = 'a',
                                   .volatility = 'i',
                                   .language = "internal",
                                   .parts = &part,
                                   .part_count = 1};
    cr_assert(catalog_build_function(build, &row));
}

static void
extension(struct catalog_build *build, uint32_t oid, const char *name, char volatility)
{
    struct catalog_function row = {.oid = oid,
                                   .schema = "public",
                                   .name = name,
                                   .kind = 'f',
                                   .volatility = volatility,
                                   .language = "c",
                                   .is_extension = true};
    cr_assert(catalog_build_function(build, &row));
}

static void
build_functions(struct catalog_build *build)
{
    function(build, VOL, "vol", 'v', "plpgsql", "", INT4);
    function(build, LYING, "lying", 's', "plpgsql", "", INT4);
    function(build, SAFE, "safe", 'v', "plpgsql", "", INT4);
    function(build, SQL_OK, "sql_ok", 's', "sql", "SELECT count(*) FROM orders WHERE id = $1",
             INT4);
    function(build, SQL_BAD, "sql_bad", 's', "sql", "SELECT 1; SELECT vol()", INT4);
    function(build, SQL_NESTED, "sql_nested", 's', "sql", "SELECT sql_bad()", INT4);
    function(build, SQL_WRITE, "sql_write", 's', "sql",
             "INSERT INTO orders VALUES (1) RETURNING id", INT4);
    function(build, SQL_CLOCK, "sql_clock", 's', "sql", "SELECT now()", TIMESTAMPTZ);
    function(build, RECURSIVE_1, "ping", 's', "sql", "SELECT pong()", INT4);
    function(build, RECURSIVE_2, "pong", 's', "sql", "SELECT ping()", INT4);
    function(build, CHEEKY, "cheeky", 'v', "plpgsql", "", INT4);
    function(build, OVERLOAD_1, "overload", 'i', "sql", "SELECT 1", INT4);
    function(build, OVERLOAD_2, "overload", 'v', "plpgsql", "", TEXT);
    function(build, OP_FUNCTION, "op_function", 'v', "plpgsql", "", INT4);
    function(build, CAST_FUNCTION, "cast_function", 'v', "plpgsql", "", 0);
    function(build, MADE_RANGE, "made_range", 'i', "internal", "range_constructor2", 0);
    function(build, MADE_INTERNAL, "made_internal", 's', "internal", "nextval_oid", 0);
    uint32_t text = TEXT;
    struct catalog_function atomic = {.oid = SQL_ATOMIC,
                                      .schema = "public",
                                      .name = "sql_atomic",
                                      .kind = 'f',
                                      .volatility = 's',
                                      .language = "sql",
                                      .source = "",
                                      .types = &text,
                                      .type_count = 1,
                                      .body = "BEGIN ATOMIC\n SELECT o.id FROM orders o WHERE "
                                              "(o.id = sql_atomic.i);\nEND"};
    cr_assert(catalog_build_function(build, &atomic));
    atomic.oid = SQL_ATOMIC_BAD;
    atomic.name = "sql_return_bad";
    atomic.body = "RETURN (vol() + 1)";
    cr_assert(catalog_build_function(build, &atomic));
    struct catalog_function with_default = {.oid = BAD_DEFAULT,
                                            .schema = "public",
                                            .name = "bad_default",
                                            .kind = 'f',
                                            .volatility = 'i',
                                            .language = "sql",
                                            .source = "SELECT 1",
                                            .defaults = "1, vol()"};
    cr_assert(catalog_build_function(build, &with_default));
    aggregate(build, BAD_AGGREGATE, "bad_aggregate", VOL);
    aggregate(build, GOOD_AGGREGATE, "good_aggregate", 100);
    extension(build, EXTENSION_OK, "extension_ok", 's');
    extension(build, EXTENSION_VOLATILE, "extension_volatile", 'v');
    extension(build, EXTENSION_CROSSTAB, "crosstab", 's');
    extension(build, UUID_V4, "uuid_generate_v4", 'v');
    struct catalog_operator row = {
        .schema = "public", .name = "===", .function = OP_FUNCTION, .left = INT4, .right = INT4};
    cr_assert(catalog_build_operator(build, &row));
    row.name = "@@@";
    row.function = 100;
    row.restriction = VOL;
    cr_assert(catalog_build_operator(build, &row));
}

static void
build_types(struct catalog_build *build)
{
    type(build, BAD_DOMAIN, "bad_domain", 'd', INT4, BAD_DOMAIN_ARRAY, false);
    type(build, BAD_DOMAIN_ARRAY, "_bad_domain", 'b', BAD_DOMAIN, 0, true);
    type(build, GOOD_DOMAIN, "good_domain", 'd', INT4, 0, false);
    type(build, MOOD, "mood", 'e', 0, MOOD_ARRAY, false);
    type(build, MOOD_ARRAY, "_mood", 'b', MOOD, 0, true);
    type(build, CASTABLE, "castable", 'c', 0, 0, false);
    cr_assert(catalog_build_check(build, &(struct catalog_check){BAD_DOMAIN, "(vol() > VALUE)"}));
    cr_assert(catalog_build_check(build, &(struct catalog_check){GOOD_DOMAIN, "(VALUE > 0)"}));
    cr_assert(catalog_build_dependency(
        build, &(struct catalog_dependency){CASTABLE, CAST_FUNCTION, false}));
    cr_assert(
        catalog_build_dependency(build, &(struct catalog_dependency){BOOL, CAST_FUNCTION, true}));
}

// A shop that more can be built on to; the system's rows are below, as in a real one.
static struct catalog_build *
shop_build(void)
{
    struct catalog_build *build = catalog_build_new(), *below_build = catalog_build_new();
    cr_assert(build != NULL && below_build != NULL);
    build_system(below_build);
    struct catalog *below = catalog_build_finish(&below_build);
    cr_assert_not_null(below);
    catalog_build_on(build, below);
    catalog_unref(&below);
    build_relations(build);
    build_functions(build);
    build_types(build);
    return build;
}

static struct catalog *
shop_catalog(void)
{
    struct catalog_build *build = shop_build();
    struct catalog *catalog = catalog_build_finish(&build);
    cr_assert_not_null(catalog);
    return catalog;
}

#endif
