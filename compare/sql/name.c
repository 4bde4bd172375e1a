// What a column name means: a column of a FROM item, here or in an outer query, a whole row, or, where
// it is no column, a call of the function of that name (manual, 4.2.6 and 38.5.3).
#include "compare/sql/walk.h"

#include <string.h>

static const char *const system_columns[] = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"};

struct item *
name_item(const struct scope *scope, const char *schema, const char *name)
{
    for (size_t i = 0; i < scope->item_count; i++) {
        struct item *item = scope->items[i];
        if (!item->is_hidden && item->name != NULL && strcmp(item->name, name) == 0 &&
            (schema == NULL || item->schema == NULL || strcmp(item->schema, schema) == 0))
            return item;
    }
    return NULL;
}

static struct column *
column_of(const struct item *item, const char *name)
{
    for (size_t i = 0; i < item->column_count; i++)
        if (item->columns[i].name != NULL && strcmp(item->columns[i].name, name) == 0)
            return &item->columns[i];
    return NULL;
}

static struct column *
column_at(const struct scope *scope, const char *name)
{
    for (size_t i = 0; i < scope->item_count; i++) {
        struct column *column =
            scope->items[i]->is_hidden ? NULL : column_of(scope->items[i], name);
        if (column != NULL)
            return column;
    }
    return NULL;
}

static bool
is_system_column(const char *name)
{
    for (size_t i = 0; i < sizeof(system_columns) / sizeof(system_columns[0]); i++)
        if (strcmp(name, system_columns[i]) == 0)
            return true;
    return false;
}

static unsigned
item_value(const struct item *item)
{
    unsigned value = item->value;
    for (size_t i = 0; i < item->column_count; i++)
        value |= item->columns[i].value;
    return value;
}

// The last parts of a name, [schema.]table.column; NULL where it has fewer or holds a star.
struct parts {
    const char *schema, *table, *column;
    bool is_star;
};

static struct parts
parts_of(const PgQuery__ColumnRef *reference)
{
    struct parts parts = {NULL, NULL, NULL, false};
    size_t count = reference->n_fields;
    if (count == 0)
        return parts;
    parts.column = expression_string(reference->fields[count - 1]);
    parts.is_star = reference->fields[count - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR;
    if (count > 1)
        parts.table = expression_string(reference->fields[count - 2]);
    if (count > 2)
        parts.schema = expression_string(reference->fields[count - 3]);
    return parts;
}

struct column *
name_column(const PgQuery__ColumnRef *reference, struct scope *scope, bool *is_outer)
{
    struct parts parts = parts_of(reference);
    *is_outer = false;
    if (parts.column == NULL)
        return NULL;
    for (struct scope *level = scope; level != NULL; level = level->parent) {
        struct column *column = NULL;
        struct item *item = NULL;
        if (parts.table == NULL)
            column = column_at(level, parts.column);
        else if ((item = name_item(level, parts.schema, parts.table)) != NULL)
            column = column_of(item, parts.column);
        if (column != NULL || item != NULL) {
            *is_outer = level != scope;
            return column;
        }
    }
    return NULL;
}

static unsigned
whole_row(struct walk *walk, const struct item *item)
{
    for (size_t i = 0; i < item->column_count; i++)
        walk_source(walk, &item->columns[i]);
    if (!item->is_known)
        walk_source(walk, NULL);
    return open_blur(item_value(item));
}

// A name that is no column that is known: by its items, it may still be one of theirs.
static unsigned
unknown_name(struct walk *walk, struct parts parts, const struct scope *scope)
{
    unsigned value = 0;
    bool may_be_column = false, is_item = false;
    for (; scope != NULL; scope = scope->parent)
        for (size_t i = 0; i < scope->item_count; i++) {
            const struct item *item = scope->items[i];
            if (parts.table == NULL && !item->is_hidden && item->name != NULL &&
                strcmp(item->name, parts.column) == 0)
                return whole_row(walk, item);
            is_item = is_item || (parts.table != NULL && item->name != NULL &&
                                  strcmp(item->name, parts.table) == 0);
            if (!item->is_known) {
                value |= item->value;
                may_be_column = true;
            }
        }
    walk_source(walk, NULL);
    if (is_system_column(parts.column))
        value |= VALUE_SYSTEM;
    const struct catalog_function *first;
    if (parts.table != NULL && catalog_functions_named(walk->catalog, parts.column, &first) > 0)
        value |= prove_function(walk, NULL, parts.column, 1, &(bool){false});
    else if (is_item && !may_be_column && !is_system_column(parts.column))
        walk->needs_catalog = true;
    return value;
}

unsigned
name_walk(struct walk *walk, const PgQuery__ColumnRef *reference, struct scope *scope)
{
    struct parts parts = parts_of(reference);
    unsigned value = 0;
    if (parts.is_star) {
        for (size_t i = 0; i < scope->item_count; i++)
            if (parts.table == NULL ||
                (scope->items[i]->name != NULL && strcmp(scope->items[i]->name, parts.table) == 0))
                value |= whole_row(walk, scope->items[i]);
        return value;
    }
    if (parts.column == NULL) {
        walk_refuse(walk);
        return 0;
    }
    bool is_outer;
    const struct column *column = name_column(reference, scope, &is_outer);
    if (column == NULL)
        return unknown_name(walk, parts, scope);
    const struct catalog_function *first;
    if (column->is_unsure && parts.table != NULL &&
        catalog_functions_named(walk->catalog, parts.column, &first) > 0)
        value |= prove_function(walk, NULL, parts.column, 1, &(bool){false});
    walk_source(walk, column);
    return value | column->value;
}
