// One question a table of the catalog, asked twice: for the rows that initdb made, whose OIDs are below 16384
// (FirstNormalObjectId), and for all others. The first are the same in every database of a cluster, unless a superuser
// has laid hands on them, so that they need not be read again where the fingerprint says that they are known: it counts
// and hashes the versions of the rows (their xmin; of bootstrap's own, which are 1, the OIDs alone), or the names where
// these are all that is read and a GRANT would make a version: on the schema public many do.
//
// Names are qualified and the search_path is empty but for pg_catalog, so that what the server prints (bodies,
// expressions) is qualified as well.
//
// Left out: TOAST, and temporary objects, which belong to sessions.
#include "proxy/control/catalog_query.h"

#include <stdlib.h>
#include <string.h>

static const char *
text(const struct catalog_answer *answer, int column)
{
    return PQgetisnull(answer->rows, answer->row, column)
               ? NULL
               : PQgetvalue(answer->rows, answer->row, column);
}

static uint32_t
number(const struct catalog_answer *answer, int column)
{
    return (uint32_t)strtoul(PQgetvalue(answer->rows, answer->row, column), NULL, 10);
}

static char
letter(const struct catalog_answer *answer, int column)
{
    return PQgetvalue(answer->rows, answer->row, column)[0];
}

static bool
truth(const struct catalog_answer *answer, int column)
{
    return letter(answer, column) == 't';
}

// Numbers with blanks between; *count of them, owned. NULL: no memory.
static uint32_t *
numbers(const struct catalog_answer *answer, int column, size_t *count)
{
    const char *at = PQgetvalue(answer->rows, answer->row, column);
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
take_path(struct catalog_answer *answer)
{
    return catalog_build_search_path(answer->build, text(answer, 0));
}

static bool
take_view(struct catalog_answer *answer)
{
    if (answer->views == NULL)
        answer->views = calloc((size_t)PQntuples(answer->rows), sizeof(*answer->views));
    if (answer->views != NULL)
        answer->views[answer->view_count++].oid = number(answer, 0);
    return answer->views != NULL;
}

static bool
take_versions(struct catalog_answer *answer)
{
    for (int column = 0; column < PQnfields(answer->rows); column++) {
        text_add(&answer->name, " ");
        text_add(&answer->name, PQgetvalue(answer->rows, answer->row, column));
    }
    return !answer->name.has_failed;
}

static int
view_order(const void *a, const void *b)
{
    const struct catalog_view *one = a, *other = b;
    return (one->oid > other->oid) - (one->oid < other->oid);
}

static const char *
definition_of(const struct catalog_answer *answer, uint32_t oid)
{
    const struct catalog_view key = {.oid = oid};
    const struct catalog_view *found =
        answer->view_count == 0
            ? NULL
            : bsearch(&key, answer->views, answer->view_count, sizeof(key), view_order);
    return found != NULL ? found->definition : NULL;
}

static bool
take_relation(struct catalog_answer *answer)
{
    struct catalog_relation relation = {.oid = number(answer, 0),
                                        .schema = text(answer, 1),
                                        .name = text(answer, 2),
                                        .kind = letter(answer, 3),
                                        .has_row_security = truth(answer, 4),
                                        .is_foreign = truth(answer, 5),
                                        .definition = definition_of(answer, number(answer, 0))};
    return catalog_build_relation(answer->build, &relation);
}

static bool
take_column(struct catalog_answer *answer)
{
    struct catalog_column column = {.relation = number(answer, 0),
                                    .number = (int16_t)number(answer, 1),
                                    .name = text(answer, 2),
                                    .type = number(answer, 3),
                                    .is_not_null = truth(answer, 4),
                                    .type_modifier = (int32_t)number(answer, 5)};
    return catalog_build_column(answer->build, &column);
}

static bool
take_key(struct catalog_answer *answer)
{
    size_t count;
    uint32_t *list = numbers(answer, 1, &count);
    int16_t columns[32]; // INDEX_MAX_KEYS
    if (list == NULL)
        return false;
    bool is_taken = true;
    if (count <= sizeof(columns) / sizeof(columns[0])) {
        for (size_t i = 0; i < count; i++)
            columns[i] = (int16_t)list[i];
        struct catalog_key key = {number(answer, 0), columns, count};
        is_taken = catalog_build_key(answer->build, &key);
    }
    free(list);
    return is_taken;
}

static bool
take_policy(struct catalog_answer *answer)
{
    struct catalog_policy policy = {number(answer, 0), text(answer, 1)};
    return catalog_build_policy(answer->build, &policy);
}

static bool
take_function(struct catalog_answer *answer)
{
    size_t type_count, part_count;
    uint32_t *types = numbers(answer, 11, &type_count);
    uint32_t *parts = numbers(answer, 12, &part_count);
    struct catalog_function function = {.oid = number(answer, 0),
                                        .schema = text(answer, 1),
                                        .name = text(answer, 2),
                                        .kind = letter(answer, 3),
                                        .volatility = letter(answer, 4),
                                        .language = text(answer, 5),
                                        .is_extension = truth(answer, 6),
                                        .returns_set = truth(answer, 7),
                                        .source = text(answer, 8),
                                        .body = text(answer, 9),
                                        .defaults = text(answer, 10),
                                        .types = types,
                                        .type_count = type_count,
                                        .parts = parts,
                                        .part_count = part_count};
    bool is_taken =
        types != NULL && parts != NULL && catalog_build_function(answer->build, &function);
    free(types);
    free(parts);
    return is_taken;
}

static bool
take_operator(struct catalog_answer *answer)
{
    struct catalog_operator operator= {.schema = text(answer, 0),
                                       .name = text(answer, 1),
                                       .function = number(answer, 2),
                                       .restriction = number(answer, 3),
                                       .join = number(answer, 4),
                                       .left = number(answer, 5),
                                       .right = number(answer, 6)};
    return catalog_build_operator(answer->build, &operator);
}

static bool
take_type(struct catalog_answer *answer)
{
    struct catalog_type type = {.oid = number(answer, 0),
                                .schema = text(answer, 1),
                                .name = text(answer, 2),
                                .kind = letter(answer, 3),
                                .is_array = truth(answer, 4),
                                .base = number(answer, 5),
                                .array = number(answer, 6),
                                .relation = number(answer, 7),
                                .type_modifier = (int32_t)number(answer, 8)};
    return catalog_build_type(answer->build, &type);
}

static bool
take_dependency(struct catalog_answer *answer)
{
    struct catalog_dependency dependency = {number(answer, 0), number(answer, 1), truth(answer, 2)};
    return catalog_build_dependency(answer->build, &dependency);
}

static bool
take_label(struct catalog_answer *answer)
{
    struct catalog_label label = {number(answer, 0), text(answer, 1)};
    return catalog_build_label(answer->build, &label);
}

static bool
take_check(struct catalog_answer *answer)
{
    struct catalog_check check = {number(answer, 0), text(answer, 1)};
    return catalog_build_check(answer->build, &check);
}

#define NOT_TEMPORARY " n.nspname !~ '^pg_(toast|temp_|toast_temp_)' "
#define BUILTIN " < 16384 "
#define USERS " >= 16384 "

// Manual, chapter 53.
#define RELATIONS(whose)                                                                           \
    {                                                                                              \
        "relations", 0, 0, 6, 6, take_relation,                                                    \
            "WITH RECURSIVE up(relation) AS (SELECT oid FROM pg_class WHERE relkind = 'f' UNION "  \
            "SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.relation) "          \
            "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity, "                    \
            "c.oid IN (SELECT relation FROM up) "                                                  \
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "                       \
            "WHERE c.oid" whose                                                                    \
            "AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND" NOT_TEMPORARY               \
    }

#define COLUMNS(whose)                                                                             \
    {                                                                                              \
        "columns", 0, 0, 6, 6, take_column,                                                        \
            "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull, a.atttypmod "       \
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "                           \
            "JOIN pg_namespace n ON n.oid = c.relnamespace "                                       \
            "WHERE a.attrelid" whose "AND a.attnum > 0 AND NOT a.attisdropped "                    \
            "AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND" NOT_TEMPORARY               \
    }

#define KEYS(whose)                                                                                \
    {                                                                                              \
        "unique keys", 0, 0, 2, 1, take_key,                                                       \
            "SELECT i.indrelid, array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') "    \
            "FROM pg_index i WHERE i.indrelid" whose                                               \
            "AND i.indisunique AND i.indisvalid AND i.indimmediate "                               \
            "AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS ("                        \
            "SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND NOT a.attnotnull "       \
            "AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))"                        \
    }

#define FUNCTIONS(whose, minimum_version, maximum_version, details)                                \
    {                                                                                              \
        "functions", minimum_version, maximum_version, 13, 8, take_function,                       \
            "SELECT p.oid, n.nspname, p.proname, p.prokind, p.provolatile, l.lanname, EXISTS ("    \
            "SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid "   \
            "AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'), "                   \
            "p.proretset, " details                                                                \
            " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "                       \
            "JOIN pg_language l ON l.oid = p.prolang "                                             \
            "LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid WHERE p.oid" whose "AND" NOT_TEMPORARY \
    }

#define NO_DETAILS "NULL, NULL, NULL, NULL, NULL"
#define DETAILS(body)                                                                              \
    "p.prosrc, " body ", CASE WHEN p.pronargdefaults > 0 THEN pg_get_expr(p.proargdefaults, 0) "   \
    "END, array_to_string(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype || "    \
    "coalesce(a.aggtranstype::oid, 0), ' '), CASE WHEN a.aggfnoid IS NOT NULL THEN "               \
    "array_to_string(array_remove(ARRAY[a.aggtransfn::oid, a.aggfinalfn::oid, "                    \
    "a.aggcombinefn::oid, a.aggserialfn::oid, a.aggdeserialfn::oid, a.aggmtransfn::oid, "          \
    "a.aggminvtransfn::oid, a.aggmfinalfn::oid], 0::oid), ' ') END"

#define OPERATORS(whose)                                                                           \
    {                                                                                              \
        "operators", 0, 0, 7, 2, take_operator,                                                    \
            "SELECT n.nspname, o.oprname, o.oprcode::oid, o.oprrest::oid, o.oprjoin::oid, "        \
            "o.oprleft, "                                                                          \
            "o.oprright FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace "         \
            "WHERE o.oid" whose "AND o.oprcode <> 0"                                               \
    }

#define TYPES(whose)                                                                               \
    {                                                                                              \
        "types", 0, 0, 9, 5, take_type,                                                            \
            "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory = 'A' AND t.typelem <> " \
            "0, "                                                                                  \
            "CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typtype = 'r' THEN "              \
            "(SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid) WHEN t.typtype = 'm' THEN "  \
            "(SELECT rngtypid FROM pg_range "                                                      \
            "WHERE to_jsonb(pg_range) ->> 'rngmultitypid' = t.oid::text) "                         \
            "ELSE t.typelem END, t.typarray, t.typrelid, t.typtypmod "                             \
            "FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "                        \
            "WHERE t.oid" whose "AND" NOT_TEMPORARY                                                \
    }

// Versions of rows by their xmin; all of bootstrap's have 1. Columns and keys are left to their relations' rows: what
// initdb made is read by nobody's mirrored read (system_catalog).
#define VERSIONS(table)                                                                            \
    "SELECT '" table "', sum(oid::int8), sum(CASE WHEN xmin <> '1' "                               \
    "THEN hashint8((oid::int8 << 32) + xmin::text::int8) END) "                                    \
    "FROM " table " WHERE oid" BUILTIN "UNION ALL "

#define NAMES(table, name)                                                                         \
    "SELECT '" table "', sum(oid::int8), sum(hashint8((oid::int8 << 32) + hashname(" name "))) "   \
    "FROM " table " WHERE oid" BUILTIN "UNION ALL "

#define MEMBERS_OF_EXTENSIONS                                                                      \
    "SELECT 'pg_depend', sum(objid::int8), count(*) FROM pg_depend "                               \
    "WHERE classid = 'pg_proc'::regclass AND objid" BUILTIN                                        \
    "AND refclassid = 'pg_extension'::regclass AND deptype = 'e'"

static const struct catalog_query opening_list[] = {
    {"catalogs", 0, 0, 0, 0, NULL, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
    {"search_path", 0, 0, 1, 1, take_path, "SHOW search_path"},
    {"catalogs", 0, 0, 0, 0, NULL, "SET LOCAL search_path TO pg_catalog"},
    // Below deadlock_timeout: in a deadlock with a client's DDL it is never the client that gives way.
    {"catalogs", 0, 0, 0, 0, NULL, "SET LOCAL lock_timeout TO 500"},
    {"views", 0, 0, 1, 1, take_view,
     "SELECT c.oid FROM pg_class c WHERE c.oid >= 16384 AND c.relkind = 'v' ORDER BY c.oid"},
    {"catalogs", 0, 0, 0, 0, NULL, "SAVEPOINT locks"},
    {"versions", 0, 0, 3, 1, take_versions,
     VERSIONS("pg_class") VERSIONS("pg_proc") VERSIONS("pg_operator") VERSIONS("pg_type")
         NAMES("pg_namespace", "nspname") NAMES("pg_language", "lanname") MEMBERS_OF_EXTENSIONS},
};

static const struct catalog_query builtin_list[] = {
    RELATIONS(BUILTIN), COLUMNS(BUILTIN), KEYS(BUILTIN), FUNCTIONS(BUILTIN, 0, 0, NO_DETAILS),
    OPERATORS(BUILTIN), TYPES(BUILTIN),
};

static const struct catalog_query users_list[] = {
    RELATIONS(USERS),
    COLUMNS(USERS),
    KEYS(USERS),
    {"policies", 0, 0, 2, 2, take_policy,
     "SELECT polrelid, pg_get_expr(polqual, polrelid) FROM pg_policy "
     "WHERE polcmd IN ('r', '*') AND polqual IS NOT NULL"},
    FUNCTIONS(USERS, 140000, 0, DETAILS("pg_get_function_sqlbody(p.oid)")),
    FUNCTIONS(USERS, 0, 140000, DETAILS("NULL")),
    {"functions", 0, 0, 0, 0, NULL, "ROLLBACK TO SAVEPOINT locks"},
    OPERATORS(USERS),
    TYPES(USERS),
    // What values of a type call unasked, where it is a user's function: input and output, subtype
    // differences, support functions of operator classes, casts. A cast between two of PostgreSQL's
    // own types belongs to no user's type: implicit, any statement can call it. What needs one of PostgreSQL's own types and
    // a user's (casts, operators across types) is called by nothing that has the first alone.
    {"dependencies of types", 0, 0, 3, 3, take_dependency,
     "SELECT type, function, bool_and(is_explicit) FROM ("
     "SELECT t.oid AS type, f AS function, false AS is_explicit FROM pg_type t, unnest(ARRAY["
     "t.typinput::oid, t.typoutput::oid, t.typreceive::oid, t.typsend::oid, t.typmodin::oid, "
     "t.typmodout::oid]) AS f WHERE t.oid >= 16384 OR greatest(t.typinput::oid, t.typoutput::oid, "
     "t.typreceive::oid, t.typsend::oid, t.typmodin::oid, t.typmodout::oid) >= 16384 "
     "UNION ALL SELECT rngtypid, unnest(ARRAY[rngcanonical::oid, rngsubdiff::oid]), false "
     "FROM pg_range "
     "UNION ALL SELECT type, amproc::oid, false "
     "FROM pg_amproc, unnest(ARRAY[amproclefttype, amprocrighttype]) AS type "
     "WHERE amproc::oid >= 16384 "
     "AND (type >= 16384 OR (amproclefttype < 16384 AND amprocrighttype < 16384)) "
     "UNION ALL SELECT CASE WHEN castsource < 16384 AND casttarget < 16384 "
     "AND castcontext = 'i' THEN 0 ELSE type END, castfunc, "
     "castsource < 16384 AND casttarget < 16384 FROM pg_cast, "
     "unnest(ARRAY[castsource, casttarget]) AS type "
     "WHERE castfunc >= 16384 AND (type >= 16384 OR (castsource < 16384 AND casttarget < 16384))"
     ") AS d WHERE function >= 16384 GROUP BY type, function"},
    {"enums", 0, 0, 2, 2, take_label, "SELECT enumtypid, enumlabel FROM pg_enum"},
    {"checks of domains", 0, 0, 2, 2, take_check,
     "SELECT contypid, pg_get_expr(conbin, 0) FROM pg_constraint "
     "WHERE contypid <> 0 AND contype = 'c'"},
    // What the reading tidied up is in old's log: a rollback would leave it there unflushed, where commits are rare.
    {"catalogs", 0, 0, 0, 0, NULL, "COMMIT"},
};

const struct catalog_queries catalog_queries_opening = {opening_list, sizeof(opening_list) /
                                                                          sizeof(opening_list[0])};
const struct catalog_queries catalog_queries_builtin = {builtin_list, sizeof(builtin_list) /
                                                                          sizeof(builtin_list[0])};
const struct catalog_queries catalog_queries_users = {users_list,
                                                      sizeof(users_list) / sizeof(users_list[0])};

// The row has what was asked for, and its names.
static bool
is_row_known(const struct catalog_query *query, const struct catalog_answer *answer)
{
    for (int column = 0; column < query->known; column++)
        if (PQgetisnull(answer->rows, answer->row, column))
            return false;
    return true;
}

const char *
catalog_query_take(const struct catalog_query *query, struct catalog_answer *answer)
{
    int count = PQntuples(answer->rows);
    if (PQnfields(answer->rows) < query->columns)
        return "the answer lacks columns";
    for (answer->row = 0; answer->row < count; answer->row++) {
        if (!is_row_known(query, answer))
            return "the answer lacks values";
        if (!query->take(answer))
            return "out of memory";
    }
    return NULL;
}

void
catalog_answer_fini(struct catalog_answer *answer)
{
    catalog_build_free(&answer->build);
    for (size_t i = 0; i < answer->view_count; i++)
        free(answer->views[i].definition);
    free(answer->views);
    text_fini(&answer->name);
}
