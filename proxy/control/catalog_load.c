// One query a table of the catalog, all in one REPEATABLE READ transaction, so that they fit together.
// Names are qualified and the search_path of the transaction is empty but for pg_catalog, so that what
// the server prints (views, bodies, expressions) is qualified as well.
//
// Printing a view locks the relations in it until the transaction ends, or the savepoint is rolled back: each view is
// printed by itself and its locks are given back at once, so that a client's LOCK … NOWAIT meets one as rarely as can be.
//
// Left out: TOAST, and temporary objects, which belong to sessions. Known compromise: all of a side is
// read again when something changes; 10,000 relations are some megabytes and well below a second.
#include "proxy/control/catalog_load.h"

#include "compare/sql/catalog_build.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loader {
    PGconn *connection;
    struct catalog_build *build;
    const PGresult *rows; // of the query under way
    int row;
    struct view *views; // users', by OID; owned
    size_t view_count;
};

struct view {
    uint32_t oid;
    char *definition; // owned
};

typedef bool taker(struct loader *loader);

static const char *
text(const struct loader *loader, int column)
{
    return PQgetisnull(loader->rows, loader->row, column)
               ? NULL
               : PQgetvalue(loader->rows, loader->row, column);
}

static uint32_t
number(const struct loader *loader, int column)
{
    return (uint32_t)strtoul(PQgetvalue(loader->rows, loader->row, column), NULL, 10);
}

static char
letter(const struct loader *loader, int column)
{
    return PQgetvalue(loader->rows, loader->row, column)[0];
}

static bool
truth(const struct loader *loader, int column)
{
    return letter(loader, column) == 't';
}

// Numbers with blanks between; *count of them, owned. NULL: no memory.
static uint32_t *
numbers(const struct loader *loader, int column, size_t *count)
{
    const char *at = PQgetvalue(loader->rows, loader->row, column);
    uint32_t *list = calloc(strlen(at) / 2 + 1, sizeof(*list));
    *count = 0;
    while (list != NULL && *at != '\0') {
        char *end;
        unsigned long value = strtoul(at, &end, 10);
        if (end == at)
            break;
        list[(*count)++] = (uint32_t)value;
        at = end;
    }
    return list;
}

static bool
take_path(struct loader *loader)
{
    return catalog_build_search_path(loader->build, text(loader, 0));
}

static bool
take_view(struct loader *loader)
{
    if (loader->views == NULL) {
        loader->views = calloc((size_t)PQntuples(loader->rows), sizeof(*loader->views));
    }
    if (loader->views != NULL)
        loader->views[loader->view_count++].oid = number(loader, 0);
    return loader->views != NULL;
}

static int
view_order(const void *a, const void *b)
{
    const struct view *one = a, *other = b;
    return (one->oid > other->oid) - (one->oid < other->oid);
}

static const char *
definition_of(const struct loader *loader, uint32_t oid)
{
    const struct view key = {.oid = oid};
    const struct view *found =
        loader->view_count == 0
            ? NULL
            : bsearch(&key, loader->views, loader->view_count, sizeof(key), view_order);
    return found != NULL ? found->definition : NULL;
}

static void
views_free(struct loader *loader)
{
    for (size_t i = 0; i < loader->view_count; i++)
        free(loader->views[i].definition);
    free(loader->views);
}

static bool
take_relation(struct loader *loader)
{
    struct catalog_relation relation = {.oid = number(loader, 0),
                                        .schema = text(loader, 1),
                                        .name = text(loader, 2),
                                        .kind = letter(loader, 3),
                                        .has_row_security = truth(loader, 4),
                                        .is_foreign = truth(loader, 5),
                                        .definition = definition_of(loader, number(loader, 0))};
    return catalog_build_relation(loader->build, &relation);
}

static bool
take_column(struct loader *loader)
{
    struct catalog_column column = {.relation = number(loader, 0),
                                    .number = (int16_t)number(loader, 1),
                                    .name = text(loader, 2),
                                    .type = number(loader, 3),
                                    .is_not_null = truth(loader, 4),
                                    .type_modifier = (int32_t)number(loader, 5)};
    return catalog_build_column(loader->build, &column);
}

static bool
take_key(struct loader *loader)
{
    size_t count;
    uint32_t *list = numbers(loader, 1, &count);
    int16_t columns[32]; // INDEX_MAX_KEYS
    if (list == NULL)
        return false;
    bool is_taken = true;
    if (count <= sizeof(columns) / sizeof(columns[0])) {
        for (size_t i = 0; i < count; i++)
            columns[i] = (int16_t)list[i];
        struct catalog_key key = {number(loader, 0), columns, count};
        is_taken = catalog_build_key(loader->build, &key);
    }
    free(list);
    return is_taken;
}

static bool
take_policy(struct loader *loader)
{
    struct catalog_policy policy = {number(loader, 0), text(loader, 1)};
    return catalog_build_policy(loader->build, &policy);
}

static bool
take_function(struct loader *loader)
{
    size_t type_count, part_count;
    uint32_t *types = numbers(loader, 11, &type_count);
    uint32_t *parts = numbers(loader, 12, &part_count);
    struct catalog_function function = {.oid = number(loader, 0),
                                        .schema = text(loader, 1),
                                        .name = text(loader, 2),
                                        .kind = letter(loader, 3),
                                        .volatility = letter(loader, 4),
                                        .language = text(loader, 5),
                                        .is_extension = truth(loader, 6),
                                        .returns_set = truth(loader, 7),
                                        .source = text(loader, 8),
                                        .body = text(loader, 9),
                                        .defaults = text(loader, 10),
                                        .types = types,
                                        .type_count = type_count,
                                        .parts = parts,
                                        .part_count = part_count};
    bool is_taken =
        types != NULL && parts != NULL && catalog_build_function(loader->build, &function);
    free(types);
    free(parts);
    return is_taken;
}

static bool
take_operator(struct loader *loader)
{
    struct catalog_operator operator= {.schema = text(loader, 0),
                                       .name = text(loader, 1),
                                       .function = number(loader, 2),
                                       .restriction = number(loader, 3),
                                       .join = number(loader, 4),
                                       .left = number(loader, 5),
                                       .right = number(loader, 6)};
    return catalog_build_operator(loader->build, &operator);
}

static bool
take_type(struct loader *loader)
{
    struct catalog_type type = {.oid = number(loader, 0),
                                .schema = text(loader, 1),
                                .name = text(loader, 2),
                                .kind = letter(loader, 3),
                                .is_array = truth(loader, 4),
                                .base = number(loader, 5),
                                .array = number(loader, 6),
                                .relation = number(loader, 7),
                                .type_modifier = (int32_t)number(loader, 8)};
    return catalog_build_type(loader->build, &type);
}

static bool
take_dependency(struct loader *loader)
{
    struct catalog_dependency dependency = {number(loader, 0), number(loader, 1), truth(loader, 2)};
    return catalog_build_dependency(loader->build, &dependency);
}

static bool
take_label(struct loader *loader)
{
    struct catalog_label label = {number(loader, 0), text(loader, 1)};
    return catalog_build_label(loader->build, &label);
}

static bool
take_check(struct loader *loader)
{
    struct catalog_check check = {number(loader, 0), text(loader, 1)};
    return catalog_build_check(loader->build, &check);
}

#define NOT_TEMPORARY " n.nspname !~ '^pg_(toast|temp_|toast_temp_)' "

// Manual, chapter 53. 16384 is the first OID that is not initdb's.
static const struct query {
    const char *what; // for the error
    int minimum_version;
    int maximum_version; // 0: none
    int columns;         // in an answer
    int known;           // of them, the first ones, that are never NULL
    taker *take;
    const char *sql;
} queries[] = {
    {"relations", 0, 0, 6, 6, take_relation,
     "WITH RECURSIVE up(relation) AS (SELECT oid FROM pg_class WHERE relkind = 'f' UNION "
     "SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.relation) "
     "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity, "
     "c.oid IN (SELECT relation FROM up) "
     "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
     "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND" NOT_TEMPORARY},
    {"columns", 0, 0, 6, 6, take_column,
     "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull, a.atttypmod "
     "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
     "JOIN pg_namespace n ON n.oid = c.relnamespace "
     "WHERE a.attnum > 0 AND NOT a.attisdropped "
     "AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND" NOT_TEMPORARY},
    {"unique keys", 0, 0, 2, 1, take_key,
     "SELECT i.indrelid, array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') "
     "FROM pg_index i WHERE i.indisunique AND i.indisvalid AND i.indimmediate "
     "AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS ("
     "SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND NOT a.attnotnull "
     "AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))"},
    {"policies", 0, 0, 2, 2, take_policy,
     "SELECT polrelid, pg_get_expr(polqual, polrelid) FROM pg_policy "
     "WHERE polcmd IN ('r', '*') AND polqual IS NOT NULL"},
#define FUNCTION_COLUMNS(body)                                                                     \
    "SELECT p.oid, n.nspname, p.proname, p.prokind, p.provolatile, l.lanname, EXISTS ("            \
    "SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid "           \
    "AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'), p.proretset, "              \
    "CASE WHEN p.oid >= 16384 THEN p.prosrc END, " body                                            \
    ", CASE WHEN p.oid >= 16384 AND p.pronargdefaults > 0 "                                        \
    "THEN pg_get_expr(p.proargdefaults, 0) END, CASE WHEN p.oid >= 16384 THEN "                    \
    "array_to_string(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype || "         \
    "coalesce(a.aggtranstype::oid, 0), ' ') ELSE '' END, CASE WHEN p.oid >= 16384 "                \
    "AND a.aggfnoid IS NOT NULL THEN array_to_string(array_remove(ARRAY["                          \
    "a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid, a.aggserialfn::oid, "              \
    "a.aggdeserialfn::oid, a.aggmtransfn::oid, a.aggminvtransfn::oid, a.aggmfinalfn::oid], "       \
    "0::oid), ' ') ELSE '' END "                                                                   \
    "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "                                \
    "JOIN pg_language l ON l.oid = p.prolang "                                                     \
    "LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid WHERE" NOT_TEMPORARY
    {"functions", 140000, 0, 13, 8, take_function,
     FUNCTION_COLUMNS("CASE WHEN p.oid >= 16384 THEN pg_get_function_sqlbody(p.oid) END")},
    {"functions", 0, 140000, 13, 8, take_function, FUNCTION_COLUMNS("NULL")},
    {"functions", 0, 0, 0, 0, NULL, "ROLLBACK TO SAVEPOINT locks"},
    {"operators", 0, 0, 7, 2, take_operator,
     "SELECT n.nspname, o.oprname, o.oprcode::oid, o.oprrest::oid, o.oprjoin::oid, o.oprleft, "
     "o.oprright FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace "
     "WHERE o.oprcode <> 0"},
    {"types", 0, 0, 9, 5, take_type,
     "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory = 'A' AND t.typelem <> 0, "
     "CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typtype = 'r' THEN "
     "(SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid) WHEN t.typtype = 'm' THEN "
     "(SELECT rngtypid FROM pg_range WHERE to_jsonb(pg_range) ->> 'rngmultitypid' = t.oid::text) "
     "ELSE t.typelem END, t.typarray, t.typrelid, t.typtypmod "
     "FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE" NOT_TEMPORARY},
    // What values of a type call unasked, where it is a user's function: input and output, subtype
    // differences, support functions of operator classes, casts. A cast between two of PostgreSQL's
    // own types belongs to no user's type: implicit, any statement can call it.
    {"dependencies of types", 0, 0, 3, 3, take_dependency,
     "SELECT type, function, bool_and(is_explicit) FROM ("
     "SELECT t.oid AS type, f AS function, false AS is_explicit FROM pg_type t, unnest(ARRAY["
     "t.typinput::oid, t.typoutput::oid, t.typreceive::oid, t.typsend::oid, t.typmodin::oid, "
     "t.typmodout::oid]) AS f "
     "UNION ALL SELECT rngtypid, unnest(ARRAY[rngcanonical::oid, rngsubdiff::oid]), false "
     "FROM pg_range "
     "UNION ALL SELECT unnest(ARRAY[amproclefttype, amprocrighttype]), amproc::oid, false "
     "FROM pg_amproc "
     "UNION ALL SELECT CASE WHEN castsource < 16384 AND casttarget < 16384 "
     "AND castcontext = 'i' THEN 0 ELSE type END, castfunc, "
     "castsource < 16384 AND casttarget < 16384 FROM pg_cast, "
     "unnest(ARRAY[castsource, casttarget]) AS type "
     "WHERE type >= 16384 OR (castsource < 16384 AND casttarget < 16384)"
     ") AS d WHERE function >= 16384 GROUP BY type, function"},
    {"enums", 0, 0, 2, 2, take_label, "SELECT enumtypid, enumlabel FROM pg_enum"},
    {"checks of domains", 0, 0, 2, 2, take_check,
     "SELECT contypid, pg_get_expr(conbin, 0) FROM pg_constraint "
     "WHERE contypid <> 0 AND contype = 'c'"},
};

static enum catalog_load_outcome
fail(const struct loader *loader, const char *what, char *error, size_t error_size)
{
    (void)snprintf(error, error_size, "could not read %s: %s", what,
                   PQerrorMessage(loader->connection));
    error[strcspn(error, "\r\n")] = '\0';
    return CATALOG_NOT_LOADED;
}

// The row has what was asked for, and its names.
static bool
is_row_known(const struct loader *loader, const struct query *query)
{
    for (int column = 0; column < query->known; column++)
        if (PQgetisnull(loader->rows, loader->row, column))
            return false;
    return true;
}

static const char *
take_rows(struct loader *loader, const struct query *query)
{
    int count = PQntuples(loader->rows);
    if (PQnfields(loader->rows) < query->columns)
        return "the answer lacks columns";
    for (loader->row = 0; loader->row < count; loader->row++) {
        if (!is_row_known(loader, query))
            return "the answer lacks values";
        if (!query->take(loader))
            return "out of memory";
    }
    return NULL;
}

static enum catalog_load_outcome
run(struct loader *loader, const struct query *query, char *error, size_t error_size)
{
    PGresult *result = PQexec(loader->connection, query->sql);
    ExecStatusType status = PQresultStatus(result);
    enum catalog_load_outcome outcome = CATALOG_LOADED;
    if (status != PGRES_TUPLES_OK && (query->take != NULL || status != PGRES_COMMAND_OK)) {
        outcome = fail(loader, query->what, error, error_size);
    } else if (query->take != NULL) {
        loader->rows = result;
        const char *wrong = take_rows(loader, query);
        if (wrong != NULL) {
            (void)snprintf(error, error_size, "could not read %s: %s", query->what, wrong);
            outcome = CATALOG_NOT_LOADED;
        }
    }
    PQclear(result);
    return outcome;
}

enum { VIEWS_A_TIME = 100, VIEW_SQL = 96 };

// Takes the answers to one Query of print_views.
static bool
take_definitions(struct loader *loader, struct view *view)
{
    bool is_fine = true;
    PGresult *result;
    while ((result = PQgetResult(loader->connection)) != NULL) {
        if (PQresultStatus(result) == PGRES_TUPLES_OK && is_fine) {
            bool is_printed = PQntuples(result) == 1 && !PQgetisnull(result, 0, 0);
            view->definition = is_printed ? strdup(PQgetvalue(result, 0, 0)) : NULL;
            is_fine = view->definition != NULL;
            view++;
        } else if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            is_fine = false;
        }
        PQclear(result);
    }
    return is_fine;
}

// Each by itself, many in one Query; in the transaction, behind a savepoint.
static enum catalog_load_outcome
print_views(struct loader *loader, char *error, size_t error_size)
{
    char sql[VIEWS_A_TIME * VIEW_SQL];
    for (size_t i = 0; i < loader->view_count; i += VIEWS_A_TIME) {
        size_t length = 0;
        for (size_t j = i; j < loader->view_count && j < i + VIEWS_A_TIME; j++)
            length += (size_t)snprintf(sql + length, VIEW_SQL,
                                       "SELECT pg_get_viewdef(%u);ROLLBACK TO SAVEPOINT locks;",
                                       loader->views[j].oid);
        if (!PQsendQuery(loader->connection, sql) || !take_definitions(loader, &loader->views[i]))
            return fail(loader, "views", error, error_size);
    }
    return CATALOG_LOADED;
}

static enum catalog_load_outcome
run_all(struct loader *loader, char *error, size_t error_size)
{
    static const struct query before[] = {
        {"search_path", 0, 0, 1, 1, take_path, "SHOW search_path"},
        {"catalogs", 0, 0, 0, 0, NULL, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
        {"catalogs", 0, 0, 0, 0, NULL, "SET LOCAL search_path TO pg_catalog"},
        // Below deadlock_timeout: in a deadlock with a client's DDL it is never the client that gives way.
        {"catalogs", 0, 0, 0, 0, NULL, "SET LOCAL lock_timeout TO 500"},
        {"views", 0, 0, 1, 1, take_view,
         "SELECT c.oid FROM pg_class c WHERE c.relkind = 'v' AND c.oid >= 16384 ORDER BY c.oid"},
        {"catalogs", 0, 0, 0, 0, NULL, "SAVEPOINT locks"},
    };
    static const struct query after = {"catalogs", 0, 0, 0, 0, NULL, "ROLLBACK"};
    int version = PQserverVersion(loader->connection);
    enum catalog_load_outcome status = CATALOG_LOADED;
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]) && status == CATALOG_LOADED; i++)
        status = run(loader, &before[i], error, error_size);
    if (status == CATALOG_LOADED)
        status = print_views(loader, error, error_size);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        const struct query *query = &queries[i];
        if (status == CATALOG_LOADED && version >= query->minimum_version &&
            (query->maximum_version == 0 || version < query->maximum_version))
            status = run(loader, query, error, error_size);
    }
    char ignored[256];
    enum catalog_load_outcome end = run(loader, &after, ignored, sizeof(ignored));
    return status != CATALOG_LOADED || end == CATALOG_LOADED ? status : end;
}

enum catalog_load_outcome
catalog_load(PGconn *connection, struct catalog **catalog, char *error, size_t error_size)
{
    struct loader loader = {.connection = connection, .build = catalog_build_new()};
    *catalog = NULL;
    if (loader.build != NULL && run_all(&loader, error, error_size) != CATALOG_LOADED) {
        views_free(&loader);
        catalog_build_free(&loader.build);
        return CATALOG_NOT_LOADED;
    }
    if (loader.build != NULL)
        *catalog = catalog_build_finish(&loader.build);
    views_free(&loader);
    (void)snprintf(error, error_size, "%s", *catalog == NULL ? "out of memory" : "");
    return *catalog == NULL ? CATALOG_NOT_LOADED : CATALOG_LOADED;
}
