// The inside of struct reporter, for reporter's own files alone: reporter.c is its own thread, reporter_store.c the
// store's; reporter_flush.c writes figures, reporter_settings.c exchanges settings, reporter_restore.c reads what there
// was, reporter_ids.c numbers mismatches, reporter_member.c is what other proxies are told.
#ifndef PROXY_REPORT_REPORTER_STATE_H
#define PROXY_REPORT_REPORTER_STATE_H

#include "proxy/report/audit.h"
#include "proxy/report/kept.h"
#include "proxy/report/refusals.h"
#include "proxy/report/reporter.h"

struct task {
    struct task *next;
    void (*work)(void *context);
    void *context;
};

struct tasks { // behind the lock of whose they are
    struct task *first, *last;
};

struct watch { // what was told of one database; the reporter's thread
    struct database *database;
    bool was_up[2];
    char rewrite_trouble[DATABASE_TROUBLE]; // as it was said last
};

struct progress { // how far the store is with one database; the store's thread
    struct database *database;
    struct books_page written;
    uint64_t figures_since;  // sequence
    uint64_t evidence_after; // id
};

struct ids { // of mismatches; they only go up
    pthread_mutex_t lock;
    uint64_t next, end; // those at hand
    uint64_t spare, spare_end;
};

struct reporter {
    struct instance *instance;
    struct audit *audit;
    struct kept *kept;
    struct ids ids;
    pthread_mutex_t lock; // for all up to the next comment
    pthread_cond_t wake;
    struct tasks tasks, store_tasks;
    bool is_stopping, is_store_stopping;
    enum reporter_store store_state;
    char store_trouble[512];
    void (*changed)(void *context, const struct store_setting *setting);
    void *changed_context;
    // The reporter's thread's.
    pthread_t thread;
    struct watch *watches;
    size_t watch_count;
    struct refusals refusals; // logins of our own, as far as they were told
    // The store's thread's.
    pthread_t store_thread;
    bool is_store_thread_started;
    int store_wake; // eventfd
    struct store *store;
    struct store_member member;
    struct progress *progress;
    size_t progress_count;
    int64_t run;             // that the progress is of
    atomic_bool is_restored; // what the store had was taken once
    int64_t away_since;      // microseconds since 1970; 0: it is not
    int64_t tried_at;        // ns, monotonic: the last try to connect
    unsigned ticks, flushes;
    atomic_uint_fast64_t lost_minutes;
};

void tasks_add(struct tasks *tasks, void (*work)(void *context), void *context);
struct task *tasks_take(struct tasks *tasks); // NULL: none

// reporter_store.c, the store's thread.
bool reporter_store_start(struct reporter *reporter, char *error, size_t error_size);
void reporter_store_stop(struct reporter *reporter);
void reporter_store_wake(struct reporter *reporter);
// Always there, unlike reporter_run_with_store.
void reporter_hand_to_store(struct reporter *reporter, void (*work)(void *context), void *context);
// Hands over and waits, or, on the store's thread, just runs it.
void reporter_wait_for_store(struct reporter *reporter, void (*work)(void *context), void *context);
bool reporter_is_store_thread(void);                         // are we on one?
bool reporter_can_wait_for_store(struct reporter *reporter); // it is not away; any thread
// What was said to the store just now succeeded or not: what is to be told of it. *ok is returned.
bool reporter_store_said(struct reporter *reporter, bool ok);
// What cannot wait for the end of a long flush.
void reporter_attend(struct reporter *reporter);

// reporter_settings.c, the store's thread.
bool reporter_write_waiting(struct reporter *reporter); // what was lowered
bool reporter_read_news(struct reporter *reporter);
bool reporter_exchange(struct reporter *reporter); // all of both, after connecting

// reporter_flush.c, the store's thread.
bool reporter_flush(struct reporter *reporter, bool is_last);
struct progress *reporter_progress(struct reporter *reporter,
                                   struct database *database); // NULL: no memory

// reporter_restore.c: evidence and events of earlier runs, once.
bool reporter_restore(struct reporter *reporter);

// reporter_ids.c
void ids_init(struct ids *ids);
void ids_fini(struct ids *ids);
uint64_t ids_take(struct ids *ids);
bool ids_reserve(struct ids *ids, struct store *store); // where few are left; outside of batches
void ids_return(struct ids *ids, struct store *store);

// reporter_member.c: what the other proxies of the fleet are told of a configuration. False: no memory.
bool member_init(struct store_member *member, const struct configuration *configuration,
                 const char *instance);
void member_fini(struct store_member *member);

#endif
