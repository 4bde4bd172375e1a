// Figures by fingerprint: counted, bounded, copied; evidence newest first.
#include "proxy/report/figures.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct analysis_table tables[] = {{"public.orders", 1}, {"public.items", 2}};

static struct analysis
analysis_of(const char *fingerprint)
{
    struct analysis analysis = {.query = "SELECT $1", .tables = tables, .table_count = 2};

    strcpy(analysis.fingerprint, fingerprint);
    return analysis;
}

Test(figures, knows_why_reads_were_skipped)
{
    struct figures *figures = figures_new();
    struct analysis a = analysis_of("00000000000000aa"), unparsed = {.fingerprint = ""};
    struct figures_read read = {.analysis = &a, .skipped = SKIP_VOLATILE_FUNCTION};

    a.unproven_function = unparsed.unproven_function = "public.f";
    figures_add(figures, &read);
    a.unproven_function = "public.g";
    figures_add(figures, &read);
    a.unproven_function = NULL; // analysed without the catalogs
    figures_add(figures, &read);
    read.analysis = &unparsed;
    figures_add(figures, &read);

    size_t count;
    uint64_t now;
    struct figure *copy = figures_copy(figures, 0, &now, &count);

    cr_assert_eq(count, 2u);
    cr_expect_str_eq(copy[0].unproven_function, "public.g");
    cr_expect_null(copy[1].unproven_function, "many statements are of this figure");
    figures_copy_free(&copy, count);
    figures_free(&figures);
}

Test(figures, counts_by_fingerprint)
{
    struct figures *figures = figures_new();
    struct analysis a = analysis_of("00000000000000aa");
    struct analysis unparsed = {.fingerprint = ""};

    for (uint64_t i = 0; i < 10; i++) {
        struct figures_read read = {.analysis = &a,
                                    .is_compared = true,
                                    .verdict = i < 8 ? VERDICT_MATCH : VERDICT_MISMATCH,
                                    .difference = i < 8 ? DIFFERENCE_NONE : DIFFERENCE_VALUE,
                                    .served_ns = 1000000,
                                    .mirrored_ns = 3000000,
                                    .parameters_digest = i % 5};
        figures_add(figures, &read);
    }
    figures_add(figures, &(struct figures_read){.analysis = &a, .skipped = SKIP_SAMPLED_OUT});
    figures_add(figures, &(struct figures_read){.analysis = &unparsed, .skipped = SKIP_UNPARSED});

    size_t count;
    uint64_t now;
    struct figure *copy = figures_copy(figures, 0, &now, &count);

    cr_assert_eq(count, 2u);
    cr_expect_str_eq(copy[0].fingerprint, "00000000000000aa");
    cr_expect_str_eq(copy[0].tables, "public.orders, public.items");
    cr_expect_str_eq(copy[0].query, "SELECT $1");
    cr_expect_eq(copy[0].reads, 11u);
    cr_expect_eq(figure_compared(&copy[0]), 10u);
    cr_expect_eq(copy[0].mismatches[DIFFERENCE_VALUE], 2u);
    cr_expect_eq(copy[0].skipped[SKIP_SAMPLED_OUT], 1u);
    cr_expect_eq(copy[0].distinct, 5u);
    cr_expect_float_eq(histogram_quantile(copy[0].latency[0][LATENCY_SERVED], 0.5), 1e6, 1e5);
    cr_expect_float_eq(histogram_quantile(copy[0].latency[1][LATENCY_MIRRORED], 0.5), 3e6, 3e5);
    cr_expect_str_eq(copy[1].fingerprint, "");
    figures_copy_free(&copy, count);

    copy = figures_copy(figures, now, &now, &count);
    cr_expect_eq(count, 0u, "nothing has changed");
    figures_copy_free(&copy, count);
    figures_quarantine(figures, "00000000000000aa", true);
    copy = figures_copy(figures, now, &now, &count);
    cr_expect_eq(count, 1u);
    cr_expect(copy[0].is_quarantined);
    figures_copy_free(&copy, count);
    cr_expect(figures_is_quarantined(figures, "00000000000000aa"));
    cr_expect_not(figures_is_quarantined(figures, "00000000000000ab"));
    figures_free(&figures);
}

Test(figures, are_bounded)
{
    struct figures *figures = figures_new();

    for (int i = 0; i < FIGURES_LIMIT + 5; i++) {
        char fingerprint[17];

        snprintf(fingerprint, sizeof fingerprint, "%016x", (unsigned)i);

        struct analysis a = analysis_of(fingerprint);

        figures_add(figures, &(struct figures_read){.analysis = &a, .skipped = SKIP_SAMPLED_OUT});
    }

    size_t count;
    struct figure *copy = figures_copy(figures, 0, NULL, &count);

    cr_assert_eq(count, (size_t)FIGURES_LIMIT + 1);
    cr_expect_str_eq(copy[0].fingerprint, "other");
    cr_expect_str_eq(copy[0].query, "");
    cr_expect_eq(copy[0].reads, 5u);
    figures_copy_free(&copy, count);
    figures_free(&figures);
}

Test(figures, keep_the_newest_evidence_and_count_all)
{
    struct figures *figures = figures_new();
    struct figures_mismatch mismatch = {.fingerprint = "00000000000000aa",
                                        .difference = DIFFERENCE_VALUE,
                                        .table = "public.orders",
                                        .column = "total",
                                        .old_value = "1",
                                        .query = "SELECT total FROM orders"};

    for (int i = 1; i <= 50; i++) {
        mismatch.id = (uint64_t)i;
        mismatch.at = i;
        figures_mismatch_add(figures, &mismatch);
    }
    mismatch.id = 51;
    mismatch.difference = DIFFERENCE_MISSING_ROWS;
    mismatch.table = NULL;
    figures_mismatch_add(figures, &mismatch);

    size_t count;
    struct figures_mismatch *evidence = figures_evidence(figures, 0, &count);

    cr_assert_eq(count, (size_t)FIGURES_EVIDENCE_PER_CLASS + 1);
    cr_expect_eq(evidence[0].id, 51u);
    cr_expect_str_eq(evidence[0].table, "");
    cr_expect_eq(evidence[1].id, 50u);
    cr_expect_eq(evidence[count - 1].id, 31u);
    cr_expect_null(evidence[1].new_value);
    figures_evidence_free(&evidence, count);
    evidence = figures_evidence(figures, 49, &count);
    cr_expect_eq(count, 2u);
    figures_evidence_free(&evidence, count);

    struct figure *copy = figures_copy(figures, 0, NULL, &count);

    cr_assert_eq(count, 1u);
    cr_assert_eq(copy[0].place_count, 2u);
    cr_expect_eq(copy[0].places[0].mismatches, 50u);
    cr_expect_str_eq(copy[0].places[0].column, "total");
    cr_expect_eq(copy[0].places[0].last_seen, 50);
    figures_copy_free(&copy, count);
    figures_free(&figures);
}

Test(figures, served_and_mirrored_latencies_are_kept_apart)
{
    struct figures *figures = figures_new();
    struct analysis a = analysis_of("00000000000000aa");

    for (int i = 0; i < 100; i++) // half of them served by new
        figures_add(figures, &(struct figures_read){.analysis = &a,
                                                    .is_compared = true,
                                                    .served_is_new = i % 2 == 0,
                                                    .served_ns = i % 2 == 0 ? 4000000 : 1000000,
                                                    .mirrored_ns = i % 2 == 0 ? 8000000 : 9000000});

    static const double expected[2][LATENCY_RUN_COUNT] = {{1e6, 8e6}, {4e6, 9e6}};
    size_t count;
    struct figure *copy = figures_copy(figures, 0, NULL, &count);
    struct figures_totals totals;

    figures_totals(figures, &totals);
    for (int side = 0; side < 2; side++)
        for (int run = 0; run < LATENCY_RUN_COUNT; run++) {
            cr_assert_not_null(copy[0].latency[side][run]);
            cr_expect_eq(copy[0].latency[side][run]->count, 50u);
            cr_expect_eq(totals.latency[side][run].count, 50u);
            cr_expect_float_eq(histogram_quantile(copy[0].latency[side][run], 0.5),
                               expected[side][run], expected[side][run] / 10);
        }
    figures_copy_free(&copy, count);
    figures_free(&figures);
}

Test(latency, the_ratio_holds_like_against_like)
{
    struct histogram fast = {0}, slow = {0}, few = {0};
    for (int i = 0; i < 50; i++) {
        histogram_add(&fast, 1000000);
        histogram_add(&slow, 3000000);
    }
    histogram_add(&few, 9000000);

    const struct {
        struct histogram *latency[2][LATENCY_RUN_COUNT]; // old served, old mirrored, new …
        double ratio;
        const char *compares;
    } cases[] = {
        {{{&fast, &slow}, {&slow, &fast}}, 3, "served"},
        {{{&fast, &fast}, {&few, &slow}}, 3, "mirrored"}, // too few were served by new
        {{{&fast, NULL}, {NULL, &slow}}, 3, "mixed"},
        {{{NULL, &fast}, {&slow, NULL}}, 3, "mixed"},
        {{{&few, NULL}, {&few, NULL}}, 1, "served"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct latency_ratio found = latency_ratio(cases[i].latency);

        cr_expect_str_eq(found.compares, cases[i].compares);
        cr_expect_float_eq(found.ratio, cases[i].ratio, 0.2, "%zu: %g", i, found.ratio);
    }

    struct histogram *nothing[2][LATENCY_RUN_COUNT] = {{&fast, NULL}, {NULL, NULL}};

    cr_expect_null(latency_ratio(nothing).compares);
    cr_expect(latency_ratio(nothing).ratio != latency_ratio(nothing).ratio);
}

Test(figures, shapes_of_which_nothing_is_covered_are_counted)
{
    struct figures *figures = figures_new();
    struct analysis a = analysis_of("00000000000000aa"), b = analysis_of("00000000000000bb");
    struct figures_totals totals;

    figures_quarantine(figures, "00000000000000cc",
                       true); // of an earlier run, not read in this one
    figures_add(figures, &(struct figures_read){.analysis = &a, .skipped = SKIP_RATE_LIMITED});
    figures_add(figures, &(struct figures_read){
                             .analysis = &b, .is_compared = true, .verdict = VERDICT_UNVERIFIED});
    figures_totals(figures, &totals);
    cr_expect_eq(totals.never_compared, 2u);
    for (int i = 0; i < 2; i++)
        figures_add(figures, &(struct figures_read){
                                 .analysis = &a, .is_compared = true, .verdict = VERDICT_MATCH});
    figures_totals(figures, &totals);
    cr_expect_eq(totals.never_compared, 1u);
    figures_free(&figures);
}

Test(figures, noise_is_counted_beside_the_reads)
{
    struct figures *figures = figures_new();
    struct analysis a = analysis_of("00000000000000aa"), quiet = analysis_of("00000000000000bb");
    size_t count;

    for (int i = 0; i < 4; i++)
        figures_noise(figures, &a, i == 0);
    figures_add(figures, &(struct figures_read){.analysis = &quiet, .is_compared = true});

    struct figure *copy = figures_copy(figures, 0, NULL, &count);

    cr_assert_eq(count, 2u);
    cr_expect_str_eq(copy[1].fingerprint, "00000000000000aa");
    cr_expect_str_eq(copy[1].query, "SELECT $1");
    cr_expect_eq(copy[1].reads, 0u);
    cr_expect_eq(figure_compared(&copy[1]), 0u);
    cr_expect_eq(figure_noise_rate(&copy[1]), 0.25);
    cr_expect(isnan(figure_noise_rate(&copy[0])), "no sample, no rate");
    figures_copy_free(&copy, count);
    figures_free(&figures);
}
