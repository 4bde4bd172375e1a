// One table says of every kind of statement that is not refused outright how it is looked at. What is
// in no table is DDL: it writes, and the catalogs are read again after it.
#include "compare/sql/statement.h"

#include "compare/sql/effect.h"
#include <string.h>
#include <strings.h>

enum { CURSOR_HOLD = 0x20 }; // CURSOR_OPT_HOLD, nodes/parsenodes.h

typedef void looker(struct walk *walk, const PgQuery__Node *node, struct statement *statement);

static void
look_at_select(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    const PgQuery__SelectStmt *select = node->select_stmt;
    statement->is_read = true;
    statement->is_query = true;
    if (select->into_clause != NULL) {
        const PgQuery__RangeVar *into = select->into_clause->rel;
        statement->has_effects = into != NULL && into->relpersistence[0] == 't';
        statement->changes_catalog = !statement->has_effects;
    }
    (void)select_walk(walk, select, NULL, true, &statement->rows);
}

static void
look_at_show(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    (void)walk;
    (void)node;
    statement->is_read = true;
    statement->is_setting = true;
}

static bool
is_analyze(const PgQuery__ExplainStmt *explain)
{
    for (size_t i = 0; i < explain->n_options; i++) {
        const PgQuery__Node *node = explain->options[i];
        if (node->node_case == PG_QUERY__NODE__NODE_DEF_ELEM &&
            strcasecmp(node->def_elem->defname, "analyze") == 0)
            return true; // ANALYZE FALSE is rare: it counts as the other
    }
    return false;
}

// EXECUTE's, which it evaluates itself.
static unsigned
look_at_arguments(struct walk *walk, const PgQuery__ExecuteStmt *execute)
{
    struct scope scope = {0};
    unsigned value = expression_walk_list(walk, execute->n_params, execute->params, &scope);
    walk_sink(walk, value);
    return value;
}

static void
note_call(void *context, const ProtobufCMessage *message)
{
    struct walk *walk = context;
    const char *name = message->descriptor == &pg_query__func_call__descriptor
                           ? parse_called((const PgQuery__FuncCall *)message)
                           : NULL;
    const struct catalog_function *functions;
    size_t count = name == NULL ? 0 : catalog_functions_named(walk->catalog, name, &functions);
    if (name != NULL && strcmp(name, "set_config") == 0)
        walk->keeps = walk->sets_config = true;
    for (size_t i = 0; i < count; i++) {
        if (functions[i].kind == 'p')
            prove_leaves(walk, &functions[i]);
        else
            (void)prove_function_row(walk, &functions[i]);
    }
}

// Functions that are called anywhere in it.
static void
look_at_calls(struct walk *walk, const PgQuery__Node *node)
{
    parse_each(&node->base, note_call, walk);
}

// What a write or a procedure does is not looked at, but for what it may leave in the session.
static void
look_at_write(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    (void)statement;
    look_at_calls(walk, node);
    walk_refuse(walk);
}

static void
look_at_explain(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    const PgQuery__ExplainStmt *explain = node->explain_stmt;
    const PgQuery__Node *query = explain->query;
    statement->is_read = true;
    statement->is_instance = true;
    if (query == NULL) {
        walk_refuse(walk);
        return;
    }
    switch (query->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT: {
        struct rowset rows;
        (void)select_walk(walk, query->select_stmt, NULL, true, &rows);
        break;
    }
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
        if (is_analyze(explain)) // a plan alone writes nothing
            look_at_write(walk, query, statement);
        break;
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        look_at_arguments(walk, query->execute_stmt);
        if (is_analyze(explain)) // what was prepared is not looked at
            walk_refuse(walk);
        break;
    default:
        look_at_write(walk, query, statement);
    }
}

static void
look_at_session(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    (void)walk;
    (void)node;
    statement->has_effects = true;
    statement->is_session = true;
}

static void
look_at_transaction(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    look_at_session(walk, node, statement);
    if (node->transaction_stmt->kind >= PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE)
        walk_refuse(walk); // two-phase commit
}

static void
look_at_execute(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    look_at_session(walk, node, statement);
    // Two sides would evaluate these to two values.
    statement->is_instance =
        (look_at_arguments(walk, node->execute_stmt) & (VALUE_CLOCK | VALUE_RANDOM)) != 0;
}

// FETCH, MOVE, CLOSE, LISTEN: harmless; what a cursor's query does was asked at its DECLARE.
static void
look_at_harmless(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    (void)walk;
    (void)node;
    statement->is_session = true;
}

static void
look_at_cursor(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    const PgQuery__DeclareCursorStmt *cursor = node->declare_cursor_stmt;
    struct rowset rows;
    statement->is_session = true;
    statement->has_effects = (cursor->options & CURSOR_HOLD) != 0;
    if (cursor->query != NULL && cursor->query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
        (void)select_walk(walk, cursor->query->select_stmt, NULL, true, &rows);
    else
        walk_refuse(walk);
}

static void
look_at_copy(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    (void)statement;
    const PgQuery__CopyStmt *copy = node->copy_stmt;
    struct scope scope = {0};
    struct rowset rows;
    if (copy->is_from || copy->is_program || copy->filename[0] != '\0')
        walk_refuse(walk);
    else if (copy->query != NULL && copy->query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
        (void)select_walk(walk, copy->query->select_stmt, NULL, true, &rows);
    else if (copy->relation != NULL)
        (void)relation_item(walk, copy->relation, &scope);
    else
        walk_refuse(walk);
}

static void
look_at_do(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    (void)node;
    statement->has_effects = true;     // it may set what it likes
    statement->changes_catalog = true; // DDL hides there often
    walk_refuse(walk);
}

static bool
is_temporary_type(size_t count, PgQuery__Node *const *names)
{
    const char *schema = count > 1 ? expression_string(names[0]) : NULL;
    return schema != NULL && effect_is_temporary_schema(schema);
}

// DDL. Of a temporary object it touches only this session's names; of what may be one, the session knows.
static void
look_at_ddl(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    const PgQuery__RangeVar *relation = NULL;
    bool is_type = false;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        relation = node->create_stmt->relation;
        break;
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        relation = node->view_stmt->view;
        break;
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
        relation = node->create_seq_stmt->sequence;
        break;
    case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
        relation = node->composite_type_stmt->typevar;
        break;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        relation =
            node->create_table_as_stmt->into != NULL ? node->create_table_as_stmt->into->rel : NULL;
        look_at_calls(walk, node);
        break;
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        is_type = is_temporary_type(node->create_domain_stmt->n_domainname,
                                    node->create_domain_stmt->domainname);
        break;
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        is_type = is_temporary_type(node->create_enum_stmt->n_type_name,
                                    node->create_enum_stmt->type_name);
        break;
    case PG_QUERY__NODE__NODE_DROP_STMT:
    case PG_QUERY__NODE__NODE_RENAME_STMT:
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        statement->may_be_temporary = true;
        break;
    default:
        break;
    }
    bool is_temporary = relation != NULL && (relation->relpersistence[0] == 't' ||
                                             effect_is_temporary_schema(relation->schemaname));
    statement->has_effects = is_temporary || is_type;
    statement->changes_catalog = !is_temporary;
    walk_refuse(walk);
}

#define NODE(name) [PG_QUERY__NODE__NODE_##name]

static looker *const lookers[] = {
    NODE(SELECT_STMT) = look_at_select,
    NODE(VARIABLE_SHOW_STMT) = look_at_show,
    NODE(EXPLAIN_STMT) = look_at_explain,
    NODE(TRANSACTION_STMT) = look_at_transaction,
    NODE(VARIABLE_SET_STMT) = look_at_session,
    NODE(DISCARD_STMT) = look_at_session,
    NODE(PREPARE_STMT) = look_at_session,
    NODE(DEALLOCATE_STMT) = look_at_session,
    NODE(CONSTRAINTS_SET_STMT) = look_at_session,
    NODE(LOAD_STMT) = look_at_session,
    NODE(EXECUTE_STMT) = look_at_execute,
    NODE(DECLARE_CURSOR_STMT) = look_at_cursor,
    NODE(FETCH_STMT) = look_at_harmless,
    NODE(CLOSE_PORTAL_STMT) = look_at_harmless,
    NODE(LISTEN_STMT) = look_at_harmless,
    NODE(UNLISTEN_STMT) = look_at_harmless,
    NODE(COPY_STMT) = look_at_copy,
    NODE(INSERT_STMT) = look_at_write,
    NODE(UPDATE_STMT) = look_at_write,
    NODE(DELETE_STMT) = look_at_write,
    NODE(MERGE_STMT) = look_at_write,
    NODE(TRUNCATE_STMT) = look_at_write,
    NODE(CALL_STMT) = look_at_write,
    NODE(NOTIFY_STMT) = look_at_write,
    NODE(LOCK_STMT) = look_at_write,
    NODE(VACUUM_STMT) = look_at_write,
    NODE(CLUSTER_STMT) = look_at_write,
    NODE(CHECK_POINT_STMT) = look_at_write,
    NODE(REINDEX_STMT) = look_at_write,
    NODE(REFRESH_MAT_VIEW_STMT) = look_at_write,
    NODE(DO_STMT) = look_at_do,
};

void
statement_walk(struct walk *walk, const PgQuery__Node *node, struct statement *statement)
{
    memset(statement, 0, sizeof(*statement));
    prove_globals(walk);
    size_t number = node == NULL ? 0 : (size_t)node->node_case;
    looker *look = number < sizeof(lookers) / sizeof(lookers[0]) ? lookers[number] : NULL;
    if (node == NULL)
        walk_refuse(walk);
    else
        (look == NULL ? look_at_ddl : look)(walk, node, statement);
    statement->has_effects = statement->has_effects || walk->keeps;
}
