// A table in a FROM clause as new has it. Renamed alone it stays a table, since GROUP BY of a key, TABLESAMPLE and ONLY
// want one. With renamed columns it becomes a subquery; of the columns only those that the statement can name are in
// it, so that a user needs no privilege on the others.
#include "compare/sql/rewrite_names.h"

#include "compare/sql/lexer.h"
#include <string.h>

static bool
is_empty(const char *string)
{
    return string == NULL || *string == '\0';
}

static struct rewrite_item *
add_item(struct renaming *renaming, const char *name)
{
    struct rewrite_item *item = arena_take(&renaming->arena, sizeof(*item));
    if (item == NULL) {
        renaming->no_memory = true;
        return NULL;
    }
    item->name = name;
    item->next = renaming->level->items;
    renaming->level->items = item;
    return item;
}

static bool
is_same_place(const struct rewrite_place *a, const struct rewrite_place *b)
{
    if (a->is_moved != b->is_moved || a->has_columns != b->has_columns)
        return false;
    return !a->is_moved || (a->schema_length == b->schema_length && strcmp(a->name, b->name) == 0 &&
                            memcmp(a->schema_length == 0 ? "" : a->schema,
                                   b->schema_length == 0 ? "" : b->schema, a->schema_length) == 0);
}

// Old's relation that a name means, if the list speaks of it; NULL: it is left alone. Which schema a bare name means
// is up to the session: where that decides what it becomes, it is refused.
static const struct catalog_relation *
find_meant(struct renaming *renaming, const PgQuery__RangeVar *range, struct rewrite_place *place)
{
    const struct catalog *catalog = renaming->subject->old_catalog;
    const struct catalog_relation *relations, *meant = NULL;
    size_t count = catalog_relations_named(catalog, range->relname, &relations);
    size_t best_position = SIZE_MAX;
    bool is_qualified = !is_empty(range->schemaname);
    for (size_t i = 0; i < count; i++) {
        if (is_qualified && strcmp(relations[i].schema, range->schemaname) != 0)
            continue;
        size_t position = catalog_path_position(catalog, NULL, relations[i].schema);
        if (meant == NULL || position < best_position) {
            meant = &relations[i];
            best_position = position;
        }
    }
    if (meant == NULL || meant->oid < CATALOG_FIRST_USER_OID)
        return NULL;
    rewrite_place_of(renaming->rewrites, meant, place);
    for (size_t i = 0; i < count && !is_qualified; i++) {
        struct rewrite_place other;
        rewrite_place_of(renaming->rewrites, &relations[i], &other);
        if (!is_same_place(place, &other))
            renaming_refuse(renaming, "a table's name could mean several, of which one is renamed");
    }
    if (!place->is_moved && is_qualified) {
        place->schema = range->schemaname;
        place->schema_length = strlen(range->schemaname);
    }
    return place->is_moved || place->has_columns ? meant : NULL;
}

static bool
is_used(const struct renaming *renaming, const char *column)
{
    for (size_t i = 0; i < renaming->used_count; i++)
        if (strcmp(renaming->used[i], column) == 0)
            return true;
    return renaming->uses_all;
}

static void
write_alias(struct text *text, const char *name)
{
    text_add(text, " AS ");
    rewrite_quote(text, name, strlen(name));
}

static void
write_columns(struct renaming *renaming, const struct catalog_relation *old_relation,
              const struct catalog_relation *new_relation, struct text *text)
{
    const char *comma = " ";
    for (size_t i = 0; i < old_relation->column_count; i++) {
        const char *name = old_relation->columns[i].name;
        if (!is_used(renaming, name))
            continue;
        const char *renamed = rewrite_column_of(renaming->rewrites, old_relation, name);
        const char *on_new = renamed == NULL ? name : renamed;
        if (!renaming_has_column(new_relation, on_new)) {
            if (renamed != NULL)
                renaming_refuse(renaming, "new has no column of the name that one is renamed to");
            continue; // new will say so, if it is asked for
        }
        text_add(text, comma);
        rewrite_quote(text, on_new, strlen(on_new));
        if (strcmp(on_new, name) != 0)
            write_alias(text, name);
        comma = ", ";
    }
}

// TABLE t is a SELECT that has no place for a subquery or an alias.
static void
spell_out_table(struct renaming *renaming, size_t before)
{
    struct lexer lexer;
    struct lexer_token token;
    size_t at = SIZE_MAX;
    lexer_init(&lexer, renaming->subject->sql, renaming->subject->length);
    for (lexer_next(&lexer, &token); token.kind != LEXER_END && token.kind != LEXER_JUNK;
         lexer_next(&lexer, &token)) {
        size_t here = (size_t)(token.text - renaming->subject->sql);
        if (here >= before)
            break;
        if (lexer_token_is(&token, "table"))
            at = here;
    }
    struct text text = {0};
    text_add(&text, "SELECT * FROM");
    if (at == SIZE_MAX)
        renaming_refuse(renaming, "its TABLE was not found");
    renaming_splice(renaming, at, at + strlen("table"), &text);
}

static void
write_table(struct renaming *renaming, const PgQuery__RangeVar *range,
            const struct rewrite_place *place, struct rewrite_item *item)
{
    struct text text = {0};
    size_t at = (size_t)range->location;
    size_t parts = 1;
    parts += is_empty(range->schemaname) ? 0 : 1;
    parts += is_empty(range->catalogname) ? 0 : 1;
    const struct catalog_relation *on_new =
        rewrite_place_find(place, renaming->subject->new_catalog);
    if (on_new == NULL)
        renaming_refuse(renaming, "new has no table of the name that one is renamed to");
    else if (place->schema == NULL && renaming_has_cte(renaming, place->name))
        renaming_refuse(renaming, "a CTE has the name that a table is renamed to");
    else if (place->has_columns && !range->inh)
        renaming_refuse(renaming, "ONLY of a table whose columns are renamed");
    if (renaming->because != NULL)
        return;
    if (place->has_columns) {
        text_add(&text, "(SELECT");
        write_columns(renaming, item->relation, on_new, &text);
        text_add(&text, " FROM ");
    }
    rewrite_place_write(place, &text);
    if (place->has_columns)
        text_add(&text, ")");
    if (range->alias == NULL && (place->has_columns || strcmp(place->name, range->relname) != 0))
        write_alias(&text, range->relname);
    renaming_splice(renaming, at, renaming_end_of(renaming, at, parts), &text);
}

static void
add_table(struct renaming *renaming, const PgQuery__RangeVar *range, bool is_sampled, bool is_table)
{
    bool has_alias = range->alias != NULL;
    struct rewrite_item *item =
        add_item(renaming, has_alias ? range->alias->aliasname : range->relname);
    if (item == NULL || strncmp(range->schemaname, "pg_temp", 7) == 0 ||
        (is_empty(range->schemaname) && renaming_has_cte(renaming, range->relname)))
        return;
    struct rewrite_place place;
    item->relation = find_meant(renaming, range, &place);
    if (item->relation == NULL || renaming->because != NULL)
        return;
    item->is_subquery = place.has_columns;
    if (is_sampled && place.has_columns)
        renaming_refuse(renaming, "TABLESAMPLE of a table whose columns are renamed");
    if (has_alias && range->alias->n_colnames > 0 && !place.has_columns)
        renaming_refuse(renaming, "a renamed table is given columns by their places");
    if (is_table)
        spell_out_table(renaming, (size_t)range->location);
    write_table(renaming, range, &place, item);
}

static void
add_alias(struct renaming *renaming, const PgQuery__Alias *alias)
{
    if (alias != NULL)
        (void)add_item(renaming, alias->aliasname);
}

void
renaming_from(struct renaming *renaming, const PgQuery__Node *node, bool is_table)
{
    if (node == NULL || renaming->because != NULL)
        return;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
        add_table(renaming, node->range_var, false, is_table);
        break;
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
        node = node->range_table_sample->relation;
        if (node != NULL && node->node_case == PG_QUERY__NODE__NODE_RANGE_VAR)
            add_table(renaming, node->range_var, true, false);
        break;
    case PG_QUERY__NODE__NODE_JOIN_EXPR:
        renaming_from(renaming, node->join_expr->larg, false);
        renaming_from(renaming, node->join_expr->rarg, false);
        add_alias(renaming, node->join_expr->alias);
        add_alias(renaming, node->join_expr->join_using_alias);
        break;
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
        add_alias(renaming, node->range_subselect->alias);
        break;
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
        add_alias(renaming, node->range_function->alias);
        break;
    case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC:
        add_alias(renaming, node->range_table_func->alias);
        break;
    default:
        break;
    }
}
