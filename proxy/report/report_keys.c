// The keys of the rows that differ, out of the evidence that is kept: the samples of the newest mismatches of each
// fingerprint and class. So what is printed is bounded as the evidence is, and after a repair the next run of the
// queries brings those that are left. A key that several mismatches name is printed once a class.
#include "proxy/report/report_keys.h"
#include "proxy/report/answer.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

// Adds the keys of one mismatch; `seen` holds what is there already.
static void
add_keys(json_t *rows, json_t *seen, const char *database, const struct figures_mismatch *mismatch,
         size_t *masked)
{
    const char *class = difference_class_name(mismatch->difference);
    json_t *samples = json_loads(mismatch->samples == NULL ? "[]" : mismatch->samples, 0, NULL);
    json_t *sample, *key;
    size_t i, j;
    char at[ANSWER_SCRATCH];

    answer_time_text(mismatch->at, at);
    json_array_foreach(samples, i, sample)
    {
        if (json_is_true(json_object_get(sample, "keys_are_masked"))) {
            (*masked)++;
            continue;
        }
        json_array_foreach(json_object_get(sample, "keys"), j, key)
        {
            json_t *row =
                json_pack("{s:s, s:O, s:O, s:O, s:s}", "database", database, "table",
                          json_object_get(key, "table"), "columns", json_object_get(key, "columns"),
                          "values", json_object_get(key, "values"), "class", class);
            char *text = row == NULL ? NULL : json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS);

            if (text != NULL && json_object_get(seen, text) == NULL) {
                json_object_set_new(seen, text, json_true());
                json_object_set_new(row, "last_seen", json_string(at));
                json_array_append(rows, row);
            }
            free(text);
            json_decref(row);
        }
    }
    json_decref(samples);
}

static json_t *
keys_of(const struct pictures *pictures, size_t *masked)
{
    json_t *rows = json_array(), *seen = json_object();

    *masked = 0;
    for (size_t i = 0; i < pictures->count; i++) // evidence is newest first: so is last_seen
        for (size_t j = 0; j < pictures->list[i].evidence_count; j++)
            add_keys(rows, seen, pictures->list[i].database, &pictures->list[i].evidence[j],
                     masked);
    json_decref(seen);
    return rows;
}

static void
print_text(FILE *out, const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);

    if (json_is_string(value))
        fputs(json_string_value(value), out);
    else
        json_dumpf(value, out, JSON_COMPACT);
    fputc(strcmp(name, "last_seen") == 0 ? '\n' : '\t', out);
}

bool
report_keys_text(FILE *out, const struct pictures *pictures, size_t *masked)
{
    static const char *const columns[] = {"database", "table", "columns",
                                          "values",   "class", "last_seen"};
    json_t *rows = keys_of(pictures, masked);
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) for (size_t j = 0; j < sizeof columns / sizeof columns[0]; j++)
        print_text(out, row, columns[j]);
    bool ok = rows != NULL && ferror(out) == 0;

    json_decref(rows);
    return ok;
}

bool
report_keys_json(FILE *out, const struct pictures *pictures, size_t *masked)
{
    json_t *rows = keys_of(pictures, masked);
    bool ok = rows != NULL && json_dumpf(rows, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;

    json_decref(rows);
    return ok;
}
