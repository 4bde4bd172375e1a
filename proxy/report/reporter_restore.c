// What the store keeps of earlier runs and of other proxies, brought back once: evidence into the databases' figures, and
// events. Settings come another way (reporter_settings.c). Counters begin anew with each run.
#include "proxy/report/reporter_state.h"
#include <stdlib.h>
#include <string.h>

enum { EVENTS_RESTORED = 500 };

static void
restore_evidence(struct reporter *reporter, const struct picture *picture)
{
    struct database *database = databases_find(reporter->instance->databases, picture->database);
    struct progress *progress = database == NULL ? NULL : reporter_progress(reporter, database);

    if (progress == NULL)
        return;
    for (size_t i = picture->evidence_count; i > 0; i--)
        figures_mismatch_restore(database->figures, &picture->evidence[i - 1]);
    if (picture->evidence_count > 0)
        progress->evidence_after = picture->evidence[0].id;
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
    bool ok = restore_events(reporter) && store_read_evidence(reporter->store, &pictures);

    for (size_t i = 0; ok && i < pictures.count; i++)
        restore_evidence(reporter, &pictures.list[i]);
    pictures_fini(&pictures);
    return ok;
}
