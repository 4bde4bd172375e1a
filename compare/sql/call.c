// Function calls in expressions: what they can run, what their value shows, and whether rows that tie
// could give another value (aggregates that keep their input's order, window functions).
#include "compare/sql/walk.h"

#include <string.h>

// Aggregates whose value depends on the order in which rows come, and how.
static const struct {
    const char *name;
    unsigned open;
    bool
        has_keys; // the first argument names a member: only where two rows have one key does it matter
} ordered_aggregates[] = {
    {"array_agg", VALUE_SHUFFLED, false},
    {"json_agg", VALUE_SHUFFLED, false},
    {"jsonb_agg", VALUE_SHUFFLED, false},
    {"json_agg_strict", VALUE_SHUFFLED, false},
    {"jsonb_agg_strict", VALUE_SHUFFLED, false},
    {"string_agg", VALUE_PIECES, false},
    {"xmlagg", VALUE_PIECES, false},
    {"json_object_agg", VALUE_SHUFFLED, true},
    {"json_object_agg_strict", VALUE_SHUFFLED, true},
    {"jsonb_object_agg", VALUE_OPEN, true},
    {"jsonb_object_agg_strict", VALUE_OPEN, true},
    {"any_value", VALUE_OPEN, false},
};
// Of floats, each addition rounds.
static const char *const rounding_aggregates[] = {
    "sum",        "avg",       "stddev",    "stddev_pop",     "stddev_samp",
    "variance",   "var_pop",   "var_samp",  "corr",           "covar_pop",
    "covar_samp", "regr_avgx", "regr_avgy", "regr_intercept", "regr_r2",
    "regr_slope", "regr_sxx",  "regr_sxy",  "regr_syy"};
// Where the rows lie on a point or a line, quotients of what rounding has left.
static const char *const quotients[] = {"corr", "regr_intercept", "regr_r2", "regr_slope"};
// What they give does not depend on the order of what they are given.
static const char *const measures[] = {
    "array_length",      "cardinality", "array_ndims", "array_upper",  "array_lower",
    "json_array_length", "length",      "char_length", "octet_length", "jsonb_array_length"};
// What they are given stands in what they give, as a JSON array or a member.
static const char *const builders[] = {
    "json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array", "to_json",
    "to_jsonb",          "array_to_json",      "json_agg",         "jsonb_agg"};
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

#define IS_IN(name, names) is_in(name, names, sizeof(names) / sizeof(names[0]))

// What the call makes of its arguments' openness.
static unsigned
passed_on(const PgQuery__FuncCall *call, const char *name, unsigned value)
{
    static const unsigned inner = VALUE_SHUFFLED | VALUE_PIECES | VALUE_ROUNDED | VALUE_QUOTIENT;
    bool is_count = strcmp(name, "count") == 0;
    if (IS_IN(name, measures) || (is_count && !call->agg_distinct))
        return value & ~(inner | (is_count ? VALUE_FLOAT | VALUE_CLOCK | VALUE_SYSTEM : 0u));
    if (is_count)
        value &= ~(unsigned)(VALUE_CLOCK | VALUE_SYSTEM);
    if (IS_IN(name, builders) && (value & VALUE_PIECES) == 0)
        return value;
    if (IS_IN(name, rounding_aggregates) && (value & VALUE_FLOAT) != 0)
        value |= IS_IN(name, quotients) ? VALUE_ROUNDED | VALUE_QUOTIENT : VALUE_ROUNDED;
    return open_blur(value);
}

static unsigned
open_over(struct walk *walk, const PgQuery__FuncCall *call, const char *name, unsigned ordered,
          struct scope *scope)
{
    bool is_row = IS_IN(name, row_windows);
    const PgQuery__WindowDef *named = named_window(call->over, scope);
    bool is_framed = (call->over->frame_options & FRAME_ROWS) != 0 ||
                     (named != NULL && (named->frame_options & FRAME_ROWS) != 0);
    if ((!is_row && !is_framed && ordered == 0) || window_is_total(walk, call->over, scope))
        return 0;
    walk->open_because = "a window function over rows that tie";
    return is_row || is_framed ? VALUE_OPEN : ordered;
}

// What of an aggregate's value depends on the order of its input; 0: nothing, or it is none.
static unsigned
ordered_by_input(const struct walk *walk, const char *name, bool *has_keys)
{
    const struct catalog_function *functions;
    size_t count = catalog_functions_named(walk->catalog, name, &functions);
    *has_keys = false;
    for (size_t i = 0; i < sizeof(ordered_aggregates) / sizeof(ordered_aggregates[0]); i++)
        if (strcmp(name, ordered_aggregates[i].name) == 0) {
            *has_keys = ordered_aggregates[i].has_keys;
            return ordered_aggregates[i].open;
        }
    for (size_t i = 0; i < count; i++)
        if (functions[i].kind == 'a' && functions[i].oid >= CATALOG_FIRST_USER_OID)
            return VALUE_OPEN; // nobody knows
    return 0;
}

static unsigned
open_value(struct walk *walk, const PgQuery__FuncCall *call, const char *name, struct scope *scope)
{
    bool has_keys;
    unsigned open = ordered_by_input(walk, name, &has_keys);
    if (call->over != NULL)
        return open_over(walk, call, name, open, scope);
    if (open == 0 || call->agg_distinct)
        return 0;
    size_t group_count = scope->select == NULL ? 0 : scope->select->n_group_clause;
    PgQuery__Node *const *groups = group_count == 0 ? NULL : scope->select->group_clause;
    if (call->n_agg_order > 0 && is_sorted_by_arguments(call, scope))
        return 0;
    if (order_is_total(walk, scope, call->n_agg_order, call->agg_order, group_count, groups))
        return 0;
    if (has_keys && call->n_args > 0 &&
        order_is_total(walk, scope, 1, call->args, group_count, groups))
        return 0;
    walk->open_because = "an aggregate that keeps an order which is not total";
    return open;
}

// True: some function of that name returns a set.
static bool
note_kinds(struct walk *walk, const PgQuery__FuncCall *call, const char *name, struct scope *scope)
{
    const struct catalog_function *functions;
    size_t count = catalog_functions_named(walk->catalog, name, &functions);
    bool returns_set = false;
    for (size_t i = 0; i < count; i++) {
        if (functions[i].kind == 'a' && call->over == NULL)
            scope->has_aggregate = true;
        returns_set = returns_set || functions[i].returns_set;
    }
    scope->returns_sets = scope->returns_sets || returns_set;
    return returns_set;
}

static unsigned
walk_window(struct walk *walk, const PgQuery__WindowDef *window, struct scope *scope)
{
    return expression_walk_list(walk, window->n_partition_clause, window->partition_clause, scope) |
           expression_walk_list(walk, window->n_order_clause, window->order_clause, scope) |
           expression_walk(walk, window->start_offset, scope) |
           expression_walk(walk, window->end_offset, scope);
}

// What is only looked at to find the rows and their order.
static unsigned
walk_aside(struct walk *walk, const PgQuery__FuncCall *call, struct scope *scope)
{
    struct sources *sources = walk->sources;
    walk->sources = NULL;
    expression_walk_condition(walk, call->agg_filter, scope);
    unsigned value = expression_walk_list(walk, call->n_agg_order, call->agg_order, scope);
    if (call->over != NULL)
        value |= walk_window(walk, call->over, scope);
    walk->sources = sources;
    return open_blur(value) & ~(unsigned)(VALUE_FLOAT | VALUE_ROUNDED | VALUE_QUOTIENT);
}

unsigned
call_walk(struct walk *walk, const PgQuery__FuncCall *call, struct scope *scope)
{
    unsigned arguments = expression_walk_list(walk, call->n_args, call->args, scope);
    unsigned value = walk_aside(walk, call, scope);
    const char *name = parse_called(call);
    const char *schema =
        call->n_funcname < 2 ? NULL : expression_string(call->funcname[call->n_funcname - 2]);
    if (name == NULL) {
        walk_refuse(walk);
        return arguments | value;
    }
    if (strcmp(name, "set_config") == 0)
        walk->keeps = walk->sets_config = true;
    value |= passed_on(call, name, arguments);
    bool is_known;
    value |= prove_function(walk, schema, name, call->n_args, &is_known);
    if (strcmp(name, "age") == 0 && call->n_args == 1)
        value |= VALUE_CLOCK; // counts from current_date
    if (note_kinds(walk, call, name, scope))
        walk_sink(walk, value & VALUE_ANY_OPEN); // how many rows it gives
    return value | open_value(walk, call, name, scope);
}
