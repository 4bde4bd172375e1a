// See attempt.h. libpq takes a password from wherever it finds one; for an attempt without any the string is taken to
// pieces, and $PGPASSWORD is away meanwhile. `check` has one thread.
#include "proxy/check/attempt.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS = 64 };

static bool
is_replaced(const char *keyword)
{
    static const char *const ours[] = {"user", "password", "passfile", "connect_timeout",
                                       "application_name"};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (strcmp(ours[i], keyword) == 0)
            return true;
    }
    return false;
}

static PGconn *
connect_as(const PQconninfoOption *options, const char *user, const char *password)
{
    const char *keywords[OPTIONS] = {"user", "passfile", "connect_timeout", "application_name",
                                     "password"};
    const char *values[OPTIONS] = {user, "/nonexistent", "5", "pgrehearse", password};
    size_t count = password ? 5 : 4;

    for (; options->keyword && count < OPTIONS - 1; options++) {
        if (options->val && !is_replaced(options->keyword)) {
            keywords[count] = options->keyword;
            values[count++] = options->val;
        }
    }
    keywords[count] = values[count] = NULL;
    return PQconnectdbParams(keywords, values, 0);
}

static enum attempt
judge(PGconn *connection, char error[ATTEMPT_ERROR])
{
    // Without a result there is no SQLSTATE: these words end in what is no property of the user.
    static const char *const passing[] = {
        "too many", "remaining connection slots", "starting up", "shutting down", "timeout expired",
        "refused",  "could not translate"};

    error[0] = '\0';
    if (PQstatus(connection) == CONNECTION_OK)
        return ATTEMPT_OPEN;
    snprintf(error, ATTEMPT_ERROR, "%s", PQerrorMessage(connection));
    error[strcspn(error, "\n")] = '\0';
    if (PQconnectionNeedsPassword(connection))
        return ATTEMPT_NEEDS_SECRET;
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        if (strstr(error, passing[i]))
            return ATTEMPT_UNKNOWN;
    }
    return ATTEMPT_REFUSED;
}

enum attempt
attempt_login(const struct target *target, const char *user, const char *password,
              char error[ATTEMPT_ERROR])
{
    PQconninfoOption *options = PQconninfoParse(target->connection_string, NULL);
    const char *set = getenv("PGPASSWORD");
    char *kept = set ? strdup(set) : NULL;

    if (!options) {
        free(kept);
        return ATTEMPT_UNKNOWN;
    }
    unsetenv("PGPASSWORD");

    PGconn *connection = connect_as(options, user, password);
    enum attempt attempt = judge(connection, error);

    if (kept) {
        setenv("PGPASSWORD", kept, 1);
        explicit_bzero(kept, strlen(kept));
        free(kept);
    }
    PQfinish(connection);
    PQconninfoFree(options);
    return attempt;
}
