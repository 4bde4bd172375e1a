// The inside of struct reporter, for reporter.c and reporter_restore.c alone.
#ifndef PROXY_REPORT_REPORTER_STATE_H
#define PROXY_REPORT_REPORTER_STATE_H

#include "proxy/report/audit.h"
#include "proxy/report/refusals.h"
#include "proxy/report/reporter.h"

struct task {
    struct task *next;
    void (*work)(void *context);
    void *context;
};

struct watch { // how far the store is with one database; the reporter thread's
    struct database *database;
    struct books_page written;
    int64_t written_at;      // microseconds since 1970
    uint64_t figures_since;  // sequence
    uint64_t evidence_after; // id
    bool was_up[2];
    char rewrite_trouble[DATABASE_TROUBLE]; // as it was said last
};

struct reporter {
    struct instance *instance;
    struct store *store;
    struct audit *audit;
    pthread_t thread;
    pthread_mutex_t lock; // for tasks and is_stopping
    pthread_cond_t wake;
    struct task *first, *last;
    bool is_stopping;
    atomic_bool store_works;
    atomic_bool is_quarantining; // the task that keeps it is queued
    atomic_uint_fast64_t next_mismatch; // ids
    uint64_t reserved_mismatches;       // ids before it are ours, durably
    struct watch *watches;
    size_t watch_count;
    struct refusals refusals; // logins of our own, as far as they were told
    unsigned ticks;
    bool is_last; // the flush under way: the thread stops
};

// Everything that the store keeps of earlier runs, into databases and reporter. Before the thread starts.
bool reporter_restore(struct reporter *reporter);
struct watch *reporter_watch(struct reporter *reporter,
                             struct database *database); // NULL: no memory

#endif
