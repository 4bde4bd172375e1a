// The rewriting of one statement: a whole statement from the list, or else names. Whatever comes out must parse as one
// SELECT again, else it is refused: what is not understood is never sent.
#include "compare/sql/rewrite_parts.h"
#include <stdlib.h>
#include <string.h>

void
rewritten_fini(struct rewritten *rewritten)
{
    free(rewritten->sql);
    *rewritten = (struct rewritten){0};
}

static enum rewrite_status
check(struct rewritten *rewritten)
{
    struct parse_tree tree;
    enum parse_status status = parse_sql(rewritten->sql, strlen(rewritten->sql), &tree);
    bool is_select = status == PARSE_OK && tree.root->n_stmts == 1 &&
                     tree.root->stmts[0]->stmt->node_case == PG_QUERY__NODE__NODE_SELECT_STMT;
    parse_tree_fini(&tree);
    if (is_select)
        return REWRITE_CHANGED;
    rewritten_fini(rewritten);
    if (status == PARSE_NO_MEMORY)
        return REWRITE_NO_MEMORY;
    rewritten->because = "what it becomes is not one SELECT";
    return REWRITE_REFUSED;
}

enum rewrite_status
rewrite_statement(const struct rewrites *rewrites, const struct rewrite_subject *subject,
                  struct rewritten *rewritten)
{
    *rewritten = (struct rewritten){0};
    if (rewrites == NULL || rewrites->count == 0)
        return REWRITE_SAME;
    const struct rewrite *whole = rewrite_match(rewrites, subject);
    enum rewrite_status status = whole != NULL ? rewrite_whole(whole, subject, rewritten)
                                               : rewrite_names(rewrites, subject, rewritten);
    return status == REWRITE_CHANGED ? check(rewritten) : status;
}
