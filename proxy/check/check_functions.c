// Which functions keep reads from being compared: volatile ones, and stable ones in a language whose
// text nobody can look into, unless safe_functions names them. And names in safe_functions that are none.
#include "proxy/check/check_parts.h"
#include <stdio.h>
#include <string.h>

static const char unproven_sql[] =
    "SELECT DISTINCT n.nspname || '.' || p.proname, p.provolatile, l.lanname"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
    " JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
    " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.prokind <> 'p'"
    " AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype,"
    " 'pg_catalog.event_trigger'::pg_catalog.regtype)"
    " AND (p.provolatile = 'v' OR (p.provolatile = 's' AND l.lanname NOT IN ('sql', 'internal')))"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'"
    " AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid)"
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
list_unproven(struct check *check)
{
    PGresult *result = side_link_query(&check->links[SIDE_OLD], unproven_sql, NULL);
    unsigned count = 0;

    if (!result) {
        check_fail(check, "old: the functions cannot be found out: %s",
                   check->links[SIDE_OLD].error);
        return;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        const char *name = PQgetvalue(result, row, 0);
        bool is_volatile = PQgetvalue(result, row, 1)[0] == 'v';

        if (is_declared_safe(check->settings->entry, name) || ++count > CHECK_LINES)
            continue;
        check_note(check,
                   "reads that call %s are not compared: it is %s%s; if it only reads, name it in "
                   "safe_functions",
                   name, is_volatile ? "volatile" : "stable, but written in ",
                   is_volatile ? "" : PQgetvalue(result, row, 2));
    }
    if (count > CHECK_LINES)
        check_note(check, "and %u more functions whose reads are not compared",
                   count - CHECK_LINES);
    PQclear(result);
}

static void
look_for_safe_functions(struct check *check)
{
    const struct configuration_database *entry = check->settings->entry;

    for (size_t i = 0; i < entry->safe_function_count; i++) {
        PGresult *result =
            side_link_query(&check->links[SIDE_OLD],
                            "SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n"
                            " ON n.oid = p.pronamespace WHERE n.nspname || '.' || p.proname = $1",
                            entry->safe_functions[i]);

        if (result && PQntuples(result) == 0)
            check_warn(check, "safe_functions: there is no function %s on old",
                       entry->safe_functions[i]);
        PQclear(result);
    }
}

void
check_functions(struct check *check)
{
    list_unproven(check);
    look_for_safe_functions(check);
}
