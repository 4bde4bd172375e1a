// May the clients' roles read on new what they may read on old? Rights that come from groups, ownership, PUBLIC or being
// superuser count, since the server is asked (has_table_privilege). Relations with the same owner, schema and list of
// grants are asked about once: 20,000 relations seldom have more than some dozens of them.
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"
#include "proxy/check/exemption.h"
#include <stdlib.h>
#include <string.h>

#define ROLES(condition)                                                                           \
    "coalesce((SELECT string_agg(o.rolname, E'\\n' ORDER BY o.rolname) FROM pg_roles o"            \
    " WHERE o.rolcanlogin AND " condition "), '')"
#define HAS_COLUMN "has_any_column_privilege(o.oid, s.oid, 'SELECT')"
#define HAS_ALL                                                                                    \
    "(has_table_privilege(o.oid, s.oid, 'SELECT') OR (s.has_column_grants AND NOT EXISTS ("        \
    "SELECT FROM pg_attribute a WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped"  \
    " AND NOT has_column_privilege(o.oid, s.oid, a.attnum, 'SELECT'))))"
#define HAS_SCHEMA "has_schema_privilege(o.oid, s.relnamespace, 'USAGE') AND "

static const char relations_sql[] = ASK_RELATIONS
    ", granted AS (SELECT DISTINCT attrelid FROM pg_attribute WHERE attacl IS NOT NULL)"
    ", keyed AS (SELECT r.object, r.label, c.relnamespace, g.attrelid IS NOT NULL AS has_grants,"
    " min(c.oid) OVER (PARTITION BY c.relacl::text, c.relowner, c.relnamespace, g.attrelid) AS oid"
    " FROM relation r JOIN pg_class c ON c.oid = r.oid"
    " LEFT JOIN granted g ON g.attrelid = c.oid)"
    ", shape AS (SELECT s.oid, " ROLES(HAS_SCHEMA HAS_COLUMN) " AS some, " ROLES(
        HAS_SCHEMA HAS_ALL) " AS whole FROM (SELECT DISTINCT oid, relnamespace,"
                            " has_grants AS has_column_grants FROM keyed) AS s)"
                            "SELECT k.object, '', k.label, true, s.some, s.whole"
                            " FROM keyed k JOIN shape s ON s.oid = k.oid";

// Of relations that have grants on columns alone: who may read which.
static const char columns_sql[] =
    ASK_RELATIONS "SELECT r.object, a.attname, r.label || '.' || a.attname, true, " ROLES(
        "has_column_privilege(o.oid, r.oid, a.attnum, 'SELECT')") " FROM relation r JOIN "
                                                                  "pg_attribute a ON a.attrelid = "
                                                                  "r.oid AND a.attnum > 0"
                                                                  " AND NOT a.attisdropped WHERE "
                                                                  "r.oid IN (SELECT attrelid FROM "
                                                                  "pg_attribute"
                                                                  " WHERE attacl IS NOT NULL)";

static const char functions_sql[] = ASK_PATH "SELECT " ASK_NAME(
    "p.proname",
    "p.proname, p.proargtypes") " || '(' || coalesce((SELECT string_agg(t.typname, ', "
                                "' ORDER BY u.n) FROM"
                                " unnest(p.proargtypes) WITH ORDINALITY AS u(type, n) "
                                "JOIN pg_type t ON t.oid = u.type), '')"
                                " || ')', '', n.nspname || '.' || p.proname, "
                                "true, " ROLES("has_schema_privilege(o.oid, n.oid, 'USAGE')"
                                               " AND has_function_privilege(o.oid, p.oid, "
                                               "'EXECUTE')") " FROM pg_proc p JOIN pg_namespace "
                                                             "n ON n.oid = p.pronamespace"
                                                             " LEFT JOIN path ON path.name = "
                                                             "n.nspname WHERE p.prokind <> 'p' "
                                                             "AND p.prorettype NOT IN"
                                                             " ('trigger'::regtype, "
                                                             "'event_trigger'::regtype) "
                                                             "AND " ASK_NO_SYSTEM
                                                             " AND " ASK_NO_EXTENSION("pg_proc",
                                                                                      "p.oid");

static void
say_lost(const struct difference *difference, const char *may)
{
    char *roles = comparison_lost_roles(difference);
    const struct fact *fact = difference->facts[SIDE_OLD];

    if (roles && !exemption_of_relation(difference->check->settings->entry, fact->label))
        findings_add(&difference->check->findings, difference->aspect->kind, fact->label,
                     "role %s may %s on old, but not on new", roles, may);
    free(roles);
}

static void
readers_differ(const struct difference *difference)
{
    say_lost(difference, "read it");
}

// Roles that may read nothing of it have been named.
static void
whole_readers_differ(const struct difference *difference)
{
    struct difference some = *difference;
    const struct fact *const *facts = difference->facts;
    char *none;

    for (int side = 0; side < 2; side++)
        some.values[side] = facts_value(&difference->sides[side], facts[side], 0);
    none = comparison_lost_roles(&some);
    if (!none)
        say_lost(difference, "read all of its columns");
    free(none);
}

static void
callers_differ(const struct difference *difference)
{
    say_lost(difference, "call it");
}

static const struct aspect relation_aspects[] = {
    {.name = "readers", .kind = FINDING_no_select, .differ = readers_differ},
    {.name = "readers of all", .kind = FINDING_no_select, .differ = whole_readers_differ},
};
static const struct aspect column_aspects[] = {
    {.name = "readers", .kind = FINDING_no_select, .differ = readers_differ},
};
static const struct aspect function_aspects[] = {
    {.name = "callers", .kind = FINDING_no_execute, .differ = callers_differ},
};
static const struct comparison comparisons[] = {
    {.what = "privileges on relations",
     .sql = relations_sql,
     .missing = FINDING_NONE,
     .extra = FINDING_NONE,
     ASPECTS(relation_aspects)},
    {.what = "privileges on columns",
     .sql = columns_sql,
     .missing = FINDING_NONE,
     .extra = FINDING_NONE,
     ASPECTS(column_aspects)},
    {.what = "privileges on functions",
     .sql = functions_sql,
     .missing = FINDING_NONE,
     .extra = FINDING_NONE,
     ASPECTS(function_aspects)},
};

void
check_privileges(struct check *check)
{
    for (size_t i = 0; check->roles[SIDE_NEW].count && i < sizeof comparisons / sizeof *comparisons;
         i++)
        comparison_run(check, &comparisons[i], NULL);
}
