// Keys come from RowDescription: a column's table OID and attribute number, held against the side's catalog. They do not
// tell one alias of a self join from another; the statement's text does (struct analysis_column). A key is put
// together of columns that are of one reference to its table, and named only for values of the same one: neither of
// two rows' keys stands for the other row. Where no such key is in the result it is said which table's row is not
// known. Pure; the caller says how a value is shown.

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

static bool
is_same_reference(const struct evidence_row *row, size_t one, size_t other)
{
    return row->references[one] != 0 && row->references[one] == row->references[other] &&
           row->result->columns[one].table == row->result->columns[other].table;
}

// Where the result has that attribute of the reference that `column` is of; SIZE_MAX: nowhere.
static size_t
place_of(const struct evidence_row *row, size_t column, int16_t attribute)
{
    for (size_t i = 0; i < row->result->column_count; i++)
        if (row->result->columns[i].attribute == attribute && is_same_reference(row, column, i))
            return i;
    return SIZE_MAX;
}

// The first key of the table that the result has of that reference, and with values: an outer join may have none.
static const struct catalog_key *
key_of(const struct evidence_row *row, const struct cell *cells, size_t column)
{
    const struct catalog_relation *relation =
        catalog_relation_of(row->catalog, row->result->columns[column].table);
    for (size_t k = 0; relation && k < relation->key_count; k++) {
        const struct catalog_key *key = &relation->keys[k];
        size_t found = 0;
        for (size_t i = 0; i < key->column_count; i++) {
            size_t place = place_of(row, column, key->columns[i]);
            found += place != SIZE_MAX && cells[place].bytes;
        }
        if (found > 0 && found == key->column_count)
            return key;
    }
    return NULL;
}

static json_t *
key_to_json(const struct evidence_row *row, const struct cell *cells, size_t column,
            const struct catalog_key *key, evidence_show show, const void *context)
{
    const struct catalog_relation *relation = catalog_relation_of(row->catalog, key->relation);
    json_t *columns = json_array(), *values = json_array();
    for (size_t i = 0; i < key->column_count; i++) {
        const char *name = catalog_column_name(row->catalog, key->relation, key->columns[i]);
        json_array_append_new(columns, json_string(name ? name : ""));
        json_array_append_new(values,
                              show(context, &cells[place_of(row, column, key->columns[i])]));
    }
    return json_pack("{s:s, s:o, s:o}", "table", relation->full_name, "columns", columns, "values",
                     values);
}

static bool
is_seen_before(const struct evidence_row *row, size_t column)
{
    for (size_t i = 0; i < column; i++)
        if (is_same_reference(row, i, column))
            return true;
    return false;
}

// The value of `column` has no key: is there one of the same table that might be taken for its row's?
static void
add_unknown(const struct evidence_row *row, const struct cell *cells, size_t column,
            json_t *unknown)
{
    uint32_t table = row->result->columns[column].table;
    for (size_t i = 0; i < row->result->column_count; i++)
        if (row->result->columns[i].table == table && key_of(row, cells, i)) {
            json_array_append_new(unknown, json_string(catalog_table_name(row->catalog, table)));
            return;
        }
}

json_t *
evidence_keys(const struct evidence_row *row, size_t column, evidence_show show,
              const void *context, json_t *unknown)
{
    const struct result *result = row->result;
    json_t *keys = json_array();
    struct cell *cells = row->catalog ? cells_of(result, row->number) : NULL;
    bool has_table = column < result->column_count && result->columns[column].table != 0;
    for (size_t i = 0; cells && i < result->column_count; i++) {
        if (result->columns[i].table == 0 || is_seen_before(row, i) ||
            (has_table && !is_same_reference(row, i, column)))
            continue;
        const struct catalog_key *key = key_of(row, cells, i);
        if (key)
            json_array_append_new(keys, key_to_json(row, cells, i, key, show, context));
    }
    if (cells && has_table && json_array_size(keys) == 0)
        add_unknown(row, cells, column, unknown);
    free(cells);
    return keys;
}
