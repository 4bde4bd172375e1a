// Pictures of the running proxy. Everything is copied: a picture holds nothing of the databases.
#include "proxy/control/control.h"
#include "proxy/guard/guarded.h"
#include "proxy/report/picture.h"
#include "proxy/report/reporter.h"
#include "proxy/shadow/shadow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct taking {
    struct pictures *pictures;
    enum picture_depth depth;
};

static void
take_live(struct picture *picture, struct database *database)
{
    int64_t lag_us = atomic_load(&database->lag_us);

    picture->is_live = true;
    picture->is_paused = atomic_load(&database->is_paused);
    picture->canary_percent = atomic_load(&database->canary_percent);
    picture->shadow_percent = atomic_load(&database->shadow_percent);
    picture->canary_state = (enum canary_state)atomic_load(&database->canary_state);
    if (database->guarded != NULL)
        picture->guardrail = guardrail_state_name(guarded_state(database->guarded));
    picture->lag_probe = lag_probe_name((enum lag_probe)atomic_load(&database->lag_probe));
    if (lag_us >= 0)
        picture->lag_seconds = (double)lag_us / 1e6;
    picture->clients = atomic_load(&database->clients);
    picture->old_sessions = atomic_load(&database->old_sessions);
    for (int side = 0; side < 2; side++) {
        picture->is_up[side] = atomic_load(&database->sides_up[side]);
        picture->own_sessions[side] = atomic_load(&database->own_sessions[side]);
        if (atomic_load(&database->own_admitted[side]) == 0)
            picture->refused_logins[side] = atomic_load(&database->own_refused[side]);
    }
    database_rewrite_trouble(database, picture->rewrite_trouble);
    if (database->control != NULL)
        control_lag_trouble(database->control, picture->lag_trouble);
}

static void
take(void *context, struct database *database)
{
    struct taking *taking = context;
    struct picture *picture = pictures_add(taking->pictures, database->name);

    if (picture == NULL)
        return;
    take_live(picture, database);
    books_read(&database->books, &picture->books);
    figures_totals(database->figures, &picture->totals);
    if (taking->depth >= PICTURE_FIGURES) {
        picture->figures = figures_copy(database->figures, 0, NULL, &picture->figure_count);
        taking->pictures->failed |= picture->figures == NULL;
    }
    if (taking->depth >= PICTURE_EVIDENCE) {
        picture->evidence = figures_evidence(database->figures, 0, &picture->evidence_count);
        taking->pictures->failed |= picture->evidence == NULL;
    }
}

static int
by_name(const void *left, const void *right)
{
    const struct picture *a = left;
    const struct picture *b = right;

    return strcmp(a->database, b->database);
}

static void
take_store(struct pictures *pictures, struct reporter *reporter)
{
    struct reporter_store_state state;

    reporter_store_state(reporter, &state);
    pictures->store_works = state.store == REPORTER_STORE_WORKS;
    pictures->store_lost_events = state.lost_events;
    pictures->store_lost_minutes = state.lost_minutes;
    snprintf(pictures->store, sizeof pictures->store, "%s%s%s", reporter_store_name(state.store),
             state.trouble[0] == '\0' ? "" : ": ", state.trouble);
}

void
pictures_take(struct instance *instance, enum picture_depth depth, struct pictures *pictures)
{
    struct taking taking = {.pictures = pictures, .depth = depth};

    memset(pictures, 0, sizeof *pictures);
    databases_each(instance->databases, take, &taking);
    if (pictures->count > 1)
        qsort(pictures->list, pictures->count, sizeof *pictures->list, by_name);
    if (instance->reporter != NULL)
        take_store(pictures, instance->reporter);
    if (instance->shadows != NULL) {
        struct shadow_load load = {0};

        shadows_load(instance->shadows, &load);
        pictures->queue_reads = load.queue_reads;
        pictures->queue_bytes = load.queue_bytes;
    }
}
