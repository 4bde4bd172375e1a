// The servers themselves: whether they are two, their versions, and whether they have room for our own sessions.
#include "proxy/check/ask.h"
#include <stdlib.h>
#include <string.h>

// A copy of a cluster has its system identifier, but not the moment at which it was started.
static void
compare_identities(struct check *check)
{
    PGresult *results[2];

    if (!ask_both(check,
                  "SELECT pg_postmaster_start_time() || ' ' || current_database() || ' ' ||"
                  " current_setting('pgrehearse.search_path')",
                  "which database it is", results))
        return;
    if (strcmp(PQgetvalue(results[SIDE_OLD], 0, 0), PQgetvalue(results[SIDE_NEW], 0, 0)) == 0)
        findings_add(&check->findings, FINDING_same_side, "old and new",
                     "are one database with one search_path");
    for (int side = 0; side < 2; side++)
        PQclear(results[side]);
}

static void
compare_versions(struct check *check)
{
    int old_version = ask_version(check, SIDE_OLD) / 10000;
    int new_version = ask_version(check, SIDE_NEW) / 10000;

    if (old_version && new_version && old_version != new_version)
        findings_add(&check->findings,
                     old_version > new_version ? FINDING_older_version : FINDING_version,
                     "server_version", "%d on old and %d on new", old_version, new_version);
}

// What the server, the database and our role let in, without what is kept for superusers.
static void
compare_room(struct check *check, enum side side)
{
    unsigned wanted = check->settings->entry->shadow.max_connections;
    PGresult *result = ask_or_note(
        check, side,
        "SELECT least(current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int, nullif(d.datconnlimit, -1))"
        " FROM pg_database d WHERE d.datname = current_database()",
        "connection limits");
    long room = result ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;

    if (result && (long)wanted >= room)
        findings_add(&check->findings, FINDING_connections, "shadow.max_connections",
                     "our own %u sessions can take all %ld that %s allows", wanted, room,
                     check_side_names[side]);
    PQclear(result);
}

void
check_versions(struct check *check)
{
    compare_identities(check);
    compare_versions(check);
    for (int side = 0; side < 2; side++)
        compare_room(check, (enum side)side);
}
