// Which of new's types stands for one of old's: users' types have other OIDs on the other cluster. They are matched as
// a statement's names are: by the rewrites where these speak of their schema, else by new's search path where old's session
// finds them by theirs, else by schema and name. PostgreSQL's own types are the same on both sides.
#ifndef COMPARE_SQL_COUNTERPART_H
#define COMPARE_SQL_COUNTERPART_H

#include "compare/sql/catalog.h"
#include "compare/sql/rewrite.h"

// 0: new has none, or a catalog is NULL. `rewrites` may be NULL.
uint32_t counterpart_type(const struct catalog *old_catalog, const struct catalog *new_catalog,
                          const struct rewrites *rewrites, uint32_t type);

#endif
