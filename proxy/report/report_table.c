// Aligned columns. A character is what UTF-8 says it is; control characters and line ends become blanks, so
// that values from a database cannot disturb a terminal.
#include "proxy/report/report_table.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 32, CELL_MAX = 4 * REPORT_WIDTH_MAX + 4 };

void
report_number(uint64_t value, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    int at = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

// Copies at most REPORT_WIDTH_MAX characters, made harmless. How many there are.
static size_t
clean(const char *text, char out[CELL_MAX])
{
    size_t width = 0;
    size_t at = 0;

    for (; *text != '\0' && at + 5 < CELL_MAX; text++) {
        unsigned char byte = (unsigned char)*text;
        bool begins = (byte & 0xc0) != 0x80;

        if (begins && width == REPORT_WIDTH_MAX - 1 && strlen(text) > 1) {
            at += (size_t)sprintf(out + at, "…");
            width++;
            break;
        }
        width += begins;
        out[at++] = byte < 0x20 || byte == 0x7f ? ' ' : (char)byte;
    }
    out[at] = '\0';
    return width;
}

static size_t
cell_text(const struct answer_cell *cell, enum answer_type type, char out[CELL_MAX])
{
    char scratch[ANSWER_SCRATCH];

    if (cell->is_null)
        return clean("NULL", out);
    if (type == ANSWER_INTEGER) {
        report_number((uint64_t)cell->integer, scratch);
        return clean(scratch, out);
    }
    if (type == ANSWER_TIME) { // to the second
        answer_time_text(cell->integer, scratch);
        scratch[19] = '\0';
        return clean(scratch, out);
    }
    return clean(answer_cell_text(cell, type, scratch), out);
}

static bool
is_number(enum answer_type type)
{
    return type == ANSWER_INTEGER || type == ANSWER_REAL || type == ANSWER_PERCENT;
}

static void
put(FILE *out, const char *text, size_t width, size_t column_width, bool is_right, bool is_last)
{
    size_t blanks = column_width > width ? column_width - width : 0;

    if (is_right)
        fprintf(out, "%*s%s", (int)blanks, "", text);
    else if (is_last)
        fputs(text, out);
    else
        fprintf(out, "%s%*s", text, (int)blanks, "");
    fputs(is_last ? "\n" : "  ", out);
}

void
report_table(FILE *out, const struct answer *answer)
{
    const struct answer_column *columns = answer->shape->columns;
    size_t count = answer->shape->count < COLUMNS_MAX ? answer->shape->count : COLUMNS_MAX;
    size_t widths[COLUMNS_MAX];
    char text[CELL_MAX];

    for (size_t i = 0; i < count; i++)
        widths[i] = strlen(columns[i].name);
    for (size_t row = 0; row < answer_rows(answer); row++)
        for (size_t i = 0; i < count; i++) {
            size_t width = cell_text(&answer_row(answer, row)[i], columns[i].type, text);

            if (widths[i] < width)
                widths[i] = width;
        }
    fputs("    ", out);
    for (size_t i = 0; i < count; i++)
        put(out, columns[i].name, strlen(columns[i].name), widths[i], is_number(columns[i].type),
            i + 1 == count);
    for (size_t row = 0; row < answer_rows(answer); row++) {
        fputs("    ", out);
        for (size_t i = 0; i < count; i++) {
            size_t width = cell_text(&answer_row(answer, row)[i], columns[i].type, text);

            put(out, text, width, widths[i], is_number(columns[i].type), i + 1 == count);
        }
    }
}
