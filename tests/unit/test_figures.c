// Figures by fingerprint: counted, bounded, copied; evidence newest first.
#include "proxy/report/figures.h"
#include <criterion/criterion.h>
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
    cr_expect_float_eq(histogram_quantile(copy[0].latency[0], 0.5), 1e6, 1e5);
    cr_expect_float_eq(histogram_quantile(copy[0].latency[1], 0.5), 3e6, 3e5);
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
