// See guard.h. The list of databases only grows, at its head, so that nobody who makes one waits for a look that is
// under way. The thread runs at the process's own priority: a rollback must come on time however busy the shadow is.
#include "proxy/guard/guard.h"
#include "proxy/guard/guarded.h"
#include <stdlib.h>
#include <time.h>
#include <uv.h>

static const uint64_t SECOND = 1000000000;

struct guard {
    struct instance *instance;
    _Atomic(struct guarded *) first;
    pthread_t thread;
    pthread_mutex_t lock; // for is_stopping
    pthread_cond_t wake;
    bool is_started, is_stopping;
};

struct guard *
guard_new(struct instance *instance)
{
    struct guard *guard = calloc(1, sizeof *guard);
    pthread_condattr_t monotonic;

    if (guard == NULL)
        return NULL;
    guard->instance = instance;
    pthread_mutex_init(&guard->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&guard->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return guard;
}

bool
guard_watch(struct guard *guard, struct database *database)
{
    struct guarded *guarded = guarded_new(guard->instance, database);

    if (guarded == NULL)
        return false;
    database->guarded = guarded;
    guarded->next = atomic_load(&guard->first);
    while (!atomic_compare_exchange_weak(&guard->first, &guarded->next, guarded))
        ;
    return true;
}

// All that are due. Gives when the next one is.
static uint64_t
look_around(struct guard *guard, uint64_t now)
{
    uint64_t next = now + SECOND;

    for (struct guarded *at = atomic_load(&guard->first); at != NULL; at = at->next) {
        if (at->due <= now)
            at->due = guarded_tick(at, now);
        if (at->due < next)
            next = at->due;
    }
    return next;
}

static void *
run(void *context)
{
    struct guard *guard = context;

    pthread_mutex_lock(&guard->lock);
    while (!guard->is_stopping) {
        pthread_mutex_unlock(&guard->lock);

        uint64_t next = look_around(guard, uv_hrtime()); // CLOCK_MONOTONIC
        struct timespec until = {(time_t)(next / SECOND), (long)(next % SECOND)};

        pthread_mutex_lock(&guard->lock);
        while (!guard->is_stopping &&
               pthread_cond_timedwait(&guard->wake, &guard->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&guard->lock);
    return NULL;
}

bool
guard_start(struct guard *guard)
{
    guard->is_started = pthread_create(&guard->thread, NULL, run, guard) == 0;
    return guard->is_started;
}

void
guard_stop(struct guard *guard)
{
    if (!guard->is_started)
        return;
    pthread_mutex_lock(&guard->lock);
    guard->is_stopping = true;
    pthread_cond_signal(&guard->wake);
    pthread_mutex_unlock(&guard->lock);
    pthread_join(guard->thread, NULL);
    guard->is_started = false;
}

void
guard_free(struct guard **guard)
{
    struct guard *gone = *guard;

    *guard = NULL;
    if (gone == NULL)
        return;
    for (struct guarded *at = atomic_load(&gone->first), *next; at != NULL; at = next) {
        next = at->next;
        at->database->guarded = NULL;
        guarded_free(&at);
    }
    pthread_cond_destroy(&gone->wake);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}
