// A ring of the newest events. Where the store fails for so long that the ring goes round, the oldest are lost
// to it, and counted; they stood in the log. The lock is never held while the store writes.
#include "proxy/report/audit.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct audit {
    pthread_mutex_t lock;
    struct slot {
        struct store_event event; // strings are owned here
        bool is_stored;           // by somebody else
    } ring[AUDIT_KEPT];
    uint64_t next;   // number of the next event; events [next - AUDIT_KEPT, next) are kept
    uint64_t stored; // those before it are in the store
    uint64_t lost;
};

struct audit *
audit_new(void)
{
    struct audit *audit = calloc(1, sizeof *audit);

    if (audit != NULL && pthread_mutex_init(&audit->lock, NULL) != 0) {
        free(audit);
        return NULL;
    }
    return audit;
}

static void
clear(struct store_event *event)
{
    free((char *)event->database);
    free((char *)event->kind);
    free((char *)event->actor);
    free((char *)event->detail);
    memset(event, 0, sizeof *event);
}

void
audit_free(struct audit **audit)
{
    if (*audit == NULL)
        return;
    for (size_t i = 0; i < AUDIT_KEPT; i++)
        clear(&(*audit)->ring[i].event);
    pthread_mutex_destroy(&(*audit)->lock);
    free(*audit);
    *audit = NULL;
}

static bool
copy(struct store_event *to, const struct store_event *event)
{
    *to = (struct store_event){
        .at = event->at,
        .database = strdup(event->database),
        .kind = strdup(event->kind),
        .actor = strdup(event->actor),
        .detail = strdup(event->detail),
    };
    if (to->database != NULL && to->kind != NULL && to->actor != NULL && to->detail != NULL)
        return true;
    clear(to);
    return false;
}

void
audit_add(struct audit *audit, const struct store_event *event, bool is_stored)
{
    struct slot fresh = {.is_stored = is_stored};

    if (!copy(&fresh.event, event))
        return;
    pthread_mutex_lock(&audit->lock);

    struct slot *slot = &audit->ring[audit->next % AUDIT_KEPT];

    if (audit->next - audit->stored == AUDIT_KEPT) {
        audit->stored++;
        audit->lost += !slot->is_stored;
    }
    clear(&slot->event);
    *slot = fresh;
    audit->next++;
    pthread_mutex_unlock(&audit->lock);
}

void
audit_each(struct audit *audit, unsigned limit,
           void (*each)(void *context, const struct store_event *event), void *context)
{
    pthread_mutex_lock(&audit->lock);
    for (uint64_t i = 1; i <= AUDIT_KEPT && i <= audit->next && i <= limit; i++)
        each(context, &audit->ring[(audit->next - i) % AUDIT_KEPT].event);
    pthread_mutex_unlock(&audit->lock);
}

struct store_event *
audit_unstored(struct audit *audit, size_t *count, uint64_t *upto)
{
    pthread_mutex_lock(&audit->lock);

    size_t most = (size_t)(audit->next - audit->stored);
    struct store_event *events = most == 0 ? NULL : calloc(most, sizeof *events);

    *count = 0;
    *upto = events == NULL ? audit->stored : audit->next;
    for (uint64_t i = audit->stored; events != NULL && i < audit->next; i++) {
        const struct slot *slot = &audit->ring[i % AUDIT_KEPT];

        if (!slot->is_stored && copy(&events[*count], &slot->event))
            ++*count;
    }
    pthread_mutex_unlock(&audit->lock);
    return events;
}

void
audit_unstored_free(struct store_event **events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        clear(&(*events)[i]);
    free(*events);
    *events = NULL;
}

void
audit_stored(struct audit *audit, uint64_t upto)
{
    pthread_mutex_lock(&audit->lock);
    if (audit->stored < upto)
        audit->stored = upto;
    pthread_mutex_unlock(&audit->lock);
}

uint64_t
audit_lost(struct audit *audit)
{
    pthread_mutex_lock(&audit->lock);

    uint64_t lost = audit->lost;

    pthread_mutex_unlock(&audit->lock);
    return lost;
}
