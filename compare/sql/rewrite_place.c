// What the list says of one table of old's: by its bare name, by its schema and name, or by its schema alone. The
// first entry that speaks of it wins. Names are compared as the catalog has them, case included.
#include "compare/sql/rewrite_parts.h"
#include <string.h>

static bool
is_schema(const char *text, size_t length, const char *schema)
{
    return strlen(schema) == length && memcmp(text, schema, length) == 0;
}

// "name", "schema.name" or "schema.*", of `length` bytes.
static bool
is_of(const char *text, size_t length, const struct catalog_relation *relation)
{
    const char *dot = memchr(text, '.', length);
    if (dot == NULL)
        return is_schema(text, length, relation->name);
    const char *name = dot + 1;
    size_t name_length = length - (size_t)(name - text);
    return is_schema(text, (size_t)(dot - text), relation->schema) &&
           ((name_length == 1 && *name == '*') || is_schema(name, name_length, relation->name));
}

static bool
find_table(const struct rewrites *rewrites, const struct catalog_relation *relation,
           struct rewrite_place *place)
{
    for (size_t i = 0; i < rewrites->count; i++)
        for (size_t t = 0; t < rewrites->list[i].table_count; t++) {
            const struct rewrite_pair *pair = &rewrites->list[i].tables[t];
            if (!is_of(pair->from, strlen(pair->from), relation))
                continue;
            const char *dot = strchr(pair->to, '.');
            const char *name = dot == NULL ? pair->to : dot + 1;
            place->schema = dot == NULL ? NULL : pair->to;
            place->schema_length = dot == NULL ? 0 : (size_t)(dot - pair->to);
            place->name = strcmp(name, "*") == 0 ? relation->name : name;
            return true;
        }
    return false;
}

const char *
rewrite_column_of(const struct rewrites *rewrites, const struct catalog_relation *relation,
                  const char *column)
{
    for (size_t i = 0; i < rewrites->count; i++)
        for (size_t c = 0; c < rewrites->list[i].column_count; c++) {
            const struct rewrite_pair *pair = &rewrites->list[i].columns[c];
            const char *dot = strrchr(pair->from, '.');
            if (dot != NULL && (column == NULL || strcmp(dot + 1, column) == 0) &&
                is_of(pair->from, (size_t)(dot - pair->from), relation))
                return pair->to;
        }
    return NULL;
}

void
rewrite_place_of(const struct rewrites *rewrites, const struct catalog_relation *relation,
                 struct rewrite_place *place)
{
    *place = (struct rewrite_place){.name = relation->name};
    place->is_moved = find_table(rewrites, relation, place);
    place->has_columns = rewrite_column_of(rewrites, relation, NULL) != NULL;
}

void
rewrite_quote(struct text *text, const char *name, size_t length)
{
    text_add(text, "\"");
    for (size_t i = 0; i < length; i++) {
        text_add_bytes(text, name + i, 1);
        if (name[i] == '"')
            text_add(text, "\"");
    }
    text_add(text, "\"");
}

void
rewrite_place_write(const struct rewrite_place *place, struct text *text)
{
    if (place->schema != NULL) {
        rewrite_quote(text, place->schema, place->schema_length);
        text_add(text, ".");
    }
    rewrite_quote(text, place->name, strlen(place->name));
}

const struct catalog_relation *
rewrite_place_find(const struct rewrite_place *place, const struct catalog *new_catalog)
{
    const struct catalog_relation *relations, *best = NULL;
    size_t best_position = SIZE_MAX;
    size_t count = catalog_relations_named(new_catalog, place->name, &relations);
    for (size_t i = 0; i < count; i++) {
        if (place->schema != NULL) {
            if (is_schema(place->schema, place->schema_length, relations[i].schema))
                return &relations[i];
            continue;
        }
        size_t position = catalog_path_position(new_catalog, NULL, relations[i].schema);
        if (best == NULL || position < best_position) {
            best = &relations[i];
            best_position = position;
        }
    }
    return best;
}
