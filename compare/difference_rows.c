// Two results side by side. The columns are matched once (difference_columns.c); rows are found
// by an offset each and taken apart one at a time, so that the cost of a large result is its bytes
// and eight bytes a row. Pure; one thread at a time; memory is counted in by the caller's limits.
#include "compare/difference_rows.h"
#include "compare/type_family.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { ROW_HEAD = 4 };

static size_t
width_of(const struct result *result)
{
    if (result->has_columns || result->row_count == 0)
        return result->column_count;
    return (size_t)result->rows[ROW_HEAD] << 8 | result->rows[ROW_HEAD + 1];
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
        struct reply_column column = columns_description(rows, side, i);
        rows->cells[side][i].type = column.type;
        rows->cells[side][i].format = column.format;
        rows->cells[side][i].type_modifier = column.type_modifier;
    }
    return true;
}

bool
rows_init(struct rows *rows, const struct result *old_result, const struct result *new_result,
          const struct determinacy *determinacy, const struct difference_rules *rules,
          unsigned scope)
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
    rows->has_names = columns_match(rows, determinacy, rules, scope);
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

const uint8_t *
rows_body(const struct rows *rows, size_t side, size_t row, size_t *length)
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
    const uint8_t *body = rows_body(rows, side, number, &length);
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

static void
sort_bytes(uint8_t *bytes, size_t length)
{
    size_t counts[UINT8_MAX + 1] = {0};
    for (size_t i = 0; i < length; i++)
        counts[bytes[i]]++;
    for (size_t byte = 0; byte <= UINT8_MAX; byte++) {
        memset(bytes, (int)byte, counts[byte]);
        bytes += counts[byte];
    }
}

// Appends a cell's form.
static void
add_form(struct rows *rows, size_t side, size_t row, size_t column, struct writer *form)
{
    size_t start = form->length;
    type_pair_form(&rows->columns[column].pair, rows_cell(rows, side, row, column), side == 1,
                   form);
    rows->failed |= form->failed;
    if (rows->columns[column].is_bag && !form->failed)
        sort_bytes(form->bytes + start, form->length - start);
}

bool
rows_column_equal(struct rows *rows, size_t column, size_t old_row, size_t new_row)
{
    const struct cell *old_cell = rows_cell(rows, 0, old_row, column);
    const struct cell *new_cell = rows_cell(rows, 1, new_row, column);
    const struct type_pair *pair = &rows->columns[column].pair;
    struct writer *forms = rows->forms;
    if (!rows->columns[column].is_bag) {
        bool is_equal = type_pair_equal(pair, old_cell, new_cell, forms);
        rows->failed |= forms[0].failed || forms[1].failed;
        return is_equal;
    }
    writer_clear(&forms[0]);
    writer_clear(&forms[1]);
    add_form(rows, 0, old_row, column, &forms[0]);
    add_form(rows, 1, new_row, column, &forms[1]);
    return !rows->failed && type_pair_forms_agree(pair, forms[0].bytes, forms[0].length,
                                                  forms[1].bytes, forms[1].length);
}

bool
rows_tie(struct rows *rows, size_t side, size_t row, size_t other)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        if (!rows->columns[i].is_key)
            continue;
        struct writer *forms = rows->forms;
        writer_clear(&forms[0]);
        writer_clear(&forms[1]);
        add_form(rows, side, row, i, &forms[0]);
        add_form(rows, side, other, i, &forms[1]);
        if (rows->failed ||
            !type_pair_forms_agree(&rows->columns[i].pair, forms[0].bytes, forms[0].length,
                                   forms[1].bytes, forms[1].length))
            return false;
    }
    return true;
}

bool
rows_identical(const struct rows *rows, size_t old_row, size_t new_row)
{
    size_t old_length, new_length;
    if (!rows->is_alike)
        return false;
    const uint8_t *old_body = rows_body(rows, 0, old_row, &old_length);
    const uint8_t *new_body = rows_body(rows, 1, new_row, &new_length);
    return old_length == new_length && memcmp(old_body, new_body, old_length) == 0;
}

bool
rows_equal(struct rows *rows, size_t old_row, size_t new_row)
{
    if (rows_identical(rows, old_row, new_row))
        return true;
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
    add_form(rows, side, row, column, form);
    if (form->failed)
        return;
    length = (uint32_t)(form->length - start - sizeof length);
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

bool
rows_have_key(const struct rows *rows, const struct determinacy *determinacy)
{
    size_t found = 0;
    for (size_t i = 0; i < rows->column_count; i++)
        found += rows->columns[i].is_row_key && rows->columns[i].pair.is_exact;
    return found > 0 && found == determinacy->row_key_count;
}

uint64_t
rows_key_digest(struct rows *rows, size_t side, size_t row)
{
    struct writer *form = &rows->forms[0];
    writer_clear(form);
    for (size_t i = 0; i < rows->column_count; i++)
        if (rows->columns[i].is_row_key)
            append(rows, side, row, i, form);
    return XXH3_64bits(form->bytes, form->failed ? 0 : form->length);
}

void
rows_add_inexact(struct rows *rows, size_t side, size_t row, struct writer *forms)
{
    for (size_t i = 0; i < rows->column_count; i++)
        if (!rows->columns[i].pair.is_exact)
            append(rows, side, row, i, forms);
}

// Steps over the form that begins at *at. False: there is none.
static bool
next_form(const uint8_t *forms, size_t size, size_t *at, const uint8_t **form, uint32_t *length)
{
    if (size - *at < sizeof *length)
        return false;
    memcpy(length, forms + *at, sizeof *length);
    *at += sizeof *length;
    if (size - *at < *length)
        return false;
    *form = forms + *at;
    *at += *length;
    return true;
}

bool
rows_inexact_agree(const struct rows *rows, const uint8_t *one, size_t one_length,
                   const uint8_t *other, size_t other_length)
{
    size_t at[2] = {0, 0};
    for (size_t i = 0; i < rows->column_count; i++) {
        const uint8_t *forms[2];
        uint32_t lengths[2];
        if (rows->columns[i].pair.is_exact)
            continue;
        if (!next_form(one, one_length, &at[0], &forms[0], &lengths[0]) ||
            !next_form(other, other_length, &at[1], &forms[1], &lengths[1]) ||
            !type_pair_forms_agree(&rows->columns[i].pair, forms[0], lengths[0], forms[1],
                                   lengths[1]))
            return false;
    }
    return at[0] == one_length && at[1] == other_length;
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
        if (pair->family != TYPE_FAMILY_FLOAT4 && pair->family != TYPE_FAMILY_FLOAT8)
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

bool
rows_copy(const struct rows *rows, size_t side, const size_t *numbers, size_t count,
          struct result *copy)
{
    const struct result *result = rows->results[side];
    int16_t *formats = calloc(result->column_count + 1, sizeof *formats);
    bool is_done = formats != NULL;
    result_init(copy);
    for (size_t i = 0; is_done && i < result->column_count; i++)
        formats[i] = result->columns[i].format;
    if (is_done && result->has_columns)
        is_done = result_set_columns(copy, result->columns, result->column_count, formats,
                                     result->column_count);
    for (size_t i = 0; is_done && i < count; i++) {
        size_t length;
        const uint8_t *body = rows_body(rows, side, numbers[i], &length);
        is_done = result_add(copy, 'D', body, length) == RESULT_OK;
    }
    copy->kind = RESULT_ROWS;
    copy->left_out = result->row_count - copy->row_count;
    free(formats);
    return is_done;
}
