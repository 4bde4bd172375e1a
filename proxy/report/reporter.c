// The reporter thread. It owns the store, keeps it up to date once a second, and runs what others
// hand it (reporter_run). What it needs of the databases it reads by their own means: atomics, and copies
// under the figures' lock.
//
// When the store fails (disk full, locked), that is logged once, everything goes on in memory, and the next
// flush tries again: counters are written as they stand, so nothing is lost by it but the minutes'
// resolution.
#include "proxy/log.h"
#include "proxy/report/reporter_state.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MISMATCH_BLOCK = 10000, THIN_EVERY = 3600 };

void
reporter_event(struct reporter *reporter, const struct database *database, const char *kind,
               const char *actor, const char *format, ...)
{
    char detail[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);

    struct store_event event = {.at = store_now(),
                                .database = database == NULL ? "" : database->name,
                                .kind = kind,
                                .actor = actor,
                                .detail = detail};

    log_event(LOG_INFO_LEVEL, "audit", "database=%s kind=%s actor=%s detail=\"%s\"", event.database,
              kind, actor, detail);
    audit_add(reporter->audit, &event, false);
}

void
reporter_events(struct reporter *reporter, unsigned limit,
                void (*each)(void *context, const struct store_event *event), void *context)
{
    audit_each(reporter->audit, limit, each, context);
}

bool
reporter_store_works(struct reporter *reporter)
{
    return atomic_load(&reporter->store_works);
}

// On the reporter thread.
static void
keep_quarantines(void *context)
{
    struct reporter *reporter = context;
    char error[256];

    atomic_store(&reporter->is_quarantining, false);
    (void)reporter_flush(reporter, error, sizeof error); // when it fails, every second's is the next
}

void
reporter_quarantine(struct reporter *reporter, struct database *database, const char *fingerprint)
{
    struct database_settings *settings = database_settings(database);
    bool is_wanted = settings->entry->canary.quarantine;

    database_settings_unref(&settings);
    if (!is_wanted || figures_is_quarantined(database->figures, fingerprint) ||
        figures_is_accepted(database->figures, fingerprint))
        return;
    figures_quarantine(database->figures, fingerprint, true);
    if (!atomic_exchange(&reporter->is_quarantining, true))
        reporter_run(reporter, keep_quarantines, reporter);
    reporter_event(reporter, database, "quarantine", "pgrehearse",
                   "%s is served by old until it is released: it has a confirmed mismatch",
                   fingerprint);
}

void
reporter_mismatch(struct reporter *reporter, struct database *database,
                  const struct figures_mismatch *mismatch)
{
    struct figures_mismatch numbered = *mismatch;

    numbered.id = atomic_fetch_add(&reporter->next_mismatch, 1);
    if (numbered.at == 0)
        numbered.at = store_now();
    figures_mismatch_add(database->figures, &numbered);
    reporter_quarantine(reporter, database, mismatch->fingerprint);
}

void
reporter_run(struct reporter *reporter, void (*work)(void *context), void *context)
{
    struct task *task = malloc(sizeof *task);

    if (task == NULL)
        abort(); // whoever waits for its end would wait for ever
    *task = (struct task){.work = work, .context = context};
    pthread_mutex_lock(&reporter->lock);
    if (reporter->last == NULL)
        reporter->first = task;
    else
        reporter->last->next = task;
    reporter->last = task;
    pthread_cond_signal(&reporter->wake);
    pthread_mutex_unlock(&reporter->lock);
}

// The store's part of one transaction said so: what is to be told, and whether it can be trusted.
static bool
store_said(struct reporter *reporter, bool ok, char *error, size_t error_size)
{
    bool did_work = atomic_exchange(&reporter->store_works, ok);

    if (!ok) {
        snprintf(error, error_size, "%s", store_error(reporter->store));
        store_roll_back(reporter->store);
        if (did_work)
            log_event(LOG_ERROR_LEVEL, "store_fails",
                      "error=\"%s\" hint=\"figures are kept in memory and written when it works "
                      "again\"",
                      error);
    } else if (!did_work) {
        log_event(LOG_INFO_LEVEL, "store_works", "again=true");
    }
    return ok;
}

bool
reporter_keep(struct reporter *reporter, const struct reporter_setting *settings, size_t count,
              const char *actor, char *error, size_t error_size)
{
    bool ok = store_begin(reporter->store, true);

    for (size_t i = 0; ok && i < count; i++)
        ok = store_write_setting(reporter->store, settings[i].database, settings[i].name,
                                 settings[i].value, actor);
    ok = ok && store_commit(reporter->store);
    return store_said(reporter, ok, error, error_size);
}

struct watch *
reporter_watch(struct reporter *reporter, struct database *database)
{
    for (size_t i = 0; i < reporter->watch_count; i++)
        if (reporter->watches[i].database == database)
            return &reporter->watches[i];

    struct watch *watches =
        realloc(reporter->watches, (reporter->watch_count + 1) * sizeof *watches);

    if (watches == NULL)
        return NULL;
    reporter->watches = watches;

    struct watch *watch = &watches[reporter->watch_count++];

    memset(watch, 0, sizeof *watch);
    watch->database = database;
    return watch;
}

static void
watch_sides(struct reporter *reporter, struct watch *watch)
{
    static const char *const names[] = {"old", "new"};

    for (int side = 0; side < 2; side++) {
        bool is_up = atomic_load(&watch->database->sides_up[side]);

        if (is_up != watch->was_up[side])
            reporter_event(reporter, watch->database, "side", "pgrehearse", "%s is %s", names[side],
                           is_up ? "up" : "down");
        watch->was_up[side] = is_up;
    }
}

static void
watch_rewrites(struct reporter *reporter, struct watch *watch)
{
    char trouble[DATABASE_TROUBLE];

    database_rewrite_trouble(watch->database, trouble);
    if (strcmp(trouble, watch->rewrite_trouble) == 0)
        return;
    snprintf(watch->rewrite_trouble, sizeof watch->rewrite_trouble, "%s", trouble);
    reporter_event(reporter, watch->database, "rewrite", "pgrehearse", "%s",
                   *trouble ? trouble : "all rewrites lead to something on new");
}

static void
watch_database(void *context, struct database *database)
{
    struct watch *watch = reporter_watch(context, database);

    if (watch == NULL)
        return;
    watch_sides(context, watch);
    watch_rewrites(context, watch);
}

static bool
write_figures(struct store *store, int64_t now, struct watch *next)
{
    size_t count;
    struct figure *figures =
        figures_copy(next->database->figures, next->figures_since, &next->figures_since, &count);
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++)
        ok = store_write_figure(store, now, next->database->name, &figures[i]);
    figures_copy_free(&figures, count);
    return ok;
}

static bool
write_evidence(struct store *store, struct watch *next)
{
    size_t count;
    struct figures_mismatch *evidence =
        figures_evidence(next->database->figures, next->evidence_after, &count);
    bool ok = true;

    for (size_t i = count; ok && i > 0; i--)
        ok = store_write_mismatch(store, next->database->name, &evidence[i - 1]);
    if (count > 0)
        next->evidence_after = evidence[0].id;
    figures_evidence_free(&evidence, count);
    return ok;
}

static bool
write_database(struct store *store, int64_t now, struct watch *next)
{
    struct books_page page;

    books_read(&next->database->books, &page);
    if (memcmp(&page, &next->written, sizeof page) != 0) {
        struct figures_totals totals;

        figures_totals(next->database->figures, &totals);
        if (!store_write_books(store, now, next->database->name, &page, &totals))
            return false;
        next->written = page;
        next->written_at = now;
    }
    return write_figures(store, now, next) && write_evidence(store, next);
}

// Ids are reserved in blocks, so that a crash makes a gap and never the same id twice; an orderly end gives back
// what is left.
static bool
reserve_mismatches(struct reporter *reporter, uint64_t *reserved)
{
    uint64_t next = atomic_load(&reporter->next_mismatch);
    char text[24];

    if (reporter->is_last) {
        snprintf(text, sizeof text, "%" PRIu64, next);
        return store_write_setting(reporter->store, "", "next_mismatch", text, "pgrehearse");
    }

    *reserved = reporter->reserved_mismatches;
    if (next + MISMATCH_BLOCK / 2 < *reserved)
        return true;
    *reserved = next + MISMATCH_BLOCK;
    snprintf(text, sizeof text, "%" PRIu64, *reserved);
    return store_write_setting(reporter->store, "", "next_mismatch", text, "pgrehearse");
}

static bool
flush(struct reporter *reporter, bool durable, char *error, size_t error_size)
{
    struct watch *next = calloc(reporter->watch_count + 1, sizeof *next);
    int64_t now = store_now();
    uint64_t events = 0;
    uint64_t reserved = 0;

    if (next == NULL) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    if (reporter->watch_count > 0)
        memcpy(next, reporter->watches, reporter->watch_count * sizeof *next);

    bool ok = store_begin(reporter->store, durable) && reserve_mismatches(reporter, &reserved) &&
              audit_write(reporter->audit, reporter->store, &events);

    for (size_t i = 0; ok && i < reporter->watch_count; i++)
        ok = write_database(reporter->store, now, &next[i]);
    if (ok && reporter->ticks % THIN_EVERY == 0)
        ok = store_thin(reporter->store, now);
    ok = ok && store_commit(reporter->store);
    if (ok) {
        if (reporter->watch_count > 0)
            memcpy(reporter->watches, next, reporter->watch_count * sizeof *next);
        audit_stored(reporter->audit, events);
        reporter->reserved_mismatches = reserved;
    }
    free(next);
    return store_said(reporter, ok, error, error_size);
}

bool
reporter_flush(struct reporter *reporter, char *error, size_t error_size)
{
    databases_each(reporter->instance->databases, watch_database, reporter);
    return flush(reporter, true, error, error_size);
}

static void
tick(struct reporter *reporter)
{
    char error[256] = "";

    databases_each(reporter->instance->databases, watch_database, reporter);
    (void)flush(reporter, false, error, sizeof error);
    reporter->ticks++;
}

// The next task, or NULL when `until` has come. *stopping: there is nothing left and no more to come.
static struct task *
next_task(struct reporter *reporter, const struct timespec *until, bool *stopping)
{
    struct task *task = NULL;

    pthread_mutex_lock(&reporter->lock);
    while (reporter->first == NULL && !reporter->is_stopping)
        if (pthread_cond_timedwait(&reporter->wake, &reporter->lock, until) != 0)
            break;
    task = reporter->first;
    if (task != NULL) {
        reporter->first = task->next;
        if (reporter->first == NULL)
            reporter->last = NULL;
    }
    *stopping = task == NULL && reporter->is_stopping;
    pthread_mutex_unlock(&reporter->lock);
    return task;
}

static bool
has_come(const struct timespec *until)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > until->tv_sec ||
           (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

static void *
run(void *context)
{
    struct reporter *reporter = context;
    struct timespec until;
    bool stopping = false;

    clock_gettime(CLOCK_MONOTONIC, &until);
    while (!stopping) {
        struct task *task = next_task(reporter, &until, &stopping);

        if (task != NULL)
            task->work(task->context);
        free(task);
        if (!stopping && !has_come(&until))
            continue;
        reporter->is_last = stopping;
        tick(reporter);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
    }
    return NULL;
}

static void
reporter_free(struct reporter **reporter)
{
    store_close(&(*reporter)->store);
    audit_free(&(*reporter)->audit);
    refusals_fini(&(*reporter)->refusals);
    pthread_cond_destroy(&(*reporter)->wake);
    pthread_mutex_destroy(&(*reporter)->lock);
    free((*reporter)->watches);
    free(*reporter);
    *reporter = NULL;
}

struct reporter *
reporter_start(struct instance *instance, char *error, size_t error_size)
{
    struct reporter *reporter = calloc(1, sizeof *reporter);
    pthread_condattr_t monotonic;

    if (reporter == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&reporter->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reporter->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    atomic_store(&reporter->next_mismatch, 1);
    atomic_store(&reporter->store_works, true);
    reporter->instance = instance;
    reporter->audit = audit_new();
    refusals_init(&reporter->refusals);

    const struct configuration *configuration = instance_configuration(instance);

    reporter->store = store_open(configuration->store, error, error_size);
    configuration_unref(&configuration);
    if (reporter->store == NULL || reporter->audit == NULL) {
        reporter_free(&reporter);
        return NULL;
    }
    if (!reporter_restore(reporter)) {
        snprintf(error, error_size, "could not read the store: %s", store_error(reporter->store));
        reporter_free(&reporter);
        return NULL;
    }
    // Ids are reserved before the first mismatch can be numbered.
    if (!reporter_flush(reporter, error, error_size)) {
        reporter_free(&reporter);
        return NULL;
    }
    if (pthread_create(&reporter->thread, NULL, run, reporter) != 0) {
        snprintf(error, error_size, "could not start the reporter's thread");
        reporter_free(&reporter);
    }
    return reporter;
}

void
reporter_stop(struct reporter **reporter)
{
    if (*reporter == NULL)
        return;
    pthread_mutex_lock(&(*reporter)->lock);
    (*reporter)->is_stopping = true;
    pthread_cond_signal(&(*reporter)->wake);
    pthread_mutex_unlock(&(*reporter)->lock);
    pthread_join((*reporter)->thread, NULL);
    reporter_free(reporter);
}
