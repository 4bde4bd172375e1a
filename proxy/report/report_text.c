// The report as text, what matters most first: per database a headline, then where the sides differ by table and
// column with an example each, then the queries that do, then what the figures do not cover.
#include "config/units.h"
#include "proxy/report/report.h"
#include "proxy/report/report_table.h"
#include "proxy/report/view.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void
title(FILE *out, const char *text)
{
    fprintf(out, "\n  %s\n", text);
}

static void
finish_table(FILE *out, struct answer *answer, bool *ok)
{
    if (answer->failed)
        *ok = false;
    else
        report_table(out, answer);
    answer_fini(answer);
}

// "0.0321 %": three figures that count.
static void
rate_text(double rate, char text[32])
{
    snprintf(text, 32, "%.3g %%", rate * 100);
}

static void
headline(FILE *out, const struct picture *picture)
{
    const struct books_page *books = &picture->books;
    uint64_t covered = books->verdicts[VERDICT_MATCH] + books->verdicts[VERDICT_LAGGING] +
                       books->verdicts[VERDICT_MISMATCH];
    char reads[32], mismatches[32], compared[32], distinct[32], rate[32], bound[32], canary[16],
        shadow[16];

    report_number(books->reads, reads);
    report_number(books->verdicts[VERDICT_MISMATCH], mismatches);
    report_number(covered, compared);
    report_number(picture->totals.distinct, distinct);
    rate_text(books->mismatch_rate, rate);
    rate_text(books->mismatch_upper_bound, bound);
    units_write_percent(picture->canary_percent, canary);
    units_write_percent(picture->shadow_percent, shadow);
    fprintf(out, "\nDATABASE %s\n\n", picture->database);
    fprintf(
        out,
        "  mismatches  %s of %s compared reads (%s distinct): %s, at 95 %% confidence below %s\n",
        mismatches, compared, distinct, rate, bound);
    fprintf(out, "  coverage    %.1f %% of %s reads\n", books->coverage * 100, reads);
    fprintf(out, "  canary      %s %%, %s; shadow %s %%\n", canary,
            picture->canary_state == CANARY_LATCHED ? "latched (ARM CANARY allows it again)"
                                                    : "armed",
            shadow);
    if (books->accepted > 0)
        fprintf(out, "  accepted    %" PRIu64 " of the mismatches are known, and not in the rate\n",
                books->accepted);
}

static const struct answer_column place_columns[] = {
    {"table", ANSWER_TEXT},         {"column", ANSWER_TEXT},     {"class", ANSWER_TEXT},
    {"mismatches", ANSWER_INTEGER}, {"queries", ANSWER_INTEGER}, {"last seen", ANSWER_TIME},
    {"old value", ANSWER_TEXT},     {"new value", ANSWER_TEXT},  {"example", ANSWER_TEXT},
};
static const struct answer_shape place_shape = ANSWER_SHAPE(place_columns);

static const struct figures_mismatch *
example_of(const struct picture *picture, const char *table, const char *column, const char *class)
{
    for (size_t i = 0; i < picture->evidence_count; i++) {
        const struct figures_mismatch *one = &picture->evidence[i];

        if (strcmp(one->table, table) == 0 && strcmp(one->column, column) == 0 &&
            strcmp(difference_class_name(one->difference), class) == 0)
            return one;
    }
    return NULL;
}

// '' is to be told from nothing.
static const char *
shown(const char *value)
{
    return value != NULL && value[0] == '\0' ? "''" : value;
}

static void
fill_example(struct answer *answer, const struct figures_mismatch *example)
{
    char text[32] = "";

    if (example == NULL) {
        answer_text(answer, "");
        answer_text(answer, "");
    } else {
        answer_text(answer, shown(example->old_value));
        answer_text(answer, shown(example->new_value));
        snprintf(text, sizeof text, "#%" PRIu64, example->id);
    }
    answer_text(answer, text);
}

static bool
where(FILE *out, const struct picture *picture)
{
    struct picture copy = *picture;
    struct pictures one = {.list = &copy, .count = 1};
    struct answer tables, places;
    bool ok = true;

    answer_init(&tables, &view_tables.shape);
    answer_init(&places, &place_shape);
    view_tables.fill(&tables, &one);
    // database, table, column, class, mismatches, fingerprints, last_seen
    for (size_t row = 0; !tables.failed && row < answer_rows(&tables); row++) {
        const struct answer_cell *cells = answer_row(&tables, row);

        answer_text(&places, cells[1].text);
        answer_text(&places, cells[2].text);
        answer_text(&places, cells[3].text);
        answer_integer(&places, (uint64_t)cells[4].integer);
        answer_integer(&places, (uint64_t)cells[5].integer);
        answer_time(&places, cells[6].integer);
        fill_example(&places, example_of(picture, cells[1].text, cells[2].text, cells[3].text));
    }
    ok = !tables.failed;
    answer_fini(&tables);
    if (answer_rows(&places) == 0) {
        answer_fini(&places);
        fputs("\n  No confirmed mismatch.\n", out);
        return ok;
    }
    title(out, "Where the sides differ");
    finish_table(out, &places, &ok);
    return ok;
}

static const struct answer_column query_columns[] = {
    {"fingerprint", ANSWER_TEXT}, {"mismatches", ANSWER_INTEGER}, {"compared", ANSWER_INTEGER},
    {"noise", ANSWER_TEXT},       {"latency", ANSWER_TEXT},       {"state", ANSWER_TEXT},
    {"query", ANSWER_TEXT},
};
static const struct answer_shape query_shape = ANSWER_SHAPE(query_columns);

// How often the query differs from itself on old, and how long new takes to old's one: "" where that was not measured.
static void
fill_bearings(struct answer *answer, const struct figure *figure)
{
    double noise = figure_noise_rate(figure), ratio = latency_ratio(figure->latency).ratio;
    char text[32] = "";

    if (!isnan(noise))
        rate_text(noise, text);
    answer_text(answer, text);
    text[0] = '\0';
    if (!isnan(ratio))
        snprintf(text, sizeof text, "x %.3g", ratio);
    answer_text(answer, text);
}

static bool
queries(FILE *out, const struct picture *picture)
{
    struct answer answer;
    bool ok = true;

    answer_init(&answer, &query_shape);
    for (size_t i = 0; i < picture->figure_count; i++) {
        const struct figure *figure = &picture->figures[i];

        if (figure->verdicts[VERDICT_MISMATCH] == 0)
            continue;
        answer_text(&answer, figure->fingerprint);
        answer_integer(&answer, figure->verdicts[VERDICT_MISMATCH]);
        answer_integer(&answer, figure_compared(figure));
        fill_bearings(&answer, figure);
        answer_text(&answer, figure->accepted_because != NULL ? "accepted"
                             : figure->is_quarantined         ? "quarantined"
                                                              : "");
        answer_text(&answer, figure->query);
    }
    if (answer_rows(&answer) == 0) {
        answer_fini(&answer);
        return ok;
    }
    title(out, "Queries with mismatches");
    finish_table(out, &answer, &ok);
    return ok;
}

static const struct answer_column gap_columns[] = {
    {"reads", ANSWER_INTEGER},
    {"share", ANSWER_TEXT},
    {"reason", ANSWER_TEXT},
    {"means", ANSWER_TEXT},
};
static const struct answer_shape gap_shape = ANSWER_SHAPE(gap_columns);

static void
fill_gap(struct answer *answer, const struct books_page *books, uint64_t reads, const char *reason,
         const char *help)
{
    char share[16];

    if (reads == 0)
        return;
    snprintf(share, sizeof share, "%5.1f %%", 100 * (double)reads / (double)books->reads);
    answer_integer(answer, reads);
    answer_text(answer, share);
    answer_text(answer, reason);
    answer_text(answer, help);
}

static bool
gaps(FILE *out, const struct books_page *books)
{
    static const char *const skip_help[] = {
        "",
#define SKIPPED(NAME, name, help) help,
#include "compare/reasons.tbl"
    };
    static const char *const drop_help[] = {
        "",
#define DROPPED(NAME, name, help) help,
#include "compare/reasons.tbl"
    };
    static const char *const verdict_help[] = {
#define VERDICT(NAME, name, is_covered, help) help,
#include "compare/verdict.tbl"
#undef VERDICT
    };
    struct answer answer;
    bool ok = true;

    answer_init(&answer, &gap_shape);
    for (int i = 0; i < VERDICT_COUNT; i++)
        if (!verdict_is_covered((enum verdict)i))
            fill_gap(&answer, books, books->verdicts[i], verdict_name((enum verdict)i),
                     verdict_help[i]);
    for (int i = SKIP_NONE + 1; i < SKIP_COUNT; i++)
        fill_gap(&answer, books, books->skipped[i], skip_reason_name((enum skip_reason)i),
                 skip_help[i]);
    for (int i = DROP_NONE + 1; i < DROP_COUNT; i++)
        fill_gap(&answer, books, books->dropped[i], drop_reason_name((enum drop_reason)i),
                 drop_help[i]);
    fill_gap(&answer, books, books->in_flight, "in_flight", "not settled when this was written");
    if (answer_rows(&answer) == 0) {
        answer_fini(&answer);
        return ok;
    }
    title(out, "What the figures do not cover");
    finish_table(out, &answer, &ok);
    return ok;
}

static const struct answer_column uncompared_columns[] = {
    {"reads", ANSWER_INTEGER},
    {"fingerprint", ANSWER_TEXT},
    {"reasons", ANSWER_TEXT},
    {"query", ANSWER_TEXT},
};
static const struct answer_shape uncompared_shape = ANSWER_SHAPE(uncompared_columns);

static bool
uncompared(FILE *out, const struct picture *picture)
{
    struct picture copy = *picture;
    struct pictures one = {.list = &copy, .count = 1};
    struct answer answer, shapes;
    bool ok = true;

    answer_init(&shapes, &view_uncompared.shape);
    answer_init(&answer, &uncompared_shape);
    view_uncompared.fill(&shapes, &one);
    // database, fingerprint, reads, reasons, query
    for (size_t row = 0; !shapes.failed && row < answer_rows(&shapes); row++) {
        const struct answer_cell *cells = answer_row(&shapes, row);

        answer_integer(&answer, (uint64_t)cells[2].integer);
        answer_text(&answer, cells[1].text);
        answer_text(&answer, cells[3].text);
        answer_text(&answer, cells[4].text);
    }
    ok = !shapes.failed;
    answer_fini(&shapes);
    if (answer_rows(&answer) == 0) {
        answer_fini(&answer);
        return ok;
    }
    title(out, "Shapes never compared");
    finish_table(out, &answer, &ok);
    return ok;
}

static const struct answer_column hazard_columns[] = {
    {"fingerprint", ANSWER_TEXT}, {"hazard", ANSWER_TEXT}, {"query", ANSWER_TEXT}};
static const struct answer_shape hazard_shape = ANSWER_SHAPE(hazard_columns);

static bool
hazards(FILE *out, const struct picture *picture)
{
    struct answer answer;
    bool ok = true;

    answer_init(&answer, &hazard_shape);
    for (size_t i = 0; i < picture->figure_count; i++) {
        const struct figure *figure = &picture->figures[i];

        const char *const said[] = {
            figure->has_type_change ? "a column's type differs, values agree" : NULL,
            figure->open_because};

        for (size_t k = 0; k < sizeof said / sizeof said[0]; k++) {
            if (said[k] == NULL)
                continue;
            answer_text(&answer, figure->fingerprint);
            answer_text(&answer, said[k]);
            answer_text(&answer, figure->query);
        }
    }
    if (answer_rows(&answer) == 0) {
        answer_fini(&answer);
        return ok;
    }
    title(out, "Hazards");
    finish_table(out, &answer, &ok);
    return ok;
}

bool
report_text(FILE *out, const struct report_facts *facts, const struct pictures *pictures)
{
    char at[ANSWER_SCRATCH];
    char since[ANSWER_SCRATCH] = "all runs";
    bool ok = true;

    answer_time_text(facts->generated_at, at);
    at[19] = '\0';
    if (facts->since != 0) {
        answer_time_text(facts->since, since);
        since[19] = '\0';
    }
    fprintf(out, "pgrehearse report, %s UTC, %s%s, store %s\n", at,
            facts->since != 0 ? "since " : "", since, facts->store);
    if (pictures->count == 0)
        fputs("\nNo database has been seen yet.\n", out);
    for (size_t i = 0; i < pictures->count; i++) {
        const struct picture *picture = &pictures->list[i];

        headline(out, picture);
        ok &= where(out, picture) && queries(out, picture) && gaps(out, &picture->books) &&
              uncompared(out, picture) && hazards(out, picture);
    }
    return ok && ferror(out) == 0;
}
