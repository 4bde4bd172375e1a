// The inside of one shadow thread, for the files that run on it: mirror, read, judge. Everything here
// belongs to that thread unless it says otherwise.
#ifndef PROXY_SHADOW_SHADOW_THREAD_H
#define PROXY_SHADOW_SHADOW_THREAD_H

#include "proxy/own/own_session.h"
#include "proxy/shadow/shadow.h"
#include <pthread.h>
#include <uv.h>

struct mirror;
struct read;
struct rechecks;
struct large;
struct verdict_memory;

// One database as one shadow thread sees it: references that are renewed when their epoch moves.
struct shadow_database {
    struct shadow_database *next;
    struct database *database;
    struct database_settings *settings; // a reference
    uint64_t settings_epoch;
    struct database_catalogs *catalogs; // a reference
    uint64_t catalogs_epoch;
};

// A piece of work that another thread hands to this one.
struct shadow_work {
    struct shadow_work *next;
    void (*run)(struct shadow_work *work);
};

// Where it is handed in. Outlives the shadow thread for those who still hold a reference.
struct shadow_mailbox {
    atomic_uint references;
    pthread_mutex_t lock;
    bool is_closed;
    struct shadow_work *first, **end;
    uv_async_t *wake; // valid until is_closed
};

struct shadow {
    struct instance *instance;
    unsigned index, count; // of the shadow threads
    uv_thread_t thread;
    uv_loop_t loop;
    uv_async_t wake;      // any thread sends it
    uv_timer_t tick;      // parked mirrors, figures for `shadows_load`
    unsigned tick_period; // ms
    uv_timer_t watch;     // while units keep coming
    struct {
        unsigned period, in_vain; // in milliseconds; in_vain: since the last unit
        bool is_lively;           // what came last may have to be mirrored
    } watched;
    struct feed *feed;
    struct own_pool *pool;
    void *mirrors;                  // by session id (tsearch)
    struct mirror *parked;          // list
    struct read *reads;             // those in flight, list
    struct {                        // reads with large results
        struct large *first, **end; // those that wait, FIFO
        unsigned waiting, running;
    } large;
    unsigned noise_running; // reads that are put to old once more
    struct shadow_database *databases;
    struct rechecks *rechecks;       // suspicions that are being settled
    struct verdict_memory *verdicts; // what suspicions came to in the last minute
    uint64_t random;                 // state of the sampler
    bool is_stopping, is_pool_closed;
    // Shared.
    struct shadow_mailbox *mailbox; // a reference
    atomic_bool stop_is_wanted;
    atomic_uint_fast64_t held_bytes, held_reads; // results and requests of reads in flight
    atomic_uint own_busy, own_idle;
};

// Renews what has moved; the same pointer for the life of the thread.
struct shadow_database *shadow_database(struct shadow *shadow, struct database *database);
// The mirror is looked at (mirror_unpark) until it is in `parked` no more.
void shadow_park(struct shadow *shadow, struct mirror *mirror);
struct shadow_mailbox *shadow_mailbox_new(uv_async_t *wake);
struct shadow_mailbox *shadow_mailbox_ref(struct shadow_mailbox *mailbox);
void shadow_mailbox_unref(struct shadow_mailbox **mailbox);
// Any thread. False: closed; the work is the caller's.
bool shadow_mailbox_post(struct shadow_mailbox *mailbox, struct shadow_work *work);
struct shadow_work *shadow_mailbox_empty(struct shadow_mailbox *mailbox, bool close);
uint64_t shadow_random(struct shadow *shadow);

#endif
