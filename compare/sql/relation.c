// What a relation's name means by the catalog, and what reading it runs: a view's query, row security
// policies, checks of its columns' types. Without a search_path that is known exactly, every relation
// of that name counts; the catalog's default path says which one is named to people.
#include "compare/sql/walk.h"

#include <stdio.h>
#include <string.h>

static bool
is_float(uint32_t type)
{
    return type == 700 || type == 701; // float4, float8
}

static bool
copy_columns(struct walk *walk, const struct catalog_relation *relation, struct item *item,
             int table)
{
    bool is_system = relation->oid < CATALOG_FIRST_USER_OID;
    item->columns = walk_take(walk, (relation->column_count + 1) * sizeof(*item->columns));
    if (item->columns == NULL)
        return false;
    item->column_count = relation->column_count;
    for (size_t i = 0; i < relation->column_count; i++) {
        const struct catalog_column *from = &relation->columns[i];
        bool shows_oids = prove_is_system_type(from->type) && (is_system || from->type != 26);
        item->columns[i] = (struct column){.name = from->name,
                                           .table = table,
                                           .origin = from->name,
                                           .value = (shows_oids ? VALUE_SYSTEM : 0u) |
                                                    (is_float(from->type) ? VALUE_FLOAT : 0u),
                                           .type = from->type};
    }
    return true;
}

// Unique keys, as positions among the columns.
static void
copy_keys(struct walk *walk, const struct catalog_relation *relation, struct item *item)
{
    struct key *keys = walk_take(walk, (relation->key_count + 1) * sizeof(*keys));
    if (keys == NULL)
        return;
    for (size_t i = 0; i < relation->key_count; i++) {
        const struct catalog_key *from = &relation->keys[i];
        struct key *key = &keys[item->key_count];
        key->numbers = walk_take(walk, (from->column_count + 1) * sizeof(*key->numbers));
        if (key->numbers == NULL)
            return;
        for (size_t k = 0; k < from->column_count; k++)
            for (size_t c = 0; c < relation->column_count; c++)
                if (relation->columns[c].number == from->columns[k])
                    key->numbers[key->count++] = c;
        if (key->count == from->column_count && key->count > 0)
            item->key_count++;
        else
            key->count = 0;
    }
    item->keys = keys;
}

static void
walk_view(struct walk *walk, const struct catalog_relation *relation, struct item *item)
{
    struct rowset rows;
    if (relation->definition == NULL) {
        walk_refuse(walk);
        return;
    }
    if (!body_query(walk, relation->definition, &rows))
        return;
    item->is_relation = false; // a view has no ctid of its own
    item->has_open_rows = item->has_open_rows || rows.has_open_rows;
    if (!rows.is_known || rows.count != item->column_count)
        return;
    for (size_t i = 0; i < rows.count; i++) {
        item->columns[i].value |= rows.columns[i].value;
        if (rows.columns[i].table >= 0) {
            item->columns[i].table = rows.columns[i].table;
            item->columns[i].origin = rows.columns[i].origin;
            item->columns[i].is_computed = rows.columns[i].is_computed;
        }
    }
    item->keys = rows.keys;
    item->key_count = rows.key_count;
}

// The relation as an item, everything behind it proven or refused. Made once a walk.
static const struct item *
look_at(struct walk *walk, const struct catalog_relation *relation)
{
    const struct memo *memo = memo_find(walk, MEMO_RELATION, relation->oid, NULL);
    if (memo != NULL && memo->item != NULL)
        return memo->item;
    struct item *item = walk_take(walk, sizeof(*item));
    if (item == NULL)
        return NULL;
    bool is_system = relation->oid < CATALOG_FIRST_USER_OID;
    int table = walk_table(walk, relation->full_name, walk->is_old ? relation->oid : 0);
    item->name = relation->name;
    item->schema = relation->schema;
    item->is_known = true;
    item->is_relation = true;
    if (!copy_columns(walk, relation, item, table))
        return NULL;
    copy_keys(walk, relation, item);
    memo_add(walk, MEMO_RELATION, relation->oid, NULL);
    memo_set(walk, MEMO_RELATION, relation->oid, 0, item);
    if (is_system) {
        walk->touches_system = true;
        return item;
    }
    walk->touches_user = true;
    if (relation->kind == 'f' || relation->is_foreign)
        walk_refuse(walk);
    for (size_t i = 0; i < relation->column_count; i++)
        (void)prove_type(walk, relation->columns[i].type, false);
    bool is_open = walk->is_open;
    walk->is_open = false;
    if (relation->has_row_security)
        for (size_t i = 0; i < relation->policy_count; i++)
            body_expression(walk, relation->policies[i].expression, item);
    item->has_open_rows = walk->is_open;
    walk->is_open = is_open;
    if (relation->kind == 'v')
        walk_view(walk, relation, item);
    return item;
}

// A copy for one place in a FROM clause: order.c leaves marks in it.
static struct item *
copy_item(struct walk *walk, const struct item *from)
{
    struct item *item = walk_take(walk, sizeof(*item));
    if (item == NULL)
        return NULL;
    *item = *from;
    walk->is_open = walk->is_open || item->has_open_rows;
    item->columns = walk_take(walk, (from->column_count + 1) * sizeof(*item->columns));
    if (item->columns == NULL)
        return NULL;
    walk->references++;
    for (size_t i = 0; i < from->column_count; i++) {
        item->columns[i] = from->columns[i];
        item->columns[i].item = item;
        item->columns[i].number = i;
        item->columns[i].reference = walk->references;
    }
    return item;
}

static bool
has_column(const struct item *item, const char *name)
{
    for (size_t i = 0; i < item->column_count; i++)
        if (strcmp(item->columns[i].name, name) == 0)
            return true;
    return false;
}

static struct item *
unknown_relation(struct walk *walk, const PgQuery__RangeVar *range)
{
    const struct catalog_relation *relations;
    walk->needs_catalog = true;
    walk->is_harmful = true; // it may be a view that was made since
    walk->touches_user = true;
    if (walk->is_old && walk->other != NULL &&
        catalog_relations_named(walk->other, range->relname, &relations) > 0)
        walk_refuse(walk);
    const char *name = range->relname;
    if (range->schemaname[0] != '\0') {
        size_t length = strlen(range->schemaname) + strlen(range->relname) + 2;
        char *full = walk_take(walk, length);
        if (full == NULL)
            return NULL;
        (void)snprintf(full, length, "%s.%s", range->schemaname, range->relname);
        name = full;
    }
    (void)walk_table(walk, name, 0);
    struct item *item = walk_take(walk, sizeof(*item));
    if (item != NULL)
        item->is_relation = true;
    return item;
}

// The one that a name means by the search path: the first, or else any.
static const struct catalog_relation *
primary(const struct walk *walk, const struct catalog_relation *relations, size_t count,
        const char *schema)
{
    const struct catalog_relation *best = NULL;
    size_t best_position = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (schema != NULL && strcmp(relations[i].schema, schema) != 0)
            continue;
        size_t position =
            catalog_path_position(walk->catalog, walk->search_path, relations[i].schema);
        if (best == NULL || position < best_position) {
            best = &relations[i];
            best_position = position;
        }
    }
    return best;
}

struct item *
relation_item(struct walk *walk, const PgQuery__RangeVar *range, struct scope *scope)
{
    (void)scope;
    const char *schema = range->schemaname[0] == '\0' ? NULL : range->schemaname;
    if (schema != NULL && strncmp(schema, "pg_temp", 7) == 0)
        walk->is_temporary = true;
    const struct catalog_relation *relations;
    size_t count = catalog_relations_named(walk->catalog, range->relname, &relations);
    const struct catalog_relation *meant = primary(walk, relations, count, schema);
    if (meant == NULL)
        return unknown_relation(walk, range);
    // It is listed first; what it expands to, after it.
    const struct item *from = look_at(walk, meant);
    struct item *item = from == NULL ? NULL : copy_item(walk, from);
    if (item == NULL)
        return NULL;
    bool is_certain = schema != NULL || walk->search_path != NULL ||
                      catalog_path_position(walk->catalog, NULL, meant->schema) == 0;
    (void)walk_table(walk, meant->full_name, walk->is_old ? meant->oid : 0);
    bool is_aside = walk->is_aside;
    bool touches_user = walk->touches_user, touches_system = walk->touches_system;
    walk->is_aside = true;
    for (size_t i = 0; i < count && !is_certain; i++) {
        const struct item *another = &relations[i] == meant ? NULL : look_at(walk, &relations[i]);
        for (size_t c = 0; another != NULL && c < item->column_count; c++)
            if (!has_column(another, item->columns[c].name))
                item->columns[c].is_unsure = true;
    }
    walk->is_aside = is_aside;
    walk->touches_user = touches_user;
    walk->touches_system = touches_system;
    return item;
}
