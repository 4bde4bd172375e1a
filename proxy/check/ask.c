// See ask.h. READ COMMITTED, so that a standby is not held up for longer than a statement. The search_path that the
// session came with is kept where statements can see it, in a setting of our own; everything is SET LOCAL, so that a
// pooler in between gets its server back as it was.
#include "proxy/check/ask.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const opening[] = {
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
    "SELECT pg_catalog.set_config('pgrehearse.search_path',"
    " pg_catalog.current_setting('search_path'), true)",
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true),"
    " pg_catalog.set_config('DateStyle', 'ISO', true),"
    " pg_catalog.set_config('TimeZone', 'UTC', true),"
    " pg_catalog.set_config('statement_timeout', '25s', true),"
    " pg_catalog.set_config('lock_timeout', '5s', true)",
    "SAVEPOINT question",
};

static void
say_lost(struct check *check, enum side side)
{
    check->is_up[side] = false;
    check->findings.is_cut_short = true;
    findings_add(&check->findings, FINDING_unreachable, check_side_names[side], "%s",
                 check->links[side].error);
}

bool
ask_begin(struct check *check, enum side side)
{
    for (size_t i = 0; i < sizeof opening / sizeof *opening; i++) {
        PGresult *result = side_link_query(&check->links[side], opening[i], NULL);

        if (!result) {
            say_lost(check, side);
            return false;
        }
        if (i == 1)
            check->paths[side] = strdup(PQgetvalue(result, 0, 0));
        PQclear(result);
    }
    return true;
}

PGresult *
ask(struct check *check, enum side side, const char *sql, const char *parameter)
{
    struct side_link *link = &check->links[side];
    char error[sizeof link->error];

    if (!check->is_up[side])
        return NULL;

    PGresult *result = side_link_query(link, sql, parameter);

    if (result)
        return result;
    if (link->connection) {
        memcpy(error, link->error, sizeof error);
        result = side_link_query(link, "ROLLBACK TO question", NULL);
        if (result)
            memcpy(link->error, error, sizeof error);
        PQclear(result);
    }
    if (!link->connection)
        say_lost(check, side);
    return NULL;
}

PGresult *
ask_or_note(struct check *check, enum side side, const char *sql, const char *what)
{
    PGresult *result = ask(check, side, sql, NULL);

    if (!result && check->is_up[side])
        findings_add(&check->findings, FINDING_not_readable, what, "%s: %s", check_side_names[side],
                     check->links[side].error);
    return result;
}

bool
ask_both(struct check *check, const char *sql, const char *what, PGresult *results[2])
{
    if (ask_is_alone(check))
        return false;
    results[SIDE_OLD] = ask_or_note(check, SIDE_OLD, sql, what);
    if (!results[SIDE_OLD])
        return false;
    results[SIDE_NEW] = ask_or_note(check, SIDE_NEW, sql, what);
    if (!results[SIDE_NEW])
        PQclear(results[SIDE_OLD]);
    return results[SIDE_NEW] != NULL;
}

bool
ask_is_alone(const struct check *check)
{
    return !check->is_up[SIDE_OLD] || !check->is_up[SIDE_NEW];
}

int
ask_version(const struct check *check, enum side side)
{
    return check->is_up[side] ? PQserverVersion(check->links[side].connection) : 0;
}

// The length of "schema." at `text` where schema is on the path; 0: none.
static size_t
schema_at(const char *path, const char *text)
{
    while (*path) {
        path += strspn(path, " ,\"");

        size_t length = strcspn(path, ",\"");

        while (length > 0 && path[length - 1] == ' ')
            length--;
        if (length > 0 && strncmp(path, text, length) == 0 && text[length] == '.')
            return length + 1;
        path += strcspn(path, ",");
    }
    return 0;
}

char *
ask_strip(const struct check *check, enum side side, const char *text)
{
    const char *path = check->paths[side] ? check->paths[side] : "";
    char *stripped = malloc(strlen(text) + 1), *to = stripped;
    char before = ' ';

    while (stripped && *text) {
        bool is_word = isalnum((unsigned char)before) || strchr("_$.\"", before);

        if (!is_word)
            text += schema_at(path, text);
        before = *text;
        if (before)
            *to++ = *text++;
    }
    if (stripped)
        *to = '\0';
    return stripped;
}
