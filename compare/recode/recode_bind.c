// One parameter after the other: which type it has for old, which one new is told, and what its value becomes.
//
// A value in text needs nothing: the server reads it by the type. A binary value is read by whoever knows the type; where the
// client left it to old to find, and new has widened the column, new would find another: so new is told old's, but for
// kinds of text, whose binary form is their text whatever the type. Pure, any thread.
#include "compare/recode/recode_bind.h"
#include "compare/sql/catalog_data.h"
#include "compare/sql/counterpart.h"
#include "compare/type.h"
#include <stdlib.h>
#include <string.h>

enum { TEXT = 25, NAME = 19, BPCHAR = 1042, VARCHAR = 1043, UNKNOWN = 705 };

static bool
is_kind_of_text(const struct recode_sides *sides, uint32_t type)
{
    static const uint32_t kinds[] = {TEXT, NAME, BPCHAR, VARCHAR, UNKNOWN};
    struct type_resolver types = catalog_type_resolver(sides->old_catalog);
    uint32_t resolved = sides->old_catalog != NULL ? type_shape_of(type, &types).type : type;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i] == resolved)
            return true;
    return false;
}

// Its bytes go behind those of the values before it; where they are is only known when all have been put.
static bool
put_value(struct recode_bind *bind, const struct recode_sides *sides, uint32_t old_type,
          uint32_t new_type, struct bind_value *value, size_t *at)
{
    static const struct recode_rules rules = {.format = 1, .is_parameter = true};
    struct recode_type from = {sides->old_catalog, old_type, -1};
    struct recode_type to = {sides->new_catalog, new_type, -1};
    struct recode *recode;
    enum recode_outcome outcome = recode_plan(&to, &from, &rules, &recode);
    *at = SIZE_MAX;
    if (outcome == RECODE_AS_IS || outcome == RECODE_IMPOSSIBLE)
        return outcome == RECODE_AS_IS;
    *at = bind->values.length;
    bool is_put = recode_value(recode, value->bytes, value->length, SIZE_MAX, &bind->values);
    value->length = bind->values.length - *at;
    recode_free(&recode);
    return is_put;
}

struct parameter {
    uint32_t declared, described;
    bool is_binary;
};

static bool
put_parameter(struct recode_bind *bind, const struct recode_sides *sides, size_t i,
              const struct parameter *parameter, size_t *at)
{
    uint32_t type = parameter->declared;
    *at = SIZE_MAX;
    if (type == 0 && parameter->is_binary && !is_kind_of_text(sides, parameter->described))
        type = parameter->described;
    uint32_t counterpart =
        type == 0 ? 0
                  : counterpart_type(sides->old_catalog, sides->new_catalog, sides->rewrites, type);
    if (i < bind->type_count)
        bind->types[i] = counterpart;
    if (type == 0)
        return true;
    return counterpart != 0 && (!parameter->is_binary || put_value(bind, sides, type, counterpart,
                                                                   &bind->request.values[i], at));
}

bool
recode_bind_init(struct recode_bind *bind, const struct recode_sides *sides,
                 const uint32_t *declared, size_t declared_count, const uint32_t *described,
                 size_t described_count, const struct bind_request *request)
{
    size_t count = request->value_count;
    *bind = (struct recode_bind){.request = *request};
    bind->type_count = described_count > declared_count ? described_count : declared_count;
    bind->types = calloc(bind->type_count + 1, sizeof(*bind->types));
    bind->request.values = calloc(count + 1, sizeof(*bind->request.values));
    bind->request.result_formats =
        calloc(request->result_format_count + 1, sizeof(*request->result_formats));
    writer_init(&bind->values);
    size_t *places = calloc(count + bind->type_count + 1, sizeof(*places));
    bool is_put = bind->types != NULL && bind->request.values != NULL &&
                  bind->request.result_formats != NULL && places != NULL;
    if (is_put && count > 0)
        memcpy(bind->request.values, request->values, count * sizeof(*request->values));
    if (is_put && request->result_format_count > 0)
        memcpy(bind->request.result_formats, request->result_formats,
               request->result_format_count * sizeof(*request->result_formats));
    for (size_t i = 0; is_put && (i < count || i < bind->type_count); i++) {
        struct parameter parameter = {
            .declared = i < declared_count ? declared[i] : 0,
            .described = i < described_count ? described[i] : 0,
            .is_binary =
                i < count && request->values[i].bytes != NULL && request->values[i].format != 0,
        };
        is_put = put_parameter(bind, sides, i, &parameter, &places[i]);
    }
    for (size_t i = 0; is_put && i < count; i++)
        if (places[i] != SIZE_MAX)
            bind->request.values[i].bytes =
                bind->values.bytes != NULL ? bind->values.bytes + places[i] : (const uint8_t *)"";
    free(places);
    if (!is_put || bind->values.failed) {
        recode_bind_fini(bind);
        return false;
    }
    return true;
}

void
recode_bind_fini(struct recode_bind *bind)
{
    free(bind->types);
    writer_fini(&bind->values);
    request_bind_fini(&bind->request);
    *bind = (struct recode_bind){0};
}
