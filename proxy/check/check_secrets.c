// Users' secrets where the configuration says they are: auth.file, auth.query on old, admin.file. Secrets are wiped
// and never printed.
#include "proxy/check/check_secrets.h"
#include "config/userlist.h"
#include "proxy/check/ask.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void
check_file(struct findings *findings, const char *path, const char *key)
{
    char error[512], *secret;
    struct stat status;

    if (!*path)
        return;
    if (!userlist_find(path, "", &secret, error, sizeof error))
        findings_add(findings, FINDING_secrets_file, key, "%s", error);
    else if (stat(path, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)))
        findings_add(findings, FINDING_secrets_file_open, key, "\"%s\" is open to everybody", path);
    check_secrets_wipe(&secret);
}

void
check_secrets_files(struct findings *findings, const struct configuration *configuration)
{
    check_file(findings, configuration->auth.file, "auth.file");
    check_file(findings, configuration->admin.file, "admin.file");
}

void
check_secrets_wipe(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

bool
check_secrets_is_plain(const char *secret)
{
    return strncmp(secret, "SCRAM-SHA-256$", 14) != 0 &&
           !(strncmp(secret, "md5", 3) == 0 && strlen(secret) == 35);
}

static PGresult *
run_query(struct check *check, const char *user)
{
    const char *query = check->settings->configuration->auth.query;

    return ask(check, SIDE_OLD, query, strstr(query, "$1") ? user : NULL);
}

static char *
from_query(struct check *check, const char *user)
{
    PGresult *result = *check->settings->configuration->auth.query ? run_query(check, user) : NULL;
    char *secret = NULL;

    for (int row = 0; result && !secret && PQnfields(result) >= 2 && row < PQntuples(result);
         row++) {
        if (strcmp(PQgetvalue(result, row, 0), user) == 0 && !PQgetisnull(result, row, 1))
            secret = strdup(PQgetvalue(result, row, 1));
    }
    PQclear(result);
    return secret;
}

char *
check_secrets_of(struct check *check, const char *user)
{
    const char *path = check->settings->configuration->auth.file;
    char error[512], *secret = NULL;

    if (*path && userlist_find(path, user, &secret, error, sizeof error) && secret)
        return secret;
    return from_query(check, user);
}

void
check_secrets_query(struct check *check)
{
    PGresult *result;

    if (!*check->settings->configuration->auth.query || !check->is_up[SIDE_OLD])
        return;
    result = run_query(check, "postgres");
    if (!result)
        findings_add(&check->findings, FINDING_secrets_query, "auth.query", "fails on old: %s",
                     check->links[SIDE_OLD].error);
    else if (PQnfields(result) < 2)
        findings_add(&check->findings, FINDING_secrets_query, "auth.query",
                     "returns %d column%s, and not (user, secret)", PQnfields(result),
                     PQnfields(result) == 1 ? "" : "s");
    PQclear(result);
}
