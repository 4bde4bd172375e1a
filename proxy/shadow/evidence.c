// Turns the readings of the rounds' first round into a record that outlives them. Names come from old's
// catalog by RowDescription's table OID and attribute number, else from the statement's text. Values
// pass proxy/masking, and so do parameters.

#include "proxy/shadow/evidence.h"
#include "proxy/report/reporter.h"
#include "proxy/shadow/evidence_key.h"
#include "proxy/shadow/masking.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
type_of(const struct cell *cell, const struct catalog *catalog)
{
    const char *name = type_name(cell->type);
    if (!name && catalog)
        name = catalog_type_name(catalog, cell->type);
    return name;
}

// Binary values as their type's text, where it can be told without the server.
static char *
show_as(const struct read *read, enum side side, const struct cell *cell, enum samples samples)
{
    const struct type_resolver *types =
        side == SIDE_OLD ? read->rules.difference.old_types : read->rules.difference.new_types;
    struct cell shown = *cell;
    struct writer text;
    writer_init(&text);
    if (cell->bytes && cell->format == 1 && cell->type != 0 && type_print(cell, types, &text) &&
        !text.failed) {
        shown.bytes = text.bytes ? text.bytes : (const uint8_t *)"";
        shown.length = text.length;
        shown.format = 0;
    }
    char *value = masking_show(&shown, samples, type_of(cell, read->catalogs->catalogs[side]));
    writer_fini(&text);
    return value;
}

static char *
show(const struct read *read, enum side side, const struct cell *cell)
{
    return show_as(read, side, cell, read->settings->entry->compare.samples);
}

// A string as JSON; text that is no UTF-8 byte by byte.
static json_t *
json_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *json = json_string(text);
    if (json)
        return json;
    json_t *bytes = json_array();
    for (const char *at = text; *at; at++)
        json_array_append_new(bytes, json_integer((unsigned char)*at));
    return bytes;
}

static json_t *
json_shown(const struct read *read, enum side side, const struct cell *cell)
{
    char *text = show(read, side, cell);
    json_t *json = json_text(text);
    free(text);
    return json;
}

static size_t
row_at(const struct result *result, size_t number, const uint8_t **body)
{
    size_t at = 0;
    uint32_t length;
    for (size_t row = 0; at + sizeof(length) <= result->rows_length; row++) {
        memcpy(&length, result->rows + at, sizeof(length));
        if (row == number) {
            *body = result->rows + at + sizeof(length);
            return length;
        }
        at += sizeof(length) + length;
    }
    return 0;
}

// A row without a partner, as an object of its columns.
static json_t *
json_row(const struct read *read, enum side side, const struct result *result, size_t number)
{
    json_t *object = json_object();
    const uint8_t *body = NULL;
    size_t length = row_at(result, number, &body);
    struct reply_row row;
    if (!body || !reply_row_begin(&row, body, length))
        return object;
    for (size_t i = 0; i < result->column_count; i++) {
        const struct reply_column *column = &result->columns[i];
        struct cell cell = {
            .type = column->type, .format = column->format, .type_modifier = column->type_modifier};
        if (!reply_row_next(&row, &cell.bytes, &cell.length))
            break;
        json_object_set_new(object, column->name, json_shown(read, side, &cell));
    }
    return object;
}

struct key_context {
    const struct read *read;
    enum side side;
    enum samples samples;
};

static json_t *
show_key(const void *context, const struct cell *cell)
{
    const struct key_context *key = context;
    char *text = show_as(key->read, key->side, cell, key->samples);
    json_t *json = json_text(text);
    free(text);
    return json;
}

// The analysis is of old's columns: new's are found among them by their names. NULL: no memory.
static unsigned *
references_of(const struct read *read, const struct rounds *rounds, enum side side)
{
    const struct analysis *analysis = read->shape->analysis;
    const struct result *old_result = &rounds->old_result;
    const struct result *result = side == SIDE_OLD ? old_result : &rounds->new_result;
    unsigned *references = calloc(result->column_count + 1, sizeof(*references));
    for (size_t i = 0; references && i < result->column_count; i++) {
        const char *name = result->columns[i].name;
        size_t at = i;
        if (at >= old_result->column_count || strcmp(old_result->columns[at].name, name) != 0)
            for (at = 0; at < old_result->column_count; at++)
                if (strcmp(old_result->columns[at].name, name) == 0)
                    break;
        if (at < old_result->column_count && at < analysis->column_count)
            references[i] = analysis->columns[at].reference;
    }
    return references;
}

// Which row the sample is: by old's result where it has the row, else by new's.
static void
add_keys(json_t *json, const struct read *read, const struct rounds *rounds,
         const struct difference_sample *sample)
{
    const struct configuration_compare *compare = &read->settings->entry->compare;
    enum side side = sample->old_row != SIZE_MAX ? SIDE_OLD : SIDE_NEW;
    struct key_context context = {.read = read, .side = side, .samples = compare->samples};
    struct evidence_row row = {
        .result = side == SIDE_OLD ? &rounds->old_result : &rounds->new_result,
        .number = side == SIDE_OLD ? sample->old_row : sample->new_row,
        .catalog = read->catalogs->catalogs[side],
    };
    if (compare->keys == KEYS_FULL)
        context.samples = SAMPLES_FULL;
    if (row.number == SIZE_MAX || context.samples == SAMPLES_NONE)
        return;
    unsigned *references = references_of(read, rounds, side);
    if (!references)
        return;
    row.references = references;
    json_t *unknown = json_array();
    json_t *keys = evidence_keys(&row, side == SIDE_OLD ? sample->column : SIZE_MAX, show_key,
                                 &context, unknown);
    if (json_array_size(keys) > 0 && context.samples == SAMPLES_MASKED)
        json_object_set_new(json, "keys_are_masked", json_true());
    if (json_array_size(keys) > 0)
        json_object_set(json, "keys", keys);
    if (json_array_size(unknown) > 0)
        json_object_set(json, "keys_unknown", unknown);
    json_decref(keys);
    json_decref(unknown);
    free(references);
}

// What is kept of a string is bounded: a list that is longer ends early rather than within a value.
static void
append_while_it_fits(json_t *list, json_t *json)
{
    json_array_append_new(list, json);
    if (json_dumpb(list, NULL, 0, JSON_COMPACT) <= FIGURES_TEXT_LIMIT)
        return;
    json_object_del(json, "old_row");
    json_object_del(json, "new_row");
    if (json_dumpb(list, NULL, 0, JSON_COMPACT) > FIGURES_TEXT_LIMIT)
        json_array_remove(list, json_array_size(list) - 1);
}

static char *
samples_of(const struct read *read, const struct rounds *rounds)
{
    const struct difference *difference = &rounds->difference;
    const struct configuration_compare *compare = &read->settings->entry->compare;
    json_t *samples = json_array();
    for (size_t i = 0; i < difference->sample_count; i++) {
        const struct difference_sample *sample = &difference->samples[i];
        json_t *json = json_object();
        add_keys(json, read, rounds, sample);
        if (compare->samples == SAMPLES_NONE) {
            if (json_object_size(json) > 0)
                append_while_it_fits(samples, json);
            else
                json_decref(json);
            continue;
        }
        if (sample->old_row != SIZE_MAX)
            json_object_set_new(json, "old_row",
                                json_row(read, SIDE_OLD, &rounds->old_result, sample->old_row));
        if (sample->new_row != SIZE_MAX)
            json_object_set_new(json, "new_row",
                                json_row(read, SIDE_NEW, &rounds->new_result, sample->new_row));
        if (sample->column != SIZE_MAX && sample->column < rounds->old_result.column_count) {
            const char *name = rounds->old_result.columns[sample->column].name;
            json_object_set_new(json, "column", json_text(name));
            json_object_set_new(json, "old", json_shown(read, SIDE_OLD, &sample->old_value));
            json_object_set_new(json, "new", json_shown(read, SIDE_NEW, &sample->new_value));
        }
        append_while_it_fits(samples, json);
    }
    char *text = json_dumps(samples, JSON_COMPACT);
    json_decref(samples);
    return text;
}

static char *
parameters_of(const struct read *read)
{
    struct bind_request bind;
    if (!read->bind || !request_read_bind(read->bind, read->bind_length, &bind))
        return strdup("[]");
    json_t *parameters = json_array();
    for (size_t i = 0; i < bind.value_count; i++) {
        struct cell cell = {.bytes = bind.values[i].bytes,
                            .length = bind.values[i].length,
                            .format = bind.values[i].format};
        append_while_it_fits(parameters, json_shown(read, SIDE_OLD, &cell));
    }
    char *text = json_dumps(parameters, JSON_COMPACT);
    json_decref(parameters);
    request_bind_fini(&bind);
    return text;
}

// All tables of the statement, for differences that are no column's.
static char *
tables_of(const struct analysis *analysis)
{
    size_t length = 1;
    for (size_t i = 0; i < analysis->table_count; i++)
        length += strlen(analysis->tables[i].name) + 2;
    char *text = malloc(length);
    if (!text)
        return NULL;
    *text = '\0';
    for (size_t i = 0; i < analysis->table_count; i++) {
        if (i > 0)
            strcat(text, ", ");
        strcat(text, analysis->tables[i].name);
    }
    return text;
}

// Whole rows differ: the table that most output columns come from, where they tell.
static char *
table_of_rows(const struct read *read, const struct rounds *rounds)
{
    const struct analysis *analysis = read->shape->analysis;
    const char *only = NULL;
    for (size_t i = 0; i < rounds->old_result.column_count; i++) {
        const char *table, *column;
        rules_column_origin(analysis, read->catalogs->catalogs[SIDE_OLD],
                            &rounds->old_result.columns[i], i, &table, &column);
        if (!*table)
            continue;
        if (only && strcmp(only, table) != 0)
            return tables_of(analysis);
        only = table;
    }
    return only ? strdup(only) : tables_of(analysis);
}

static void
locate(const struct read *read, const struct rounds *rounds, struct figures_mismatch *mismatch)
{
    const struct difference *difference = &rounds->difference;
    size_t column = difference->column;
    if (difference->class != DIFFERENCE_VALUE || column >= rounds->old_result.column_count) {
        bool is_error = rounds->old_result.kind == RESULT_ERROR ||
                        rounds->new_result.kind == RESULT_ERROR; // any of them may be at fault
        mismatch->table = is_error ? tables_of(read->shape->analysis) : table_of_rows(read, rounds);
        mismatch->column = strdup("");
        return;
    }
    const char *table, *name;
    rules_column_origin(read->shape->analysis, read->catalogs->catalogs[SIDE_OLD],
                        &rounds->old_result.columns[column], column, &table, &name);
    mismatch->table = *table ? strdup(table) : tables_of(read->shape->analysis);
    mismatch->column = strdup(name);
}

static char *
detail_of(const struct rounds *rounds)
{
    const struct result *sides[] = {&rounds->old_result, &rounds->new_result};
    static const char *const names[] = {"old", "new"};
    char *detail = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&detail, &size);
    if (!text)
        return NULL;
    for (int i = 0; i < 2; i++) {
        if (sides[i]->kind == RESULT_ERROR)
            fprintf(text, "%s%s said %s", ftell(text) > 0 ? "; " : "", names[i],
                    sides[i]->sqlstate);
        else
            fprintf(text, "%s%s gave %zu rows", ftell(text) > 0 ? "; " : "", names[i],
                    sides[i]->row_count + sides[i]->left_out);
    }
    if (rounds->difference.is_collation)
        fputs("; both are sorted, by two collations", text);
    fclose(text);
    return detail;
}

void
evidence_record(const struct read *read, const struct rounds *rounds,
                const struct evidence_times *times)
{
    const struct analysis *analysis = read->shape->analysis;
    const struct difference *difference = &rounds->difference;
    bool is_full = read->settings->entry->compare.samples == SAMPLES_FULL;
    struct figures_mismatch mismatch = {
        .at = read_wall_clock(uv_hrtime()),
        .difference = difference->class,
        .rows = difference->rows,
        .served = read->served,
        .served_at = read->served_at,
        .old_first_at = times->old_first_at,
        .new_at = times->new_at,
        .old_second_at = times->old_second_at,
        .lag_seconds = times->lag_seconds,
        .rounds = rounds->settings.rounds,
        .attempts = rounds->attempts,
        .samples = samples_of(read, rounds),
        .parameters = parameters_of(read),
        .query = strdup(is_full || !analysis->query ? read->sql : analysis->query),
        .detail = detail_of(rounds),
    };
    memcpy(mismatch.fingerprint, analysis->fingerprint, sizeof(mismatch.fingerprint));
    locate(read, rounds, &mismatch);
    if (difference->sample_count > 0 && difference->samples[0].column != SIZE_MAX) {
        mismatch.old_value = show(read, SIDE_OLD, &difference->samples[0].old_value);
        mismatch.new_value = show(read, SIDE_NEW, &difference->samples[0].new_value);
    }
    reporter_mismatch(read->mirror->shadow->instance->reporter, read->mirror->at->database,
                      &mismatch);
    figures_mismatch_fini(&mismatch);
}
