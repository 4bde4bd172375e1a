// What the reporter writes into the store.
#include "proxy/report/store_backend.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_KEPT = 100000 };

static const int64_t MINUTE = 60 * (int64_t)1000000;
static const int64_t KEPT_BY_MINUTE = 7 * 24 * 60; // minutes

bool
store_write_event(struct store *store, const struct store_event *event)
{
    return store_run(store, STORE_EVENT_WRITE, "itttt", event->at, event->database, event->kind,
                     event->actor, event->detail);
}

struct counters { // where the counters of one page go
    struct store *store;
    const char *database;
    const char *fingerprint; // NULL: the books'
    int64_t minute;
    bool ok;
};

static void
write_counter(void *context, const char *name, uint64_t *value)
{
    struct counters *counters = context;

    if (!counters->ok || *value == 0)
        return;
    if (counters->fingerprint == NULL)
        counters->ok = store_run(counters->store, STORE_BOOK_WRITE, "ttiii", counters->database,
                                 name, counters->store->run, counters->minute, (int64_t)*value);
    else
        counters->ok = store_run(counters->store, STORE_FIGURE_WRITE, "tttiii", counters->database,
                                 counters->fingerprint, name, counters->store->run,
                                 counters->minute, (int64_t)*value);
}

static bool
write_latency(struct store *store, int64_t at, const char *database, const char *fingerprint,
              const char *name, const struct histogram *histogram)
{
    uint8_t bytes[HISTOGRAM_MAX_BYTES];

    if (histogram == NULL || histogram->count == 0)
        return true;

    size_t length = histogram_write(histogram, bytes);

    return store_run(store, STORE_LATENCY_WRITE, "tttiib", database, fingerprint, name, store->run,
                     at, bytes, (int)length);
}

bool
store_write_books(struct store *store, int64_t at, const char *database,
                  const struct books_page *page, const struct figures_totals *totals)
{
    struct counters counters = {
        .store = store, .database = database, .minute = at / MINUTE, .ok = true};
    struct books_page copy = *page;

    books_page_each(&copy, write_counter, &counters);
    // A gauge: it must be written when it is back at nothing, too.
    counters.ok = counters.ok && store_run(store, STORE_BOOK_WRITE, "ttiii", database, "in_flight",
                                           store->run, counters.minute, (int64_t)page->in_flight);

    uint64_t distinct = totals->distinct;

    write_counter(&counters, "distinct", &distinct);
    for (int side = 0; side < 2; side++)
        for (enum latency_run run = 0; run < LATENCY_RUN_COUNT; run++)
            counters.ok =
                counters.ok && write_latency(store, at, database, "*", latency_name(side, run),
                                             &totals->latency[side][run]);
    return counters.ok;
}

static bool
write_latencies(struct store *store, int64_t at, const char *database, const struct figure *figure)
{
    bool ok = true;

    for (int side = 0; side < 2; side++)
        for (enum latency_run run = 0; run < LATENCY_RUN_COUNT; run++)
            ok = ok && write_latency(store, at, database, figure->fingerprint,
                                     latency_name(side, run), figure->latency[side][run]);
    return ok;
}

static bool
write_places(struct counters *counters, const struct figure *figure)
{
    for (size_t i = 0; i < figure->place_count; i++) {
        const struct figures_place *place = &figure->places[i];

        if (!store_run(counters->store, STORE_PLACE_WRITE, "tttttiiii", counters->database,
                       figure->fingerprint, difference_class_name(place->difference), place->table,
                       place->column, counters->store->run, counters->minute,
                       (int64_t)place->mismatches, place->last_seen))
            return false;
    }
    return true;
}

bool
store_write_figure(struct store *store, int64_t at, const char *database,
                   const struct figure *figure)
{
    struct counters counters = {.store = store,
                                .database = database,
                                .fingerprint = figure->fingerprint,
                                .minute = at / MINUTE,
                                .ok = true};
    struct books_page page = {.reads = figure->reads, .accepted = figure->accepted};
    uint64_t distinct = figure->distinct;
    uint64_t samples = figure->noise_samples, differences = figure->noise_differences;

    memcpy(page.verdicts, figure->verdicts, sizeof page.verdicts);
    memcpy(page.skipped, figure->skipped, sizeof page.skipped);
    memcpy(page.dropped, figure->dropped, sizeof page.dropped);
    memcpy(page.mismatches, figure->mismatches, sizeof page.mismatches);
    books_page_each(&page, write_counter, &counters);
    write_counter(&counters, "distinct", &distinct);
    write_counter(&counters, "noise_samples", &samples);
    write_counter(&counters, "noise_differences", &differences);
    return counters.ok &&
           store_run(store, STORE_FINGERPRINT_WRITE, "tttti", database, figure->fingerprint,
                     figure->query, figure->tables, (int64_t)figure->has_type_change) &&
           write_latencies(store, at, database, figure) && write_places(&counters, figure);
}

bool
store_write_mismatch(struct store *store, const char *database,
                     const struct figures_mismatch *mismatch)
{
    const char *class = difference_class_name(mismatch->difference);

    return store_run(store, STORE_MISMATCH_WRITE,
                     "iitttttitttttt"
                     "iiiiriit",
                     (int64_t)mismatch->id, mismatch->at, database, mismatch->fingerprint, class,
                     mismatch->table, mismatch->column, (int64_t)mismatch->rows,
                     mismatch->old_value, mismatch->new_value, mismatch->samples, mismatch->query,
                     mismatch->parameters, served_name(mismatch->served), mismatch->served_at,
                     mismatch->old_first_at, mismatch->new_at, mismatch->old_second_at,
                     mismatch->lag_seconds < 0 ? NAN : mismatch->lag_seconds,
                     (int64_t)mismatch->rounds, (int64_t)mismatch->attempts, mismatch->detail) &&
           store_run(store, STORE_MISMATCHES_PRUNE, "ttti", database, mismatch->fingerprint, class,
                     (int64_t)FIGURES_EVIDENCE_PER_CLASS);
}

bool
store_reserve_ids(struct store *store, uint64_t count, uint64_t *first)
{
    int64_t value = 0;

    if (!store_ask_integer(store, &value, STORE_IDS_RESERVE, "ii", (int64_t)count, store_now()) ||
        value <= 0)
        return false;
    *first = (uint64_t)value;
    return true;
}

bool
store_return_ids(struct store *store, uint64_t next, uint64_t end)
{
    return store_run(store, STORE_IDS_RETURN, "ii", (int64_t)next, (int64_t)end);
}

bool
store_thin(struct store *store, int64_t now)
{
    int64_t before = now / MINUTE - KEPT_BY_MINUTE;

    return store_run(store, STORE_BOOKS_THIN, "i", before) &&
           store_run(store, STORE_FIGURES_THIN, "i", before) &&
           store_run(store, STORE_PLACES_THIN, "i", before) &&
           store_run(store, STORE_EVENTS_PRUNE, "i", (int64_t)EVENTS_KEPT);
}
