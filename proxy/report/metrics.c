// Prometheus' text format out of pictures. Everything is there from the start, at zero, so that rates and
// alerts need no special case. Figures by fingerprint are not here: they would be too many labels.
#include "proxy/report/metrics.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
    FILE *out;
    const char *name; // of the metric under way
};

static void
write_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
}

static void
write_name(struct page *page, const char *suffix, const char *database, const char *label,
           const char *value)
{
    fprintf(page->out, "%s%s", page->name, suffix);
    if (database != NULL) {
        fputs("{database=\"", page->out);
        write_escaped(page->out, database);
        fputc('"', page->out);
        if (label != NULL)
            fprintf(page->out, ",%s=\"%s\"", label, value);
        fputc('}', page->out);
    }
}

static void
write_count(struct page *page, const char *database, const char *label, const char *value,
            uint64_t count)
{
    write_name(page, "", database, label, value);
    fprintf(page->out, " %" PRIu64 "\n", count);
}

static void
write_real(struct page *page, const char *database, double value)
{
    write_name(page, "", database, NULL, NULL);
    if (isnan(value))
        fputs(" NaN\n", page->out);
    else
        fprintf(page->out, " %.9g\n", value);
}

static void
fill_reads(struct page *page, const struct picture *picture)
{
    const struct books_page *books = &picture->books;

    write_count(page, picture->database, "route", "old",
                books->served_old - books->fallbacks + books->unanswered);
    write_count(page, picture->database, "route", "new", books->served_new);
    write_count(page, picture->database, "route", "fallback", books->fallbacks);
}

static void
fill_comparisons(struct page *page, const struct picture *picture)
{
    for (int i = 0; i < VERDICT_COUNT; i++)
        write_count(page, picture->database, "verdict", verdict_name((enum verdict)i),
                    picture->books.verdicts[i]);
}

static void
fill_mismatches(struct page *page, const struct picture *picture)
{
    for (int i = DIFFERENCE_NONE + 1; i < DIFFERENCE_COUNT; i++)
        write_count(page, picture->database, "class",
                    difference_class_name((enum difference_class)i), picture->books.mismatches[i]);
}

static void
fill_skipped(struct page *page, const struct picture *picture)
{
    for (int i = SKIP_NONE + 1; i < SKIP_COUNT; i++)
        write_count(page, picture->database, "reason", skip_reason_name((enum skip_reason)i),
                    picture->books.skipped[i]);
}

static void
fill_dropped(struct page *page, const struct picture *picture)
{
    for (int i = DROP_NONE + 1; i < DROP_COUNT; i++)
        write_count(page, picture->database, "reason", drop_reason_name((enum drop_reason)i),
                    picture->books.dropped[i]);
}

static void
fill_rate(struct page *page, const struct picture *picture)
{
    write_real(page, picture->database, picture->books.mismatch_rate);
}

static void
fill_bound(struct page *page, const struct picture *picture)
{
    write_real(page, picture->database, picture->books.mismatch_upper_bound);
}

static void
write_bounds(struct page *page, const char *database, const char *labels,
             const struct histogram *histogram)
{
    static const struct {
        const char *text;
        uint64_t nanoseconds;
    } bounds[] = {
        {"0.0005", 500000},  {"0.001", 1000000},  {"0.0025", 2500000}, {"0.005", 5000000},
        {"0.01", 10000000},  {"0.025", 25000000}, {"0.05", 50000000},  {"0.1", 100000000},
        {"0.25", 250000000}, {"0.5", 500000000},  {"1", 1000000000},   {"2.5", 2500000000},
        {"5", 5000000000},   {"10", 10000000000},
    };

    for (size_t i = 0; i <= sizeof bounds / sizeof bounds[0]; i++) {
        bool is_last = i == sizeof bounds / sizeof bounds[0];

        fprintf(page->out, "%s_bucket{database=\"", page->name);
        write_escaped(page->out, database);
        fprintf(page->out, "\",%s,le=\"%s\"} %" PRIu64 "\n", labels,
                is_last ? "+Inf" : bounds[i].text,
                is_last ? histogram->count : histogram_at_most(histogram, bounds[i].nanoseconds));
    }
    fprintf(page->out, "%s_sum{database=\"", page->name);
    write_escaped(page->out, database);
    fprintf(page->out, "\",%s} %.9g\n", labels, (double)histogram->sum / 1e9);
    fprintf(page->out, "%s_count{database=\"", page->name);
    write_escaped(page->out, database);
    fprintf(page->out, "\",%s} %" PRIu64 "\n", labels, histogram->count);
}

static void
fill_latency(struct page *page, const struct picture *picture)
{
    static const char *const labels[] = {"side=\"old\"", "side=\"new\""};

    for (int side = 0; side < 2; side++) {
        struct histogram all = picture->totals.latency[side][LATENCY_SERVED];

        histogram_merge(&all, &picture->totals.latency[side][LATENCY_MIRRORED]);
        write_bounds(page, picture->database, labels[side], &all);
    }
}

static void
fill_runs(struct page *page, const struct picture *picture)
{
    char labels[64];

    for (int side = 0; side < 2; side++)
        for (enum latency_run run = 0; run < LATENCY_RUN_COUNT; run++) {
            snprintf(labels, sizeof labels, "side=\"%s\",run=\"%s\"",
                     side == SIDE_OLD ? "old" : "new", latency_run_name(run));
            write_bounds(page, picture->database, labels, &picture->totals.latency[side][run]);
        }
}

static void
fill_canary(struct page *page, const struct picture *picture)
{
    write_real(page, picture->database, (double)picture->canary_percent / 100);
}

static void
fill_fallbacks(struct page *page, const struct picture *picture)
{
    uint64_t known = 0;

    for (int i = 0; i < FALLBACK_COUNT; i++) {
        write_count(page, picture->database, "reason",
                    fallback_reason_name((enum fallback_reason)i),
                    picture->books.fallback_reasons[i]);
        known += picture->books.fallback_reasons[i];
    }
    // A fallback whose reason nobody gave is a fallback all the same.
    if (picture->books.fallbacks > known)
        write_count(page, picture->database, "reason", "other", picture->books.fallbacks - known);
}

static void
fill_rollbacks(struct page *page, const struct picture *picture)
{
    for (int i = 0; i < ROLLBACK_COUNT; i++)
        write_count(page, picture->database, "trigger",
                    rollback_trigger_name((enum rollback_trigger)i), picture->books.rollbacks[i]);
}

static void
fill_alert(struct page *page, const struct picture *picture)
{
    bool is_alert = picture->guardrail != NULL && strcmp(picture->guardrail, "alert") == 0;

    write_count(page, picture->database, NULL, NULL, is_alert);
}

static void
fill_lag(struct page *page, const struct picture *picture)
{
    write_real(page, picture->database, picture->lag_seconds);
}

// The queue is the process's, not a database's: one line each.
static void
fill_queue_reads(struct page *page, const struct pictures *pictures)
{
    write_count(page, NULL, NULL, NULL, pictures->queue_reads);
}

static void
fill_queue_bytes(struct page *page, const struct pictures *pictures)
{
    write_count(page, NULL, NULL, NULL, pictures->queue_bytes);
}

static void
fill_clients(struct page *page, const struct picture *picture)
{
    write_count(page, picture->database, NULL, NULL, picture->clients);
}

static void
fill_servers(struct page *page, const struct picture *picture)
{
    write_count(page, picture->database, "side", "old",
                picture->old_sessions + picture->own_sessions[SIDE_OLD]);
    write_count(page, picture->database, "side", "new", picture->own_sessions[SIDE_NEW]);
}

static void
fill_store_up(struct page *page, const struct pictures *pictures)
{
    write_count(page, NULL, NULL, NULL, pictures->store_works ? 1 : 0);
}

static void
fill_store_lost(struct page *page, const struct pictures *pictures)
{
    fprintf(page->out, "%s{kind=\"events\"} %" PRIu64 "\n%s{kind=\"minutes\"} %" PRIu64 "\n",
            page->name, pictures->store_lost_events, page->name, pictures->store_lost_minutes);
}

static const struct metric {
    const char *name, *type, *help;
    void (*fill)(struct page *page, const struct picture *picture); // a database's lines, or NULL
    void (*fill_all)(struct page *page, const struct pictures *pictures); // the process's, or NULL
} metrics[] = {
#define METRIC(name, type, help, fill) {#name, #type, help, fill, NULL},
#define PROCESS_METRIC(name, type, help, fill) {#name, #type, help, NULL, fill},
#include "proxy/report/metrics.tbl"
#undef METRIC
#undef PROCESS_METRIC
};

char *
metrics_text(const struct pictures *pictures, size_t *length)
{
    char *text = NULL;
    struct page page = {.out = open_memstream(&text, length)};

    if (page.out == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        page.name = metrics[i].name;
        fprintf(page.out, "# HELP %s %s\n# TYPE %s %s\n", page.name, metrics[i].help, page.name,
                metrics[i].type);
        if (metrics[i].fill_all != NULL)
            metrics[i].fill_all(&page, pictures);
        for (size_t j = 0; metrics[i].fill != NULL && j < pictures->count; j++)
            metrics[i].fill(&page, &pictures->list[j]);
    }

    bool is_whole = ferror(page.out) == 0;

    if (fclose(page.out) != 0 || !is_whole) {
        free(text);
        return NULL;
    }
    return text;
}
