// Which order a result has, and whether it is total: whether the sort keys, with what WHERE and joins
// equate, reach a unique key of every item of FROM. Columns that are known make others known (x = y),
// a unique key that is known makes its whole row known; this goes on until nothing new is known.
#include "compare/sql/walk.h"

#include <string.h>

static const PgQuery__Node *
sort_expression(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_SORT_BY ? node->sort_by->node
                                                                           : node;
}

static bool
position_constant(const PgQuery__Node *node, size_t *position)
{
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_A_CONST || node->a_const->isnull ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL || node->a_const->ival->ival < 1)
        return false;
    *position = (size_t)node->a_const->ival->ival - 1;
    return true;
}

static const char *
simple_name(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
                   node->column_ref->n_fields == 1
               ? expression_string(node->column_ref->fields[0])
               : NULL;
}

// A position or an output name stands for the expression of that target.
static const PgQuery__Node *
target_of(const PgQuery__Node *node, const struct scope *scope)
{
    const PgQuery__SelectStmt *select = scope->select;
    size_t position;
    const char *name = simple_name(node);
    if (select == NULL)
        return node;
    for (size_t i = 0; i < select->n_target_list; i++) {
        const PgQuery__Node *target = select->target_list[i];
        if (target->node_case != PG_QUERY__NODE__NODE_RES_TARGET)
            return node;
        if (name != NULL && strcmp(target->res_target->name, name) == 0)
            return target->res_target->val;
    }
    if (position_constant(node, &position) && position < select->n_target_list) {
        for (size_t i = 0; i <= position; i++) { // a star before would shift it
            const PgQuery__Node *value = select->target_list[i]->res_target->val;
            if (value == NULL ||
                (value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
                 value->column_ref->fields[value->column_ref->n_fields - 1]->node_case ==
                     PG_QUERY__NODE__NODE_A_STAR))
                return node;
        }
        return select->target_list[position]->res_target->val;
    }
    return node;
}

static struct column *
canonical(struct column *column)
{
    return column == NULL || column->item == NULL ? column : &column->item->columns[column->number];
}

static struct column *
own_column(const PgQuery__Node *node, struct scope *scope)
{
    bool is_outer;
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_COLUMN_REF)
        return NULL;
    struct column *column = name_column(node->column_ref, scope, &is_outer);
    return is_outer ? NULL : canonical(column);
}

static bool same_message(const ProtobufCMessage *left, const ProtobufCMessage *right);

static void
note_literal(void *has_literal, const ProtobufCMessage *message)
{
    if (message->descriptor == &pg_query__a__const__descriptor)
        *(bool *)has_literal = true;
}

static bool
has_literal(const ProtobufCMessage *message)
{
    bool has = false;
    parse_each(message, note_literal, &has);
    return has;
}

static bool
same_value(const ProtobufCFieldDescriptor *field, const void *left, const void *right)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return same_message(*(ProtobufCMessage *const *)left, *(ProtobufCMessage *const *)right);
    case PROTOBUF_C_TYPE_STRING:
        return strcmp(*(char *const *)left, *(char *const *)right) == 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return *(const uint64_t *)left == *(const uint64_t *)right;
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)left == *(const protobuf_c_boolean *)right;
    default: // 32 bits: integers and enums
        return *(const uint32_t *)left == *(const uint32_t *)right;
    }
}

static bool
same_field(const ProtobufCFieldDescriptor *field, const char *left, const char *right)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t one = *(const uint32_t *)(const void *)(left + field->quantifier_offset);
        uint32_t other = *(const uint32_t *)(const void *)(right + field->quantifier_offset);
        return one == other &&
               (one != field->id || same_value(field, left + field->offset, right + field->offset));
    }
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return same_value(field, left + field->offset, right + field->offset);
    size_t count = *(const size_t *)(const void *)(left + field->quantifier_offset);
    if (count != *(const size_t *)(const void *)(right + field->quantifier_offset))
        return false;
    if (count > 0 && field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false; // no expression has such a list
    for (size_t i = 0; i < count; i++) {
        ProtobufCMessage *const *one =
            *(ProtobufCMessage *const *const *)(const void *)(left + field->offset);
        ProtobufCMessage *const *other =
            *(ProtobufCMessage *const *const *)(const void *)(right + field->offset);
        if (!same_message(one[i], other[i]))
            return false;
    }
    return true;
}

// Equal but for where they stand in the text.
static bool
same_message(const ProtobufCMessage *left, const ProtobufCMessage *right)
{
    if (left == NULL || right == NULL || left->descriptor != right->descriptor)
        return left == right;
    for (unsigned i = 0; i < left->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &left->descriptor->fields[i];
        if (strcmp(field->name, "location") != 0 &&
            !same_field(field, (const char *)left, (const char *)right))
            return false;
    }
    return true;
}

bool
order_same(const PgQuery__Node *left, const PgQuery__Node *right, struct scope *scope)
{
    left = sort_expression(left);
    right = sort_expression(right);
    if (left == NULL || right == NULL)
        return false;
    const struct column *one = own_column(left, scope), *other = own_column(right, scope);
    if (one != NULL || other != NULL)
        return one == other;
    return same_message(&left->base, &right->base);
}

size_t
order_position(const PgQuery__Node *node, struct scope *scope, const struct rowset *rows,
               PgQuery__Node *const *sources)
{
    node = sort_expression(node);
    size_t position;
    if (position_constant(node, &position))
        return position < rows->sure_count ? position : SIZE_MAX;
    const char *name = simple_name(node);
    for (size_t i = 0; i < rows->sure_count && name != NULL; i++)
        if (rows->columns[i].name != NULL && strcmp(rows->columns[i].name, name) == 0)
            return i;
    const struct column *column = own_column(node, scope);
    // A shape's key leaves the output list's literals out, so that these may be others in its next
    // statement, where grouping does not make them those of GROUP BY.
    bool is_fixed = scope->select != NULL &&
                    (scope->select->n_group_clause > 0 || scope->select->n_distinct_clause > 0);
    if (column == NULL && !is_fixed && node != NULL && has_literal(&node->base))
        return SIZE_MAX;
    for (size_t i = 0; i < rows->sure_count; i++) {
        const struct column *shown = &rows->columns[i];
        if (column != NULL && shown->item == column->item && shown->item != NULL &&
            shown->number == column->number &&
            (sources[i] == NULL || own_column(sources[i], scope) != NULL))
            return i;
        if (column == NULL && sources[i] != NULL && order_same(node, sources[i], scope))
            return i;
    }
    return SIZE_MAX;
}

bool
order_shows(const PgQuery__Node *node, struct scope *scope, const struct column *shown)
{
    const struct column *column = own_column(node, scope);
    return column == NULL || (column->item == shown->item && column->number == shown->number);
}

static bool
is_constant(const PgQuery__Node *node, struct scope *scope)
{
    bool is_outer;
    while (node != NULL && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST)
        node = node->type_cast->arg;
    if (node == NULL)
        return false;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
    case PG_QUERY__NODE__NODE_PARAM_REF:
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        return true;
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return name_column(node->column_ref, scope, &is_outer) != NULL && is_outer;
    default:
        return false;
    }
}

static bool
is_within(const struct column *column, const struct scope *scope, size_t first, size_t end)
{
    for (size_t i = first; i < end && i < scope->item_count; i++)
        if (scope->items[i] == column->item)
            return true;
    return false;
}

static void
equate(struct walk *walk, const PgQuery__AExpr *expression, struct scope *scope, size_t nullable,
       size_t end, bool is_inner)
{
    const char *name = expression->n_name == 1 ? expression_string(expression->name[0]) : NULL;
    if (expression->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || name == NULL ||
        strcmp(name, "=") != 0)
        return;
    const PgQuery__Node *sides[] = {expression->lexpr, expression->rexpr};
    for (size_t i = 0; i < 2; i++) {
        struct column *to = own_column(sides[i], scope), *from = own_column(sides[1 - i], scope);
        if (to == NULL || (!is_inner && !is_within(to, scope, nullable, end)))
            continue;
        if (from == NULL && is_constant(sides[1 - i], scope))
            scope_equate(walk, scope, NULL, to);
        else if (from != NULL && (is_inner || !is_within(from, scope, nullable, end)))
            scope_equate(walk, scope, from, to);
    }
}

void
order_equate(struct walk *walk, const PgQuery__Node *condition, struct scope *scope,
             size_t nullable, size_t end, bool is_inner)
{
    if (condition == NULL)
        return;
    if (condition->node_case == PG_QUERY__NODE__NODE_A_EXPR) {
        equate(walk, condition->a_expr, scope, nullable, end, is_inner);
    } else if (condition->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
               condition->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        for (size_t i = 0; i < condition->bool_expr->n_args; i++)
            order_equate(walk, condition->bool_expr->args[i], scope, nullable, end, is_inner);
    }
}

static bool
is_item_known(struct item *item)
{
    bool is_whole = item->is_known && item->column_count > 0;
    for (size_t c = 0; c < item->column_count; c++)
        is_whole = is_whole && item->columns[c].is_determined;
    if (is_whole)
        return true;
    for (size_t k = 0; k < item->key_count; k++) {
        size_t c = 0;
        while (c < item->keys[k].count && item->columns[item->keys[k].numbers[c]].is_determined)
            c++;
        if (c == item->keys[k].count)
            return true;
    }
    return false;
}

// ORDER BY means an output name before a column; GROUP BY and OVER mean the column.
static void
mark(struct scope *scope, size_t count, PgQuery__Node *const *nodes)
{
    bool is_order_by = scope->select != NULL && nodes == scope->select->sort_clause;
    for (size_t i = 0; i < count; i++) {
        const PgQuery__Node *node = sort_expression(nodes[i]);
        struct column *column = is_order_by ? NULL : own_column(node, scope);
        if (column == NULL)
            column = own_column(target_of(node, scope), scope);
        if (column != NULL)
            column->is_determined = true;
    }
}

static void
unmark(struct scope *scope)
{
    for (size_t i = 0; i < scope->item_count; i++)
        for (size_t c = 0; c < scope->items[i]->column_count; c++)
            scope->items[i]->columns[c].is_determined = false;
}

// What is marked makes more known, until nothing new is. Is a row of every item known?
static bool
spread(struct walk *walk, struct scope *scope)
{
    for (bool is_moving = true; is_moving && walk_step(walk);) {
        is_moving = false;
        for (size_t i = 0; i < scope->equality_count; i++) {
            const struct equality *equality = &scope->equalities[i];
            if (!equality->to->is_determined &&
                (equality->from == NULL || equality->from->is_determined))
                equality->to->is_determined = is_moving = true;
        }
        for (size_t i = 0; i < scope->item_count; i++) {
            struct item *item = scope->items[i];
            if (item->is_group || !is_item_known(item))
                continue;
            for (size_t c = 0; c < item->column_count; c++)
                if (!item->columns[c].is_determined)
                    item->columns[c].is_determined = is_moving = true;
        }
    }
    for (size_t i = 0; i < scope->item_count; i++)
        if (!scope->items[i]->is_group && !is_item_known(scope->items[i]))
            return false;
    return true;
}

bool
order_is_total(struct walk *walk, struct scope *scope, size_t count, PgQuery__Node *const *nodes,
               size_t more, PgQuery__Node *const *more_nodes)
{
    unmark(scope);
    mark(scope, count, nodes);
    mark(scope, more, more_nodes);
    return spread(walk, scope);
}

bool
order_key_is_total(struct walk *walk, struct scope *scope, struct item *item, const struct key *key)
{
    unmark(scope);
    for (size_t i = 0; i < key->count; i++)
        item->columns[key->numbers[i]].is_determined = true;
    return spread(walk, scope);
}

// Rows of a grouped query are told apart by the GROUP BY expressions.
static bool
groups_are_total(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope)
{
    (void)order_is_total(walk, scope, select->n_sort_clause, select->sort_clause, 0, NULL);
    for (size_t i = 0; i < select->n_group_clause; i++) {
        const PgQuery__Node *group = select->group_clause[i];
        const struct column *column = own_column(group, scope);
        if (column == NULL) {
            group = target_of(group, scope);
            column = own_column(group, scope);
        }
        bool is_known = column != NULL && column->is_determined;
        for (size_t k = 0; k < select->n_sort_clause && !is_known; k++)
            is_known =
                order_same(group, target_of(sort_expression(select->sort_clause[k]), scope), scope);
        if (!is_known)
            return false;
    }
    return true;
}

static bool
covers_output(const struct rowset *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        bool is_key = false;
        for (size_t k = 0; k < rows->sort_key_count && !is_key; k++)
            is_key = rows->sort_keys[k] == i;
        if (!is_key)
            return false;
    }
    return rows->is_known && rows->order == ORDER_VISIBLE;
}

// A unique key of the output among the sort keys.
static bool
covers_key(const struct rowset *rows)
{
    for (size_t k = 0; k < rows->key_count; k++) {
        size_t found = 0;
        for (size_t i = 0; i < rows->keys[k].count; i++)
            for (size_t s = 0; s < rows->sort_key_count; s++)
                if (rows->sort_keys[s] == rows->keys[k].numbers[i]) {
                    found++;
                    break;
                }
        if (found == rows->keys[k].count)
            return true;
    }
    return false;
}

static bool
is_no_limit(const PgQuery__Node *node) // LIMIT ALL, LIMIT NULL
{
    return node == NULL ||
           (node->node_case == PG_QUERY__NODE__NODE_A_CONST && node->a_const->isnull);
}

static uint64_t
number_of(const PgQuery__Node *node)
{
    bool is_number =
        node != NULL && node->node_case == PG_QUERY__NODE__NODE_A_CONST && !node->a_const->isnull &&
        node->a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL && node->a_const->ival->ival >= 0;
    return is_number ? (uint64_t)node->a_const->ival->ival : UINT64_MAX;
}

// The numbers hold for every statement of this shape: its key keeps them.
static void
find_limit(const PgQuery__SelectStmt *select, struct rowset *rows)
{
    bool has_limit = !is_no_limit(select->limit_count);
    rows->cuts_start = !is_no_limit(select->limit_offset) && number_of(select->limit_offset) != 0;
    rows->cuts_end =
        has_limit && select->limit_option != PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES;
    rows->is_limited = has_limit || rows->cuts_start;
    rows->limit = has_limit ? number_of(select->limit_count) : UINT64_MAX;
}

void
order_find(struct walk *walk, const PgQuery__SelectStmt *select, struct scope *scope,
           struct rowset *rows, PgQuery__Node *const *sources)
{
    size_t shown = SIZE_MAX; // keys before the first that can't be seen
    find_limit(select, rows);
    if (select->n_sort_clause > 0) {
        rows->order = ORDER_VISIBLE;
        rows->sort_keys = walk_take(walk, select->n_sort_clause * sizeof(*rows->sort_keys));
        for (size_t i = 0; rows->sort_keys != NULL && i < select->n_sort_clause; i++) {
            size_t position = order_position(select->sort_clause[i], scope, rows, sources);
            if (position > UINT16_MAX) {
                rows->order = ORDER_HIDDEN;
                shown = shown < rows->sort_key_count ? shown : rows->sort_key_count;
                continue;
            }
            rows->sort_keys[rows->sort_key_count++] = (uint16_t)position;
        }
    }
    bool is_rows = scope->select != NULL; // not VALUES, not a set operation
    if (is_rows && select->n_group_clause > 0)
        rows->is_total = !scope->returns_sets && groups_are_total(walk, select, scope);
    else if (is_rows && !scope->returns_sets)
        rows->is_total =
            order_is_total(walk, scope, select->n_sort_clause, select->sort_clause, 0, NULL);
    rows->is_total = rows->is_total || covers_key(rows) || covers_output(rows);
    if (rows->sort_key_count > shown)
        rows->sort_key_count = shown;
}
