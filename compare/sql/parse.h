// libpg_query as the analysis uses it: text in, parse tree out. Only for threads with a stack of
// ANALYSIS_STACK bytes.
#ifndef COMPARE_SQL_PARSE_H
#define COMPARE_SQL_PARSE_H

#include "compare/sql/arena.h"
#include "compare/sql/glance.h"
#include "compare/sql/parsed.h"
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

// Calls `each` with a message of a tree and all that lie in it, outer ones first. `message` may be NULL.
void parse_each(const ProtobufCMessage *message,
                void (*each)(void *context, const ProtobufCMessage *message), void *context);
// The name that a call has, without its schema; NULL: none.
const char *parse_called(const PgQuery__FuncCall *call);

struct parsed { // parsed.h
    const char *sql;
    size_t length;
    bool is_done;
    enum parse_status status; // once it is done
    struct parse_tree tree;
    bool is_glanced_at;
    struct glance glance; // then
};

enum parse_status parse_once(struct parsed *parsed);

#endif
