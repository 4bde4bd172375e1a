// The kinds of statements: what DESIGN's books call each, and what one of them does to its
// transaction and to the catalogs.
#ifndef COMPARE_SQL_STATEMENT_H
#define COMPARE_SQL_STATEMENT_H

#include "compare/sql/walk.h"

struct statement {
    bool is_read;
    bool has_effects;
    bool may_be_temporary; // DDL, on what may be an object of the session alone
    bool changes_catalog;
    bool is_query;    // has output columns: rows holds them
    bool is_instance; // shows the instance: EXPLAIN
    bool is_setting;  // SHOW
    bool is_session;  // session or transaction state alone
    struct rowset rows;
};

// Walks the statement with one side's catalog. What is not known to write nothing is refused.
void statement_walk(struct walk *walk, const PgQuery__Node *node, struct statement *statement);

#endif
