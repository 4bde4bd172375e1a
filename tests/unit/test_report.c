// What readers are given: Prometheus' text, the report as text and as JSON, and JSON's values.
#include "proxy/report/answer_json.h"
#include "proxy/report/metrics.h"
#include "proxy/report/report.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct histogram latency, slower;
static struct figures_place place = {.difference = DIFFERENCE_VALUE,
                                     .table = "public.orders",
                                     .column = "total",
                                     .mismatches = 3,
                                     .last_seen = 1700000000000000};
static struct figure figure = {.fingerprint = "00000000000000aa",
                               .query = "SELECT total FROM orders WHERE id = $1",
                               .tables = "public.orders",
                               .reads = 100,
                               .is_quarantined = true,
                               .places = &place,
                               .place_count = 1};
static struct figures_mismatch mismatch = {.id = 7,
                                           .at = 1700000000000000,
                                           .fingerprint = "00000000000000aa",
                                           .difference = DIFFERENCE_VALUE,
                                           .table = "public.orders",
                                           .column = "total",
                                           .rows = 1,
                                           .old_value = "12.30",
                                           .new_value = "12\n",
                                           .samples = "[{\"old\":\"12.30\"}]",
                                           .query = "SELECT",
                                           .parameters = "not json",
                                           .detail = ""};
static struct picture picture = {.database = "a\"b\\c",
                                 .figures = &figure,
                                 .figure_count = 1,
                                 .evidence = &mismatch,
                                 .evidence_count = 1,
                                 .canary_percent = 25,
                                 .canary_state = CANARY_LATCHED,
                                 .lag_probe = ""};
static struct pictures pictures = {.list = &picture, .count = 1, .queue_reads = 5};

static void
fill(void)
{
    picture.books.reads = 100;
    picture.books.served_old = 90;
    picture.books.served_new = 10;
    picture.books.fallbacks = 2;
    picture.books.verdicts[VERDICT_MATCH] = 87;
    picture.books.verdicts[VERDICT_MISMATCH] = 3;
    picture.books.mismatches[DIFFERENCE_VALUE] = 3;
    picture.books.skipped[SKIP_NO_RELATION] = 10;
    books_page_finish(&picture.books);
    figure.verdicts[VERDICT_MISMATCH] = 3;
    figure.verdicts[VERDICT_MATCH] = 87;
    picture.lag_seconds = NAN;
    histogram_add(&latency, 2000000);
    histogram_add(&slower, 4000000);
    figure.latency[SIDE_OLD][LATENCY_MIRRORED] = &latency;
    figure.latency[SIDE_NEW][LATENCY_MIRRORED] = &slower;
    figure.noise_samples = 40;
    figure.noise_differences = 1;
    picture.totals.latency[SIDE_OLD][LATENCY_SERVED] = latency;
    picture.totals.latency[SIDE_OLD][LATENCY_MIRRORED] = latency;
}

TestSuite(report, .init = fill);

Test(report, metrics_are_prometheus_text)
{
    static const char *const wanted[] = {
        "# TYPE pgrehearse_reads_total counter\n",
        "pgrehearse_reads_total{database=\"a\\\"b\\\\c\",route=\"old\"} 88\n",
        "pgrehearse_reads_total{database=\"a\\\"b\\\\c\",route=\"new\"} 10\n",
        "pgrehearse_reads_total{database=\"a\\\"b\\\\c\",route=\"fallback\"} 2\n",
        "pgrehearse_comparisons_total{database=\"a\\\"b\\\\c\",verdict=\"mismatch\"} 3\n",
        "pgrehearse_mismatches_total{database=\"a\\\"b\\\\c\",class=\"value\"} 3\n",
        "pgrehearse_skipped_total{database=\"a\\\"b\\\\c\",reason=\"no_relation\"} 10\n",
        "pgrehearse_dropped_total{database=\"a\\\"b\\\\c\",reason=\"queue_full\"} 0\n",
        "pgrehearse_mismatch_rate{database=\"a\\\"b\\\\c\"} 0.0333333333\n",
        "pgrehearse_mismatch_rate_upper_bound{",
        "# TYPE pgrehearse_read_seconds histogram\n",
        "pgrehearse_read_seconds_bucket{database=\"a\\\"b\\\\c\",side=\"old\",le=\"0.001\"} 0\n",
        "pgrehearse_read_seconds_bucket{database=\"a\\\"b\\\\c\",side=\"old\",le=\"0.0025\"} 2\n",
        "pgrehearse_read_seconds_bucket{database=\"a\\\"b\\\\c\",side=\"old\",le=\"+Inf\"} 2\n",
        "pgrehearse_read_seconds_count{database=\"a\\\"b\\\\c\",side=\"old\"} 2\n",
        "pgrehearse_run_seconds_count{database=\"a\\\"b\\\\c\",side=\"old\",run=\"served\"} 1\n",
        "pgrehearse_run_seconds_count{database=\"a\\\"b\\\\c\",side=\"new\",run=\"mirrored\"} 0\n",
        "pgrehearse_canary_percent{database=\"a\\\"b\\\\c\"} 0.25\n",
        "pgrehearse_fallbacks_total{database=\"a\\\"b\\\\c\",reason=\"patience\"} 0\n",
        "pgrehearse_fallbacks_total{database=\"a\\\"b\\\\c\",reason=\"other\"} 2\n",
        "pgrehearse_rollbacks_total{database=\"a\\\"b\\\\c\",trigger=\"console\"} 0\n",
        "pgrehearse_lag_seconds{database=\"a\\\"b\\\\c\"} NaN\n",
        "pgrehearse_shadow_queue_reads 5\n",
        "pgrehearse_shadow_queue_bytes 0\n",
        "pgrehearse_client_connections{database=\"a\\\"b\\\\c\"} 0\n",
        "pgrehearse_server_connections{database=\"a\\\"b\\\\c\",side=\"new\"} 0\n",
    };
    size_t length;
    char *text = metrics_text(&pictures, &length);

    cr_assert_not_null(text);
    cr_expect_eq(strlen(text), length);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        cr_expect(strstr(text, wanted[i]) != NULL, "%s", wanted[i]);
    cr_expect_eq(text[length - 1], '\n');
    free(text);
}

static char *
written(bool (*write)(FILE *, const struct report_facts *, const struct pictures *))
{
    struct report_facts facts = {.store = "sqlite:x.db", .generated_at = 1700000000000000};
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    cr_assert(write(out, &facts, &pictures));
    fclose(out);
    return text;
}

Test(report, text_names_table_column_and_values)
{
    static const char *const wanted[] = {
        "DATABASE a\"b\\c\n",
        "3 of 90 compared reads",
        "coverage    90.0 % of 100 reads\n",
        "0.25 %, latched",
        "public.orders  total   value           3",
        "12.30      12 ",
        "#7\n",
        "00000000000000aa           3        90  2.5 %  x 2      quarantined  SELECT total FROM "
        "orders",
        " 10.0 %  no_relation  reads no relation",
    };
    char *text = written(report_text);

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        cr_expect(strstr(text, wanted[i]) != NULL, "%s\nin\n%s", wanted[i], text);
    free(text);
}

Test(report, json_has_the_columns_as_keys)
{
    char *text = written(report_json);
    json_t *report = json_loads(text, 0, NULL);

    cr_assert_not_null(report, "%s", text);

    json_t *database = json_array_get(json_object_get(report, "databases"), 0);
    json_t *status = json_object_get(database, "status");
    json_t *one = json_array_get(json_object_get(database, "mismatches"), 0);
    json_t *table = json_array_get(json_object_get(database, "tables"), 0);

    cr_expect(json_is_null(json_object_get(report, "since")));
    cr_expect_eq(json_integer_value(json_object_get(status, "mismatch")), 3);
    cr_expect_eq(json_real_value(json_object_get(status, "canary_percent")), 0.25);
    cr_expect(json_is_null(json_object_get(status, "lag_seconds")));
    cr_expect(json_is_null(json_object_get(status, "old_up")), "only the running proxy knows");
    cr_expect_str_eq(json_string_value(json_object_get(table, "column")), "total");
    cr_expect_str_eq(json_string_value(json_object_get(one, "old_value")), "12.30");
    cr_expect_str_eq(json_string_value(json_object_get(one, "at")), "2023-11-14T22:13:20.000000Z");
    cr_expect(json_is_array(json_object_get(one, "samples")));
    cr_expect(json_is_string(json_object_get(one, "parameters")), "what is no JSON stays text");
    cr_expect_eq(json_array_size(json_object_get(database, "skipped")), 1u);
    json_t *skipped = json_array_get(json_object_get(database, "skipped"), 0);
    cr_expect_eq(json_integer_value(json_object_get(skipped, "reads")), 10,
                 "what no fingerprint tells of, the books do");
    cr_expect(
        json_is_integer(json_object_get(json_object_get(database, "dropped"), "new_unavailable")));
    json_decref(report);
    free(text);
}
