// Functions that reads can call: are they the same on both sides, and which of them keep reads from being compared:
// volatile ones, and stable ones in a language whose text nobody can look into, unless safe_functions names them.
// Bodies are compared as text and never printed. Extensions' functions are the extension's version.
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"
#include <string.h>

#define FROM_FUNCTIONS                                                                             \
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"                                \
    " JOIN pg_language l ON l.oid = p.prolang LEFT JOIN path ON path.name = n.nspname"             \
    " WHERE p.prokind <> 'p' AND p.prorettype NOT IN ('trigger'::regtype,"                         \
    " 'event_trigger'::regtype) AND " ASK_NO_SYSTEM " AND " ASK_NO_EXTENSION("pg_proc", "p.oid")
// The arguments without the schemas of their types, for a key that both sides share.
#define ARGUMENTS                                                                                  \
    "'(' || coalesce((SELECT string_agg(t.typname, ', ' ORDER BY u.n) FROM unnest(p.proargtypes)"  \
    " WITH ORDINALITY AS u(type, n) JOIN pg_type t ON t.oid = u.type), '') || ')'"
#define FUNCTIONS(body)                                                                            \
    ASK_PATH "SELECT " ASK_NAME(                                                                   \
        "p.proname",                                                                               \
        "p.proname, p.proargtypes") " || " ARGUMENTS ", '',"                                       \
                                    " n.nspname || '.' || p.proname || " ARGUMENTS                 \
                                    ", true, CASE p.provolatile"                                   \
                                    " WHEN 'v' THEN 'volatile' WHEN 's' THEN 'stable' ELSE "       \
                                    "'immutable' END,"                                             \
                                    " format_type(p.prorettype, NULL), l.lanname, p.proisstrict,"  \
                                    " p.prosrc || coalesce(" body ", '') ||"                       \
                                    " coalesce(pg_get_expr(p.proargdefaults, 0), "                 \
                                    "'')" FROM_FUNCTIONS

static const struct aspect aspects[] = {
    {.name = "its volatility", .kind = FINDING_function_differs},
    {.name = "its result", .kind = FINDING_function_differs},
    {.name = "its language", .kind = FINDING_function_differs},
    {.name = "strict", .kind = FINDING_function_differs},
    {.name = "its body", .kind = FINDING_function_differs, .is_long = true},
};

static const char unproven_sql[] = ASK_PATH
    "SELECT DISTINCT n.nspname || '.' || p.proname AS name, p.provolatile, l.lanname" FROM_FUNCTIONS
    " AND (p.provolatile = 'v' OR (p.provolatile = 's' AND l.lanname NOT IN ('sql', 'internal')))"
    " ORDER BY 1";

static bool
is_declared_safe(const struct configuration_database *entry, const char *name)
{
    for (size_t i = 0; i < entry->safe_function_count; i++) {
        if (strcmp(entry->safe_functions[i], name) == 0)
            return true;
    }
    return false;
}

static void
name_unproven(struct check *check)
{
    PGresult *result = ask_or_note(check, SIDE_OLD, unproven_sql, "functions");

    for (int row = 0; result && row < PQntuples(result); row++) {
        const char *name = PQgetvalue(result, row, 0);
        bool is_volatile = PQgetvalue(result, row, 1)[0] == 'v';

        if (!is_declared_safe(check->settings->entry, name))
            findings_add(&check->findings, FINDING_function_unproven, name,
                         "%s%s: reads that call it are not compared",
                         is_volatile ? "volatile" : "stable, but written in ",
                         is_volatile ? "" : PQgetvalue(result, row, 2));
    }
    PQclear(result);
}

static void
look_for_safe_functions(struct check *check)
{
    const struct configuration_database *entry = check->settings->entry;

    for (size_t i = 0; i < entry->safe_function_count; i++) {
        PGresult *result =
            ask(check, SIDE_OLD,
                "SELECT FROM pg_proc p JOIN pg_namespace n"
                " ON n.oid = p.pronamespace WHERE n.nspname || '.' || p.proname = $1",
                entry->safe_functions[i]);

        if (result && PQntuples(result) == 0)
            findings_add(&check->findings, FINDING_unknown_safe_function, entry->safe_functions[i],
                         "in safe_functions, and old has no such function");
        PQclear(result);
    }
}

void
check_functions(struct check *check)
{
    bool have_bodies =
        ask_version(check, SIDE_OLD) >= 140000 && ask_version(check, SIDE_NEW) >= 140000;
    const struct comparison functions = {
        .what = "functions",
        .sql = have_bodies ? FUNCTIONS("pg_get_function_sqlbody(p.oid)") : FUNCTIONS("NULL"),
        .missing = FINDING_missing_function,
        .extra = FINDING_NONE,
        ASPECTS(aspects),
    };

    comparison_run(check, &functions, NULL);
    name_unproven(check);
    look_for_safe_functions(check);
}
