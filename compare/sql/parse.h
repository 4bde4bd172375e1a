// libpg_query as the analysis uses it: text in, parse tree out. Only for threads with a stack of
// ANALYSIS_STACK bytes.
#ifndef COMPARE_SQL_PARSE_H
#define COMPARE_SQL_PARSE_H

#include "compare/sql/arena.h"
#include <pg_query/pg_query.pb-c.h>
#include <stdbool.h>
#include <stddef.h>

enum parse_status { PARSE_OK, PARSE_SYNTAX, PARSE_TOO_LONG, PARSE_NO_MEMORY };

struct parse_tree {
    PgQuery__ParseResult *root; // NULL: none
    struct arena arena;         // all of it
};

// `sql` need not end in NUL but must hold none. *tree is owned, whatever comes of it: parse_tree_fini.
enum parse_status parse_sql(const char *sql, size_t length, struct parse_tree *tree);
void parse_tree_fini(struct parse_tree *tree); // also of a zeroed one

#endif
