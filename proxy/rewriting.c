// Rewrites between the configuration and compare/sql/rewrite.h. They are tried on new each time that new's catalog is
// read: at start, on RELOAD and after DDL, so that a `to` that new has not yet the tables for begins to work once it has
// them. Threads: made by whoever makes settings, tried by the catalog reader, read by all.
#include "proxy/rewriting.h"
#include "compare/sql/catalog_data.h"
#include "compare/sql/rewrite_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static uint64_t
digest_of(uint64_t digest, const char *string)
{
    return XXH3_64bits_withSeed(string ? string : "", string ? strlen(string) + 1 : 0, digest + 1);
}

static struct rewrite_pair *
pairs_of(const struct configuration_pair *pairs, size_t count, uint64_t *digest)
{
    struct rewrite_pair *copies = calloc(count + 1, sizeof(*copies));
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = (struct rewrite_pair){pairs[i].from, pairs[i].to};
        *digest = digest_of(digest_of(*digest, pairs[i].from), pairs[i].to);
    }
    return copies;
}

struct rewrites *
rewriting_new(const struct configuration_database *entry)
{
    struct rewrites *rewrites = calloc(1, sizeof(*rewrites));
    if (!rewrites)
        return NULL;
    rewrites->list = calloc(entry->rewrite_count + 1, sizeof(*rewrites->list));
    for (size_t i = 0; rewrites->list && i < entry->rewrite_count; i++) {
        const struct configuration_rewrite *from = &entry->rewrites[i];
        struct rewrite *to = &rewrites->list[rewrites->count++];
        to->tables = pairs_of(from->tables, from->table_count, &rewrites->digest);
        to->columns = pairs_of(from->columns, from->column_count, &rewrites->digest);
        if (!to->tables || !to->columns) {
            rewriting_free(&rewrites);
            return NULL;
        }
        to->table_count = from->table_count;
        to->column_count = from->column_count;
        to->fingerprint = from->fingerprint;
        to->like = from->like;
        to->to = from->to;
        rewrites->digest = digest_of(rewrites->digest, from->fingerprint);
        rewrites->digest = digest_of(digest_of(rewrites->digest, from->like), from->to);
    }
    if (!rewrites->list)
        rewriting_free(&rewrites);
    return rewrites;
}

void
rewriting_free(struct rewrites **rewrites)
{
    struct rewrites *gone = *rewrites;
    *rewrites = NULL;
    if (!gone)
        return;
    for (size_t i = 0; i < gone->count; i++) {
        free(gone->list[i].tables);
        free(gone->list[i].columns);
    }
    free(gone->list);
    free(gone);
}

// The relations of old's that an entry's name means, one after the other.
static const struct catalog_relation *
next_named(const struct catalog *catalog, const char *name, size_t length, size_t *at)
{
    char copy[256];
    snprintf(copy, sizeof(copy), "%.*s", (int)length, name);
    const char *dot = strchr(copy, '.'), *bare = dot ? dot + 1 : copy;
    const struct catalog_relation *relations;
    size_t count = catalog_relations_named(catalog, bare, &relations);
    while (*at < count) {
        const struct catalog_relation *relation = &relations[(*at)++];
        if (!dot || (strncmp(relation->schema, copy, (size_t)(dot - copy)) == 0 &&
                     relation->schema[dot - copy] == '\0'))
            return relation;
    }
    return NULL;
}

static void
try_name(const struct rewrites *rewrites, const struct rewrite *rewrite,
         struct catalog *const catalogs[2], const char *from, bool is_column, rewriting_say *say,
         void *context)
{
    const char *column = is_column ? strrchr(from, '.') + 1 : NULL;
    size_t length = is_column ? (size_t)(column - from) - 1 : strlen(from), at = 0;
    const struct catalog_relation *relation;
    bool is_wildcard = length > 1 && strncmp(from + length - 2, ".*", 2) == 0, is_any = false;
    while (!is_wildcard && (relation = next_named(catalogs[0], from, length, &at))) {
        struct rewrite_place place;
        rewrite_place_of(rewrites, relation, &place);
        const struct catalog_relation *there = rewrite_place_find(&place, catalogs[1]);
        const char *name = is_column ? rewrite_column_of(rewrites, relation, column) : NULL;
        bool has_column = false;
        for (size_t i = 0; is_column && there && i < there->column_count; i++)
            has_column = has_column || strcmp(there->columns[i].name, name) == 0;
        is_any = true;
        if (!there)
            say(context, rewrite, from, "new has no table of that name");
        else if (is_column && !has_column)
            say(context, rewrite, from, "new's table has no column of that name");
    }
    if (!is_wildcard && !is_any)
        say(context, rewrite, from, "old has no table of that name");
}

static bool
prepare(PGconn *connection, const char *sql, char *error, size_t error_size)
{
    PGresult *result = PQprepare(connection, "", sql, 0, NULL);
    bool is_fine = PQresultStatus(result) == PGRES_COMMAND_OK;
    snprintf(error, error_size, "%s", is_fine ? "" : PQresultErrorMessage(result));
    error[strcspn(error, "\n")] = '\0';
    PQclear(result);
    return is_fine;
}

void
rewriting_try(struct rewrites *rewrites, struct catalog *const catalogs[2], PGconn *connection,
              rewriting_say *say, void *context)
{
    for (size_t i = 0; i < rewrites->count; i++) {
        struct rewrite *rewrite = &rewrites->list[i];
        char error[512] = "";
        if (rewrite->to) {
            bool is_fine = prepare(connection, rewrite->to, error, sizeof(error));
            atomic_store(&rewrite->is_broken, !is_fine);
            if (!is_fine)
                say(context, rewrite, "to", error);
        }
        if (!catalogs[0] || !catalogs[1])
            continue;
        for (size_t t = 0; t < rewrite->table_count; t++)
            try_name(rewrites, rewrite, catalogs, rewrite->tables[t].from, false, say, context);
        for (size_t c = 0; c < rewrite->column_count; c++)
            try_name(rewrites, rewrite, catalogs, rewrite->columns[c].from, true, say, context);
    }
}
