// Who was let in and who was not: the counters that STATUS tells from, what is told to the pool's owner, and what
// to configure in each case. The pool's loop; the counters are every pool's of the database.
#include "proxy/own/own_parts.h"
#include <string.h>

struct advice {
    const char *sqlstate; // how it begins
    const char *hint;
};

static const struct advice login_advice[] = {
    {"28P01", "the secrets differ between the sides, or auth.file has another one: give the role "
              "the same secret there (the very verifier of old), or a plain one in auth.file"},
    {"28000", "let pg_hba.conf there admit the proxy's address, and create the role with LOGIN if "
              "it is missing"},
    {"28", "compare the role and pg_hba.conf there with old's"},
    {"3D000", "create the database there, or name another one in the connection string"},
    {"42501", "GRANT CONNECT on the database there to the role"},
    {"08P01", "what stands before the server refuses this user: see its log and its list of users"},
    {"", "see the log of the server"},
};

static const struct advice role_advice[] = {
    {"42501", "GRANT the user's role to the role of the connection string there"},
    {"22023", "create the user's role there, and GRANT it to the role of the connection string"},
    {"22P02", "name a role in the connection string that is no superuser and has no BYPASSRLS"},
    {"", "identity: set_role could not take the user's role: see the log of the server"},
};

const char *
own_admission_hint(const char *sqlstate, bool is_role)
{
    const struct advice *at = is_role ? role_advice : login_advice;
    while (strncmp(sqlstate, at->sqlstate, strlen(at->sqlstate)) != 0) {
        at++;
    }
    return at->hint;
}

void
own_admission_is_given(struct own_session *session)
{
    const struct own_place *place = session->group->place;
    if (session->is_admitted) {
        return;
    }
    session->is_admitted = true;
    atomic_fetch_add(&place->database->own_admitted[place->side], 1);
    atomic_store(&place->database->own_refused[place->side], 0);
}

void
own_admission_ends(struct own_session *session)
{
    const struct own_place *place = session->group->place;
    if (session->is_admitted) {
        session->is_admitted = false;
        atomic_fetch_sub(&place->database->own_admitted[place->side], 1);
    }
}

void
own_admission_is_refused(struct own_session *session)
{
    const struct own_group *group = session->group;
    const struct own_place *place = group->place;
    own_admission_ends(session);
    atomic_fetch_add(&place->database->own_refused[place->side], 1);
    if (group->pool->refused != NULL) {
        const char *hint = session->trouble.hint;
        group->pool->refused(group->pool->refused_context,
                             &(struct own_refusal){
                                 .database = place->database,
                                 .side = place->side,
                                 .user = group->user,
                                 .login = session->user != NULL ? session->user : group->user,
                                 .sqlstate = session->trouble.sqlstate,
                                 .text = session->trouble.text,
                                 .hint = hint != NULL ? hint : own_admission_hint("", false),
                             });
    }
}
