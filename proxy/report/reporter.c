// The reporter's own thread: runs the console's commands and what others hand it (reporter_run), and looks once a second
// whether a side, or the rewrites, have changed in a way that belongs into the audit log. It never waits for the store, which
// has a thread of its own (reporter_store.c). What it needs of the databases it reads by their own means: atomics, and
// copies under the figures' lock.
#include "proxy/log.h"
#include "proxy/report/reporter_state.h"
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

void
reporter_quarantine(struct reporter *reporter, struct database *database, const char *fingerprint)
{
    struct database_settings *settings = database_settings(database);
    bool is_wanted = settings->entry->canary.quarantine;

    database_settings_unref(&settings);
    if (!is_wanted || figures_is_quarantined(database->figures, fingerprint) ||
        figures_is_accepted(database->figures, fingerprint))
        return;

    char name[64];

    snprintf(name, sizeof name, "quarantine:%s", fingerprint);
    reporter_lower(reporter, &(struct reporter_setting){database->name, name, "on"}, 1,
                   "pgrehearse", "a confirmed mismatch");
    reporter_event(reporter, database, "quarantine", "pgrehearse",
                   "%s is served by old until it is released: it has a confirmed mismatch",
                   fingerprint);
}

void
reporter_mismatch(struct reporter *reporter, struct database *database,
                  const struct figures_mismatch *mismatch)
{
    struct figures_mismatch numbered = *mismatch;

    numbered.id = ids_take(&reporter->ids);
    if (numbered.at == 0)
        numbered.at = store_now();
    figures_mismatch_add(database->figures, &numbered);
    reporter_quarantine(reporter, database, mismatch->fingerprint);
}

void
tasks_add(struct tasks *tasks, void (*work)(void *context), void *context)
{
    struct task *task = malloc(sizeof *task);

    if (task == NULL)
        abort(); // whoever waits for its end would wait for ever
    *task = (struct task){.work = work, .context = context};
    if (tasks->last == NULL)
        tasks->first = task;
    else
        tasks->last->next = task;
    tasks->last = task;
}

struct task *
tasks_take(struct tasks *tasks)
{
    struct task *task = tasks->first;

    if (task == NULL)
        return NULL;
    tasks->first = task->next;
    if (tasks->first == NULL)
        tasks->last = NULL;
    return task;
}

void
reporter_run(struct reporter *reporter, void (*work)(void *context), void *context)
{
    pthread_mutex_lock(&reporter->lock);
    tasks_add(&reporter->tasks, work, context);
    pthread_cond_signal(&reporter->wake);
    pthread_mutex_unlock(&reporter->lock);
}

static struct watch *
watch_of(struct reporter *reporter, struct database *database)
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
    struct watch *watch = watch_of(context, database);

    if (watch == NULL)
        return;
    watch_sides(context, watch);
    watch_rewrites(context, watch);
}

// The next task, or NULL when `until` has come. *stopping: there is nothing left and no more to come.
static struct task *
next_task(struct reporter *reporter, const struct timespec *until, bool *stopping)
{
    pthread_mutex_lock(&reporter->lock);
    while (reporter->tasks.first == NULL && !reporter->is_stopping)
        if (pthread_cond_timedwait(&reporter->wake, &reporter->lock, until) != 0)
            break;

    struct task *task = tasks_take(&reporter->tasks);

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
        databases_each(reporter->instance->databases, watch_database, reporter);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
    }
    return NULL;
}

static void
reporter_free(struct reporter **reporter)
{
    struct reporter *gone = *reporter;

    *reporter = NULL;
    store_close(&gone->store);
    audit_free(&gone->audit);
    kept_free(&gone->kept);
    refusals_fini(&gone->refusals);
    member_fini(&gone->member);
    ids_fini(&gone->ids);
    pthread_cond_destroy(&gone->wake);
    pthread_mutex_destroy(&gone->lock);
    if (gone->store_wake >= 0)
        close(gone->store_wake);
    free(gone->watches);
    free(gone->progress);
    free(gone);
}

static struct reporter *
reporter_new(struct instance *instance)
{
    struct reporter *reporter = calloc(1, sizeof *reporter);
    pthread_condattr_t monotonic;

    if (reporter == NULL)
        return NULL;
    pthread_mutex_init(&reporter->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reporter->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ids_init(&reporter->ids);
    refusals_init(&reporter->refusals);
    reporter->instance = instance;
    reporter->store_wake = -1;
    reporter->audit = audit_new();
    reporter->kept = kept_new(instance->databases);
    return reporter;
}

static bool
make_store(struct reporter *reporter, char *error, size_t error_size)
{
    const struct configuration *configuration = instance_configuration(reporter->instance);
    uint64_t random = 0;
    char name[17];

    snprintf(error, error_size, "out of memory");
    (void)RAND_bytes((unsigned char *)&random, sizeof random);
    snprintf(name, sizeof name, "%016" PRIx64, random);

    bool ok = reporter->audit != NULL && reporter->kept != NULL &&
              member_init(&reporter->member, configuration, name);

    if (ok)
        reporter->store = store_new(configuration->store, error, error_size);
    configuration_unref(&configuration);
    return reporter->store != NULL;
}

struct reporter *
reporter_start(struct instance *instance, char *error, size_t error_size)
{
    struct reporter *reporter = reporter_new(instance);

    if (reporter == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    if (make_store(reporter, error, error_size) &&
        reporter_store_start(reporter, error, error_size)) {
        if (pthread_create(&reporter->thread, NULL, run, reporter) == 0)
            return reporter;
        snprintf(error, error_size, "could not start the reporter's thread");
        reporter_store_stop(reporter);
    }
    reporter_free(&reporter);
    return NULL;
}

// What runs on its own thread may need the store, and not the other way round.
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
    reporter_store_stop(*reporter);
    reporter_free(reporter);
}
