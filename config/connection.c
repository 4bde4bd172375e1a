// See connection.h. Which options are secret is libpq's to say (dispchar '*').
#include "config/connection.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
connection_check(const char *string, char *problem, size_t size)
{
    char *said = NULL;
    PQconninfoOption *options = PQconninfoParse(string, &said);

    if (!options) {
        snprintf(problem, size, "%s", said ? said : "out of memory");
        problem[strcspn(problem, "\n")] = '\0';
        PQfreemem(said);
        return false;
    }
    PQconninfoFree(options);
    return true;
}

// A value as a connection string quotes it.
static void
write_value(FILE *out, const char *value)
{
    bool is_plain = *value && !strpbrk(value, " '\\\t\n");

    if (!is_plain)
        fputc('\'', out);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            fputc('\\', out);
        fputc(*value, out);
    }
    if (!is_plain)
        fputc('\'', out);
}

// The options as key=value; secrets masked or not; `name` as dbname unless there is one.
static char *
write_options(const PQconninfoOption *options, bool is_masked, const char *name)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    const char *gap = "";

    if (!out)
        return NULL;
    for (const PQconninfoOption *option = options; option->keyword; option++) {
        const char *value = option->val;

        if (!value && name && strcmp(option->keyword, "dbname") == 0)
            value = name;
        if (!value)
            continue;
        fprintf(out, "%s%s=", gap, option->keyword);
        write_value(out, is_masked && strchr(option->dispchar, '*') ? "***" : value);
        gap = " ";
    }
    if (fclose(out) != 0) {
        free(text);
        text = NULL;
    }
    return text;
}

char *
connection_masked(const char *string)
{
    PQconninfoOption *options = PQconninfoParse(string, NULL);
    char *text = options ? write_options(options, true, NULL) : NULL;

    PQconninfoFree(options);
    return text;
}

char *
connection_with_database(const char *string, const char *name)
{
    PQconninfoOption *options = PQconninfoParse(string, NULL);
    bool has_service = false;

    for (PQconninfoOption *option = options; option && option->keyword; option++)
        has_service |= option->val && strcmp(option->keyword, "service") == 0;

    char *text = options ? write_options(options, false, has_service ? NULL : name) : NULL;

    PQconninfoFree(options);
    return text;
}
