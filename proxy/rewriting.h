// The rewrites of one database as they are configured, in the form that compare/ knows; and their trial on new.
#ifndef PROXY_REWRITING_H
#define PROXY_REWRITING_H

#include "compare/sql/rewrite.h"
#include "config/configuration.h"
#include <libpq-fe.h>

// Points into the entry, which must live as long. NULL: no memory.
struct rewrites *rewriting_new(const struct configuration_database *entry);
void rewriting_free(struct rewrites **rewrites);

// What is wrong with the rewrites, one call each; `error` is one line.
typedef void rewriting_say(void *context, const struct rewrite *rewrite, const char *what,
                           const char *error);
// Prepares every whole statement on new, whose blocking connection it is, and notes which new refuses; says where names
// lead to nothing. `catalogs`, old's and new's, may hold NULL: names are then not looked at.
void rewriting_try(struct rewrites *rewrites, struct catalog *const catalogs[2], PGconn *connection,
                   rewriting_say *say, void *context);

#endif
