// Two results side by side. The columns are matched once, with how their types meet; rows are found
// by an offset each and taken apart one at a time, so that the cost of a large result is its bytes
// and eight bytes a row. Pure; one thread at a time; memory is counted in by the caller's limits.
#include "compare/difference_rows.h"
#include "compare/type_family.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { ROW_HEAD = 4, FIRST_USER_OID = 16384 }; // FirstNormalObjectId

static size_t
width_of(const struct result *result)
{
    if (result->has_columns || result->row_count == 0)
        return result->column_count;
    return (size_t)result->rows[ROW_HEAD] << 8 | result->rows[ROW_HEAD + 1];
}

// A result whose columns nobody said is read with the other's, else as texts.
static struct reply_column
column_of(const struct rows *rows, size_t side, size_t column)
{
    for (size_t i = 0; i < 2; i++) {
        const struct result *result = rows->results[i == 0 ? side : 1 - side];
        if (result->has_columns && column < result->column_count)
            return result->columns[column];
    }
    return (struct reply_column){.name = ""};
}

static bool
find_column(const struct rows *rows, size_t old_column, bool allow_extra, size_t *new_column)
{
    const char *name = column_of(rows, 0, old_column).name;
    if (!allow_extra) {
        *new_column = old_column;
        return strcmp(column_of(rows, 1, old_column).name, name) == 0;
    }
    size_t namesakes = 0; // of the same name, before it
    for (size_t i = 0; i < old_column; i++)
        namesakes += strcmp(column_of(rows, 0, i).name, name) == 0;
    for (size_t i = 0; i < rows->widths[1]; i++)
        if (strcmp(column_of(rows, 1, i).name, name) == 0 && namesakes-- == 0) {
            *new_column = i;
            return true;
        }
    return false;
}

static struct type_rules
type_rules_of(const struct difference_rules *rules, const struct column_rule *rule)
{
    struct type_rules type_rules = {
        .float_tolerance = rules->float_tolerance,
        .old_types = rules->old_types,
        .new_types = rules->new_types,
    };
    if (rule == NULL)
        return type_rules;
    type_rules.as = rule->as;
    type_rules.unordered = rule->unordered;
    if (rule->tolerance >= 0) {
        type_rules.float_tolerance = rule->tolerance;
        type_rules.has_tolerance = true;
    }
    return type_rules;
}

// OIDs of users' types say nothing across two clusters; what they stand for does.
static bool
is_type_change(const struct type_pair *pair, uint32_t old_type, uint32_t new_type)
{
    if (old_type >= FIRST_USER_OID && new_type >= FIRST_USER_OID)
        return pair->types[0] != pair->types[1];
    return old_type != new_type;
}

static bool
is_key(const struct determinacy *determinacy, size_t column)
{
    if (determinacy->order != ORDER_VISIBLE)
        return false;
    for (size_t i = 0; i < determinacy->key_count; i++)
        if (determinacy->keys[i] == column)
            return true;
    return false;
}

static bool
match_columns(struct rows *rows, const struct determinacy *determinacy,
              const struct difference_rules *rules, bool with_accepted)
{
    bool allow_extra = rules->allow_extra_columns;
    if (allow_extra ? rows->widths[0] > rows->widths[1] : rows->widths[0] != rows->widths[1])
        return false;
    rows->is_alike = rows->widths[0] == rows->widths[1];
    for (size_t i = 0; i < rows->widths[0]; i++) {
        const struct column_rule *rule =
            rules->columns != NULL && i < rules->column_count ? &rules->columns[i] : NULL;
        struct rows_column *column = &rows->columns[rows->column_count];
        if (rule != NULL && rule->ignore)
            continue;
        size_t partner;
        if (!find_column(rows, i, allow_extra, &partner))
            return false;
        struct reply_column old_column = column_of(rows, 0, i);
        struct reply_column new_column = column_of(rows, 1, partner);
        struct type_rules type_rules = type_rules_of(rules, rule);
        type_pair_init(&column->pair, old_column.type, new_column.type, &type_rules);
        rows->has_type_change |= is_type_change(&column->pair, old_column.type, new_column.type);
        rows->is_alike &= partner == i && old_column.format == new_column.format &&
                          column->pair.types[0] == column->pair.types[1];
        column->at[0] = i;
        column->at[1] = partner;
        column->is_key = is_key(determinacy, i);
        column->is_accepted = rule != NULL && rule->accept != NULL;
        if (with_accepted || !column->is_accepted)
            rows->column_count++;
    }
    return true;
}

static bool
find_rows(struct rows *rows, size_t side)
{
    const struct result *result = rows->results[side];
    size_t at = 0;
    rows->offsets[side] = calloc(result->row_count + 1, sizeof(size_t));
    rows->cells[side] = calloc(rows->widths[side] + 1, sizeof(struct cell));
    if (rows->offsets[side] == NULL || rows->cells[side] == NULL)
        return false;
    for (size_t i = 0; i < result->row_count; i++) {
        uint32_t length;
        memcpy(&length, result->rows + at, ROW_HEAD);
        rows->offsets[side][i] = at + ROW_HEAD;
        at += ROW_HEAD + length;
    }
    rows->offsets[side][result->row_count] = at + ROW_HEAD; // as if one more came
    for (size_t i = 0; i < rows->widths[side]; i++) {
        struct reply_column column = column_of(rows, side, i);
        rows->cells[side][i].type = column.type;
        rows->cells[side][i].format = column.format;
        rows->cells[side][i].type_modifier = column.type_modifier;
    }
    return true;
}

bool
rows_init(struct rows *rows, const struct result *old_result, const struct result *new_result,
          const struct determinacy *determinacy, const struct difference_rules *rules,
          bool with_accepted)
{
    *rows = (struct rows){
        .results = {old_result, new_result},
        .widths = {width_of(old_result), width_of(new_result)},
        .loaded = {SIZE_MAX, SIZE_MAX},
    };
    writer_init(&rows->forms[0]);
    writer_init(&rows->forms[1]);
    // Without any row nor description there is nothing to hold against.
    for (size_t i = 0; i < 2; i++)
        if (!rows->results[i]->has_columns && rows->results[i]->row_count == 0)
            rows->widths[i] = rows->widths[1 - i];
    rows->columns = calloc(rows->widths[0] + 1, sizeof *rows->columns);
    if (rows->columns == NULL || !find_rows(rows, 0) || !find_rows(rows, 1)) {
        rows->failed = true;
        return false;
    }
    rows->has_names = match_columns(rows, determinacy, rules, with_accepted);
    return rows->has_names;
}

void
rows_fini(struct rows *rows)
{
    free(rows->columns);
    for (size_t i = 0; i < 2; i++) {
        free(rows->offsets[i]);
        free(rows->cells[i]);
        writer_fini(&rows->forms[i]);
    }
}

static const uint8_t *
row_body(const struct rows *rows, size_t side, size_t row, size_t *length)
{
    size_t at = rows->offsets[side][row];
    *length = rows->offsets[side][row + 1] - at - ROW_HEAD;
    return rows->results[side]->rows + at;
}

static const struct cell *
load(struct rows *rows, size_t side, size_t number)
{
    struct cell *cells = rows->cells[side];
    if (rows->loaded[side] == number)
        return cells;
    struct reply_row row;
    size_t length;
    const uint8_t *body = row_body(rows, side, number, &length);
    bool is_sound = reply_row_begin(&row, body, length);
    for (size_t i = 0; is_sound && i < rows->widths[side]; i++)
        reply_row_next(&row, &cells[i].bytes, &cells[i].length);
    rows->loaded[side] = number;
    return cells;
}

const struct cell *
rows_cell(struct rows *rows, size_t side, size_t row, size_t column)
{
    return &load(rows, side, row)[rows->columns[column].at[side]];
}

bool
rows_column_equal(struct rows *rows, size_t column, size_t old_row, size_t new_row)
{
    const struct cell *old_cell = rows_cell(rows, 0, old_row, column);
    const struct cell *new_cell = rows_cell(rows, 1, new_row, column);
    bool is_equal = type_pair_equal(&rows->columns[column].pair, old_cell, new_cell, rows->forms);
    rows->failed |= rows->forms[0].failed || rows->forms[1].failed;
    return is_equal;
}

bool
rows_equal(struct rows *rows, size_t old_row, size_t new_row)
{
    if (rows->is_alike) {
        size_t old_length, new_length;
        const uint8_t *old_body = row_body(rows, 0, old_row, &old_length);
        const uint8_t *new_body = row_body(rows, 1, new_row, &new_length);
        if (old_length == new_length && memcmp(old_body, new_body, old_length) == 0)
            return true;
    }
    for (size_t i = 0; i < rows->column_count; i++)
        if (!rows_column_equal(rows, i, old_row, new_row))
            return false;
    return true;
}

bool
rows_inexact_equal(struct rows *rows, size_t old_row, size_t new_row)
{
    for (size_t i = 0; i < rows->column_count; i++)
        if (!rows->columns[i].pair.is_exact && !rows_column_equal(rows, i, old_row, new_row))
            return false;
    return true;
}

bool
rows_are_exact(const struct rows *rows)
{
    for (size_t i = 0; i < rows->column_count; i++)
        if (!rows->columns[i].pair.is_exact)
            return false;
    return true;
}

// Appends a cell's form behind its length, so that ("ab", "c") and ("a", "bc") are two.
static void
append(struct rows *rows, size_t side, size_t row, size_t column, struct writer *form)
{
    size_t start = form->length;
    uint32_t length;
    writer_u32(form, 0);
    type_pair_form(&rows->columns[column].pair, rows_cell(rows, side, row, column), side == 1,
                   form);
    if (form->failed) {
        rows->failed = true;
        return;
    }
    length = (uint32_t)(form->length - start);
    memcpy(form->bytes + start, &length, sizeof length);
}

uint64_t
rows_digest(struct rows *rows, size_t side, size_t row)
{
    struct writer *form = &rows->forms[0];
    writer_clear(form);
    for (size_t i = 0; i < rows->column_count; i++)
        if (rows->columns[i].pair.is_exact)
            append(rows, side, row, i, form);
    return XXH3_64bits(form->bytes, form->failed ? 0 : form->length);
}

uint64_t
rows_full_digest(struct rows *rows, size_t side, size_t row)
{
    struct writer *form = &rows->forms[0];
    writer_clear(form);
    for (size_t i = 0; i < rows->column_count; i++)
        append(rows, side, row, i, form);
    return XXH3_64bits(form->bytes, form->failed ? 0 : form->length);
}

uint64_t
rows_column_digest(struct rows *rows, size_t side, size_t row, size_t column)
{
    struct writer *form = &rows->forms[0];
    writer_clear(form);
    append(rows, side, row, column, form);
    return XXH3_64bits(form->bytes, form->failed ? 0 : form->length);
}

double
rows_approximate(struct rows *rows, size_t side, size_t row)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        const struct type_pair *pair = &rows->columns[i].pair;
        if (pair->is_exact)
            continue;
        if (pair->levels[0] != TYPE_FAMILY_FLOAT4 && pair->levels[0] != TYPE_FAMILY_FLOAT8)
            return 0;
        struct writer *form = &rows->forms[0];
        writer_clear(form);
        type_pair_form(pair, rows_cell(rows, side, row, i), side == 1, form);
        rows->failed |= form->failed;
        if (form->failed || form->length != 1 + sizeof(double))
            return -(double)INFINITY; // NULL, or no number
        double value = type_form_float(form->bytes + 1);
        return isnan(value) ? (double)INFINITY : value;
    }
    return 0;
}
