// Typed tables; see answer.h. Times are given in UTC, as the console says in its TimeZone.
#include "proxy/report/answer.h"
#include "config/units.h"
#include "protocol/utf8.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool
owns_text(enum answer_type type)
{
    return type == ANSWER_TEXT || type == ANSWER_JSON;
}

void
answer_init(struct answer *answer, const struct answer_shape *shape)
{
    memset(answer, 0, sizeof *answer);
    answer->shape = shape;
}

void
answer_fini(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        if (owns_text(answer->shape->columns[i % answer->shape->count].type) &&
            !answer->cells[i].is_null)
            free(answer->cells[i].text);
    free(answer->cells);
    answer_init(answer, answer->shape);
}

// NULL: no memory; the answer has failed.
static struct answer_cell *
next_cell(struct answer *answer, enum answer_type type)
{
    assert(answer->shape != NULL);

    enum answer_type wanted = answer->shape->columns[answer->count % answer->shape->count].type;

    assert(type == wanted);
    (void)type;
    (void)wanted;
    if (answer->failed)
        return NULL;
    if (answer->count == answer->capacity) {
        size_t capacity = answer->capacity == 0 ? 64 : answer->capacity * 2;
        struct answer_cell *cells = realloc(answer->cells, capacity * sizeof *cells);

        if (cells == NULL) {
            answer->failed = true;
            return NULL;
        }
        answer->cells = cells;
        answer->capacity = capacity;
    }

    struct answer_cell *cell = &answer->cells[answer->count++];

    memset(cell, 0, sizeof *cell);
    return cell;
}

static void
add_text(struct answer *answer, enum answer_type type, const char *text, size_t length)
{
    struct answer_cell *cell = next_cell(answer, type);

    if (cell == NULL)
        return;
    cell->text = text == NULL ? NULL : strndup(text, length);
    cell->is_null = cell->text == NULL;
    if (text != NULL && cell->text == NULL)
        answer->failed = true;
    if (cell->text != NULL)
        utf8_repair(cell->text); // servers' messages and clients' statements come in any encoding
}

void
answer_text(struct answer *answer, const char *text)
{
    add_text(answer, ANSWER_TEXT, text, text == NULL ? 0 : strlen(text));
}

void
answer_json(struct answer *answer, const char *text)
{
    add_text(answer, ANSWER_JSON, text, text == NULL ? 0 : strlen(text));
}

void
answer_integer(struct answer *answer, uint64_t value)
{
    struct answer_cell *cell = next_cell(answer, ANSWER_INTEGER);

    if (cell != NULL)
        cell->integer = value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

void
answer_real(struct answer *answer, double value)
{
    struct answer_cell *cell = next_cell(answer, ANSWER_REAL);

    if (cell == NULL)
        return;
    cell->real = value;
    cell->is_null = isnan(value);
}

void
answer_boolean(struct answer *answer, bool value)
{
    struct answer_cell *cell = next_cell(answer, ANSWER_BOOLEAN);

    if (cell != NULL)
        cell->boolean = value;
}

void
answer_time(struct answer *answer, int64_t microseconds)
{
    struct answer_cell *cell = next_cell(answer, ANSWER_TIME);

    if (cell == NULL)
        return;
    cell->integer = microseconds;
    cell->is_null = microseconds == 0;
}

void
answer_percent(struct answer *answer, unsigned hundredths)
{
    struct answer_cell *cell = next_cell(answer, ANSWER_PERCENT);

    if (cell != NULL)
        cell->integer = hundredths;
}

void
answer_null(struct answer *answer)
{
    size_t column = answer->count % answer->shape->count;
    struct answer_cell *cell = next_cell(answer, answer->shape->columns[column].type);

    if (cell != NULL)
        cell->is_null = true;
}

size_t
answer_rows(const struct answer *answer)
{
    return answer->shape == NULL ? 0 : answer->count / answer->shape->count;
}

const struct answer_cell *
answer_row(const struct answer *answer, size_t row)
{
    return &answer->cells[row * answer->shape->count];
}

void
answer_time_text(int64_t microseconds, char text[ANSWER_SCRATCH])
{
    int64_t seconds = microseconds / 1000000;
    int64_t rest = microseconds % 1000000;

    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }

    time_t when = (time_t)seconds;
    struct tm tm;
    size_t length = 0;

    if (gmtime_r(&when, &tm) != NULL)
        length = strftime(text, ANSWER_SCRATCH, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(text + length, ANSWER_SCRATCH - length, ".%06" PRId64 "+00", rest);
}

// The shortest text that reads back as the same number.
static void
real_text(double value, char text[ANSWER_SCRATCH])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, ANSWER_SCRATCH, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

const char *
answer_cell_text(const struct answer_cell *cell, enum answer_type type,
                 char scratch[ANSWER_SCRATCH])
{
    switch (type) {
    case ANSWER_TEXT:
    case ANSWER_JSON:
        return cell->text;
    case ANSWER_INTEGER:
        snprintf(scratch, ANSWER_SCRATCH, "%" PRId64, cell->integer);
        return scratch;
    case ANSWER_REAL:
        real_text(cell->real, scratch);
        return scratch;
    case ANSWER_BOOLEAN:
        return cell->boolean ? "t" : "f";
    case ANSWER_TIME:
        answer_time_text(cell->integer, scratch);
        return scratch;
    case ANSWER_PERCENT:
        units_write_percent((unsigned)cell->integer, scratch);
        return scratch;
    }
    return "";
}
