// Does new have what old's readers read? Relations are matched by the names that sessions say: what old's session
// finds without a schema must be found on new without one, in whatever schema new's search_path puts it; anything
// else under the same schema. The path is the one of the connection string's session: roles with a search_path of
// their own are not followed. Sequences are left out: what reads them writes, but for a bare SELECT from one.
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"
#include "proxy/check/exemption.h"
#include <string.h>

static const char relations_sql[] =
    ASK_RELATIONS "SELECT r.object, '', r.label, true, CASE WHEN NOT c.relrowsecurity THEN 'off'"
                  " WHEN c.relforcerowsecurity THEN 'forced' ELSE 'on' END"
                  " FROM relation r JOIN pg_class c ON c.oid = r.oid";

static const char policies_sql[] = ASK_RELATIONS
    "SELECT r.object, p.polname, r.label || ' policy ' || p.polname, true,"
    " CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,"
    " (SELECT string_agg(coalesce(o.rolname, 'public'), ', ' ORDER BY o.rolname)"
    " FROM unnest(p.polroles) AS u(role) LEFT JOIN pg_roles o ON o.oid = u.role),"
    " pg_get_expr(p.polqual, p.polrelid)"
    " FROM pg_policy p JOIN relation r ON r.oid = p.polrelid WHERE p.polcmd IN ('r', '*')";

static void
relation_is_missing(struct check *check, const struct facts sides[2], const struct fact *fact)
{
    const struct configuration_database *entry = check->settings->entry;
    const char *moved = exemption_moved_relation(entry, fact->label);

    if (exemption_of_relation(entry, fact->label))
        return;
    if (moved && (facts_find(&sides[SIDE_NEW], moved, "") || strstr(moved, ".*")))
        return; // check_rewrites looks at what it says
    if (moved)
        findings_add(&check->findings, FINDING_missing_relation, fact->label,
                     "not on new, nor is %s, where rewrite says it went", moved);
    else if (strchr(fact->object, '.') || !check->paths[SIDE_NEW])
        findings_add(&check->findings, FINDING_missing_relation, fact->label, "not on new");
    else
        findings_add(&check->findings, FINDING_missing_relation, fact->label,
                     "not on new in its search_path (%s)", check->paths[SIDE_NEW]);
}

static const struct aspect relation_aspects[] = {
    {.name = "row security", .kind = FINDING_row_security},
};
static const struct comparison relations = {
    .what = "relations",
    .sql = relations_sql,
    .extra = FINDING_NONE,
    .is_missing = relation_is_missing,
    ASPECTS(relation_aspects),
};

static const struct aspect policy_aspects[] = {
    {.name = "its kind", .kind = FINDING_policy},
    {.name = "its role list", .kind = FINDING_policy},
    {.name = "its condition", .kind = FINDING_policy},
};

// A standby has the relation and not its rows.
static void
look_for_unlogged(struct check *check)
{
    PGresult *result = ask_or_note(check, SIDE_NEW,
                                   ASK_RELATIONS "SELECT r.label FROM relation r JOIN pg_class c"
                                                 " ON c.oid = r.oid WHERE c.relpersistence = 'u'"
                                                 " AND pg_is_in_recovery() ORDER BY 1",
                                   "unlogged tables");

    for (int row = 0; result && row < PQntuples(result); row++) {
        const char *label = PQgetvalue(result, row, 0);

        if (!exemption_of_relation(check->settings->entry, label))
            findings_add(&check->findings, FINDING_unlogged, label,
                         "UNLOGGED, and new is a standby");
    }
    PQclear(result);
}

void
check_relations(struct check *check)
{
    const struct comparison policies = {
        .what = "row security policies",
        .sql = policies_sql,
        .missing = FINDING_policy,
        .extra = FINDING_policy,
        .owners = check->relations,
        ASPECTS(policy_aspects),
    };

    if (!comparison_run(check, &relations, check->relations))
        return;
    if (check->relations[SIDE_OLD].count == 0)
        findings_add(&check->findings, FINDING_no_relations, "old", "has no relations of its own");
    check_columns(check);
    comparison_run(check, &policies, NULL);
    look_for_unlogged(check);
}
