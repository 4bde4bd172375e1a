// Renamed tables, columns and schemas in one statement: the tree says where, the text is changed at just these
// places. Only names in FROM and in front of columns change, so what hides a table's name (a CTE, an alias) is a matter
// of who is asked for a name first: CTEs by WITH, items by the query that they are in.
//
// What can't be said by other names is refused: a table's row as a whole or as a type (another type on new), functions
// of it written as columns, GROUP BY of a key (which a subquery has not).
#include "compare/sql/rewrite_names.h"

#include <stdlib.h>
#include <string.h>

bool
renaming_has_cte(const struct renaming *renaming, const char *name)
{
    for (const struct rewrite_cte *cte = renaming->ctes; cte != NULL; cte = cte->next)
        if (strcmp(cte->name, name) == 0)
            return true;
    return false;
}

bool
renaming_has_column(const struct catalog_relation *relation, const char *name)
{
    for (size_t i = 0; i < relation->column_count; i++)
        if (strcmp(relation->columns[i].name, name) == 0)
            return true;
    return false;
}

// --- columns ----------------------------------------------------------------------------------

static const struct rewrite_item *
find_item(const struct renaming *renaming, const char *name)
{
    for (const struct rewrite_level *level = renaming->level; level != NULL; level = level->outer)
        for (const struct rewrite_item *item = level->items; item != NULL; item = item->next)
            if (item->name != NULL && strcmp(item->name, name) == 0)
                return item;
    return NULL;
}

static void
visit_column(struct renaming *renaming, const PgQuery__ColumnRef *reference)
{
    size_t count = reference->n_fields;
    const char *column = count == 0 ? NULL : renaming_string(reference->fields[count - 1]);
    const char *table = count < 2 ? column : renaming_string(reference->fields[count - 2]);
    const struct rewrite_item *item = table == NULL ? NULL : find_item(renaming, table);
    if (item == NULL || item->relation == NULL)
        return;
    if (column != NULL && !renaming_has_column(item->relation, column)) {
        renaming_refuse(renaming, count == 1
                                      ? "the whole row of a table that is renamed"
                                      : "a system column or a function of a renamed table's row");
        return;
    }
    if (count < 3)
        return;
    size_t at = (size_t)reference->location, table_at = 0;
    struct text nothing = {0};
    if (renaming_dotted(renaming, at, count - 1, &table_at) == 0)
        renaming_refuse(renaming, "a name was not found where it should be");
    renaming_splice(renaming, at, table_at, &nothing);
}

// --- types and functions ----------------------------------------------------------------------

static const struct rewrite_pair *
find_schema(const struct renaming *renaming, const char *schema)
{
    size_t length = strlen(schema);
    for (size_t i = 0; i < renaming->rewrites->count; i++)
        for (size_t t = 0; t < renaming->rewrites->list[i].table_count; t++) {
            const struct rewrite_pair *pair = &renaming->rewrites->list[i].tables[t];
            if (strncmp(pair->from, schema, length) == 0 && strcmp(pair->from + length, ".*") == 0)
                return pair;
        }
    return NULL;
}

// "schema.name" of a function or type.
static void
visit_qualified(struct renaming *renaming, size_t count, PgQuery__Node *const *names,
                int32_t location)
{
    const char *schema = count == 2 ? renaming_string(names[0]) : NULL;
    const struct rewrite_pair *pair = schema == NULL ? NULL : find_schema(renaming, schema);
    const char *dot = pair == NULL ? NULL : strchr(pair->to, '.');
    if (dot == NULL || strcmp(schema, "pg_catalog") == 0)
        return;
    struct text text = {0};
    rewrite_quote(&text, pair->to, (size_t)(dot - pair->to));
    size_t at = (size_t)location;
    if (renaming_end_of(renaming, at, 2) == 0)
        renaming_refuse(renaming, "a name was not found where it should be");
    renaming_splice(renaming, at, renaming_end_of(renaming, at, 1), &text);
}

static void
visit_type(struct renaming *renaming, const PgQuery__TypeName *type)
{
    const char *name = type->n_names == 0 ? NULL : renaming_string(type->names[type->n_names - 1]);
    const struct catalog_relation *relations;
    size_t count = name == NULL
                       ? 0
                       : catalog_relations_named(renaming->subject->old_catalog, name, &relations);
    for (size_t i = 0; i < count; i++) {
        struct rewrite_place place;
        rewrite_place_of(renaming->rewrites, &relations[i], &place);
        if (place.is_moved || place.has_columns)
            renaming_refuse(renaming, "a renamed table's row as a type");
    }
    if (name != NULL && strcmp(name, "regclass") == 0)
        renaming_refuse(renaming, "a table's name as a value");
    visit_qualified(renaming, type->n_names, type->names, type->location);
}

// --- queries ----------------------------------------------------------------------------------

// Is this output column, or expression of GROUP BY, that column?
static bool
shows(const PgQuery__SelectStmt *select, const PgQuery__Node *node, const char *column)
{
    if (node == NULL)
        return false;
    if (node->node_case == PG_QUERY__NODE__NODE_GROUPING_SET) {
        for (size_t i = 0; i < node->grouping_set->n_content; i++)
            if (shows(select, node->grouping_set->content[i], column))
                return true;
        return false;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST)
        return true; // a position in the output list: which, is not looked for
    if (node->node_case != PG_QUERY__NODE__NODE_COLUMN_REF || node->column_ref->n_fields == 0)
        return false;
    const PgQuery__ColumnRef *reference = node->column_ref;
    const char *name = renaming_string(reference->fields[reference->n_fields - 1]);
    if (name == NULL || strcmp(name, column) == 0)
        return true;
    for (size_t i = 0; reference->n_fields == 1 && i < select->n_target_list; i++) {
        const PgQuery__Node *target = select->target_list[i];
        if (target->node_case == PG_QUERY__NODE__NODE_RES_TARGET &&
            strcmp(target->res_target->name, name) == 0)
            return true; // a name of the output list's own
    }
    return false;
}

static bool
groups_by(const PgQuery__SelectStmt *select, const struct catalog_relation *relation,
          const struct catalog_key *key)
{
    for (size_t k = 0; k < key->column_count; k++) {
        bool is_there = false;
        for (size_t c = 0; c < relation->column_count && !is_there; c++)
            for (size_t g = 0; g < select->n_group_clause && !is_there; g++)
                is_there = relation->columns[c].number == key->columns[k] &&
                           shows(select, select->group_clause[g], relation->columns[c].name);
        if (!is_there)
            return false;
    }
    return true;
}

// GROUP BY of a table's key lets its other columns stand alone; a subquery has no key.
static void
check_groups(struct renaming *renaming, const PgQuery__SelectStmt *select)
{
    for (const struct rewrite_item *item = renaming->level->items; item != NULL; item = item->next)
        for (size_t k = 0; item->is_subquery && k < item->relation->key_count; k++)
            if (select->n_group_clause > 0 &&
                groups_by(select, item->relation, &item->relation->keys[k]))
                renaming_refuse(renaming, "GROUP BY of a key of a table whose columns are renamed");
}

static void visit(struct renaming *renaming, const ProtobufCMessage *message);

static void
push_cte(struct renaming *renaming, const PgQuery__CommonTableExpr *cte)
{
    struct rewrite_cte *pushed = arena_take(&renaming->arena, sizeof(*pushed));
    if (pushed == NULL) {
        renaming->no_memory = true;
        return;
    }
    *pushed = (struct rewrite_cte){cte->ctename, renaming->ctes};
    renaming->ctes = pushed;
}

static void
visit_with(struct renaming *renaming, const PgQuery__WithClause *with)
{
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < with->n_ctes; i++) {
            const PgQuery__Node *node = with->ctes[i];
            if (node->node_case != PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR)
                continue;
            if (pass == 1)
                visit(renaming, &node->common_table_expr->base);
            if (with->recursive == (pass == 0))
                push_cte(renaming, node->common_table_expr);
        }
}

static bool
is_table_command(const PgQuery__SelectStmt *select)
{
    return select->n_target_list == 1 && select->n_from_clause == 1 &&
           select->target_list[0]->node_case == PG_QUERY__NODE__NODE_RES_TARGET &&
           select->target_list[0]->res_target->location < 0;
}

static void
visit_select(struct renaming *renaming, const PgQuery__SelectStmt *select)
{
    struct rewrite_level level = {.outer = renaming->level};
    const struct rewrite_cte *ctes = renaming->ctes;
    PgQuery__SelectStmt rest = *select; // without what is seen to here
    rest.with_clause = NULL;
    if (select->with_clause != NULL)
        visit_with(renaming, select->with_clause);
    renaming->level = &level;
    for (size_t i = 0; i < select->n_from_clause; i++)
        renaming_from(renaming, select->from_clause[i], is_table_command(select));
    check_groups(renaming, select);
    renaming_each(renaming, &rest.base, visit);
    renaming->level = level.outer;
    renaming->ctes = ctes;
}

static void
visit(struct renaming *renaming, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *kind = message->descriptor;
    if (renaming->no_memory)
        return;
    if (kind == &pg_query__select_stmt__descriptor) {
        visit_select(renaming, (const PgQuery__SelectStmt *)message);
        return;
    }
    if (kind == &pg_query__column_ref__descriptor) {
        visit_column(renaming, (const PgQuery__ColumnRef *)message);
    } else if (kind == &pg_query__type_name__descriptor) {
        visit_type(renaming, (const PgQuery__TypeName *)message);
    } else if (kind == &pg_query__func_call__descriptor) {
        const PgQuery__FuncCall *call = (const PgQuery__FuncCall *)message;
        visit_qualified(renaming, call->n_funcname, call->funcname, call->location);
    }
    renaming_each(renaming, message, visit);
}

static enum rewrite_status
outcome(struct renaming *renaming, struct rewritten *rewritten)
{
    if (renaming->no_memory)
        return REWRITE_NO_MEMORY;
    if (renaming->because == NULL && renaming->splice_count == 0)
        return REWRITE_SAME;
    if (renaming->because == NULL) {
        rewritten->sql = renaming_text(renaming);
        if (rewritten->sql == NULL)
            return REWRITE_NO_MEMORY;
    }
    if (renaming->because == NULL)
        return REWRITE_CHANGED;
    rewritten_fini(rewritten);
    rewritten->because = renaming->because;
    return REWRITE_REFUSED;
}

enum rewrite_status
rewrite_names(const struct rewrites *rewrites, const struct rewrite_subject *subject,
              struct rewritten *rewritten)
{
    struct parse_tree tree;
    enum parse_status parsed = parse_sql(subject->sql, subject->length, &tree);
    if (parsed != PARSE_OK || tree.root->n_stmts != 1 ||
        tree.root->stmts[0]->stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        parse_tree_fini(&tree);
        return parsed == PARSE_NO_MEMORY ? REWRITE_NO_MEMORY : REWRITE_SAME;
    }
    struct renaming renaming = {.rewrites = rewrites, .subject = subject};
    renaming_collect(&renaming, &tree.root->base);
    visit(&renaming, &tree.root->stmts[0]->stmt->base);
    enum rewrite_status status = outcome(&renaming, rewritten);
    free(renaming.splices);
    free(renaming.used);
    arena_fini(&renaming.arena);
    parse_tree_fini(&tree);
    return status;
}
