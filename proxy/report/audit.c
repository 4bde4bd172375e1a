// A ring of the newest events. Where the store fails for so long that the ring goes round, the oldest are lost
// to it; they stood in the log.
#include "proxy/report/audit.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct audit {
    pthread_mutex_t lock;
    struct store_event ring[AUDIT_KEPT]; // strings are owned here
    uint64_t next;   // number of the next event; events [next - AUDIT_KEPT, next) are kept
    uint64_t stored; // those before it are in the store
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

static bool
copy(struct store_event *to, const struct store_event *from)
{
    *to = (struct store_event){
        .at = from->at,
        .database = strdup(from->database),
        .kind = strdup(from->kind),
        .actor = strdup(from->actor),
        .detail = strdup(from->detail),
    };
    if (to->database != NULL && to->kind != NULL && to->actor != NULL && to->detail != NULL)
        return true;
    clear(to);
    return false;
}

void
audit_free(struct audit **audit)
{
    if (*audit == NULL)
        return;
    for (size_t i = 0; i < AUDIT_KEPT; i++)
        clear(&(*audit)->ring[i]);
    pthread_mutex_destroy(&(*audit)->lock);
    free(*audit);
    *audit = NULL;
}

void
audit_add(struct audit *audit, const struct store_event *event, bool is_stored)
{
    struct store_event own;

    if (!copy(&own, event))
        return;
    pthread_mutex_lock(&audit->lock);

    struct store_event *slot = &audit->ring[audit->next % AUDIT_KEPT];

    clear(slot);
    *slot = own;
    audit->next++;
    if (is_stored || audit->next - audit->stored > AUDIT_KEPT)
        audit->stored = is_stored ? audit->next : audit->next - AUDIT_KEPT;
    pthread_mutex_unlock(&audit->lock);
}

void
audit_each(struct audit *audit, unsigned limit,
           void (*each)(void *context, const struct store_event *event), void *context)
{
    pthread_mutex_lock(&audit->lock);
    for (uint64_t i = 1; i <= AUDIT_KEPT && i <= audit->next && i <= limit; i++)
        each(context, &audit->ring[(audit->next - i) % AUDIT_KEPT]);
    pthread_mutex_unlock(&audit->lock);
}

// The oldest event that the store lacks, from number *next on. False: there is none, or no memory.
static bool
take_unstored(struct audit *audit, uint64_t *next, struct store_event *event)
{
    pthread_mutex_lock(&audit->lock);
    if (*next < audit->stored)
        *next = audit->stored;

    bool is_taken = *next < audit->next && copy(event, &audit->ring[*next % AUDIT_KEPT]);

    *next += is_taken;
    pthread_mutex_unlock(&audit->lock);
    return is_taken;
}

// The lock is not held while the store writes: nobody who adds an event waits for a disk.
bool
audit_write(struct audit *audit, struct store *store, uint64_t *upto)
{
    struct store_event event;
    bool ok = true;

    *upto = 0;
    while (ok && take_unstored(audit, upto, &event)) {
        ok = store_write_event(store, &event);
        clear(&event);
    }
    return ok;
}

void
audit_stored(struct audit *audit, uint64_t upto)
{
    pthread_mutex_lock(&audit->lock);
    if (audit->stored < upto)
        audit->stored = upto;
    pthread_mutex_unlock(&audit->lock);
}
