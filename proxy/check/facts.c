// See facts.h.
#include "proxy/check/facts.h"
#include <stdlib.h>
#include <string.h>

static int
by_name(const void *left, const void *right)
{
    const struct fact *one = left, *other = right;
    int order = strcmp(one->object, other->object);

    return order ? order : strcmp(one->member, other->member);
}

bool
facts_init(struct facts *facts, PGresult *result)
{
    size_t count = (size_t)PQntuples(result);

    *facts = (struct facts){.result = result, .list = calloc(count + 1, sizeof *facts->list)};
    if (!facts->list) {
        facts_fini(facts);
        return false;
    }
    for (; facts->count < count; facts->count++) {
        int row = (int)facts->count;

        facts->list[row] = (struct fact){
            .object = PQgetvalue(result, row, 0),
            .member = PQgetvalue(result, row, 1),
            .label = PQgetvalue(result, row, 2),
            .matters = PQgetvalue(result, row, 3)[0] == 't',
            .row = row,
        };
    }
    qsort(facts->list, count, sizeof *facts->list, by_name);
    return true;
}

void
facts_fini(struct facts *facts)
{
    PQclear(facts->result);
    free(facts->list);
    *facts = (struct facts){0};
}

const struct fact *
facts_find(const struct facts *facts, const char *object, const char *member)
{
    const struct fact key = {.object = object, .member = member};

    return facts->count ? bsearch(&key, facts->list, facts->count, sizeof key, by_name) : NULL;
}

const char *
facts_value(const struct facts *facts, const struct fact *fact, size_t value)
{
    return PQgetvalue(facts->result, fact->row, FACTS_VALUES + (int)value);
}
