// A row's type has its table's place; another type has the place that a table of its schema and name would have. Arrays,
// whose names nobody chose, go by their elements. A type of another kind is no counterpart. Pure, any thread.
#include "compare/sql/counterpart.h"
#include "compare/sql/rewrite_parts.h"
#include <string.h>

static bool
is_schema(const struct rewrite_place *place, const char *schema)
{
    return strlen(schema) == place->schema_length &&
           memcmp(schema, place->schema, place->schema_length) == 0;
}

// The type at a place; without a schema the one that new's search path finds first.
static const struct catalog_type *
find_at(const struct catalog *catalog, const struct rewrite_place *place, char kind)
{
    const struct catalog_type *types, *best = NULL;
    size_t best_position = SIZE_MAX;
    size_t count = catalog_types_named(catalog, place->name, &types);
    for (size_t i = 0; i < count; i++) {
        if (types[i].kind != kind || types[i].is_array)
            continue;
        if (place->schema != NULL) {
            if (is_schema(place, types[i].schema))
                return &types[i];
            continue;
        }
        size_t position = catalog_path_position(catalog, NULL, types[i].schema);
        if (position < best_position) {
            best = &types[i];
            best_position = position;
        }
    }
    return best;
}

static const struct catalog_type *
find_named(const struct catalog *old_catalog, const struct catalog *new_catalog,
           const struct rewrites *rewrites, const struct catalog_type *type)
{
    struct catalog_relation here = {.schema = type->schema, .name = type->name};
    struct rewrite_place place = {.name = type->name};
    if (rewrites != NULL)
        rewrite_place_of(rewrites, &here, &place);
    if (place.is_moved)
        return find_at(new_catalog, &place, type->kind);
    const struct catalog_type *found =
        catalog_path_position(old_catalog, NULL, type->schema) == SIZE_MAX
            ? NULL
            : find_at(new_catalog, &place, type->kind);
    place.schema = type->schema;
    place.schema_length = strlen(type->schema);
    return found != NULL ? found : find_at(new_catalog, &place, type->kind);
}

uint32_t
counterpart_type(const struct catalog *old_catalog, const struct catalog *new_catalog,
                 const struct rewrites *rewrites, uint32_t type)
{
    if (type < CATALOG_FIRST_USER_OID)
        return type;
    if (old_catalog == NULL || new_catalog == NULL)
        return 0;
    const struct catalog_type *row = catalog_type_of(old_catalog, type);
    bool is_array = row != NULL && row->is_array;
    if (is_array)
        row = catalog_type_of(old_catalog, row->base); // an array's elements are no arrays
    const struct catalog_type *found =
        row != NULL ? find_named(old_catalog, new_catalog, rewrites, row) : NULL;
    return found == NULL ? 0 : is_array ? found->array : found->oid;
}
