// What is written once a second: books, figures, evidence, and events that the store lacks. Counters are written as they
// stand; how far the store is with each database (struct progress) goes on only when a batch was committed, so that
// what failed is written again. A shared store takes it in batches of bounded length, and between two of them whatever
// cannot wait is attended to.
#include "proxy/log.h"
#include "proxy/report/reporter_state.h"
#include <stdlib.h>
#include <string.h>

enum { THIN_FLUSHES = 3600 };

struct flush {
    struct reporter *reporter;
    struct store *store;
    int64_t now;
};

struct progress *
reporter_progress(struct reporter *reporter, struct database *database)
{
    for (size_t i = 0; i < reporter->progress_count; i++)
        if (reporter->progress[i].database == database)
            return &reporter->progress[i];

    struct progress *progress =
        realloc(reporter->progress, (reporter->progress_count + 1) * sizeof *progress);

    if (progress == NULL)
        return NULL;
    reporter->progress = progress;
    progress += reporter->progress_count++;
    *progress = (struct progress){.database = database};
    return progress;
}

static void
find_progress(void *context, struct database *database)
{
    (void)reporter_progress(context, database);
}

// Between two statements: a full batch ends here, and another one begins.
static bool
breathe(const struct flush *flush)
{
    if (!store_batch_is_full(flush->store))
        return true;
    if (!store_commit(flush->store))
        return false;
    reporter_attend(flush->reporter);
    return store_begin(flush->store, false);
}

static bool
write_figures(const struct flush *flush, struct progress *next)
{
    size_t count;
    struct figure *figures =
        figures_copy(next->database->figures, next->figures_since, &next->figures_since, &count);
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++)
        ok = store_write_figure(flush->store, flush->now, next->database->name, &figures[i]) &&
             breathe(flush);
    figures_copy_free(&figures, count);
    return ok;
}

static bool
write_evidence(const struct flush *flush, struct progress *next)
{
    size_t count;
    struct figures_mismatch *evidence =
        figures_evidence(next->database->figures, next->evidence_after, &count);
    bool ok = true;

    for (size_t i = count; ok && i > 0; i--)
        ok = store_write_mismatch(flush->store, next->database->name, &evidence[i - 1]) &&
             breathe(flush);
    if (count > 0)
        next->evidence_after = evidence[0].id;
    figures_evidence_free(&evidence, count);
    return ok;
}

static bool
write_database(const struct flush *flush, struct progress *next)
{
    struct books_page page;

    books_read(&next->database->books, &page);
    if (memcmp(&page, &next->written, sizeof page) != 0) {
        struct figures_totals totals;

        figures_totals(next->database->figures, &totals);
        if (!store_write_books(flush->store, flush->now, next->database->name, &page, &totals))
            return false;
        next->written = page;
    }
    return write_figures(flush, next) && write_evidence(flush, next);
}

static bool
write_events(const struct flush *flush, uint64_t *upto)
{
    size_t count;
    struct store_event *events = audit_unstored(flush->reporter->audit, &count, upto);
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++)
        ok = store_write_event(flush->store, &events[i]);
    audit_unstored_free(&events, count);
    return ok;
}

// In a batch of its own: it may be too much for the store's patience, and the next hour tries again.
static void
thin(const struct flush *flush)
{
    if (store_begin(flush->store, false) && store_thin(flush->store, flush->now) &&
        store_commit(flush->store))
        return;
    log_event(LOG_WARNING_LEVEL, "store_thin", "error=\"%s\"", store_error(flush->store));
    store_roll_back(flush->store);
}

bool
reporter_flush(struct reporter *reporter, bool is_last)
{
    struct flush flush = {reporter, reporter->store, store_now()};
    uint64_t events = 0;

    databases_each(reporter->instance->databases, find_progress, reporter);

    size_t count = reporter->progress_count;
    struct progress *next = calloc(count + 1, sizeof *next);

    if (next == NULL)
        return false;
    if (count > 0)
        memcpy(next, reporter->progress, count * sizeof *next);
    if (is_last)
        ids_return(&reporter->ids, reporter->store);

    bool ok = (is_last || ids_reserve(&reporter->ids, reporter->store)) &&
              store_begin(reporter->store, false) && write_events(&flush, &events);

    for (size_t i = 0; ok && i < count; i++)
        ok = write_database(&flush, &next[i]);
    ok = ok && store_commit(reporter->store);
    if (ok) {
        if (count > 0)
            memcpy(reporter->progress, next, count * sizeof *next);
        audit_stored(reporter->audit, events);
    }
    free(next);
    if (reporter_store_said(reporter, ok) && !is_last && reporter->flushes++ % THIN_FLUSHES == 0)
        thin(&flush);
    return ok;
}
