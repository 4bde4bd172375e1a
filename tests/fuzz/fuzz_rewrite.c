// Whatever a client says, rewriting it refuses, leaves it byte for byte, or gives one SELECT that parses; an empty list changes
// nothing.
//
// The first byte chooses the list.
#include "compare/sql/catalog_build.h"
#include "compare/sql/rewrite.h"
#include <pg_query.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct catalog *
small_catalog(bool is_old)
{
    struct catalog_build *build = catalog_build_new();
    struct catalog_relation tables[] = {
        {.oid = 20000, .schema = "public", .name = "t", .kind = 'r'},
        {.oid = 20001, .schema = "s", .name = is_old ? "u" : "v", .kind = 'r'},
        {.oid = 20002, .schema = is_old ? "s" : "r", .name = "w", .kind = 'r'},
    };
    struct catalog_column columns[] = {
        {20000, 1, true, 23, "a", -1},  {20000, 2, false, 25, is_old ? "b" : "c", -1},
        {20001, 1, true, 23, "a", -1},  {20001, 2, false, 25, is_old ? "b" : "d", -1},
        {20002, 1, false, 23, "a", -1},
    };
    int16_t number = 1;
    struct catalog_key key = {20000, &number, 1};
    bool is_made = build != NULL;
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        is_made = is_made && catalog_build_relation(build, &tables[i]);
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
        is_made = is_made && catalog_build_column(build, &columns[i]);
    is_made = is_made && catalog_build_key(build, &key);
    return is_made ? catalog_build_finish(&build) : NULL;
}

static struct rewrite_pair tables[] = {{"u", "s.v"}, {"s.*", "r.*"}},
                           names[] = {{"t.b", "c"}, {"s.u.b", "d"}};
static struct rewrite lists[] = {
    {.tables = tables, .table_count = 2, .columns = names, .column_count = 2},
    {.like = "%", .to = "SELECT $1, $2 FROM t"},
    {.fingerprint = "*", .to = "SELECT 1"},
};

static bool
is_one_select(const char *sql)
{
    PgQueryParseResult tree = pg_query_parse(sql);
    bool is_so = tree.error == NULL && strstr(tree.parse_tree, "{\"SelectStmt\":") != NULL;
    pg_query_free_parse_result(tree);
    return is_so;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct catalog *catalogs[2];
    if (catalogs[0] == NULL && ((catalogs[0] = small_catalog(true)) == NULL ||
                                (catalogs[1] = small_catalog(false)) == NULL))
        abort();
    if (size == 0 || size > 4096) // libFuzzer's thread has a common stack
        return 0;
    size_t which = data[0] % 4;
    char *sql = strndup((const char *)data + 1, size - 1);
    PgQueryNormalizeResult normal = pg_query_normalize(sql);
    struct rewrites rewrites = {which < 3 ? &lists[which] : NULL, which < 3 ? 1 : 0, 0};
    struct rewrite_subject subject = {
        .sql = sql,
        .length = strlen(sql),
        .fingerprint = "0",
        .query = normal.error == NULL ? normal.normalized_query : "",
        .old_catalog = catalogs[0],
        .new_catalog = catalogs[1],
    };
    struct rewritten rewritten;
    enum rewrite_status status = rewrite_statement(&rewrites, &subject, &rewritten);
    if (status == REWRITE_NO_MEMORY || (which == 3 && status != REWRITE_SAME) ||
        (status == REWRITE_CHANGED && !is_one_select(rewritten.sql)) ||
        (status == REWRITE_REFUSED && rewritten.because == NULL))
        abort();
    rewritten_fini(&rewritten);
    pg_query_free_normalize_result(normal);
    free(sql);
    return 0;
}
