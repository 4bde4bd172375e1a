// Results for tests, written as text: columns "id int4, name text", a row a line, values between
// bars, \N for NULL: "1|alice\n2|\\N\n". An error is "!42P01".
#ifndef TESTS_UNIT_TABLES_H
#define TESTS_UNIT_TABLES_H

#include "compare/result.h"
#include "compare/type.h"
#include "protocol/writer.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint32_t
type_named(const char *name)
{
    for (uint32_t oid = 1; oid < 10000; oid++)
        if (type_name(oid) != NULL && strcmp(type_name(oid), name) == 0)
            return oid;
    return 0;
}

static inline void
add_row(struct result *result, char *line)
{
    struct writer body;
    char *values[64];
    size_t count = 0;
    writer_init(&body);
    for (char *at = line; at != NULL; count++) {
        values[count] = at;
        at = strchr(at, '|');
        if (at != NULL)
            *at++ = 0;
    }
    if (result->column_count == 0)
        count = 0;
    writer_i16(&body, (int16_t)count);
    for (size_t i = 0; i < count; i++) {
        bool is_null = strcmp(values[i], "\\N") == 0;
        writer_i32(&body, is_null ? -1 : (int32_t)strlen(values[i]));
        if (!is_null)
            writer_bytes(&body, values[i], strlen(values[i]));
    }
    cr_assert_eq(result_add(result, 'D', body.bytes, body.length), RESULT_OK);
    writer_fini(&body);
}

static inline struct result
table(const char *columns, const char *rows)
{
    struct reply_column described[64];
    size_t count = 0;
    struct result result;
    result_init(&result);
    if (rows[0] == '!') {
        char error[16];
        int length = snprintf(error, sizeof error, "C%.5s%cMx%c", rows + 1, 0, 0);
        cr_assert_eq(result_add(&result, 'E', (const uint8_t *)error, (size_t)length + 1),
                     RESULT_ENDED);
        return result;
    }
    char *names = strdup(columns);
    char *state = NULL;
    for (char *word = strtok_r(names, ",", &state); word != NULL;
         word = strtok_r(NULL, ",", &state)) {
        char name[64], type[64];
        cr_assert_eq(sscanf(word, " %63s %63s", name, type), 2);
        described[count++] = (struct reply_column){
            .name = strdup(name), .type = type_named(type), .type_modifier = -1};
    }
    cr_assert(result_set_columns(&result, described, count, NULL, 0));
    char *lines = strdup(rows);
    for (char *line = lines; *line != 0;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = 0;
        add_row(&result, line);
        line = end != NULL ? end + 1 : line + strlen(line);
    }
    cr_assert_eq(result_add(&result, 'C', (const uint8_t *)"SELECT", 7), RESULT_ENDED);
    while (count > 0)
        free((char *)described[--count].name);
    free(names);
    free(lines);
    return result;
}

#endif
