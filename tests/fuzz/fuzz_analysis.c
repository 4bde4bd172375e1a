// Whatever parses is analysed and its effects are read without a fault; nothing that a catalog does
// not prove is called a read that may be mirrored with a volatile function in it.
#include "compare/sql/analysis.h"
#include "compare/sql/catalog_build.h"
#include "compare/sql/effect.h"
#include "compare/sql/shape.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct catalog *
small_catalog(void)
{
    struct catalog_build *build = catalog_build_new();
    struct catalog_relation table = {.oid = 20000, .schema = "public", .name = "t", .kind = 'r'};
    struct catalog_relation view = {.oid = 20001,
                                    .schema = "public",
                                    .name = "v",
                                    .kind = 'v',
                                    .definition = "SELECT t.a, t.b FROM t WHERE f(t.a) > 0"};
    struct catalog_column columns[] = {{20000, 1, true, 23, "a", -1},
                                       {20000, 2, false, 25, "b", -1},
                                       {20001, 1, false, 23, "a", -1},
                                       {20001, 2, false, 25, "b", -1}};
    int16_t number = 1;
    struct catalog_key key = {20000, &number, 1};
    struct catalog_function function = {.oid = 21000,
                                        .schema = "public",
                                        .name = "f",
                                        .kind = 'f',
                                        .volatility = 's',
                                        .language = "sql",
                                        .source = "SELECT count(*) FROM v WHERE v.a = $1"};
    struct catalog_function volatile_one = {.oid = 21001,
                                            .schema = "public",
                                            .name = "vol",
                                            .kind = 'f',
                                            .volatility = 'v',
                                            .language = "plpgsql"};
    struct catalog_operator operator= {.schema = "pg_catalog", .name = "=", .function = 21000};
    bool is_made = build != NULL && catalog_build_relation(build, &table) &&
                   catalog_build_relation(build, &view) && catalog_build_key(build, &key) &&
                   catalog_build_function(build, &function) &&
                   catalog_build_function(build, &volatile_one) &&
                   catalog_build_operator(build, &operator);
    for (size_t i = 0; i < 4; i++)
        is_made = is_made && catalog_build_column(build, &columns[i]);
    return is_made ? catalog_build_finish(&build) : NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct catalog *catalog;
    if (catalog == NULL && (catalog = small_catalog()) == NULL)
        abort();
    if (size > 4096) // libFuzzer's thread has a common stack
        return 0;
    const char *sql = (const char *)data;
    struct analysis_context context = {.old_catalog = catalog, .new_catalog = catalog};
    struct analysis *analysis = analysis_new(sql, size, &context);
    if (analysis == NULL)
        abort();
    for (size_t i = 0; i < analysis->column_count; i++)
        if (analysis->columns[i].table >= (int)analysis->table_count ||
            analysis->columns[i].column == NULL)
            abort();
    const struct determinacy *determinacy = &analysis->determinacy;
    bool is_open = determinacy->has_open_rows || determinacy->open != NULL;
    if ((is_open && determinacy->open_because == NULL) ||
        (determinacy->order == ORDER_NONE && determinacy->key_count > 0))
        abort();
    if (analysis->skip == SKIP_NONE && (!analysis->is_read || analysis->fingerprint[0] == '\0'))
        abort();
    struct shape_context shape = {NULL, 0, 0, 0};
    struct shape_key key;
    if (analysis->skip == SKIP_NONE && !shape_key_of(sql, size, &shape, &key))
        abort(); // what parses, lexes
    analysis_unref(&analysis);
    struct effect *effects;
    size_t count;
    if (effects_of(sql, size, NULL, &effects, &count))
        effects_free(&effects, count);
    return 0;
}
