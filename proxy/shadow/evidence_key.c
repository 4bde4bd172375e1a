// Keys come from RowDescription: a column's table OID and attribute number, held against the side's catalog. A column
// that the result has twice (a self join, mostly) tells nothing: which of the two rows is meant is not known, so such
// a table is left out. Pure; the caller says how a value is shown.
//
// Known compromise: of a self join that puts out only one alias's key, that alias's row is named.

#include "proxy/shadow/evidence_key.h"
#include "compare/sql/catalog_data.h"
#include "protocol/reply.h"
#include <stdlib.h>
#include <string.h>

// The cells of one row, typed; NULL: no memory, or no such row.
static struct cell *
cells_of(const struct result *result, size_t number)
{
    size_t at = 0;
    uint32_t length = 0;
    for (size_t row = 0; at + sizeof(length) <= result->rows_length; row++) {
        memcpy(&length, result->rows + at, sizeof(length));
        if (row == number)
            break;
        at += sizeof(length) + length;
    }
    struct reply_row row;
    if (at + sizeof(length) > result->rows_length ||
        !reply_row_begin(&row, result->rows + at + sizeof(length), length))
        return NULL;
    struct cell *cells = calloc(result->column_count + 1, sizeof(*cells));
    for (size_t i = 0; cells && i < result->column_count; i++) {
        const struct reply_column *column = &result->columns[i];
        cells[i] = (struct cell){
            .type = column->type, .format = column->format, .type_modifier = column->type_modifier};
        if (!reply_row_next(&row, &cells[i].bytes, &cells[i].length))
            break;
    }
    return cells;
}

// Where the result has that column; SIZE_MAX: nowhere, or more than once.
static size_t
place_of(const struct result *result, uint32_t table, int16_t attribute)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < result->column_count; i++) {
        if (result->columns[i].table != table || result->columns[i].attribute != attribute)
            continue;
        if (found != SIZE_MAX)
            return SIZE_MAX;
        found = i;
    }
    return found;
}

static bool
has_key(const struct result *result, const struct catalog_key *key)
{
    for (size_t i = 0; i < key->column_count; i++)
        if (place_of(result, key->relation, key->columns[i]) == SIZE_MAX)
            return false;
    return key->column_count > 0;
}

static json_t *
key_to_json(const struct result *result, const struct cell *cells,
            const struct catalog_relation *relation, const struct catalog_key *key,
            const struct catalog *catalog, evidence_show show, const void *context)
{
    json_t *columns = json_array(), *values = json_array();
    for (size_t i = 0; i < key->column_count; i++) {
        const char *name = catalog_column_name(catalog, relation->oid, key->columns[i]);
        const struct cell *cell = &cells[place_of(result, relation->oid, key->columns[i])];
        json_array_append_new(columns, json_string(name ? name : ""));
        json_array_append_new(values, show(context, cell));
    }
    return json_pack("{s:s, s:o, s:o}", "table", relation->full_name, "columns", columns, "values",
                     values);
}

static bool
is_seen_before(const struct result *result, size_t column)
{
    for (size_t i = 0; i < column; i++)
        if (result->columns[i].table == result->columns[column].table)
            return true;
    return false;
}

json_t *
evidence_keys(const struct result *result, size_t row, const struct catalog *catalog,
              uint32_t table, evidence_show show, const void *context)
{
    json_t *keys = json_array();
    struct cell *cells = catalog ? cells_of(result, row) : NULL;
    for (size_t i = 0; cells && i < result->column_count; i++) {
        uint32_t oid = result->columns[i].table;
        if (oid == 0 || (table != 0 && oid != table) || is_seen_before(result, i))
            continue;
        const struct catalog_relation *relation = catalog_relation_of(catalog, oid);
        for (size_t k = 0; relation && k < relation->key_count; k++) {
            if (!has_key(result, &relation->keys[k]))
                continue;
            json_array_append_new(keys, key_to_json(result, cells, relation, &relation->keys[k],
                                                    catalog, show, context));
            break;
        }
    }
    free(cells);
    return keys;
}
