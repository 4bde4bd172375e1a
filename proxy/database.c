// A database and its snapshots: what may change (settings, catalogs) is immutable, counted, and behind a pointer
// that RELOAD or the control thread swaps. The lock is held for a reference at most. To make settings reads
// certificates.
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

struct database_settings *
database_settings_new(const struct configuration *configuration, const char *name, char *error,
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
                      struct catalog *new_catalog, uint64_t old_as_of)
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
    fresh->old_as_of = old_as_of;
    pthread_mutex_lock(&database->lock);

    struct database_catalogs *before = database->catalogs;

    fresh->epoch = before->epoch + 1;
    database->catalogs = fresh;
    atomic_store_explicit(&database->catalogs_epoch, fresh->epoch, memory_order_release);
    pthread_mutex_unlock(&database->lock);
    database_catalogs_unref(&before);
}

// An operator's setting follows the file only as long as it says what the file said.
static void
follow_percent(atomic_uint *percent, unsigned before, unsigned now)
{
    if (before != now)
        atomic_compare_exchange_strong(percent, &before, now);
}

void
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

bool
database_init(struct database *database, const struct configuration *configuration,
              const char *name, char *error, size_t error_size)
{
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
    database->settings = database_settings_new(configuration, name, error, error_size);
    if (!database->settings)
        goto failed;

    const struct configuration_database *entry = database->settings->entry;

    atomic_init(&database->settings_epoch, 1);
    atomic_init(&database->canary_percent, entry->canary.percent);
    atomic_init(&database->shadow_percent, entry->shadow.percent);
    atomic_init(&database->canary_state, CANARY_ARMED);
    atomic_init(&database->has_included, entry->canary.include_count > 0);
    atomic_init(&database->lag_us, -1);
    atomic_init(&database->lag_probe, (int)entry->lag.probe);
    return true;
failed:
    database_fini(database);
    return false;
}

void
database_fini(struct database *database)
{
    database_settings_unref(&database->settings);
    database_catalogs_unref(&database->catalogs);
    if (database->figures)
        figures_free(&database->figures);
    if (database->mirrored)
        fair_share_free(&database->mirrored);
    key_writes_free(&database->key_writes);
    pthread_mutex_destroy(&database->lock);
    free(database->name);
}
