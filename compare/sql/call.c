// Function calls in expressions: what they can run, what their value shows, and whether rows that tie
// could give another value (aggregates that keep their input's order, window functions).
#include "compare/sql/walk.h"

#include <string.h>

// Aggregates whose value depends on the order in which rows come.
static const char *const ordered_aggregates[] = {"array_agg", "string_agg", "json_agg", "jsonb_agg",
                                                 "xmlagg"};
// Window functions that tell rows of one peer group apart.
static const char *const row_windows[] = {"row_number",  "ntile",      "lag",      "lead",
                                          "first_value", "last_value", "nth_value"};

enum { FRAME_ROWS = 0x4 }; // FRAMEOPTION_ROWS, nodes/parsenodes.h

static bool
is_in(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static const PgQuery__WindowDef *
named_window(const PgQuery__WindowDef *window, const struct scope *scope)
{
    const char *name = window->name[0] != '\0' ? window->name : window->refname;
    if (name[0] == '\0' || scope->select == NULL)
        return NULL;
    for (size_t i = 0; i < scope->select->n_window_clause; i++) {
        const PgQuery__Node *node = scope->select->window_clause[i];
        if (node->node_case == PG_QUERY__NODE__NODE_WINDOW_DEF && node->window_def != window &&
            strcmp(node->window_def->name, name) == 0)
            return node->window_def;
    }
    return NULL;
}

static bool
window_is_total(struct walk *walk, const PgQuery__WindowDef *window, struct scope *scope)
{
    const PgQuery__WindowDef *named = named_window(window, scope);
    const PgQuery__WindowDef *order = named != NULL && window->n_order_clause == 0 ? named : window;
    const PgQuery__WindowDef *partition =
        named != NULL && window->n_partition_clause == 0 ? named : window;
    return order_is_total(walk, scope, order->n_order_clause, order->order_clause,
                          partition->n_partition_clause, partition->partition_clause);
}

// Every argument is a sort key: rows that tie give the same value.
static bool
is_sorted_by_arguments(const PgQuery__FuncCall *call, struct scope *scope)
{
    for (size_t i = 0; i < call->n_args; i++) {
        bool is_found = call->args[i]->node_case == PG_QUERY__NODE__NODE_A_CONST;
        for (size_t k = 0; k < call->n_agg_order && !is_found; k++)
            is_found = order_same(call->args[i], call->agg_order[k], scope);
        if (!is_found)
            return false;
    }
    return true;
}

static unsigned
open_value(struct walk *walk, const PgQuery__FuncCall *call, const char *name, struct scope *scope)
{
    bool is_ordered = is_in(name, ordered_aggregates, sizeof(ordered_aggregates) / sizeof(char *));
    if (call->over != NULL) {
        bool is_row = is_in(name, row_windows, sizeof(row_windows) / sizeof(char *));
        const PgQuery__WindowDef *named = named_window(call->over, scope);
        bool is_framed = (call->over->frame_options & FRAME_ROWS) != 0 ||
                         (named != NULL && (named->frame_options & FRAME_ROWS) != 0);
        if ((!is_row && !is_framed && !is_ordered) || window_is_total(walk, call->over, scope))
            return 0;
        walk->open_because = "a window function over rows that tie";
        return VALUE_OPEN;
    }
    if (!is_ordered || call->agg_distinct)
        return 0;
    size_t group_count = scope->select == NULL ? 0 : scope->select->n_group_clause;
    if (call->n_agg_order > 0 && is_sorted_by_arguments(call, scope))
        return 0;
    if (order_is_total(walk, scope, call->n_agg_order, call->agg_order, group_count,
                       group_count == 0 ? NULL : scope->select->group_clause))
        return 0;
    walk->open_because = "an aggregate that keeps an order which is not total";
    return VALUE_OPEN;
}

static void
note_kinds(struct walk *walk, const PgQuery__FuncCall *call, const char *name, struct scope *scope)
{
    const struct catalog_function *functions;
    size_t count = catalog_functions_named(walk->catalog, name, &functions);
    for (size_t i = 0; i < count; i++) {
        if (functions[i].kind == 'a' && call->over == NULL)
            scope->has_aggregate = true;
        if (functions[i].returns_set)
            scope->returns_sets = true;
    }
}

static unsigned
walk_window(struct walk *walk, const PgQuery__WindowDef *window, struct scope *scope)
{
    return expression_walk_list(walk, window->n_partition_clause, window->partition_clause, scope) |
           expression_walk_list(walk, window->n_order_clause, window->order_clause, scope) |
           expression_walk(walk, window->start_offset, scope) |
           expression_walk(walk, window->end_offset, scope);
}

unsigned
call_walk(struct walk *walk, const PgQuery__FuncCall *call, struct scope *scope)
{
    unsigned value = expression_walk_list(walk, call->n_args, call->args, scope);
    expression_walk_condition(walk, call->agg_filter, scope);
    value |= expression_walk_list(walk, call->n_agg_order, call->agg_order, scope);
    if (call->over != NULL)
        value |= walk_window(walk, call->over, scope);
    const char *name =
        call->n_funcname == 0 ? NULL : expression_string(call->funcname[call->n_funcname - 1]);
    const char *schema =
        call->n_funcname < 2 ? NULL : expression_string(call->funcname[call->n_funcname - 2]);
    if (name == NULL) {
        walk_refuse(walk);
        return value;
    }
    if (strcmp(name, "set_config") == 0)
        walk->keeps = walk->sets_config = true;
    if (strcmp(name, "count") == 0)
        value &= ~(unsigned)(VALUE_CLOCK | VALUE_SYSTEM | VALUE_OPEN);
    bool is_known;
    value |= prove_function(walk, schema, name, call->n_args, &is_known);
    if (strcmp(name, "age") == 0 && call->n_args == 1)
        value |= VALUE_CLOCK; // counts from current_date
    note_kinds(walk, call, name, scope);
    return value | open_value(walk, call, name, scope);
}
