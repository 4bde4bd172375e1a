// Answers as messages (manual 55.7). Binary formats are those of the types' send functions.
#include "proxy/console/console_wire.h"
#include "protocol/reply.h"
#include <stdlib.h>
#include <string.h>

static const struct wire_type {
    uint32_t oid;
    int16_t size;
} types[] = {
    [ANSWER_TEXT] = {25, -1},   [ANSWER_INTEGER] = {20, 8}, [ANSWER_REAL] = {701, 8},
    [ANSWER_BOOLEAN] = {16, 1}, [ANSWER_TIME] = {1184, 8},  [ANSWER_PERCENT] = {1700, -1},
    [ANSWER_JSON] = {114, -1},
};

// From 1970 to 2000, where PostgreSQL's timestamps begin.
static const int64_t EPOCH_2000 = INT64_C(946684800000000);

static int16_t
format_of(const struct console_formats *formats, size_t column)
{
    if (formats == NULL || formats->count == 0)
        return 0;
    return formats->list[formats->count == 1 || column >= formats->count ? 0 : column];
}

void
console_write_description(struct writer *writer, const struct answer_shape *shape,
                          const struct console_formats *formats)
{
    if (shape == NULL) {
        writer_begin(writer, 'n'); // NoData
        writer_end(writer);
        return;
    }

    struct reply_column *columns = calloc(shape->count, sizeof *columns);

    if (columns == NULL) {
        writer->failed = true;
        return;
    }
    for (size_t i = 0; i < shape->count; i++)
        columns[i] = (struct reply_column){
            .name = shape->columns[i].name,
            .type = types[shape->columns[i].type].oid,
            .type_size = types[shape->columns[i].type].size,
            .type_modifier = -1,
            .format = format_of(formats, i),
        };
    reply_write_row_description(writer, columns, shape->count);
    free(columns);
}

// numeric: digits in base 10000, the first one's weight, sign, digits after the point.
static void
write_percent(struct writer *writer, int64_t hundredths)
{
    int16_t whole = (int16_t)(hundredths / 100);
    int16_t part = (int16_t)(hundredths % 100 * 100);
    int16_t digits = (int16_t)((whole > 0) + (part > 0));

    writer_i32(writer, 8 + 2 * digits);
    writer_i16(writer, digits);
    writer_i16(writer, (int16_t)(whole > 0 || part == 0 ? 0 : -1));
    writer_i16(writer, 0);
    writer_i16(writer, (int16_t)(part == 0 ? 0 : 2));
    if (whole > 0)
        writer_i16(writer, whole);
    if (part > 0)
        writer_i16(writer, part);
}

static void
write_text(struct writer *writer, const char *text)
{
    size_t length = strlen(text);

    writer_i32(writer, (int32_t)length);
    writer_bytes(writer, text, length);
}

static void
write_binary(struct writer *writer, const struct answer_cell *cell, enum answer_type type)
{
    uint64_t bits;

    switch (type) {
    case ANSWER_TEXT:
    case ANSWER_JSON:
        write_text(writer, cell->text);
        break;
    case ANSWER_INTEGER:
        writer_i32(writer, 8);
        writer_u64(writer, (uint64_t)cell->integer);
        break;
    case ANSWER_REAL:
        memcpy(&bits, &cell->real, sizeof bits);
        writer_i32(writer, 8);
        writer_u64(writer, bits);
        break;
    case ANSWER_BOOLEAN:
        writer_i32(writer, 1);
        writer_u8(writer, cell->boolean ? 1 : 0);
        break;
    case ANSWER_TIME:
        writer_i32(writer, 8);
        writer_u64(writer, (uint64_t)(cell->integer - EPOCH_2000));
        break;
    case ANSWER_PERCENT:
        write_percent(writer, cell->integer);
        break;
    }
}

static void
write_row(struct writer *writer, const struct answer *answer, size_t row,
          const struct console_formats *formats)
{
    const struct answer_cell *cells = answer_row(answer, row);
    char scratch[ANSWER_SCRATCH];

    writer_begin(writer, 'D');
    writer_i16(writer, (int16_t)answer->shape->count);
    for (size_t i = 0; i < answer->shape->count; i++) {
        enum answer_type type = answer->shape->columns[i].type;

        if (cells[i].is_null)
            writer_i32(writer, -1);
        else if (format_of(formats, i) == 1)
            write_binary(writer, &cells[i], type);
        else
            write_text(writer, answer_cell_text(&cells[i], type, scratch));
    }
    writer_end(writer);
}

size_t
console_write_rows(struct writer *writer, const struct answer *answer, size_t first, size_t limit,
                   const struct console_formats *formats)
{
    size_t rows = answer_rows(answer);
    size_t count = first < rows ? rows - first : 0;

    if (limit > 0 && count > limit)
        count = limit;
    for (size_t i = 0; i < count; i++)
        write_row(writer, answer, first + i, formats);
    return count;
}

static void
write_message(struct writer *writer, char type, const char *severity,
              const struct console_error *message)
{
    struct reply_error_text text = {
        .severity = severity,
        .sqlstate = message->sqlstate,
        .message = message->message,
        .hint = message->hint[0] == '\0' ? NULL : message->hint,
    };

    reply_write_error(writer, type, &text);
}

void
console_write_error(struct writer *writer, const char *severity, const struct console_error *error)
{
    write_message(writer, 'E', severity, error);
}

void
console_write_notice(struct writer *writer, const struct console_error *notice)
{
    if (notice->sqlstate[0] != '\0')
        write_message(writer, 'N', "WARNING", notice);
}
