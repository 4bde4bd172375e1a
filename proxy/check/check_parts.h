// The parts of `check`, one a subject. Each looks at the sides over the links and says what it finds.
#ifndef PROXY_CHECK_CHECK_PARTS_H
#define PROXY_CHECK_CHECK_PARTS_H

#include "proxy/check/facts.h"
#include "proxy/check/findings.h"
#include "proxy/control/side_link.h"
#include "proxy/database.h"

struct check { // of one database
    const struct database_settings *settings;
    const char *name; // of the database, to a client
    struct side_link links[2];
    bool is_up[2];
    char *paths[2]; // search_path of each side's session, owned; NULL: not known
    struct findings findings;
    struct facts relations[2], roles[2]; // what other facts belong to; kept until the end
};

static const char *const check_side_names[] = {"old", "new"};

void check_lag(struct check *check);
void check_versions(struct check *check);
void check_settings(struct check *check);   // that change results
void check_collations(struct check *check); // and encodings
void check_relations(struct check *check);  // with row security and policies
void check_columns(struct check *check);    // after relations
void check_rewrites(struct check *check);   // after relations
void check_types(struct check *check);      // with extensions and text search
void check_functions(struct check *check);
void check_roles(struct check *check);         // attributes, memberships
void check_role_settings(struct check *check); // after roles
void check_privileges(struct check *check);    // after roles and relations
void check_identity(struct check *check);      // set_role, service
void check_logins(struct check *check);        // who gets in; after roles
void check_tls(struct check *check);

#endif
