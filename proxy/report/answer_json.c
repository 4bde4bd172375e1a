// Answers as JSON. Times are ISO 8601 in UTC; a percentage is a number.
#include "proxy/report/answer_json.h"
#include <stdio.h>
#include <string.h>

static json_t *
time_to_json(int64_t microseconds)
{
    char text[ANSWER_SCRATCH];

    // "2026-01-31 12:00:00.123456+00" to "2026-01-31T12:00:00.123456Z"
    answer_time_text(microseconds, text);
    text[10] = 'T';
    text[strcspn(text, "+")] = 'Z';
    text[strcspn(text, "Z") + 1] = '\0';
    return json_string(text);
}

static json_t *
text_to_json(const char *text)
{
    json_t *value = json_string(text);

    // Bytes that are no UTF-8 (of a database in another encoding) are told as such, not lost.
    if (value == NULL) {
        value = json_array();
        for (const char *at = text; *at != '\0'; at++)
            json_array_append_new(value, json_integer((unsigned char)*at));
    }
    return value;
}

static json_t *
cell_to_json(const struct answer_cell *cell, enum answer_type type)
{
    json_t *parsed;

    if (cell->is_null)
        return json_null();
    switch (type) {
    case ANSWER_TEXT:
        return text_to_json(cell->text);
    case ANSWER_INTEGER:
        return json_integer(cell->integer);
    case ANSWER_REAL:
        return json_real(cell->real);
    case ANSWER_BOOLEAN:
        return json_boolean(cell->boolean);
    case ANSWER_TIME:
        return time_to_json(cell->integer);
    case ANSWER_PERCENT:
        return json_real((double)cell->integer / 100);
    case ANSWER_JSON:
        parsed = json_loads(cell->text, JSON_DECODE_ANY, NULL);
        return parsed != NULL ? parsed : text_to_json(cell->text);
    }
    return NULL;
}

json_t *
answer_row_to_json(const struct answer *answer, size_t row)
{
    const struct answer_cell *cells = answer_row(answer, row);
    json_t *object = json_object();

    for (size_t i = 0; i < answer->shape->count; i++)
        if (json_object_set_new(object, answer->shape->columns[i].name,
                                cell_to_json(&cells[i], answer->shape->columns[i].type)) != 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

json_t *
answer_to_json(const struct answer *answer)
{
    json_t *array = json_array();

    for (size_t row = 0; row < answer_rows(answer); row++)
        if (json_array_append_new(array, answer_row_to_json(answer, row)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}
