// Objects of the session alone: temporary relations and types that are made, and DDL on relations that may be
// temporary ones. A function in pg_temp is only ever called by its schema (manual, 20.11.1), so it hides nothing.
#include "compare/sql/effect_list.h"
#include <string.h>

static void
made(struct effect_list *list, const PgQuery__RangeVar *relation, bool drops_on_commit)
{
    if (relation == NULL ||
        (relation->relpersistence[0] != 't' && !effect_is_temporary_schema(relation->schemaname)))
        return;
    struct effect *effect = effect_list_add(list, EFFECT_TEMPORARY, relation->relname, NULL);
    if (effect != NULL)
        effect->is_local = drops_on_commit;
}

void
effect_list_of_into(struct effect_list *list, const PgQuery__IntoClause *into)
{
    if (into != NULL)
        made(list, into->rel, into->on_commit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP);
}

static void
made_type(struct effect_list *list, size_t count, PgQuery__Node *const *names)
{
    if (count > 1 && names[0]->node_case == PG_QUERY__NODE__NODE_STRING &&
        names[1]->node_case == PG_QUERY__NODE__NODE_STRING &&
        effect_is_temporary_schema(names[0]->string->sval))
        (void)effect_list_add(list, EFFECT_TEMPORARY_TYPE, names[1]->string->sval, NULL);
}

// A relation that is named without a schema, or in pg_temp.
static void
changed(struct effect_list *list, enum effect_kind kind, const PgQuery__RangeVar *relation)
{
    if (relation != NULL &&
        (relation->schemaname[0] == '\0' || effect_is_temporary_schema(relation->schemaname)))
        (void)effect_list_add(list, kind, relation->relname, NULL);
    else // of another schema: not the session's alone
        (void)effect_list_add(list, EFFECT_NONE, NULL, NULL);
}

static bool
is_relation(PgQuery__ObjectType type)
{
    switch (type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
        return true;
    default:
        return false;
    }
}

static void
dropped(struct effect_list *list, const PgQuery__DropStmt *drop)
{
    for (size_t i = 0; i < drop->n_objects; i++) {
        const PgQuery__Node *node = drop->objects[i];
        size_t count = node->node_case == PG_QUERY__NODE__NODE_LIST ? node->list->n_items : 0;
        const PgQuery__Node *schema = count == 2 ? node->list->items[0] : NULL;
        const PgQuery__Node *name = count > 0 ? node->list->items[count - 1] : NULL;
        bool is_ours = is_relation(drop->remove_type) && count > 0 && count < 3 &&
                       name->node_case == PG_QUERY__NODE__NODE_STRING &&
                       (schema == NULL || (schema->node_case == PG_QUERY__NODE__NODE_STRING &&
                                           effect_is_temporary_schema(schema->string->sval)));
        (void)effect_list_add(list, is_ours ? EFFECT_DROP : EFFECT_NONE,
                              is_ours ? name->string->sval : NULL, NULL);
    }
}

static void
renamed(struct effect_list *list, const PgQuery__RenameStmt *rename)
{
    const PgQuery__RangeVar *relation = rename->relation;
    size_t before = list->count;
    changed(list, is_relation(rename->rename_type) ? EFFECT_RENAME : EFFECT_ALTER, relation);
    struct effect *effect = list->count > before ? &list->effects[before] : NULL;
    if (effect == NULL || effect->kind != EFFECT_RENAME)
        return;
    effect->sql = strdup(rename->newname);
    list->has_failed = list->has_failed || effect->sql == NULL;
}

bool
effect_list_of_names(struct effect_list *list, const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        made(list, node->create_stmt->relation,
             node->create_stmt->oncommit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP);
        return true;
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        made(list, node->view_stmt->view, false);
        return true;
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
        made(list, node->create_seq_stmt->sequence, false);
        return true;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        effect_list_of_into(list, node->create_table_as_stmt->into);
        return true;
    case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
        made(list, node->composite_type_stmt->typevar, false);
        return true;
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        made_type(list, node->create_domain_stmt->n_domainname,
                  node->create_domain_stmt->domainname);
        return true;
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        made_type(list, node->create_enum_stmt->n_type_name, node->create_enum_stmt->type_name);
        return true;
    case PG_QUERY__NODE__NODE_DROP_STMT:
        dropped(list, node->drop_stmt);
        return true;
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        renamed(list, node->rename_stmt);
        return true;
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
        changed(list, EFFECT_ALTER, node->alter_table_stmt->relation);
        return true;
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        changed(list, EFFECT_ALTER, node->index_stmt->relation);
        return true;
    default:
        return false;
    }
}
