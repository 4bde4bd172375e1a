// The report as JSON: the views of the console, under their names, with the console's column names as keys. Keys
// are added over time, and none changes.
#include "proxy/report/answer_json.h"
#include "proxy/report/report.h"
#include "proxy/report/view.h"
#include <string.h>

static json_t *
view_to_json(const struct view *view, const struct pictures *one)
{
    struct answer answer;

    answer_init(&answer, &view->shape);
    view->fill(&answer, one);

    json_t *json = answer.failed ? NULL : answer_to_json(&answer);

    answer_fini(&answer);
    return json;
}

static json_t *
mismatches_to_json(const struct pictures *one)
{
    struct answer answer;

    answer_init(&answer, &view_mismatch_shape);
    for (size_t i = 0; i < one->list[0].evidence_count; i++)
        view_mismatch(&answer, one, one->list[0].evidence[i].id);

    json_t *json = answer.failed ? NULL : answer_to_json(&answer);

    answer_fini(&answer);
    return json;
}

static json_t *
dropped_to_json(const struct books_page *books)
{
    json_t *object = json_object();

    for (int i = DROP_NONE + 1; i < DROP_COUNT; i++)
        json_object_set_new(object, drop_reason_name((enum drop_reason)i),
                            json_integer((json_int_t)books->dropped[i]));
    return object;
}

// Each of a database's views is asked with a picture list that holds it alone.
static json_t *
database_to_json(const struct picture *picture)
{
    struct picture copy = *picture; // borrowed
    struct pictures one = {.list = &copy, .count = 1};
    json_t *object = json_object();
    json_t *status = view_to_json(&view_status, &one);

    json_object_set_new(object, "database", json_string(picture->database));
    json_object_set(object, "status", json_array_get(status, 0));
    json_decref(status);
    json_object_set_new(object, "tables", view_to_json(&view_tables, &one));
    json_object_set_new(object, "mismatches", mismatches_to_json(&one));
    json_object_set_new(object, "queries", view_to_json(&view_queries, &one));
    json_object_set_new(object, "skipped", view_to_json(&view_skipped, &one));
    json_object_set_new(object, "dropped", dropped_to_json(&picture->books));
    json_object_set_new(object, "never_compared", view_to_json(&view_uncompared, &one));
    return json_object_size(object) == 8 ? object : (json_decref(object), NULL);
}

static json_t *
time_to_json(int64_t microseconds)
{
    static const struct answer_column columns[] = {{"at", ANSWER_TIME}};
    static const struct answer_shape shape = ANSWER_SHAPE(columns);
    struct answer answer;

    answer_init(&answer, &shape);
    answer_time(&answer, microseconds);

    json_t *row = answer.failed ? NULL : answer_row_to_json(&answer, 0);
    json_t *at = json_incref(json_object_get(row, "at"));

    json_decref(row);
    answer_fini(&answer);
    return at;
}

bool
report_json(FILE *out, const struct report_facts *facts, const struct pictures *pictures)
{
    json_t *report = json_object();
    json_t *databases = json_array();
    bool ok = true;

    for (size_t i = 0; i < pictures->count; i++)
        ok &= json_array_append_new(databases, database_to_json(&pictures->list[i])) == 0;
    ok &= json_object_set_new(report, "version", json_string(PGREHEARSE_VERSION)) == 0;
    ok &= json_object_set_new(report, "store", json_string(facts->store)) == 0;
    ok &= json_object_set_new(report, "generated_at", time_to_json(facts->generated_at)) == 0;
    ok &= json_object_set_new(report, "since", time_to_json(facts->since)) == 0;
    ok &= json_object_set_new(report, "databases", databases) == 0;
    ok = ok && json_dumpf(report, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) == 0 &&
         fputc('\n', out) != EOF;
    json_decref(report);
    return ok;
}
