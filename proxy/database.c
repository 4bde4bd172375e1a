// Databases and their snapshots. A database is made from its entry and lives as long as the process;
// what may change (settings, catalogs) is an immutable, counted snapshot behind a pointer that RELOAD or
// the control thread swaps. The lock of a database is held for a reference at most; the lock of all
// databases also while one is made, which reads certificates: connecting clients wait for that.
#include "proxy/database.h"
#include "compare/sql/quote.h"
#include "config/connection.h"
#include "proxy/canary/key_writes.h"
#include "proxy/guard/canary_switch.h"
#include "proxy/log.h"
#include "proxy/report/figures.h"
#include "proxy/rewriting.h"
#include "proxy/shadow/fair_share.h"
#include "proxy/transport/tls.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct member {
    struct database database;
    bool is_gone; // its entry is no longer configured; behind the lock of all
    struct member *next;
};

struct databases {
    pthread_mutex_t lock;
    const struct configuration *configuration;
    struct member *members; // in the order of making
    size_t count;
    bool is_held; // see databases_hold
    void (*made)(void *context, struct database *database);
    void *context;
};

static void
settings_free(struct database_settings *settings)
{
    for (int side = 0; side < 2; side++) {
        if (settings->targets[side])
            target_unref(&settings->targets[side]);
        if (settings->tls[side])
            tls_context_unref(&settings->tls[side]);
    }
    rewriting_free(&settings->rewrites);
    configuration_unref(&settings->configuration);
    free(settings);
}

static bool
settings_connect(struct database_settings *settings, enum side side, const char *name, char *error,
                 size_t error_size)
{
    const char *configured = side == SIDE_OLD ? settings->entry->old : settings->entry->new;
    char *string = connection_with_database(configured, name);
    char problem[512] = "out of memory";

    if (string) {
        settings->targets[side] = target_new(string, problem, sizeof problem);
        explicit_bzero(string, strlen(string));
        free(string);
    }

    struct target *target = settings->targets[side];

    if (target && target->tls_mode != TLS_DISABLE)
        settings->tls[side] = tls_context_for_server(target, problem, sizeof problem);
    if (target && (settings->tls[side] || target->tls_mode == TLS_DISABLE))
        return true;
    snprintf(error, error_size, "databases.%s.%s: %s", settings->entry->name,
             side == SIDE_OLD ? "old" : "new", problem);
    return false;
}

// A session's settings are followed for what changes results; application_name is what old reports.
static bool
key_is_followed(const struct configuration_database *entry, char *error, size_t error_size)
{
    const char *name = entry->canary.key == COHORT_PARAMETER ? entry->canary.key_name : NULL;

    if (!name || quote_is_replayed(name) || strcasecmp(name, "application_name") == 0)
        return true;
    snprintf(error, error_size,
             "databases.%s.canary.key: the setting \"%s\" changes no result, so that it is not "
             "followed; give another one",
             entry->name, name);
    return false;
}

static struct database_settings *
settings_new(const struct configuration *configuration, const char *name, char *error,
             size_t error_size)
{
    struct database_settings *settings = calloc(1, sizeof *settings);

    if (!settings) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    atomic_init(&settings->references, 1);
    settings->configuration = configuration_ref(configuration);
    settings->entry = configuration_database(configuration, name);
    assert(settings->entry);
    settings->rewrites = rewriting_new(settings->entry);
    if (!settings->rewrites) {
        snprintf(error, error_size, "out of memory");
        settings_free(settings);
        return NULL;
    }
    if (key_is_followed(settings->entry, error, error_size) &&
        settings_connect(settings, SIDE_OLD, name, error, error_size) &&
        settings_connect(settings, SIDE_NEW, name, error, error_size))
        return settings;
    settings_free(settings);
    return NULL;
}

struct database_settings *
database_settings(struct database *database)
{
    pthread_mutex_lock(&database->lock);

    struct database_settings *settings = database->settings;

    atomic_fetch_add_explicit(&settings->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&database->lock);
    return settings;
}

void
database_settings_unref(struct database_settings **settings)
{
    struct database_settings *gone = *settings;

    *settings = NULL;
    if (gone && atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) == 1)
        settings_free(gone);
}

struct database_catalogs *
database_catalogs(struct database *database)
{
    pthread_mutex_lock(&database->lock);

    struct database_catalogs *catalogs = database->catalogs;

    atomic_fetch_add_explicit(&catalogs->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&database->lock);
    return catalogs;
}

void
database_catalogs_unref(struct database_catalogs **catalogs)
{
    struct database_catalogs *gone = *catalogs;

    *catalogs = NULL;
    if (!gone || atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) != 1)
        return;
    for (int side = 0; side < 2; side++) {
        if (gone->catalogs[side])
            catalog_unref(&gone->catalogs[side]);
    }
    free(gone);
}

void
database_set_rewrite_trouble(struct database *database, const char *trouble)
{
    pthread_mutex_lock(&database->lock);
    snprintf(database->rewrite_trouble, sizeof database->rewrite_trouble, "%s", trouble);
    pthread_mutex_unlock(&database->lock);
}

void
database_rewrite_trouble(struct database *database, char trouble[DATABASE_TROUBLE])
{
    pthread_mutex_lock(&database->lock);
    snprintf(trouble, DATABASE_TROUBLE, "%s", database->rewrite_trouble);
    pthread_mutex_unlock(&database->lock);
}

bool
database_is_idle(const struct database *database)
{
    return atomic_load(&database->shadow_percent) == 0 &&
           atomic_load(&database->canary_percent) == 0 && !atomic_load(&database->has_included);
}

void
database_want_catalogs(struct database *database, uint64_t epoch)
{
    uint64_t wanted = atomic_load(&database->catalogs_wanted);
    while (wanted < epoch &&
           !atomic_compare_exchange_weak(&database->catalogs_wanted, &wanted, epoch))
        ;
}

void
database_set_catalogs(struct database *database, struct catalog *old_catalog,
                      struct catalog *new_catalog)
{
    struct database_catalogs *fresh = calloc(1, sizeof *fresh);

    if (!fresh) { // the ones in force stay
        if (old_catalog)
            catalog_unref(&old_catalog);
        if (new_catalog)
            catalog_unref(&new_catalog);
        return;
    }
    atomic_init(&fresh->references, 1);
    fresh->catalogs[SIDE_OLD] = old_catalog;
    fresh->catalogs[SIDE_NEW] = new_catalog;
    pthread_mutex_lock(&database->lock);

    struct database_catalogs *before = database->catalogs;

    fresh->epoch = before->epoch + 1;
    database->catalogs = fresh;
    atomic_store_explicit(&database->catalogs_epoch, fresh->epoch, memory_order_release);
    pthread_mutex_unlock(&database->lock);
    database_catalogs_unref(&before);
}

static void
member_free(struct member *member)
{
    struct database *database = &member->database;

    database_settings_unref(&database->settings);
    database_catalogs_unref(&database->catalogs);
    if (database->figures)
        figures_free(&database->figures);
    if (database->mirrored)
        fair_share_free(&database->mirrored);
    key_writes_free(&database->key_writes);
    pthread_mutex_destroy(&database->lock);
    free(database->name);
    free(member);
}

static struct member *
member_new(const struct configuration *configuration, const char *name, char *error,
           size_t error_size)
{
    struct member *member = calloc(1, sizeof *member);

    if (!member) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }

    struct database *database = &member->database;

    pthread_mutex_init(&database->lock, NULL);
    database->name = strdup(name);
    database->figures = figures_new();
    database->mirrored = fair_share_new();
    database->catalogs = calloc(1, sizeof *database->catalogs);
    if (!database->name || !database->figures || !database->mirrored || !database->catalogs) {
        snprintf(error, error_size, "out of memory");
        goto failed;
    }
    atomic_init(&database->catalogs->references, 1);
    database->settings = settings_new(configuration, name, error, error_size);
    if (!database->settings)
        goto failed;
    atomic_init(&database->settings_epoch, 1);
    atomic_init(&database->canary_percent, database->settings->entry->canary.percent);
    atomic_init(&database->shadow_percent, database->settings->entry->shadow.percent);
    atomic_init(&database->canary_state, CANARY_ARMED);
    atomic_init(&database->has_included, database->settings->entry->canary.include_count > 0);
    atomic_init(&database->lag_us, -1);
    atomic_init(&database->lag_probe, (int)database->settings->entry->lag.probe);
    return member;
failed:
    member_free(member);
    return NULL;
}

static void
databases_add(struct databases *databases, struct member *member)
{
    struct member **end = &databases->members;

    if (databases->is_held)
        (void)canary_switch_latch(&member->database, NULL);

    while (*end)
        end = &(*end)->next;
    *end = member;
    databases->count++;
    if (databases->made)
        databases->made(databases->context, &member->database);
}

static struct member *
databases_member(const struct databases *databases, const char *name)
{
    for (struct member *member = databases->members; member; member = member->next) {
        if (strcmp(member->database.name, name) == 0)
            return member;
    }
    return NULL;
}

struct databases *
databases_new(const struct configuration *configuration, char *error, size_t error_size)
{
    struct databases *databases = calloc(1, sizeof *databases);

    if (!databases) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&databases->lock, NULL);
    databases->configuration = configuration_ref(configuration);
    for (size_t i = 0; i < configuration->database_count; i++) {
        const char *name = configuration->databases[i].name;

        if (strcmp(name, "*") == 0)
            continue;

        struct member *member = member_new(configuration, name, error, error_size);

        if (!member) {
            databases_free(&databases);
            return NULL;
        }
        databases_add(databases, member);
    }
    return databases;
}

void
databases_free(struct databases **databases)
{
    struct databases *gone = *databases;

    *databases = NULL;
    if (!gone)
        return;
    for (struct member *member = gone->members, *next; member; member = next) {
        next = member->next;
        member_free(member);
    }
    configuration_unref(&gone->configuration);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

void
databases_on_made(struct databases *databases,
                  void (*made)(void *context, struct database *database), void *context)
{
    pthread_mutex_lock(&databases->lock);
    databases->made = made;
    databases->context = context;
    for (struct member *member = databases->members; member; member = member->next)
        made(context, &member->database);
    pthread_mutex_unlock(&databases->lock);
}

void
databases_hold(struct databases *databases, bool is_held)
{
    pthread_mutex_lock(&databases->lock);
    databases->is_held = is_held;
    pthread_mutex_unlock(&databases->lock);
}

struct database *
databases_find(struct databases *databases, const char *name)
{
    char error[1024];

    pthread_mutex_lock(&databases->lock);

    struct member *member = databases_member(databases, name);

    if (!member && databases->count < DATABASES_LIMIT && *name && strcmp(name, "*") != 0 &&
        configuration_database(databases->configuration, name)) {
        member = member_new(databases->configuration, name, error, sizeof error);
        if (member)
            databases_add(databases, member);
        else
            log_event(LOG_ERROR_LEVEL, "database_failed", "database=%s error=\"%s\"", name, error);
    }

    struct database *database = member && !member->is_gone ? &member->database : NULL;

    pthread_mutex_unlock(&databases->lock);
    return database;
}

// An operator's setting follows the file only as long as it says what the file said.
static void
follow_percent(atomic_uint *percent, unsigned before, unsigned now)
{
    if (before != now)
        atomic_compare_exchange_strong(percent, &before, now);
}

static void
database_set_settings(struct database *database, struct database_settings *settings)
{
    pthread_mutex_lock(&database->lock);

    struct database_settings *before = database->settings;

    database->settings = settings;
    atomic_fetch_add_explicit(&database->settings_epoch, 1, memory_order_release);
    pthread_mutex_unlock(&database->lock);
    atomic_store(&database->has_included, settings->entry->canary.include_count > 0);
    follow_percent(&database->shadow_percent, before->entry->shadow.percent,
                   settings->entry->shadow.percent);
    if (before->entry->canary.percent != settings->entry->canary.percent)
        (void)canary_switch_move(database, before->entry->canary.percent,
                                 settings->entry->canary.percent);
    database_settings_unref(&before);
}

// What a reload is about to put in force; nothing of it is seen until all of it is made.
struct plan {
    struct database_settings **settings; // by member; NULL: its entry is gone
    struct member *members;              // new ones
};

static void
plan_drop(struct plan *plan, size_t count)
{
    for (size_t i = 0; plan->settings && i < count; i++)
        database_settings_unref(&plan->settings[i]);
    free(plan->settings);
    for (struct member *member = plan->members, *next; member; member = next) {
        next = member->next;
        member_free(member);
    }
}

static bool
plan_make(struct plan *plan, const struct databases *databases,
          const struct configuration *configuration, char *error, size_t error_size)
{
    size_t i = 0;

    plan->settings = calloc(databases->count + 1, sizeof *plan->settings);
    if (!plan->settings) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    for (struct member *member = databases->members; member; member = member->next, i++) {
        if (!configuration_database(configuration, member->database.name))
            continue;
        plan->settings[i] = settings_new(configuration, member->database.name, error, error_size);
        if (!plan->settings[i])
            return false;
    }
    for (i = configuration->database_count; i-- > 0;) {
        const char *name = configuration->databases[i].name;

        if (strcmp(name, "*") == 0 || databases_member(databases, name))
            continue;

        struct member *member = member_new(configuration, name, error, error_size);

        if (!member)
            return false;
        member->next = plan->members;
        plan->members = member;
    }
    return true;
}

bool
databases_reload(struct databases *databases, const struct configuration *configuration,
                 char *error, size_t error_size)
{
    struct plan plan = {0};
    size_t i = 0;

    pthread_mutex_lock(&databases->lock);
    if (!plan_make(&plan, databases, configuration, error, error_size)) {
        plan_drop(&plan, databases->count);
        pthread_mutex_unlock(&databases->lock);
        return false;
    }
    for (struct member *member = databases->members; member; member = member->next, i++) {
        member->is_gone = !plan.settings[i];
        if (plan.settings[i])
            database_set_settings(&member->database, plan.settings[i]);
    }
    free(plan.settings);
    for (struct member *member = plan.members, *next; member; member = next) {
        next = member->next;
        member->next = NULL;
        databases_add(databases, member);
    }
    configuration_unref(&databases->configuration);
    databases->configuration = configuration_ref(configuration);
    pthread_mutex_unlock(&databases->lock);
    return true;
}

void
databases_each(struct databases *databases, void (*each)(void *context, struct database *database),
               void *context)
{
    // Members are only ever added at the end, and each is whole before it is: the walk needs the lock for
    // the links alone, so that `each` may take its time and call back.
    pthread_mutex_lock(&databases->lock);
    for (struct member *member = databases->members; member; member = member->next) {
        pthread_mutex_unlock(&databases->lock);
        each(context, &member->database);
        pthread_mutex_lock(&databases->lock);
    }
    pthread_mutex_unlock(&databases->lock);
}
