// Who our own sessions are, where they are not the clients' users: with `set_role` the connection string's user must be
// able to become them and be no mightier than they are; with `service` it reads for all, so that row security shows
// other rows.
#include "proxy/check/ask.h"

static void
refuse_might(struct check *check, enum side side)
{
    PGresult *result = ask_or_note(check, side,
                                   "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles"
                                   " WHERE rolname = current_user",
                                   "our own role");

    if (result && PQntuples(result) == 1) {
        bool is_super = PQgetvalue(result, 0, 1)[0] == 't';

        if (is_super || PQgetvalue(result, 0, 2)[0] == 't')
            findings_add(&check->findings, FINDING_set_role_might, PQgetvalue(result, 0, 0),
                         "identity: set_role logs in on %s as it, and it is %s: it could read what "
                         "a client may not",
                         check_side_names[side], is_super ? "a superuser" : "BYPASSRLS");
    }
    PQclear(result);
}

// The clients' roles that our user cannot become on this side. All of them: nothing would be compared.
static void
look_for_membership(struct check *check, enum side side)
{
    PGresult *result = ask_or_note(
        check, side,
        "SELECT r.rolname, pg_has_role(current_user, r.oid, 'MEMBER'), current_user FROM pg_roles r"
        " WHERE r.rolcanlogin AND NOT r.rolsuper ORDER BY 1",
        "memberships");
    size_t clients = 0, members = 0;

    for (int row = 0; result && row < PQntuples(result); row++) {
        const struct fact *role =
            facts_find(&check->roles[SIDE_OLD], PQgetvalue(result, row, 0), "");

        if (!role || !role->matters)
            continue;
        clients++;
        if (PQgetvalue(result, row, 1)[0] == 't')
            members++;
        else
            findings_add(&check->findings, FINDING_set_role_member, role->label,
                         "%s is no member of it on %s and cannot become it",
                         PQgetvalue(result, row, 2), check_side_names[side]);
    }
    if (clients > 0 && members == 0)
        findings_add(&check->findings, FINDING_nobody_logs_in, check_side_names[side],
                     "our user can become none of the %zu clients' roles", clients);
    PQclear(result);
}

static void
warn_of_row_security(struct check *check, enum side side)
{
    PGresult *result =
        ask_or_note(check, side,
                    ASK_RELATIONS "SELECT r.label FROM relation r JOIN pg_class c"
                                  " ON c.oid = r.oid WHERE c.relrowsecurity ORDER BY 1",
                    "row security");

    for (int row = 0; result && row < PQntuples(result); row++)
        findings_add(&check->findings, FINDING_service_row_security, PQgetvalue(result, row, 0),
                     "has row security on %s", check_side_names[side]);
    PQclear(result);
}

// What old has, and the service's user may not read here.
static void
look_for_readable(struct check *check, enum side side)
{
    PGresult *result =
        ask_or_note(check, side,
                    ASK_RELATIONS "SELECT r.object, r.label, current_user FROM relation r"
                                  " JOIN pg_class c ON c.oid = r.oid"
                                  " WHERE NOT (has_schema_privilege(c.relnamespace, 'USAGE')"
                                  " AND has_table_privilege(c.oid, 'SELECT')) ORDER BY 1",
                    "our own privileges");

    for (int row = 0; result && row < PQntuples(result); row++) {
        if (facts_find(&check->relations[SIDE_OLD], PQgetvalue(result, row, 0), ""))
            findings_add(&check->findings, FINDING_no_select, PQgetvalue(result, row, 1),
                         "identity: service reads as %s, which may not read it on %s",
                         PQgetvalue(result, row, 2), check_side_names[side]);
    }
    PQclear(result);
}

void
check_identity(struct check *check)
{
    for (int side = 0; side < 2; side++) {
        switch (check->settings->entry->identity) {
        case IDENTITY_SAME:
            break;
        case IDENTITY_SET_ROLE:
            refuse_might(check, (enum side)side);
            look_for_membership(check, (enum side)side);
            break;
        case IDENTITY_SERVICE:
            warn_of_row_security(check, (enum side)side);
            look_for_readable(check, (enum side)side);
            break;
        }
    }
}
