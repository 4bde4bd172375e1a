// SELECT, VALUES, TABLE and set operations: builds the scope (WITH, FROM), walks every clause, and gives
// the output columns with what their values show and which table's column they are.
#include "compare/sql/walk.h"

#include <string.h>

// Output columns as they come, with the expression of each (NULL: a star's).
struct output {
    struct rowset *rows;
    PgQuery__Node **sources;
    size_t capacity, source_capacity;
    bool is_shifted; // a star before hid how many columns there are
};

static void
add(struct walk *walk, struct output *output, struct column column, PgQuery__Node *source)
{
    struct rowset *rows = output->rows;
    struct column *columns =
        walk_grow(walk, rows->columns, rows->count, &output->capacity, sizeof(*columns));
    PgQuery__Node **sources = walk_grow(walk, output->sources, rows->count,
                                        &output->source_capacity, sizeof(PgQuery__Node *));
    if (columns == NULL || sources == NULL)
        return;
    rows->columns = columns;
    output->sources = sources;
    columns[rows->count] = column;
    sources[rows->count] = source;
    rows->count++;
    if (!output->is_shifted)
        rows->sure_count = rows->count;
}

// FigureColname of parse_target.c, as far as names can be referred to.
static const char *
target_name(const PgQuery__Node *node)
{
    if (node == NULL)
        return NULL;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return expression_string(node->column_ref->fields[node->column_ref->n_fields - 1]);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return expression_string(node->func_call->funcname[node->func_call->n_funcname - 1]);
    case PG_QUERY__NODE__NODE_TYPE_CAST: {
        const char *name = target_name(node->type_cast->arg);
        const PgQuery__TypeName *type = node->type_cast->type_name;
        return name != NULL || type == NULL || type->n_names == 0
                   ? name
                   : expression_string(type->names[type->n_names - 1]);
    }
    case PG_QUERY__NODE__NODE_A_INDIRECTION: {
        const PgQuery__AIndirection *indirection = node->a_indirection;
        for (size_t i = indirection->n_indirection; i > 0; i--)
            if (expression_string(indirection->indirection[i - 1]) != NULL)
                return expression_string(indirection->indirection[i - 1]);
        return target_name(indirection->arg);
    }
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        return target_name(node->collate_clause->arg);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return "coalesce";
    case PG_QUERY__NODE__NODE_CASE_EXPR: {
        const char *name = target_name(node->case_expr->defresult);
        return name == NULL ? "case" : name;
    }
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return "row";
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        return "array";
    default:
        return NULL;
    }
}

static bool
is_star(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
           node->column_ref->n_fields > 0 &&
           node->column_ref->fields[node->column_ref->n_fields - 1]->node_case ==
               PG_QUERY__NODE__NODE_A_STAR;
}

static void
add_unknown(struct walk *walk, struct output *output, unsigned value)
{
    output->is_shifted = true;
    output->rows->is_known = false;
    add(walk, output, (struct column){.table = -1, .value = value}, NULL);
}

static void
add_star(struct walk *walk, struct output *output, const PgQuery__ColumnRef *star,
         struct scope *scope)
{
    size_t count = star->n_fields;
    if (count == 1) {
        for (size_t i = 0; i < scope->visible_count; i++) {
            output->is_shifted =
                output->is_shifted || (scope->has_unknown && i >= scope->unknown_at);
            add(walk, output, *scope->visible[i], NULL);
        }
        unsigned value = 0;
        for (size_t i = 0; i < scope->item_count; i++)
            value |= scope->items[i]->value;
        if (scope->has_unknown)
            add_unknown(walk, output, value);
        return;
    }
    const char *name = expression_string(star->fields[count - 2]);
    const char *schema = count > 2 ? expression_string(star->fields[count - 3]) : NULL;
    const struct item *item = NULL;
    for (const struct scope *level = scope; level != NULL && item == NULL && name != NULL;
         level = level->parent)
        item = name_item(level, schema, name);
    for (size_t i = 0; item != NULL && i < item->column_count; i++)
        add(walk, output, item->columns[i], NULL);
    if (item == NULL || !item->is_known)
        add_unknown(walk, output, item == NULL ? 0 : item->value);
}

static void
add_target(struct walk *walk, struct output *output, const PgQuery__Node *node, struct scope *scope)
{
    if (node->node_case != PG_QUERY__NODE__NODE_RES_TARGET) {
        walk_refuse(walk);
        return;
    }
    const PgQuery__ResTarget *target = node->res_target;
    if (is_star(target->val)) {
        add_star(walk, output, target->val->column_ref, scope);
        return;
    }
    struct sources sources = {.table = -1}, *outer = walk->sources;
    walk->sources = &sources;
    unsigned value = expression_walk(walk, target->val, scope);
    walk->sources = outer;
    struct column column = {
        .table = sources.table, .origin = sources.origin, .is_computed = true, .value = value};
    if (target->val != NULL && target->val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
        bool is_outer;
        const struct column *from = name_column(target->val->column_ref, scope, &is_outer);
        if (from != NULL) {
            column = *from;
            column.value |= value;
            column.item = is_outer ? NULL : from->item;
            column.reference = is_outer ? 0 : from->reference;
        }
    } else if (target->val != NULL &&
               target->val->node_case == PG_QUERY__NODE__NODE_A_INDIRECTION) {
        // (x).* shows columns that are not known.
        const PgQuery__AIndirection *indirection = target->val->a_indirection;
        size_t count = indirection->n_indirection;
        if (count > 0 &&
            indirection->indirection[count - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR) {
            add_unknown(walk, output, value);
            return;
        }
    }
    column.name = target->name[0] != '\0' ? target->name : target_name(target->val);
    add(walk, output, column, target->val);
}

static void
walk_with(struct walk *walk, const PgQuery__WithClause *with, struct scope *scope)
{
    struct cte *ctes = walk_take(walk, (with->n_ctes + 1) * sizeof(*ctes));
    if (ctes == NULL)
        return;
    for (size_t i = 0; i < with->n_ctes; i++) {
        const PgQuery__Node *node = with->ctes[i];
        if (node->node_case != PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR) {
            walk_refuse(walk);
            return;
        }
        const PgQuery__CommonTableExpr *expression = node->common_table_expr;
        struct cte *cte = &ctes[i];
        cte->name = expression->ctename;
        cte->next = scope->ctes;
        if (with->recursive)
            scope->ctes = cte; // sees itself, with columns not known yet
        if (expression->ctequery == NULL ||
            expression->ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
            walk_refuse(walk); // writes
            scope->ctes = cte;
            continue;
        }
        struct scope within = {.parent = scope->parent, .ctes = scope->ctes};
        struct rowset rows;
        (void)select_walk(walk, expression->ctequery->select_stmt, &within, false, &rows);
        for (size_t k = 0; k < expression->n_aliascolnames && k < rows.count; k++)
            rows.columns[k].name = expression_string(expression->aliascolnames[k]);
        if (expression->search_clause != NULL || expression->cycle_clause != NULL) {
            rows.is_known = false; // adds columns of its own
            rows.key_count = 0;
        }
        if (expression->cycle_clause != NULL) {
            prove_operator_named(walk, NULL, "=");
            (void)expression_walk(walk, expression->cycle_clause->cycle_mark_value, &within);
            (void)expression_walk(walk, expression->cycle_clause->cycle_mark_default, &within);
        }
        cte->rows = rows;
        scope->ctes = cte;
    }
}

static struct key *
one_key(struct walk *walk, struct rowset *rows, size_t count)
{
    struct key *key = walk_take(walk, sizeof(*key));
    if (key == NULL)
        return NULL;
    key->numbers = walk_take(walk, (count + 1) * sizeof(*key->numbers));
    if (key->numbers == NULL)
        return NULL;
    rows->keys = key;
    rows->key_count = 1;
    return key;
}

// All columns together: DISTINCT, UNION.
static void
key_of_all(struct walk *walk, struct rowset *rows)
{
    struct key *key = rows->is_known ? one_key(walk, rows, rows->count) : NULL;
    if (key != NULL)
        key->is_whole = true;
    for (size_t i = 0; key != NULL && i < rows->count; i++)
        key->numbers[key->count++] = i;
}

// What is grouped by, or made distinct by DISTINCT ON, where the output shows it.
static void
key_of_list(struct walk *walk, struct output *output, size_t count, PgQuery__Node *const *nodes,
            struct scope *scope)
{
    struct rowset *rows = output->rows;
    struct key *key = one_key(walk, rows, count);
    for (size_t i = 0; key != NULL && i < count; i++) {
        size_t position = order_position(nodes[i], scope, rows, output->sources);
        if (position == SIZE_MAX || !order_shows(nodes[i], scope, &rows->columns[position])) {
            rows->key_count = 0;
            return;
        }
        key->numbers[key->count++] = position;
    }
}

// What a query over one item keeps of the item's keys.
static void
keys_through(struct walk *walk, const struct scope *scope, struct rowset *rows)
{
    if (scope->item_count != 1 || scope->returns_sets)
        return;
    const struct item *item = scope->items[0];
    struct key *keys = walk_take(walk, (item->key_count + 1) * sizeof(*keys));
    if (keys == NULL)
        return;
    for (size_t k = 0; k < item->key_count; k++) {
        const struct key *from = &item->keys[k];
        struct key *key = &keys[rows->key_count];
        key->numbers = walk_take(walk, (from->count + 1) * sizeof(*key->numbers));
        if (key->numbers == NULL)
            return;
        key->count = 0;
        key->is_whole = from->is_whole;
        for (size_t i = 0; i < from->count; i++) {
            size_t place = row_key_place(rows, item, from->numbers[i]);
            if (place != SIZE_MAX)
                key->numbers[key->count++] = place;
        }
        if (key->count == from->count)
            rows->key_count++;
    }
    rows->keys = keys;
}

static void
find_keys(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
          struct output *output)
{
    struct rowset *rows = output->rows;
    bool is_single =
        select->n_group_clause == 0 && (scope->has_aggregate || select->having_clause != NULL);
    if (!is_single && select->n_group_clause == 0 && !scope->returns_sets)
        is_single = order_is_total(walk, scope, 0, NULL, 0, NULL);
    if (is_single && !scope->returns_sets) {
        (void)one_key(walk, rows, 0);
    } else if (open_is_distinct_on(select)) {
        key_of_list(walk, output, select->n_distinct_clause, select->distinct_clause, scope);
    } else if (select->n_group_clause > 0) {
        key_of_list(walk, output, select->n_group_clause, select->group_clause, scope);
        if (scope->returns_sets)
            rows->key_count = 0;
    } else {
        keys_through(walk, scope, rows);
    }
    if (select->n_distinct_clause > 0 && rows->key_count == 0)
        key_of_all(walk, rows);
    row_key_find(walk, select, scope, rows);
}

static void
walk_windows(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope)
{
    for (size_t i = 0; i < select->n_window_clause; i++) {
        const PgQuery__Node *node = select->window_clause[i];
        if (node->node_case != PG_QUERY__NODE__NODE_WINDOW_DEF) {
            walk_refuse(walk);
            continue;
        }
        const PgQuery__WindowDef *window = node->window_def;
        walk_sink(walk, expression_walk_list(walk, window->n_partition_clause,
                                             window->partition_clause, scope) |
                            expression_walk_list(walk, window->n_order_clause, window->order_clause,
                                                 scope) |
                            expression_walk(walk, window->start_offset, scope) |
                            expression_walk(walk, window->end_offset, scope));
    }
}

static void
plain_select(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
             struct output *output)
{
    for (size_t i = 0; i < select->n_from_clause; i++)
        from_walk(walk, select->from_clause[i], scope);
    expression_walk_condition(walk, select->where_clause, scope);
    order_equate(walk, select->where_clause, scope, 0, scope->item_count, true);
    for (size_t i = 0; i < select->n_target_list; i++)
        add_target(walk, output, select->target_list[i], scope);
    walk_sink(walk,
              expression_walk_list(walk, select->n_group_clause, select->group_clause, scope));
    expression_walk_condition(walk, select->having_clause, scope);
    walk_windows(walk, select, scope);
    walk_sink(walk, expression_walk_list(walk, select->n_distinct_clause, select->distinct_clause,
                                         scope));
    open_rows(walk, select, scope, output->rows, output->sources);
}

static void
values_select(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
              struct output *output)
{
    static const char *const names[] = {"column1", "column2", "column3", "column4", "column5",
                                        "column6", "column7", "column8", "column9", "column10"};
    for (size_t i = 0; i < select->n_values_lists; i++) {
        const PgQuery__Node *node = select->values_lists[i];
        if (node->node_case != PG_QUERY__NODE__NODE_LIST) {
            walk_refuse(walk);
            return;
        }
        for (size_t k = 0; k < node->list->n_items; k++) {
            unsigned value = expression_walk(walk, node->list->items[k], scope);
            if (i == 0)
                add(walk, output,
                    (struct column){.name = k < sizeof(names) / sizeof(names[0]) ? names[k] : NULL,
                                    .table = -1,
                                    .value = value},
                    NULL);
            else if (k < output->rows->count)
                output->rows->columns[k].value |= value;
        }
    }
    if (select->n_values_lists == 1)
        (void)one_key(walk, output->rows, 0);
}

static void
set_operation(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
              struct output *output)
{
    struct rowset left, right;
    if (select->larg == NULL || select->rarg == NULL) {
        walk_refuse(walk);
        return;
    }
    (void)select_walk(walk, select->larg, scope, false, &left);
    (void)select_walk(walk, select->rarg, scope, false, &right);
    output->rows->is_known = left.is_known && right.is_known;
    for (size_t i = 0; i < left.count; i++) {
        struct column column = left.columns[i];
        column.item = NULL;
        column.reference = 0; // either query's
        output->is_shifted = output->is_shifted || i >= left.sure_count;
        if (i < right.count) {
            const struct column *other = &right.columns[i];
            column.value |= other->value;
            column.is_computed = column.is_computed || other->is_computed;
            if (column.table != other->table)
                column.table = -1;
            if (column.table < 0 || column.origin == NULL || other->origin == NULL ||
                strcmp(column.origin, other->origin) != 0)
                column.origin = NULL;
        }
        add(walk, output, column, NULL);
    }
    walk->is_open = walk->is_open || left.has_open_rows || right.has_open_rows;
    bool is_union = select->op == PG_QUERY__SET_OPERATION__SETOP_UNION;
    if (!select->all || !is_union) // values decide which rows there are
        walk_sink(walk, open_of_rows(output->rows));
    if (!select->all)
        key_of_all(walk, output->rows);
}

// What ORDER BY names is an output column or an expression over FROM.
static unsigned
walk_order(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
           const struct output *output)
{
    unsigned sorted = 0;
    for (size_t i = 0; i < select->n_sort_clause; i++)
        if (scope->item_count > 0 || order_position(select->sort_clause[i], scope, output->rows,
                                                    output->sources) == SIZE_MAX)
            sorted |= expression_walk(walk, select->sort_clause[i], scope);
    walk_sink(walk, sorted & ~(unsigned)VALUE_ANY_OPEN);
    return sorted;
}

static void
walk_parts(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
           struct output *output)
{
    struct rowset *rows = output->rows;
    if (select->with_clause != NULL)
        walk_with(walk, select->with_clause, scope);
    bool is_set = select->op > PG_QUERY__SET_OPERATION__SETOP_NONE;
    bool is_plain = !is_set && select->n_values_lists == 0;
    if (is_plain) {
        scope->select = select;
        plain_select(walk, select, scope, output);
    } else if (!is_set) {
        values_select(walk, select, scope, output);
    } else {
        set_operation(walk, select, scope, output);
    }
    unsigned sorted = walk_order(walk, select, scope, output);
    expression_walk_condition(walk, select->limit_count, scope);
    expression_walk_condition(walk, select->limit_offset, scope);
    if (is_plain)
        find_keys(walk, select, scope, output);
    order_find(walk, select, scope, rows, output->sources);
    open_order(walk, select, rows, sorted);
    open_distinct_on(walk, select, scope, rows, output->sources);
}

bool
select_walk(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *outer,
            bool is_outermost, struct rowset *rows)
{
    memset(rows, 0, sizeof(*rows));
    rows->is_known = true;
    if (!walk_step(walk)) {
        rows->is_known = false;
        return false;
    }
    struct scope scope = {.parent = outer, .ctes = outer == NULL ? NULL : outer->ctes};
    struct output output = {.rows = rows};
    struct sources *sources = walk->sources;
    bool is_open = walk->is_open;
    walk->sources = NULL;
    walk->is_open = false;
    if (select->n_locking_clause > 0) {
        walk->is_locking = true;
        walk->is_harmful = true;
    }
    if (select->into_clause != NULL)
        walk_refuse(walk);
    walk_parts(walk, select, &scope, &output);
    if (!is_outermost)
        open_limit(walk, rows);
    rows->has_open_rows = walk->is_open;
    walk->is_open = is_open;
    walk->sources = sources;
    return !walk->no_memory;
}
