// libpg_query as the analysis uses it: text in, parse tree out. Only for threads with a stack of
// ANALYSIS_STACK bytes.
#ifndef COMPARE_SQL_PARSE_H
#define COMPARE_SQL_PARSE_H

#include <pg_query/pg_query.pb-c.h>
#include <stdbool.h>
#include <stddef.h>

enum parse_status { PARSE_OK, PARSE_SYNTAX, PARSE_TOO_LONG, PARSE_NO_MEMORY };

// `sql` need not end in NUL but must hold none. *tree is owned: parse_free.
enum parse_status parse_sql(const char *sql, size_t length, PgQuery__ParseResult **tree);
void parse_free(PgQuery__ParseResult **tree);

#endif
