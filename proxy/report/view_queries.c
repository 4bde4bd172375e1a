// SHOW QUERIES and SHOW SKIPPED: what is known by fingerprint; and, for the report, the shapes never compared.
#include "proxy/report/view.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct answer_column queries_columns[] = {
    {"database", ANSWER_TEXT},
    {"fingerprint", ANSWER_TEXT},
    {"query", ANSWER_TEXT},
    {"tables", ANSWER_TEXT},
    {"reads", ANSWER_INTEGER},
    {"compared", ANSWER_INTEGER},
    {"match", ANSWER_INTEGER},
    {"lagging", ANSWER_INTEGER},
    {"unstable", ANSWER_INTEGER},
    {"unverified", ANSWER_INTEGER},
    {"mismatch", ANSWER_INTEGER},
    {"mismatch_rate", ANSWER_REAL},
    {"mismatch_upper_bound", ANSWER_REAL},
    {"old_p50_ms", ANSWER_REAL},
    {"old_p95_ms", ANSWER_REAL},
    {"old_p99_ms", ANSWER_REAL},
    {"new_p50_ms", ANSWER_REAL},
    {"new_p95_ms", ANSWER_REAL},
    {"new_p99_ms", ANSWER_REAL},
    {"latency_ratio", ANSWER_REAL},
    {"quarantined", ANSWER_BOOLEAN},
    {"hazards", ANSWER_TEXT},
    // The contract ends here.
    {"distinct", ANSWER_INTEGER},
    {"accepted", ANSWER_INTEGER},
    {"accepted_because", ANSWER_TEXT},
    {"latency_compares", ANSWER_TEXT},
    {"old_served_p50_ms", ANSWER_REAL},
    {"old_mirrored_p50_ms", ANSWER_REAL},
    {"new_served_p50_ms", ANSWER_REAL},
    {"new_mirrored_p50_ms", ANSWER_REAL},
    {"noise_rate", ANSWER_REAL},
};

static double
quantile_ms(const struct histogram *histogram, double quantile)
{
    if (histogram == NULL || histogram->count == 0)
        return NAN;
    return round(histogram_quantile(histogram, quantile) / 1e3) / 1e3;
}

static void
fill_latencies(struct answer *answer, const struct figure *figure)
{
    static const double quantiles[] = {0.50, 0.95, 0.99};

    for (int side = 0; side < 2; side++) {
        struct histogram all = latency_of_side(figure->latency[side]);

        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
            answer_real(answer, quantile_ms(&all, quantiles[i]));
    }
    answer_real(answer, round(latency_ratio(figure->latency).ratio * 1e3) / 1e3);
}

static void
fill_latencies_apart(struct answer *answer, const struct figure *figure)
{
    answer_text(answer, latency_ratio(figure->latency).compares);
    for (int side = 0; side < 2; side++)
        for (int run = 0; run < LATENCY_RUN_COUNT; run++)
            answer_real(answer, quantile_ms(figure->latency[side][run], 0.5));
}

static void
fill_hazards(struct answer *answer, const struct figure *figure)
{
    char hazards[256];
    bool is_open = figure->open_because != NULL;

    snprintf(hazards, sizeof hazards, "%s%s%s%s", figure->has_type_change ? "type_change" : "",
             figure->has_type_change && is_open ? ", " : "", is_open ? "open: " : "",
             is_open ? figure->open_because : "");
    answer_text(answer, hazards);
}

static void
fill_query(struct answer *answer, const char *database, const struct figure *figure)
{
    double rate, upper_bound;

    figure_rate(figure, &rate, &upper_bound);
    answer_text(answer, database);
    answer_text(answer, figure->fingerprint);
    answer_text(answer, figure->query);
    answer_text(answer, figure->tables);
    answer_integer(answer, figure->reads);
    answer_integer(answer, figure_compared(figure));
    answer_integer(answer, figure->verdicts[VERDICT_MATCH]);
    answer_integer(answer, figure->verdicts[VERDICT_LAGGING]);
    answer_integer(answer, figure->verdicts[VERDICT_UNSTABLE]);
    answer_integer(answer, figure->verdicts[VERDICT_UNVERIFIED]);
    answer_integer(answer, figure->verdicts[VERDICT_MISMATCH]);
    answer_real(answer, rate);
    answer_real(answer, upper_bound);
    fill_latencies(answer, figure);
    answer_boolean(answer, figure->is_quarantined);
    fill_hazards(answer, figure);
    answer_integer(answer, figure->distinct);
    answer_integer(answer, figure->accepted);
    answer_text(answer, figure->accepted_because);
    fill_latencies_apart(answer, figure);
    answer_real(answer, figure_noise_rate(figure));
}

static void
fill_queries(struct answer *answer, const struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        for (size_t j = 0; j < pictures->list[i].figure_count; j++)
            fill_query(answer, pictures->list[i].database, &pictures->list[i].figures[j]);
}

const struct view view_queries = {"queries", ANSWER_SHAPE(queries_columns), PICTURE_FIGURES,
                                  fill_queries};

static const struct answer_column skipped_columns[] = {
    {"database", ANSWER_TEXT}, {"reason", ANSWER_TEXT}, {"fingerprint", ANSWER_TEXT},
    {"reads", ANSWER_INTEGER}, {"query", ANSWER_TEXT},  {"because", ANSWER_TEXT},
};

static const char *
because(const struct figure *figure, enum skip_reason reason)
{
    const char *why = reason == SKIP_VOLATILE_FUNCTION ? figure->unproven_function
                      : reason == SKIP_REWRITE         ? figure->refused_because
                                                       : NULL;

    return why == NULL ? "" : why;
}

static void
fill_skips(struct answer *answer, const struct picture *picture, enum skip_reason reason,
           const char *fingerprint, uint64_t reads, const char *query, const char *why)
{
    if (reads == 0)
        return;
    answer_text(answer, picture->database);
    answer_text(answer, skip_reason_name(reason));
    answer_text(answer, fingerprint);
    answer_integer(answer, reads);
    answer_text(answer, query);
    answer_text(answer, why);
}

// Last the reads of statements that were not at hand: of them the books alone tell.
static void
fill_reason(struct answer *answer, const struct picture *picture, enum skip_reason reason)
{
    uint64_t told = 0, all = picture->books.skipped[reason];

    for (size_t i = 0; i < picture->figure_count; i++) {
        const struct figure *figure = &picture->figures[i];

        told += figure->skipped[reason];
        fill_skips(answer, picture, reason, figure->fingerprint, figure->skipped[reason],
                   figure->query, because(figure, reason));
    }
    fill_skips(answer, picture, reason, "", all > told ? all - told : 0, "", "");
}

static void
fill_skipped(struct answer *answer, const struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        for (int reason = SKIP_NONE + 1; reason < SKIP_COUNT; reason++)
            fill_reason(answer, &pictures->list[i], (enum skip_reason)reason);
}

const struct view view_skipped = {"skipped", ANSWER_SHAPE(skipped_columns), PICTURE_FIGURES,
                                  fill_skipped};

static const struct answer_column uncompared_columns[] = {
    {"database", ANSWER_TEXT}, {"fingerprint", ANSWER_TEXT}, {"reads", ANSWER_INTEGER},
    {"reasons", ANSWER_TEXT},  {"query", ANSWER_TEXT},
};

static void
add_reason(FILE *out, const char *name, uint64_t reads)
{
    if (reads > 0)
        fprintf(out, "%s%s %" PRIu64, ftell(out) > 0 ? ", " : "", name, reads);
}

static void
fill_reasons(struct answer *answer, const struct figure *figure)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) {
        answer->failed = true;
        return;
    }
    for (int i = 0; i < VERDICT_COUNT; i++)
        add_reason(out, verdict_name((enum verdict)i), figure->verdicts[i]);
    for (int i = SKIP_NONE + 1; i < SKIP_COUNT; i++)
        add_reason(out, skip_reason_name((enum skip_reason)i), figure->skipped[i]);
    for (int i = DROP_NONE + 1; i < DROP_COUNT; i++)
        add_reason(out, drop_reason_name((enum drop_reason)i), figure->dropped[i]);
    fclose(out);
    answer_text(answer, text);
    free(text);
}

static void
fill_uncompared(struct answer *answer, const struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        for (size_t j = 0; j < pictures->list[i].figure_count; j++) {
            const struct figure *figure = &pictures->list[i].figures[j];

            if (figure->reads == 0 || figure_covered(figure) > 0)
                continue;
            answer_text(answer, pictures->list[i].database);
            answer_text(answer, figure->fingerprint);
            answer_integer(answer, figure->reads);
            fill_reasons(answer, figure);
            answer_text(answer, figure->query);
        }
}

const struct view view_uncompared = {"never_compared", ANSWER_SHAPE(uncompared_columns),
                                     PICTURE_FIGURES, fill_uncompared};
