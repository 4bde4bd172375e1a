// Can the clients' roles read on new what they read on old? With `identity: same` and `set_role` the
// sessions on new are theirs. Superusers read everything, and are not listed.
#include "proxy/check/check_parts.h"
#include <stdlib.h>
#include <string.h>

// (role, relation) for every relation that a login role may read; roles that do not log in are the
// others' privileges. (role, '') says that the role is there, ('', relation) that the relation is.
static const char grants_sql[] =
    "SELECT r.rolname, '' FROM pg_catalog.pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper"
    " UNION ALL"
    " SELECT '', n.nspname || '.' || c.relname FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " UNION ALL"
    " SELECT r.rolname, n.nspname || '.' || c.relname"
    " FROM pg_catalog.pg_roles r, pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE r.rolcanlogin AND NOT r.rolsuper AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    " AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')"
    " AND (pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')"
    " OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT'))";

struct grant {
    const char *role, *relation; // the PGresult's; relation '': the role itself
};

static int
by_grant(const void *left, const void *right)
{
    const struct grant *one = left, *other = right;
    int order = strcmp(one->role, other->role);

    return order ? order : strcmp(one->relation, other->relation);
}

static struct grant *
sorted_grants(const PGresult *result)
{
    int count = PQntuples(result);
    struct grant *grants = calloc((size_t)count + 1, sizeof *grants);

    for (int row = 0; grants && row < count; row++)
        grants[row] = (struct grant){PQgetvalue(result, row, 0), PQgetvalue(result, row, 1)};
    if (grants)
        qsort(grants, (size_t)count, sizeof *grants, by_grant);
    return grants;
}

static void
compare_grants(struct check *check, const struct grant *ours, size_t our_count,
               const struct grant *theirs, size_t their_count)
{
    const char *absent = NULL;
    unsigned differences = 0;

    for (size_t i = 0; i < our_count; i++) {
        struct grant relation = {"", ours[i].relation};

        if (!*ours[i].role || (absent && strcmp(absent, ours[i].role) == 0) ||
            bsearch(&ours[i], theirs, their_count, sizeof *theirs, by_grant))
            continue;
        if (!*ours[i].relation) {
            absent = ours[i].role;
            check_warn(check,
                       "role %s is not on new: its reads will be skipped with `login`; create it "
                       "there, or use identity: service",
                       absent);
        } else if (bsearch(&relation, theirs, their_count, sizeof *theirs, by_grant) &&
                   ++differences <= CHECK_LINES) {
            check_warn(check, "role %s may read %s on old, but not on new: grant it there",
                       ours[i].role, ours[i].relation);
        }
    }
    if (differences > CHECK_LINES)
        check_note(check, "and %u more relations that a role may read on old only",
                   differences - CHECK_LINES);
}

static void
check_grants(struct check *check)
{
    PGresult *results[2];

    if (!check_ask_both(check, grants_sql, "what roles may read", results))
        return;

    struct grant *ours = sorted_grants(results[SIDE_OLD]);
    struct grant *theirs = sorted_grants(results[SIDE_NEW]);

    if (ours && theirs)
        compare_grants(check, ours, (size_t)PQntuples(results[SIDE_OLD]), theirs,
                       (size_t)PQntuples(results[SIDE_NEW]));
    else
        check_fail(check, "out of memory");
    free(ours);
    free(theirs);
    for (int side = 0; side < 2; side++)
        PQclear(results[side]);
}

// set_role: the connection strings' user must not be mightier than the roles that it becomes.
static void
check_set_role(struct check *check)
{
    static const char *const side_names[] = {"old", "new"};
    PGresult *results[2];

    if (!check_ask_both(check,
                        "SELECT rolname, rolsuper, rolbypassrls FROM pg_catalog.pg_roles"
                        " WHERE rolname = current_user",
                        "our own role", results))
        return;
    for (int side = 0; side < 2; side++) {
        const char *right = PQgetvalue(results[side], 0, 1)[0] == 't'   ? "a superuser"
                            : PQgetvalue(results[side], 0, 2)[0] == 't' ? "BYPASSRLS"
                                                                        : NULL;

        if (right)
            check_fail(
                check,
                "identity: set_role logs in on %s as %s, which is %s and could read what "
                "the client may not; use a plain role that is a member of the clients' roles",
                side_names[side], PQgetvalue(results[side], 0, 0), right);
        PQclear(results[side]);
    }
}

static void
check_service(struct check *check)
{
    PGresult *result =
        side_link_query(&check->links[SIDE_OLD],
                        "SELECT string_agg(oid::pg_catalog.regclass::pg_catalog.text, ', ')"
                        " FROM pg_catalog.pg_class WHERE relrowsecurity",
                        NULL);

    if (result && !PQgetisnull(result, 0, 0))
        check_warn(check,
                   "identity: service reads as one user, and these have row security, which "
                   "shows each user other rows: %.300s",
                   PQgetvalue(result, 0, 0));
    PQclear(result);
}

void
check_roles(struct check *check)
{
    switch (check->settings->entry->identity) {
    case IDENTITY_SAME:
        check_grants(check);
        break;
    case IDENTITY_SET_ROLE:
        check_grants(check);
        check_set_role(check);
        break;
    case IDENTITY_SERVICE:
        check_service(check);
        break;
    }
}
