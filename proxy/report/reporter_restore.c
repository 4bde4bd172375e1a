// What the store keeps of earlier runs, brought back into the databases: percentages, latches, quarantines,
// what was accepted, evidence and events. Counters begin anew with each run.
#include "proxy/guard/guarded.h"
#include "proxy/report/reporter_state.h"
#include <stdlib.h>
#include <string.h>

enum { EVENTS_RESTORED = 500 };

static void
restore_setting(void *context, const char *name, const char *setting, const char *value)
{
    struct reporter *reporter = context;
    struct database *database =
        name[0] == '\0' ? NULL : databases_find(reporter->instance->databases, name);
    unsigned number = (unsigned)strtoul(value, NULL, 10);

    if (name[0] == '\0' && strcmp(setting, "next_mismatch") == 0) {
        atomic_store(&reporter->next_mismatch, strtoull(value, NULL, 10));
        return;
    }
    if (database == NULL) // it is no longer configured
        return;
    if (strcmp(setting, "canary_percent") == 0)
        atomic_store(&database->canary_percent, number <= 10000 ? number : 0);
    else if (strcmp(setting, "shadow_percent") == 0)
        atomic_store(&database->shadow_percent, number <= 10000 ? number : 10000);
    else if (strcmp(setting, "canary_state") == 0)
        atomic_store(&database->canary_state,
                     strcmp(value, "latched") == 0 ? CANARY_LATCHED : CANARY_ARMED);
    else if (strcmp(setting, "ramp") == 0 && database->guarded != NULL)
        guarded_restore_ramp(database->guarded, value);
}

static void
restore_decision(void *context, const char *name, const char *fingerprint, bool is_quarantined,
                 const char *because)
{
    struct reporter *reporter = context;
    struct database *database = databases_find(reporter->instance->databases, name);

    if (database == NULL)
        return;
    if (is_quarantined)
        figures_quarantine(database->figures, fingerprint, true);
    if (because != NULL)
        figures_accept(database->figures, fingerprint, because);
}

static void
hold_latch(void *context, struct database *database)
{
    (void)context;
    if (atomic_load(&database->canary_state) == CANARY_LATCHED)
        atomic_store(&database->canary_percent, 0);
}

static void
restore_evidence(struct reporter *reporter, const struct picture *picture)
{
    struct database *database = databases_find(reporter->instance->databases, picture->database);
    struct watch *watch = database == NULL ? NULL : reporter_watch(reporter, database);

    if (watch == NULL)
        return;
    for (size_t i = picture->evidence_count; i > 0; i--)
        figures_mismatch_restore(database->figures, &picture->evidence[i - 1]);
    if (picture->evidence_count > 0)
        watch->evidence_after = picture->evidence[0].id;
}

struct restored_events {
    struct store_event list[EVENTS_RESTORED];
    size_t count;
};

static void
collect_event(void *context, const struct store_event *event)
{
    struct restored_events *events = context;

    events->list[events->count++] = (struct store_event){
        .at = event->at,
        .database = strdup(event->database),
        .kind = strdup(event->kind),
        .actor = strdup(event->actor),
        .detail = strdup(event->detail),
    };
}

static bool
restore_events(struct reporter *reporter)
{
    struct restored_events *events = calloc(1, sizeof *events);

    if (events == NULL)
        return false;

    bool ok = store_read_events(reporter->store, 0, EVENTS_RESTORED, collect_event, events);

    for (size_t i = events->count; i > 0; i--) {
        struct store_event *event = &events->list[i - 1];

        if (event->database != NULL && event->kind != NULL && event->actor != NULL &&
            event->detail != NULL)
            audit_add(reporter->audit, event, true);
        free((char *)event->database);
        free((char *)event->kind);
        free((char *)event->actor);
        free((char *)event->detail);
    }
    free(events);
    return ok;
}

bool
reporter_restore(struct reporter *reporter)
{
    struct pictures pictures = {0};
    bool ok = store_read_settings(reporter->store, restore_setting, reporter) &&
              store_read_decisions(reporter->store, restore_decision, reporter) &&
              restore_events(reporter) && store_read_pictures(reporter->store, 0, NULL, &pictures);
    uint64_t last = store_last_mismatch(reporter->store);

    databases_each(reporter->instance->databases, hold_latch, NULL);
    for (size_t i = 0; ok && i < pictures.count; i++)
        restore_evidence(reporter, &pictures.list[i]);
    pictures_fini(&pictures);
    if (atomic_load(&reporter->next_mismatch) <= last)
        atomic_store(&reporter->next_mismatch, last + 1);
    return ok;
}
