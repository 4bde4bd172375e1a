// Do the rewrites lead to something on new? Each whole statement is prepared there, and the names that others lead to
// are looked for in both catalogs, just as the proxy does it when it starts. On connections of its own: the ones that the other
// parts ask over have an empty search_path.
#include "proxy/check/check_parts.h"
#include "proxy/control/catalog_load.h"
#include "proxy/rewriting.h"

static void
say(void *context, const struct rewrite *rewrite, const char *what, const char *error)
{
    struct check *check = context;
    const char *statement = rewrite->fingerprint ? rewrite->fingerprint : rewrite->like;

    findings_add(&check->findings, FINDING_rewrite, rewrite->to && statement ? statement : what,
                 "%s", error);
}

static struct catalog *
load(struct check *check, enum side side, struct side_link *link)
{
    struct catalog *catalog = NULL;
    char error[512];

    side_link_init(link, -1);
    if (!side_link_up(link, check->settings->targets[side]))
        return NULL; // which is said elsewhere
    PQsetnonblocking(link->connection, 0);
    if (catalog_load(link->connection, NULL, &catalog, error, sizeof error) != CATALOG_LOADED)
        return NULL;
    return catalog;
}

void
check_rewrites(struct check *check)
{
    struct rewrites *rewrites = check->settings->rewrites;
    struct catalog *catalogs[2];
    struct side_link links[2];

    if (rewrites->count == 0)
        return;
    for (int side = 0; side < 2; side++)
        catalogs[side] = load(check, (enum side)side, &links[side]);
    if (links[SIDE_NEW].connection)
        rewriting_try(rewrites, catalogs, links[SIDE_NEW].connection, say, check);
    for (int side = 0; side < 2; side++) {
        side_link_close(&links[side]);
        if (catalogs[side])
            catalog_unref(&catalogs[side]);
    }
}
