// Any bytes as a value of new's that is put as old's, and as a parameter: no crash, nothing read behind its end, never more written
// than the limit allows. Input: the two types (1 byte each, of the list), the modifier (4 bytes), format and rules (1 byte), the
// value.
#include "compare/recode/recode_bind.h"
#include "compare/sql/catalog_build.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 7, LIMIT = 1 << 16, SLACK = 64 /* of a number in text */ };
enum { MOOD = 20000, MOODS, PAIR, PAIRS, SPAN, SPANS, ROW = 21000, ON_NEW = 100 };

static const uint32_t types[] = {
    16,   19,   20,   21,   23,   25,   114,  700,   701,  1005,  1007, 1009,  1014,
    1015, 1016, 1042, 1043, 1083, 1114, 1184, 1231,  1266, 1560,  1562, 1700,  2249,
    3802, 3807, 3904, 3926, 4451, 4536, MOOD, MOODS, PAIR, PAIRS, SPAN, SPANS,
};

static bool
add_type(struct catalog_build *build, uint32_t oid, const char *name, char kind, uint32_t base,
         bool is_array, uint32_t relation)
{
    struct catalog_type row = {.oid = oid,
                               .schema = "public",
                               .name = name,
                               .kind = kind,
                               .base = base,
                               .is_array = is_array,
                               .array = is_array ? 0 : oid + 1,
                               .relation = relation,
                               .type_modifier = -1};
    return catalog_build_type(build, &row);
}

static struct catalog *
make_catalog(uint32_t more)
{
    struct catalog_build *build = catalog_build_new();
    struct catalog_relation row = {
        .oid = ROW + more, .schema = "public", .name = "pair", .kind = 'c'};
    const struct catalog_column columns[] = {
        {ROW + more, 1, false, more ? 20 : 23, "a", -1},
        {ROW + more, 2, false, MOODS + more, "b", -1},
        {ROW + more, 3, false, 1700, "c", more ? -1 : (6 << 16 | 2) + 4},
        {ROW + more, 4, false, more ? 25 : 1043, "d", more ? -1 : 9},
    };
    bool is_made =
        build != NULL && catalog_build_relation(build, &row) &&
        catalog_build_label(build, &(struct catalog_label){MOOD + more, "glad"}) &&
        catalog_build_label(build, &(struct catalog_label){MOOD + more, more ? "mad" : "sad"}) &&
        add_type(build, MOOD + more, "mood", 'e', 0, false, 0) &&
        add_type(build, MOODS + more, "_mood", 'b', MOOD + more, true, 0) &&
        add_type(build, PAIR + more, "pair", 'c', 0, false, ROW + more) &&
        add_type(build, PAIRS + more, "_pair", 'b', PAIR + more, true, 0) &&
        add_type(build, SPAN + more, "span", 'r', more ? 20 : 23, false, 0) &&
        add_type(build, SPANS + more, "spans", 'm', SPAN + more, false, 0);
    for (size_t i = 0; is_made && i < sizeof columns / sizeof *columns; i++)
        is_made = catalog_build_column(build, &columns[i]);
    struct catalog *catalog = is_made ? catalog_build_finish(&build) : NULL;
    if (catalog == NULL)
        abort();
    return catalog;
}

static void
put_result(const struct recode_sides *sides, uint32_t old_type, uint32_t new_type, int32_t modifier,
           const struct recode_rules *rules, const uint8_t *value, size_t length)
{
    struct recode_type to = {sides->old_catalog, old_type, modifier};
    struct recode_type from = {sides->new_catalog, new_type, -1};
    struct recode *recode;
    struct writer writer;
    enum recode_outcome outcome = recode_plan(&to, &from, rules, &recode);
    if ((recode != NULL) != (outcome == RECODE_SURE || outcome == RECODE_MAY_REFUSE))
        abort();
    writer_init(&writer);
    if (recode != NULL && recode_value(recode, value, length, LIMIT, &writer) &&
        writer.length > LIMIT + SLACK)
        abort();
    writer_fini(&writer);
    recode_free(&recode);
}

static void
put_parameter(const struct recode_sides *sides, uint32_t old_type, const uint8_t *bytes,
              size_t length)
{
    struct bind_value value = {bytes, length, 1};
    struct bind_request request = {
        .portal = "", .statement = "", .values = &value, .value_count = 1};
    struct recode_bind bind;
    if (recode_bind_init(&bind, sides, &old_type, 1, NULL, 0, &request)) {
        if (bind.request.values[0].bytes == NULL)
            abort();
        recode_bind_fini(&bind);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct recode_sides sides;
    if (sides.old_catalog == NULL)
        sides = (struct recode_sides){make_catalog(0), make_catalog(ON_NEW), NULL};
    if (size < HEAD)
        return 0;
    enum { COUNT = sizeof types / sizeof *types };
    uint32_t old_type = types[data[0] % COUNT], new_type = types[data[1] % COUNT];
    int32_t modifier;
    memcpy(&modifier, data + 2, sizeof modifier);
    struct recode_rules rules = {.format = data[6] & 1,
                                 .is_utf8 = data[6] & 2,
                                 .has_short_floats = data[6] & 4,
                                 .is_parameter = data[6] & 8};
    put_result(&sides, old_type, new_type >= MOOD ? new_type + ON_NEW : new_type, modifier, &rules,
               data + HEAD, size - HEAD);
    put_parameter(&sides, old_type, data + HEAD, size - HEAD);
    return 0;
}
