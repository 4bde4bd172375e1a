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

char *
connection_masked(const char *string)
{
    PQconninfoOption *options = PQconninfoParse(string, NULL);
    char *text = NULL;
    size_t size;
    FILE *out = options ? open_memstream(&text, &size) : NULL;
    const char *gap = "";

    for (PQconninfoOption *option = options; out && option->keyword; option++) {
        if (!option->val)
            continue;
        fprintf(out, "%s%s=", gap, option->keyword);
        write_value(out, strchr(option->dispchar, '*') ? "***" : option->val);
        gap = " ";
    }
    PQconninfoFree(options);
    if (out && fclose(out) != 0) {
        free(text);
        text = NULL;
    }
    return text;
}
