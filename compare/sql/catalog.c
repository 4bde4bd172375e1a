// Look-ups in a catalog, by bisection over what catalog_build.c put in order. Nothing here changes a
// catalog but its count of references, so any thread may look at any time.
#include "compare/sql/catalog.h"

#include "compare/sql/catalog_store.h"
#include "compare/sql/lexer.h"
#include <stdlib.h>
#include <string.h>

enum { TEXT = 25 }; // pg_type.dat

struct catalog *
catalog_ref(struct catalog *catalog)
{
    if (catalog != NULL)
        (void)atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    return catalog;
}

void
catalog_tables(struct catalog *catalog, struct catalog_table *tables[CATALOG_TABLES])
{
    struct catalog_table *const all[CATALOG_TABLES] = {
        &catalog->relations, &catalog->functions,   &catalog->operators, &catalog->types,
        &catalog->columns,   &catalog->keys,        &catalog->policies,  &catalog->checks,
        &catalog->labels,    &catalog->dependencies};
    memcpy(tables, all, sizeof(all));
}

void
catalog_unref(struct catalog **catalog)
{
    struct catalog *last = *catalog;
    *catalog = NULL;
    if (last == NULL || atomic_fetch_sub_explicit(&last->references, 1, memory_order_acq_rel) != 1)
        return;
    struct catalog_table *tables[CATALOG_TABLES];
    catalog_tables(last, tables);
    for (size_t i = 0; i < CATALOG_TABLES; i++)
        free(tables[i]->rows);
    free(last->relations_by_oid);
    free(last->functions_by_oid);
    free(last->types_by_oid);
    arena_fini(&last->arena);
    catalog_unref(&last->below);
    free(last);
}

#define NAMED(function, type, table)                                                               \
    size_t function(const struct catalog *catalog, const char *name, const struct type **first)    \
    {                                                                                              \
        const struct type *rows = catalog->table.rows;                                             \
        size_t low = 0, high = catalog->table.count;                                               \
        while (low < high) {                                                                       \
            size_t middle = low + (high - low) / 2;                                                \
            if (strcmp(rows[middle].name, name) < 0)                                               \
                low = middle + 1;                                                                  \
            else                                                                                   \
                high = middle;                                                                     \
        }                                                                                          \
        while (high < catalog->table.count && strcmp(rows[high].name, name) == 0)                  \
            high++;                                                                                \
        *first = high > low ? rows + low : NULL;                                                   \
        return high - low;                                                                         \
    }

NAMED(catalog_relations_named, catalog_relation, relations)
NAMED(catalog_functions_named, catalog_function, functions)
NAMED(catalog_operators_named, catalog_operator, operators)
NAMED(catalog_types_named, catalog_type, types)

bool
catalog_has_keepers(const struct catalog *catalog)
{
    return catalog->has_keepers;
}

size_t
catalog_global_dependencies(const struct catalog *catalog, const struct catalog_dependency **first)
{
    const struct catalog_dependency *rows = catalog->dependencies.rows;
    size_t count = 0;
    while (count < catalog->dependencies.count && rows[count].type == 0)
        count++;
    *first = rows;
    return count;
}

// All rows that have an index by OID start with it.
static const void *
find(const void *const *index, size_t count, uint32_t oid)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t here = *(const uint32_t *)index[middle];
        if (here == oid)
            return index[middle];
        if (here < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct catalog_relation *
catalog_relation_of(const struct catalog *catalog, uint32_t oid)
{
    return find((const void *const *)catalog->relations_by_oid, catalog->relations.count, oid);
}

const struct catalog_function *
catalog_function_of(const struct catalog *catalog, uint32_t oid)
{
    return find((const void *const *)catalog->functions_by_oid, catalog->functions.count, oid);
}

const struct catalog_type *
catalog_type_of(const struct catalog *catalog, uint32_t oid)
{
    return find((const void *const *)catalog->types_by_oid, catalog->types.count, oid);
}

const char *
catalog_table_name(const struct catalog *catalog, uint32_t table)
{
    const struct catalog_relation *relation = catalog_relation_of(catalog, table);
    return relation == NULL ? NULL : relation->full_name;
}

bool
catalog_is_view(const struct catalog *catalog, uint32_t table)
{
    const struct catalog_relation *relation = catalog_relation_of(catalog, table);
    return relation != NULL && relation->kind == 'v';
}

const char *
catalog_column_name(const struct catalog *catalog, uint32_t table, int16_t attribute)
{
    const struct catalog_relation *relation = catalog_relation_of(catalog, table);
    if (relation != NULL)
        for (size_t i = 0; i < relation->column_count; i++)
            if (relation->columns[i].number == attribute)
                return relation->columns[i].name;
    return NULL;
}

const char *
catalog_type_name(const struct catalog *catalog, uint32_t type)
{
    const struct catalog_type *row = catalog_type_of(catalog, type);
    return row == NULL ? NULL : row->name;
}

static bool
is_base(const struct catalog_type *type, const char *name)
{
    return type->kind == 'b' && !type->is_array && strcmp(type->name, name) == 0;
}

static bool
resolve(void *context, uint32_t type, struct type_shape *shape)
{
    const struct catalog_type *row = catalog_type_of(context, type);
    const struct catalog_relation *relation;
    if (row == NULL)
        return false;
    *shape = (struct type_shape){.type = type};
    if (row->kind == 'd') {
        shape->type = row->base;
    } else if (row->kind == 'e' || is_base(row, "citext")) {
        shape->type = TEXT;
    } else if (is_base(row, "hstore")) {
        shape->family = TYPE_FAMILY_HSTORE;
    } else if (row->kind == 'c') {
        relation = catalog_relation_of(context, row->relation);
        shape->family = TYPE_FAMILY_RECORD;
        shape->field_count = relation == NULL ? 0 : relation->column_count;
    } else if (row->is_array || row->kind == 'r' || row->kind == 'm') {
        shape->family = row->is_array      ? TYPE_FAMILY_ARRAY
                        : row->kind == 'r' ? TYPE_FAMILY_RANGE
                                           : TYPE_FAMILY_MULTIRANGE;
        shape->element = row->base;
    } else {
        return false;
    }
    return true;
}

static uint32_t
field(void *context, uint32_t type, size_t number)
{
    const struct catalog_type *row = catalog_type_of(context, type);
    const struct catalog_relation *relation =
        row == NULL ? NULL : catalog_relation_of(context, row->relation);
    return relation == NULL || number >= relation->column_count ? 0
                                                                : relation->columns[number].type;
}

struct type_resolver
catalog_type_resolver(const struct catalog *catalog)
{
    // The context is only read: `resolve` above takes it as const again.
    union {
        const struct catalog *read;
        void *context;
    } same = {catalog};
    return (struct type_resolver){resolve, field, same.context};
}

// One schema of a search_path: unquoted in lower case, quoted as it is but for doubled quotes.
static bool
is_schema(const struct lexer_token *token, const char *schema)
{
    size_t length = strlen(schema);
    if (token->kind == LEXER_WORD)
        return lexer_token_is(token, schema);
    if (token->kind != LEXER_QUOTED_WORD && token->kind != LEXER_STRING)
        return false;
    return token->length == length + 2 && memcmp(token->text + 1, schema, length) == 0;
}

size_t
catalog_path_position(const struct catalog *catalog, const char *path, const char *schema)
{
    if (path == NULL)
        path = catalog->search_path;
    if (strcmp(schema, "pg_catalog") == 0 && strstr(path, "pg_catalog") == NULL)
        return 0; // searched first
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, path, strlen(path));
    size_t position = 1;
    for (;;) {
        lexer_next(&lexer, &token);
        if (token.kind == LEXER_END || token.kind == LEXER_JUNK)
            return SIZE_MAX;
        if (is_schema(&token, schema))
            return position;
        position++;
    }
}
