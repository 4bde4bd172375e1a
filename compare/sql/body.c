// SQL that a statement does not show: functions in SQL, views, policies, checks, default arguments.
// Each is parsed and walked like the statement itself.
#include "compare/sql/walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Parses prefix + text + suffix; the tree stays until the walk ends.
static const PgQuery__ParseResult *
parse_body(struct walk *walk, const char *prefix, const char *text, const char *suffix)
{
    char *sql;
    int length = asprintf(&sql, "%s%s%s", prefix, text, suffix);
    struct walk_tree *kept = walk_take(walk, sizeof(*kept));
    if (length < 0 || kept == NULL) {
        if (length >= 0)
            free(sql);
        walk->no_memory = true;
        return NULL;
    }
    enum parse_status status = parse_sql(sql, (size_t)length, &kept->tree);
    free(sql);
    if (status != PARSE_OK) {
        parse_tree_fini(&kept->tree);
        walk->no_memory = walk->no_memory || status == PARSE_NO_MEMORY;
        walk_refuse(walk);
        return NULL;
    }
    kept->next = walk->trees;
    walk->trees = kept;
    return kept->tree.root;
}

static bool
enter(struct walk *walk)
{
    if (walk->bodies >= WALK_MAX_BODIES) {
        walk_refuse(walk);
        return false;
    }
    walk->bodies++;
    return true;
}

// One statement of a body; what its rows show, in *value.
static void
walk_statement(struct walk *walk, const PgQuery__Node *node, unsigned *value)
{
    struct rowset rows;
    struct scope scope = {0};
    if (node == NULL || node->node_case == PG_QUERY__NODE__NODE_RETURN_STMT) {
        *value = node == NULL ? 0 : expression_walk(walk, node->return_stmt->returnval, &scope);
        return;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_LIST) { // BEGIN ATOMIC: lists within lists
        for (size_t i = 0; i < node->list->n_items; i++)
            walk_statement(walk, node->list->items[i], value);
        return;
    }
    if (node->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        walk_refuse(walk);
        return;
    }
    *value = 0;
    if (!select_walk(walk, node->select_stmt, NULL, false, &rows))
        return;
    for (size_t i = 0; i < rows.count; i++)
        *value |= rows.columns[i].value;
    *value |= rows.has_open_rows ? VALUE_OPEN : 0u;
}

unsigned
body_function(struct walk *walk, const struct catalog_function *function)
{
    unsigned value = 0;
    if (!enter(walk))
        return 0;
    bool is_parsed = function->body != NULL; // RETURN or BEGIN ATOMIC, not a string
    const PgQuery__ParseResult *tree =
        is_parsed
            ? parse_body(walk, "CREATE FUNCTION f() RETURNS int LANGUAGE sql ", function->body, "")
            : parse_body(walk, "", function->source == NULL ? "" : function->source, "");
    for (size_t i = 0; tree != NULL && i < tree->n_stmts; i++) {
        const PgQuery__Node *node = tree->stmts[i]->stmt;
        if (!is_parsed)
            walk_statement(walk, node, &value);
        else if (node->node_case == PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT)
            walk_statement(walk, node->create_function_stmt->sql_body, &value);
        else
            walk_refuse(walk);
    }
    walk->bodies--;
    return value;
}

void
body_expression(struct walk *walk, const char *expression, struct item *item)
{
    if (!enter(walk))
        return;
    const PgQuery__ParseResult *tree = parse_body(walk, "SELECT ", expression, "");
    struct scope scope = {0};
    struct rowset rows;
    if (item != NULL)
        (void)scope_add_item(walk, &scope, item);
    if (tree != NULL && tree->n_stmts == 1 &&
        tree->stmts[0]->stmt->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
        (void)select_walk(walk, tree->stmts[0]->stmt->select_stmt, &scope, false, &rows);
        for (size_t i = 0; i < rows.count; i++)
            walk_sink(walk, rows.columns[i].value);
        walk->is_open = walk->is_open || rows.has_open_rows;
    } else {
        walk_refuse(walk);
    }
    walk->bodies--;
}

bool
body_query(struct walk *walk, const char *query, struct rowset *rows)
{
    memset(rows, 0, sizeof(*rows));
    if (!enter(walk))
        return false;
    const PgQuery__ParseResult *tree = parse_body(walk, "", query, "");
    bool is_walked = false;
    if (tree != NULL && tree->n_stmts == 1 &&
        tree->stmts[0]->stmt->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
        is_walked = select_walk(walk, tree->stmts[0]->stmt->select_stmt, NULL, false, rows);
    else
        walk_refuse(walk);
    walk->bodies--;
    return is_walked;
}
