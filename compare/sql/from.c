// FROM: relations, subqueries, functions and joins become items of the scope, each with its columns.
#include "compare/sql/walk.h"

#include <string.h>

static void
show(struct walk *walk, struct scope *scope, const struct column *column)
{
    const struct column **visible = walk_grow(walk, scope->visible, scope->visible_count,
                                              &scope->visible_capacity, sizeof(*visible));
    if (visible == NULL)
        return;
    scope->visible = visible;
    visible[scope->visible_count++] = column;
}

bool
scope_add_item(struct walk *walk, struct scope *scope, struct item *item)
{
    struct item **items =
        walk_grow(walk, scope->items, scope->item_count, &scope->item_capacity, sizeof(*items));
    if (items == NULL || item == NULL)
        return false;
    scope->items = items;
    items[scope->item_count++] = item;
    for (size_t i = 0; i < item->column_count; i++)
        show(walk, scope, &item->columns[i]);
    if (!item->is_known && !scope->has_unknown)
        scope->unknown_at = scope->visible_count;
    scope->has_unknown = scope->has_unknown || !item->is_known;
    return true;
}

void
scope_equate(struct walk *walk, struct scope *scope, const struct column *from, struct column *to)
{
    struct equality *equalities = walk_grow(walk, scope->equalities, scope->equality_count,
                                            &scope->equality_capacity, sizeof(*equalities));
    if (equalities == NULL)
        return;
    scope->equalities = equalities;
    equalities[scope->equality_count++] = (struct equality){from, to};
}

// An alias's name and column names, put over what the item has.
static void
put_alias(struct walk *walk, struct item *item, const PgQuery__Alias *alias)
{
    if (alias == NULL)
        return;
    item->name = alias->aliasname;
    item->schema = NULL;
    if (alias->n_colnames > item->column_count) {
        struct column *columns = walk_take(walk, alias->n_colnames * sizeof(*columns));
        if (columns == NULL)
            return;
        if (item->column_count > 0)
            memcpy(columns, item->columns, item->column_count * sizeof(*columns));
        for (size_t i = item->column_count; i < alias->n_colnames; i++)
            columns[i] =
                (struct column){.table = -1, .value = item->value, .item = item, .number = i};
        item->columns = columns;
        item->column_count = alias->n_colnames;
    }
    for (size_t i = 0; i < alias->n_colnames; i++)
        item->columns[i].name = expression_string(alias->colnames[i]);
}

static struct item *
item_of_rows(struct walk *walk, const struct rowset *rows, const char *name)
{
    struct item *item = walk_take(walk, sizeof(*item));
    if (item == NULL)
        return NULL;
    item->columns = walk_take(walk, (rows->count + 1) * sizeof(*item->columns));
    if (item->columns == NULL)
        return NULL;
    item->name = name;
    item->column_count = rows->count;
    item->is_known = rows->is_known;
    walk->is_open = walk->is_open || rows->has_open_rows;
    item->keys = rows->keys;
    item->key_count = rows->key_count;
    for (size_t i = 0; i < rows->count; i++) {
        item->columns[i] = rows->columns[i];
        item->columns[i].item = item;
        item->columns[i].number = i;
        if (!rows->is_known)
            item->value |= rows->columns[i].value;
    }
    row_key_refer(walk, item->columns, item->column_count);
    return item;
}

static const struct cte *
find_cte(const struct scope *scope, const char *name)
{
    for (const struct cte *cte = scope->ctes; cte != NULL; cte = cte->next)
        if (strcmp(cte->name, name) == 0)
            return cte;
    return NULL;
}

static void
from_relation(struct walk *walk, const PgQuery__RangeVar *range, struct scope *scope)
{
    const struct cte *cte = range->schemaname[0] == '\0' ? find_cte(scope, range->relname) : NULL;
    struct item *item =
        cte != NULL ? item_of_rows(walk, &cte->rows, cte->name) : relation_item(walk, range, scope);
    if (item == NULL)
        return;
    item->name = range->relname;
    put_alias(walk, item, range->alias);
    (void)scope_add_item(walk, scope, item);
}

static void
from_subselect(struct walk *walk, const PgQuery__RangeSubselect *range, struct scope *scope)
{
    struct rowset rows;
    if (range->subquery == NULL || range->subquery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        walk_refuse(walk);
        return;
    }
    // Only LATERAL sees the items beside it.
    struct scope beside = {.parent = scope->parent, .ctes = scope->ctes};
    (void)select_walk(walk, range->subquery->select_stmt, range->lateral ? scope : &beside, false,
                      &rows);
    struct item *item = item_of_rows(walk, &rows, NULL);
    if (item == NULL)
        return;
    put_alias(walk, item, range->alias);
    (void)scope_add_item(walk, scope, item);
}

static const char *
function_name(const PgQuery__Node *node)
{
    if (node != NULL && node->node_case == PG_QUERY__NODE__NODE_LIST && node->list->n_items > 0)
        node = node->list->items[0];
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_FUNC_CALL ||
        node->func_call->n_funcname == 0)
        return NULL;
    return expression_string(node->func_call->funcname[node->func_call->n_funcname - 1]);
}

// What functions in FROM return is not looked up: their columns are known by their names alone.
static void
from_function(struct walk *walk, const PgQuery__RangeFunction *range, struct scope *scope)
{
    struct item *item = walk_take(walk, sizeof(*item));
    if (item == NULL)
        return;
    bool returns_sets = scope->returns_sets, has_aggregate = scope->has_aggregate;
    item->value = expression_walk_list(walk, range->n_functions, range->functions, scope);
    scope->returns_sets = returns_sets;
    scope->has_aggregate = has_aggregate;
    item->value |= expression_walk_list(walk, range->n_coldeflist, range->coldeflist, scope);
    walk_sink(walk, item->value & VALUE_ANY_OPEN); // how many rows it gives
    item->name = range->n_functions == 1 ? function_name(range->functions[0]) : NULL;
    put_alias(walk, item, range->alias);
    (void)scope_add_item(walk, scope, item);
}

static void
from_table_function(struct walk *walk, const PgQuery__RangeTableFunc *range, struct scope *scope)
{
    struct item *item = walk_take(walk, sizeof(*item));
    if (item == NULL)
        return;
    item->value = expression_walk(walk, range->docexpr, scope) |
                  expression_walk(walk, range->rowexpr, scope) |
                  expression_walk_list(walk, range->n_namespaces, range->namespaces, scope) |
                  expression_walk_list(walk, range->n_columns, range->columns, scope);
    walk_sink(walk, item->value & VALUE_ANY_OPEN);
    put_alias(walk, item, range->alias);
    (void)scope_add_item(walk, scope, item);
}

static void
from_sample(struct walk *walk, const PgQuery__RangeTableSample *range, struct scope *scope)
{
    walk->is_sampled = true;
    const char *name =
        range->n_method == 0 ? NULL : expression_string(range->method[range->n_method - 1]);
    // The two methods of PostgreSQL are marked volatile as handlers are; they only read.
    if (name == NULL || (strcmp(name, "bernoulli") != 0 && strcmp(name, "system") != 0))
        walk_refuse(walk);
    walk_sink(walk, expression_walk_list(walk, range->n_args, range->args, scope) |
                        expression_walk(walk, range->repeatable, scope));
    from_walk(walk, range->relation, scope);
}

static struct column *
column_within(struct scope *scope, size_t first, size_t end, const char *name)
{
    for (size_t i = first; i < end; i++)
        for (size_t c = 0; !scope->items[i]->is_hidden && c < scope->items[i]->column_count; c++)
            if (scope->items[i]->columns[c].name != NULL &&
                strcmp(scope->items[i]->columns[c].name, name) == 0)
                return &scope->items[i]->columns[c];
    return NULL;
}

static void
equate_pair(struct walk *walk, struct scope *scope, struct column *left, struct column *right,
            PgQuery__JoinType type)
{
    if (left == NULL || right == NULL)
        return;
    open_join(walk, left, right);
    if (type == PG_QUERY__JOIN_TYPE__JOIN_INNER || type == PG_QUERY__JOIN_TYPE__JOIN_LEFT)
        scope_equate(walk, scope, left, right);
    if (type == PG_QUERY__JOIN_TYPE__JOIN_INNER || type == PG_QUERY__JOIN_TYPE__JOIN_RIGHT)
        scope_equate(walk, scope, right, left);
}

static bool
is_named(const struct column *column, const char *name)
{
    return column->name != NULL && name != NULL && strcmp(column->name, name) == 0;
}

static bool
is_merged(const PgQuery__JoinExpr *join, const struct column *column, const struct column **others,
          size_t count)
{
    for (size_t i = 0; i < join->n_using_clause; i++)
        if (is_named(column, expression_string(join->using_clause[i])))
            return true;
    for (size_t i = 0; join->is_natural && i < count; i++)
        if (is_named(column, others[i]->name))
            return true;
    return false;
}

// The columns that USING or NATURAL merges come first and once (manual, 7.2.1.1).
static void
merge_visible(struct walk *walk, const PgQuery__JoinExpr *join, struct scope *scope, size_t left,
              size_t right)
{
    size_t count = scope->visible_count - left, left_count = right - left;
    const struct column **before = walk_take(walk, (count + 1) * sizeof(*before));
    if (before == NULL || count == 0)
        return;
    memcpy(before, scope->visible + left, count * sizeof(*before));
    scope->visible_count = left;
    if (scope->unknown_at > left)
        scope->unknown_at = left;
    for (size_t k = 0; k < join->n_using_clause; k++)
        for (size_t i = 0; i < left_count; i++)
            if (is_named(before[i], expression_string(join->using_clause[k]))) {
                show(walk, scope, before[i]);
                break;
            }
    for (size_t i = 0; join->is_natural && i < left_count; i++)
        if (is_merged(join, before[i], before + left_count, count - left_count))
            show(walk, scope, before[i]);
    for (size_t i = 0; i < left_count; i++)
        if (!is_merged(join, before[i], before + left_count, count - left_count))
            show(walk, scope, before[i]);
    for (size_t i = left_count; i < count; i++)
        if (!is_merged(join, before[i], before, left_count))
            show(walk, scope, before[i]);
}

// USING and NATURAL are equalities.
static void
join_columns(struct walk *walk, const PgQuery__JoinExpr *join, struct scope *scope, size_t left,
             size_t right)
{
    size_t end = scope->item_count;
    if (join->n_using_clause > 0 || join->is_natural)
        prove_operator_named(walk, NULL, "=");
    for (size_t i = 0; i < join->n_using_clause; i++) {
        const char *name = expression_string(join->using_clause[i]);
        if (name != NULL)
            equate_pair(walk, scope, column_within(scope, left, right, name),
                        column_within(scope, right, end, name), join->jointype);
    }
    for (size_t i = right; join->is_natural && i < end; i++)
        for (size_t c = 0; c < scope->items[i]->column_count; c++) {
            struct column *column = &scope->items[i]->columns[c];
            if (column->name != NULL)
                equate_pair(walk, scope, column_within(scope, left, right, column->name), column,
                            join->jointype);
        }
}

static void
join_condition(struct walk *walk, const PgQuery__JoinExpr *join, struct scope *scope, size_t left,
               size_t right)
{
    expression_walk_condition(walk, join->quals, scope);
    size_t end = scope->item_count;
    switch (join->jointype) {
    case PG_QUERY__JOIN_TYPE__JOIN_INNER:
        order_equate(walk, join->quals, scope, left, end, true);
        break;
    case PG_QUERY__JOIN_TYPE__JOIN_LEFT:
        order_equate(walk, join->quals, scope, right, end, false);
        break;
    case PG_QUERY__JOIN_TYPE__JOIN_RIGHT:
        order_equate(walk, join->quals, scope, left, right, false);
        break;
    case PG_QUERY__JOIN_TYPE__JOIN_FULL:
        break;
    default:
        walk_refuse(walk);
    }
}

// A join's own alias hides what is within.
static void
join_alias(struct walk *walk, const PgQuery__JoinExpr *join, struct scope *scope, size_t first,
           size_t first_visible)
{
    struct item *group = walk_take(walk, sizeof(*group));
    if (group == NULL)
        return;
    size_t count = scope->visible_count - first_visible;
    group->columns = walk_take(walk, (count + 1) * sizeof(*group->columns));
    if (group->columns == NULL)
        return;
    group->is_group = true;
    group->is_known = true;
    group->column_count = count;
    for (size_t i = 0; i < count; i++)
        group->columns[i] = *scope->visible[first_visible + i];
    for (size_t i = first; i < scope->item_count; i++) {
        group->value |= scope->items[i]->value;
        group->is_known = group->is_known && scope->items[i]->is_known;
        scope->items[i]->is_hidden = true;
    }
    put_alias(walk, group, join->alias);
    scope->visible_count = first_visible;
    if (scope->unknown_at > first_visible)
        scope->unknown_at = first_visible;
    (void)scope_add_item(walk, scope, group);
}

static void
from_join(struct walk *walk, const PgQuery__JoinExpr *join, struct scope *scope)
{
    size_t left = scope->item_count, left_visible = scope->visible_count;
    from_walk(walk, join->larg, scope);
    size_t right = scope->item_count, right_visible = scope->visible_count;
    from_walk(walk, join->rarg, scope);
    join_columns(walk, join, scope, left, right);
    join_condition(walk, join, scope, left, right);
    if (join->n_using_clause > 0 || join->is_natural)
        merge_visible(walk, join, scope, left_visible, right_visible);
    if (join->join_using_alias != NULL)
        walk_refuse(walk); // JOIN … USING (…) AS alias: rare, and its names are another scope
    if (join->alias != NULL)
        join_alias(walk, join, scope, left, left_visible);
}

void
from_walk(struct walk *walk, const PgQuery__Node *node, struct scope *scope)
{
    if (node == NULL || !walk_step(walk))
        return;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
        from_relation(walk, node->range_var, scope);
        break;
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
        from_subselect(walk, node->range_subselect, scope);
        break;
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
        from_function(walk, node->range_function, scope);
        break;
    case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC:
        from_table_function(walk, node->range_table_func, scope);
        break;
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
        from_sample(walk, node->range_table_sample, scope);
        break;
    case PG_QUERY__NODE__NODE_JOIN_EXPR:
        from_join(walk, node->join_expr, scope);
        break;
    default:
        walk_refuse(walk);
    }
}
