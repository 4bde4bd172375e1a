// Names must be old's. A type may be another one where its values can be put as old's: compare/recode says how. Everything else
// is answered by old.
#include "proxy/canary/canary_columns.h"
#include "compare/sql/state.h"
#include "protocol/message.h"
#include <stdlib.h>
#include <string.h>

void
canary_types_init(struct canary_types *types, struct database *database,
                  const struct state_snapshot *state)
{
    char encoding[64], digits[16];
    (void)state_value(state, "client_encoding", encoding, sizeof(encoding));
    (void)state_value(state, "extra_float_digits", digits, sizeof(digits));
    *types = (struct canary_types){
        .catalogs = database_catalogs(database),
        .is_utf8 = strcasecmp(encoding, "UTF8") == 0,
        .has_short_floats = !strcasestr(state->replay, "extra_float_digits") || atoi(digits) > 0,
    };
}

void
canary_types_fini(struct canary_types *types)
{
    if (types->catalogs) {
        database_catalogs_unref(&types->catalogs);
    }
}

void
canary_column_init(struct canary_column *column, const struct canary_types *types,
                   const struct reply_column *old_column, const struct reply_column *new_column)
{
    const struct database_catalogs *catalogs = types->catalogs;
    struct recode_type to = {catalogs ? catalogs->catalogs[SIDE_OLD] : NULL, old_column->type,
                             old_column->type_modifier};
    struct recode_type from = {catalogs ? catalogs->catalogs[SIDE_NEW] : NULL, new_column->type,
                               new_column->type_modifier};
    struct recode_rules rules = {.format = new_column->format,
                                 .is_utf8 = types->is_utf8,
                                 .has_short_floats = types->has_short_floats};
    *column = (struct canary_column){.outcome = RECODE_IMPOSSIBLE};
    if (strcmp(old_column->name, new_column->name) == 0) {
        column->outcome = recode_plan(&to, &from, &rules, &column->recode);
    }
}

void
canary_column_fini(struct canary_column *column)
{
    recode_free(&column->recode);
}

static void
put_length(struct writer *writer, size_t at)
{
    size_t length = writer->length - at - 4;
    writer->failed = writer->failed || length > INT32_MAX;
    for (size_t i = 0; i < 4 && !writer->failed; i++) {
        writer->bytes[at + i] = (uint8_t)(length >> (24 - 8 * i));
    }
}

static bool
convert(struct writer *writer, const struct canary_column *column, const uint8_t *value,
        size_t length, size_t limit)
{
    if (!value || !column->recode) {
        writer_value(writer, value, length);
        return !value || column->outcome == RECODE_AS_IS;
    }
    size_t at = writer->length;
    writer_u32(writer, 0);
    bool is_fine = recode_value(column->recode, value, length, limit, writer);
    put_length(writer, at);
    return is_fine;
}

bool
canary_row_convert(struct writer *writer, const struct canary_column *columns, size_t count,
                   const uint8_t *body, size_t length, size_t limit)
{
    struct reply_row row;
    const uint8_t *value;
    size_t value_length;
    if (!reply_row_begin(&row, body, length) || row.left != count) {
        return false;
    }
    writer_begin(writer, MESSAGE_SERVER_DATA_ROW);
    writer_count(writer, count);
    for (size_t i = 0; i < count; i++) {
        if (!reply_row_next(&row, &value, &value_length) ||
            !convert(writer, &columns[i], value, value_length, limit)) {
            return false;
        }
    }
    writer_end(writer);
    return reply_row_is_done(&row) && !writer->failed;
}
