// Expressions, and everything else in a tree that is not a query of its own. One table says of every
// node whether it is harmless by itself (its children are looked at), has a rule, or is refused.
//
// Left-deep chains of operators, the only thing that is deep in practice, are walked in a loop.
#include "compare/sql/walk.h"

#include <string.h>
#include <strings.h>

typedef unsigned handler(struct walk *walk, const void *message, struct scope *scope);

// The message that a Node holds: the union of the oneof has one pointer in all its members.
static const void *
held(const PgQuery__Node *node)
{
    return node->alias;
}

const char *
expression_string(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval
                                                                          : NULL;
}

// Datetime input takes these words for the clock; other types take them as they are. Which of them it
// is can't be told here, so they count as a clock.
static unsigned
constant(struct walk *walk, const void *message, struct scope *scope)
{
    (void)walk;
    (void)scope;
    static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
    const PgQuery__AConst *value = message;
    if (value->isnull || value->val_case != PG_QUERY__A__CONST__VAL_SVAL)
        return 0;
    const char *string = value->sval->sval;
    if (strlen(string) > 30)
        return 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasestr(string, words[i]) != NULL)
            return VALUE_CLOCK;
    return 0;
}

static unsigned
leaf(struct walk *walk, const void *message, struct scope *scope)
{
    (void)walk;
    (void)message;
    (void)scope;
    return 0;
}

static unsigned
column_reference(struct walk *walk, const void *message, struct scope *scope)
{
    return name_walk(walk, message, scope);
}

static unsigned
function_call(struct walk *walk, const void *message, struct scope *scope)
{
    return call_walk(walk, message, scope);
}

static void
prove_operators_of(struct walk *walk, const PgQuery__AExpr *expression)
{
    static const char *const between[] = {">=", "<=", "<", ">"};
    switch (expression->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
        for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++)
            prove_operator_named(walk, NULL, between[i]);
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
        prove_operator(walk, expression->n_name, expression->name);
        break;
    default:
        walk_refuse(walk);
    }
}

// A comparison of a clock or of OIDs shows neither: both sides answer alike but at the very moment.
static bool
is_comparison(const PgQuery__AExpr *expression)
{
    static const char *const names[] = {"=", "<>", "!=", "<", ">", "<=", ">=", "~~", "!~~"};
    if (expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF)
        return false;
    if (expression->kind >= PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT)
        return true;
    const char *name = expression->n_name == 0
                           ? NULL
                           : expression_string(expression->name[expression->n_name - 1]);
    for (size_t i = 0; name != NULL && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static unsigned
operators(struct walk *walk, const PgQuery__Node *node, struct scope *scope)
{
    unsigned value = 0, mask = ~0u;
    while (node != NULL && node->node_case == PG_QUERY__NODE__NODE_A_EXPR) {
        const PgQuery__AExpr *expression = node->a_expr;
        if (!walk_step(walk))
            return value;
        prove_operators_of(walk, expression);
        if (is_comparison(expression))
            mask &= ~(unsigned)(VALUE_CLOCK | VALUE_SYSTEM);
        value |= expression_walk(walk, expression->rexpr, scope) & mask;
        node = expression->lexpr;
    }
    return value | (expression_walk(walk, node, scope) & mask);
}

static unsigned
operator_chain(struct walk *walk, const PgQuery__Node *node, struct scope *scope)
{
    return open_blur(operators(walk, node, scope));
}

static unsigned
type_cast(struct walk *walk, const void *message, struct scope *scope)
{
    const PgQuery__TypeCast *cast = message;
    unsigned value = cast->type_name == NULL ? 0 : prove_type_name(walk, cast->type_name);
    value |= open_blur(expression_walk(walk, cast->arg, scope)) & ~(unsigned)VALUE_FLOAT;
    size_t count = cast->type_name == NULL ? 0 : cast->type_name->n_names;
    const char *name = count == 0 ? NULL : expression_string(cast->type_name->names[count - 1]);
    bool is_float = name != NULL && (strcmp(name, "float4") == 0 || strcmp(name, "float8") == 0);
    return value | (is_float ? VALUE_FLOAT : 0u);
}

static unsigned
case_expression(struct walk *walk, const void *message, struct scope *scope)
{
    const PgQuery__CaseExpr *expression = message;
    unsigned value = 0, conditions = expression_walk(walk, expression->arg, scope);
    if (expression->arg != NULL)
        prove_operator_named(walk, NULL, "=");
    for (size_t i = 0; i < expression->n_args; i++) {
        const PgQuery__Node *node = expression->args[i];
        if (node->node_case != PG_QUERY__NODE__NODE_CASE_WHEN) {
            walk_refuse(walk);
            continue;
        }
        conditions |= expression_walk(walk, node->case_when->expr, scope);
        value |= expression_walk(walk, node->case_when->result, scope);
    }
    value |= expression_walk(walk, expression->defresult, scope);
    return value | (open_blur(conditions) & ~(unsigned)(VALUE_CLOCK | VALUE_SYSTEM));
}

static unsigned
union_of(const struct rowset *rows)
{
    unsigned value = 0;
    for (size_t i = 0; i < rows->count; i++)
        value |= rows->columns[i].value;
    return value;
}

static unsigned
sub_link(struct walk *walk, const void *message, struct scope *scope)
{
    const PgQuery__SubLink *link = message;
    unsigned test = expression_walk(walk, link->testexpr, scope);
    if (link->n_oper_name > 0)
        prove_operator(walk, link->n_oper_name, link->oper_name);
    else if (link->testexpr != NULL)
        prove_operator_named(walk, NULL, "=");
    struct rowset rows;
    if (link->subselect == NULL || link->subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        walk_refuse(walk);
        return 0;
    }
    (void)select_walk(walk, link->subselect->select_stmt, scope, false, &rows);
    bool is_exists = link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK;
    walk_source(walk, is_exists || rows.count == 0 ? NULL : &rows.columns[0]);
    unsigned open = rows.has_open_rows ? VALUE_OPEN : 0u;
    unsigned value = union_of(&rows) | open;
    switch (link->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK:
        walk_sink(walk, value & VALUE_VOLATILE);
        return open;
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK:
        value = value & VALUE_PIECES ? open_blur(value) : value;
        if (rows.is_total)
            return value;
        walk->open_because = "an array of rows without a total order";
        return value | VALUE_SHUFFLED;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
        return value;
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ROWCOMPARE_SUBLINK:
        return open_blur(value | test) & ~(unsigned)(VALUE_CLOCK | VALUE_SYSTEM);
    default:
        walk_refuse(walk);
        return value;
    }
}

static unsigned
value_function(struct walk *walk, const void *message, struct scope *scope)
{
    (void)walk;
    (void)scope;
    const PgQuery__SQLValueFunction *function = message;
    return function->op >= PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE &&
                   function->op <= PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N
               ? VALUE_CLOCK
               : VALUE_RANDOM;
}

// (x).name: a field, or a call of a function of that name. Where there is such a function, it counts.
static unsigned
indirection(struct walk *walk, const void *message, struct scope *scope)
{
    const PgQuery__AIndirection *expression = message;
    unsigned value = open_blur(expression_walk(walk, expression->arg, scope));
    for (size_t i = 0; i < expression->n_indirection; i++) {
        const char *name = expression_string(expression->indirection[i]);
        const struct catalog_function *first;
        if (name == NULL)
            value |= expression_walk(walk, expression->indirection[i], scope);
        else if (catalog_functions_named(walk->catalog, name, &first) > 0)
            value |= prove_function(walk, NULL, name, 1, &(bool){false});
    }
    return value;
}

static unsigned
sort_by(struct walk *walk, const void *message, struct scope *scope)
{
    const PgQuery__SortBy *sort = message;
    if (sort->n_use_op > 0)
        prove_operator(walk, sort->n_use_op, sort->use_op);
    return expression_walk(walk, sort->node, scope);
}

static unsigned
column_definition(struct walk *walk, const void *message, struct scope *scope)
{
    (void)scope;
    const PgQuery__ColumnDef *column = message; // in FROM f() AS (name type): a name and a type
    if (column->raw_default != NULL || column->cooked_default != NULL || column->n_constraints > 0)
        walk_refuse(walk);
    return column->type_name == NULL ? 0 : prove_type_name(walk, column->type_name);
}

static unsigned
children(struct walk *walk, const void *message, struct scope *scope)
{
    return open_blur(expression_walk_children(walk, message, scope));
}

// One of the children's values, as it is.
static unsigned
choice(struct walk *walk, const void *message, struct scope *scope)
{
    return expression_walk_children(walk, message, scope);
}

#define NODE(name) [PG_QUERY__NODE__NODE_##name]

// The allow-list. What is not here is refused.
static handler *const handlers[] = {
    NODE(A_CONST) = constant,
    NODE(PARAM_REF) = leaf,
    NODE(STRING) = leaf,
    NODE(INTEGER) = leaf,
    NODE(FLOAT) = leaf,
    NODE(BOOLEAN) = leaf,
    NODE(BIT_STRING) = leaf,
    NODE(A_STAR) = leaf,
    NODE(COLUMN_REF) = column_reference,
    NODE(FUNC_CALL) = function_call,
    NODE(TYPE_CAST) = type_cast,
    NODE(CASE_EXPR) = case_expression,
    NODE(SUB_LINK) = sub_link,
    NODE(SQLVALUE_FUNCTION) = value_function,
    NODE(A_INDIRECTION) = indirection,
    NODE(SORT_BY) = sort_by,
    NODE(COLUMN_DEF) = column_definition,
    NODE(BOOL_EXPR) = children,
    NODE(NULL_TEST) = children,
    NODE(BOOLEAN_TEST) = children,
    NODE(COALESCE_EXPR) = choice,
    NODE(MIN_MAX_EXPR) = children,
    NODE(A_ARRAY_EXPR) = children,
    NODE(A_INDICES) = children,
    NODE(ROW_EXPR) = children,
    NODE(NAMED_ARG_EXPR) = children,
    NODE(COLLATE_CLAUSE) = children,
    NODE(LIST) = choice,
    NODE(XML_EXPR) = children,
    NODE(XML_SERIALIZE) = children,
    NODE(RES_TARGET) = children, // an attribute in xmlelement
    NODE(GROUPING_FUNC) = children,
    NODE(GROUPING_SET) = children,
    NODE(RANGE_TABLE_FUNC_COL) = children,
};

unsigned
expression_walk(struct walk *walk, const PgQuery__Node *node, struct scope *scope)
{
    // A node that holds nothing is PostgreSQL's NULL in a list, as DISTINCT without ON has it.
    if (node == NULL || node->node_case == PG_QUERY__NODE__NODE__NOT_SET || !walk_step(walk))
        return 0;
    if (node->node_case == PG_QUERY__NODE__NODE_A_EXPR)
        return operator_chain(walk, node, scope);
    size_t number = (size_t)node->node_case;
    if (number < sizeof(handlers) / sizeof(handlers[0]) && handlers[number] != NULL)
        return handlers[number](walk, held(node), scope);
    walk_refuse(walk);
    return 0;
}

unsigned
expression_walk_list(struct walk *walk, size_t count, PgQuery__Node *const *nodes,
                     struct scope *scope)
{
    unsigned value = 0;
    for (size_t i = 0; i < count; i++)
        value |= expression_walk(walk, nodes[i], scope);
    return value;
}

static unsigned
child(struct walk *walk, const ProtobufCMessage *message, struct scope *scope)
{
    if (message == NULL)
        return 0;
    if (message->descriptor == &pg_query__node__descriptor)
        return expression_walk(walk, (const PgQuery__Node *)message, scope);
    if (message->descriptor == &pg_query__type_name__descriptor)
        return prove_type_name(walk, (const PgQuery__TypeName *)message);
    walk_refuse(walk);
    return 0;
}

// Every message within a message, by its descriptor, so that no field is forgotten.
unsigned
expression_walk_children(struct walk *walk, const ProtobufCMessage *message, struct scope *scope)
{
    unsigned value = 0;
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *at = (const char *)message + field->offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            value |= child(walk, *(const ProtobufCMessage *const *)(const void *)at, scope);
            continue;
        }
        size_t count =
            *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
        const ProtobufCMessage *const *list =
            *(const ProtobufCMessage *const *const *)(const void *)at;
        for (size_t k = 0; k < count; k++)
            value |= child(walk, list[k], scope);
    }
    return value;
}

void
expression_walk_condition(struct walk *walk, const PgQuery__Node *node, struct scope *scope)
{
    struct sources *sources = walk->sources;
    walk->sources = NULL; // it decides which rows there are, not what the value is made of
    walk_sink(walk, expression_walk(walk, node, scope));
    walk->sources = sources;
}
