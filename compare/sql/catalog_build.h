// Makes a catalog row by row, in any order. Rows are copied, strings and arrays too. A false return
// is a lack of memory; it sticks, and catalog_build_finish then gives NULL.
#ifndef COMPARE_SQL_CATALOG_BUILD_H
#define COMPARE_SQL_CATALOG_BUILD_H

#include "compare/sql/catalog_data.h"

struct catalog_build;

struct catalog_build *catalog_build_new(void);
void catalog_build_free(struct catalog_build **build);
bool catalog_build_relation(struct catalog_build *build, const struct catalog_relation *row);
bool catalog_build_column(struct catalog_build *build, const struct catalog_column *row);
bool catalog_build_key(struct catalog_build *build, const struct catalog_key *row);
bool catalog_build_policy(struct catalog_build *build, const struct catalog_policy *row);
bool catalog_build_function(struct catalog_build *build, const struct catalog_function *row);
bool catalog_build_operator(struct catalog_build *build, const struct catalog_operator *row);
bool catalog_build_type(struct catalog_build *build, const struct catalog_type *row);
bool catalog_build_dependency(struct catalog_build *build, const struct catalog_dependency *row);
bool catalog_build_label(struct catalog_build *build, const struct catalog_label *row);
bool catalog_build_check(struct catalog_build *build, const struct catalog_check *row);
// What a session of this side has when it says nothing: decides which of several schemas is meant.
bool catalog_build_search_path(struct catalog_build *build, const char *search_path);
// What is added comes on top of what `below` holds, but for its search_path. The catalog keeps a reference to it. Once.
void catalog_build_on(struct catalog_build *build, struct catalog *below);
// Takes the builder. NULL: no memory.
struct catalog *catalog_build_finish(struct catalog_build **build);

#endif
