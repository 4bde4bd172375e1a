// Are the clients' roles the same on both sides? They are those that can log in and may connect to old's database;
// groups show in what their members may do. With `identity: service` roles are no matter.
#include "proxy/check/ask.h"
#include "proxy/check/comparison.h"

static const char roles_sql[] =
    "SELECT r.rolname, '', 'role ' || r.rolname, r.rolcanlogin"
    " AND has_database_privilege(r.oid, current_database(), 'CONNECT'),"
    " r.rolcanlogin, has_database_privilege(r.oid, current_database(), 'CONNECT'), r.rolsuper,"
    " r.rolbypassrls, r.rolinherit, r.rolconnlimit, coalesce(r.rolvaliduntil::text, 'for ever')"
    " FROM pg_roles r";

static const struct aspect role_aspects[] = {
    {.name = "login", .kind = FINDING_role_attribute},
    {.name = "the right to connect", .kind = FINDING_role_attribute},
    {.name = "superuser", .kind = FINDING_role_attribute},
    {.name = "bypassrls", .kind = FINDING_role_attribute},
    {.name = "inherit", .kind = FINDING_role_attribute},
    {.name = "its connection limit", .kind = FINDING_role_attribute},
    {.name = "valid until", .kind = FINDING_role_attribute},
};
static const struct comparison roles = {
    .what = "roles",
    .sql = roles_sql,
    .missing = FINDING_missing_role,
    .extra = FINDING_NONE,
    ASPECTS(role_aspects),
};

static const char memberships_sql[] =
    "SELECT m.rolname, g.rolname, 'role ' || m.rolname || ' in ' || g.rolname, true"
    " FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member"
    " JOIN pg_roles g ON g.oid = a.roleid WHERE m.rolname !~ '^pg_'";

void
check_roles(struct check *check)
{
    const struct comparison memberships = {
        .what = "memberships",
        .sql = memberships_sql,
        .missing = FINDING_membership,
        .extra = FINDING_membership,
        .owners = check->roles,
    };

    if (check->settings->entry->identity != IDENTITY_SERVICE &&
        comparison_run(check, &roles, check->roles))
        comparison_run(check, &memberships, NULL);
}
