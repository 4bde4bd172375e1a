// The store's thread: connects, writes once a second, hears others, and runs what needs the store. All that may wait for
// a slow store waits here and nowhere else.
//
//   AWAY ──connected, joined, all settings exchanged──► WORKS ◄──something failed, something succeeded──► FAILS
//   WORKS, FAILS ──no answer──► AWAY        AWAY ──the store is not ours, or other cohorts──► REFUSES ──tried again──► AWAY
//
// A file is never away: it WORKS or FAILS. While it fails (disk full, locked), everything goes on in memory, and the next
// flush tries again: counters are written as they stand, so nothing is lost by it but the minutes' resolution.
#include "proxy/guard/canary_switch.h"
#include "proxy/log.h"
#include "proxy/report/reporter_state.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 500, FLUSH_TICKS = 2, BEAT_TICKS = 10 };

static const int64_t retry_ns = 1000 * (int64_t)1000000, minute_us = 60 * (int64_t)1000000;

static _Thread_local bool is_store_thread;

static const char *const names[] = {
    [REPORTER_STORE_WORKS] = "works",
    [REPORTER_STORE_FAILS] = "failing",
    [REPORTER_STORE_AWAY] = "away",
    [REPORTER_STORE_REFUSES] = "not to be used",
};

const char *
reporter_store_name(enum reporter_store store)
{
    return names[store];
}

static int64_t
monotonic_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
reporter_store_state(struct reporter *reporter, struct reporter_store_state *state)
{
    *state = (struct reporter_store_state){
        .is_shared = store_is_shared(reporter->store),
        .lost_events = audit_lost(reporter->audit),
        .lost_minutes = atomic_load(&reporter->lost_minutes),
    };
    pthread_mutex_lock(&reporter->lock);
    state->store = reporter->store_state;
    snprintf(state->trouble, sizeof state->trouble, "%s", reporter->store_trouble);
    pthread_mutex_unlock(&reporter->lock);
}

static enum reporter_store
state_of(struct reporter *reporter)
{
    pthread_mutex_lock(&reporter->lock);

    enum reporter_store state = reporter->store_state;

    pthread_mutex_unlock(&reporter->lock);
    return state;
}

bool
reporter_store_works(struct reporter *reporter)
{
    return state_of(reporter) == REPORTER_STORE_WORKS;
}

bool
reporter_can_wait_for_store(struct reporter *reporter)
{
    return state_of(reporter) <= REPORTER_STORE_FAILS;
}

bool
reporter_is_store_thread(void)
{
    return is_store_thread;
}

void
reporter_store_wake(struct reporter *reporter)
{
    uint64_t one = 1;

    while (write(reporter->store_wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void
reporter_hand_to_store(struct reporter *reporter, void (*work)(void *context), void *context)
{
    pthread_mutex_lock(&reporter->lock);
    tasks_add(&reporter->store_tasks, work, context);
    pthread_mutex_unlock(&reporter->lock);
    reporter_store_wake(reporter);
}

void
reporter_run_with_store(struct reporter *reporter, void (*work)(void *context), void *context)
{
    if (reporter_can_wait_for_store(reporter))
        reporter_hand_to_store(reporter, work, context);
    else
        reporter_run(reporter, work, context);
}

struct errand {
    void (*work)(void *context);
    void *context;
    sem_t done;
};

static void
run_errand(void *context)
{
    struct errand *errand = context;

    errand->work(errand->context);
    sem_post(&errand->done);
}

void
reporter_wait_for_store(struct reporter *reporter, void (*work)(void *context), void *context)
{
    struct errand errand = {.work = work, .context = context};

    if (is_store_thread) {
        work(context);
        return;
    }
    sem_init(&errand.done, 0, 0);
    reporter_hand_to_store(reporter, run_errand, &errand);
    while (sem_wait(&errand.done) != 0)
        ;
    sem_destroy(&errand.done);
}

// Of what happened while it was away: which minutes stand under a later one, and for how long.
static void
tell_return(struct reporter *reporter, enum reporter_store before)
{
    int64_t now = store_now();

    if (before == REPORTER_STORE_FAILS) {
        log_event(LOG_INFO_LEVEL, "store_works", "again=true");
        return;
    }

    int64_t minutes = now / minute_us - reporter->away_since / minute_us;

    atomic_fetch_add(&reporter->lost_minutes, (uint64_t)minutes);
    log_event(LOG_INFO_LEVEL, "store_works", "again=true away_seconds=%" PRId64,
              (now - reporter->away_since) / 1000000);
    reporter_event(reporter, NULL, "store", "pgrehearse",
                   "the store is back after %" PRId64 " s; the figures of %" PRId64
                   " minutes stand under a later one; events lost so far: %" PRIu64,
                   (now - reporter->away_since) / 1000000, minutes, audit_lost(reporter->audit));
    reporter->away_since = 0;
}

static void
tell_trouble(struct reporter *reporter, enum reporter_store state, const char *trouble)
{
    static const char *const hints[] = {
        [REPORTER_STORE_FAILS] = "figures are kept in memory and written when it works again",
        [REPORTER_STORE_AWAY] = "the last settings stay, nothing is raised, figures wait in memory",
        [REPORTER_STORE_REFUSES] =
            "the last settings stay, nothing is raised, figures wait in memory",
    };

    log_event(LOG_ERROR_LEVEL, "store_fails", "state=\"%s\" error=\"%s\" hint=\"%s\"", names[state],
              trouble, hints[state]);
    if (state != REPORTER_STORE_FAILS)
        reporter_event(reporter, NULL, "store", "pgrehearse", "the store is %s: %s; %s",
                       names[state], trouble, hints[state]);
}

static void
set_state(struct reporter *reporter, enum reporter_store state, const char *trouble)
{
    pthread_mutex_lock(&reporter->lock);

    enum reporter_store before = reporter->store_state;

    reporter->store_state = state;
    snprintf(reporter->store_trouble, sizeof reporter->store_trouble, "%s", trouble);
    pthread_mutex_unlock(&reporter->lock);
    if (state == before)
        return;
    if (state >= REPORTER_STORE_AWAY && before <= REPORTER_STORE_FAILS) {
        reporter->away_since = store_now();
        databases_hold(reporter->instance->databases, true);
    }
    if (state == REPORTER_STORE_WORKS)
        tell_return(reporter, before);
    else
        tell_trouble(reporter, state, trouble);
}

bool
reporter_store_said(struct reporter *reporter, bool ok)
{
    char trouble[512] = "";

    if (!ok) {
        bool is_away = store_is_away(reporter->store);

        snprintf(trouble, sizeof trouble, "%s", store_error(reporter->store));
        if (!is_away)
            store_roll_back(reporter->store);
        is_away = store_is_away(reporter->store);
        set_state(reporter, is_away ? REPORTER_STORE_AWAY : REPORTER_STORE_FAILS, trouble);
    } else if (reporter_can_wait_for_store(reporter)) {
        set_state(reporter, REPORTER_STORE_WORKS, "");
    }
    return ok;
}

// Another run: nothing of what was counted is in it yet.
static void
start_progress_over(struct reporter *reporter)
{
    if (reporter->run != 0 && reporter->run != store_run_id(reporter->store))
        for (size_t i = 0; i < reporter->progress_count; i++)
            reporter->progress[i] = (struct progress){.database = reporter->progress[i].database};
    reporter->run = store_run_id(reporter->store);
}

// Connects and does all that must be done before anything may be raised again.
static bool
connect_store(struct reporter *reporter, char *error, size_t error_size,
              enum store_outcome *outcome)
{
    *outcome = store_connect(reporter->store, &reporter->member, error, error_size);
    if (*outcome != STORE_WORKS)
        return false;
    start_progress_over(reporter);
    *outcome = STORE_IS_AWAY;
    if (!reporter_exchange(reporter) || !ids_reserve(&reporter->ids, reporter->store) ||
        (!reporter->is_restored && !reporter_restore(reporter))) {
        snprintf(error, error_size, "%s", store_error(reporter->store));
        return false;
    }
    reporter->is_restored = true;
    *outcome = STORE_WORKS;
    return true;
}

struct databases_list {
    struct database **list;
    size_t count;
};

static void
collect(void *context, struct database *database)
{
    struct databases_list *all = context;
    struct database **list = realloc(all->list, (all->count + 1) * sizeof(struct database *));

    if (list == NULL)
        return;
    all->list = list;
    list[all->count++] = database;
}

// Whatever was said of them is in force by now; the others may have what the configuration says.
static void
let_go(struct reporter *reporter)
{
    struct databases_list all = {.list = NULL};

    databases_hold(reporter->instance->databases, false);
    databases_each(reporter->instance->databases, collect, &all);
    for (size_t i = 0; i < all.count; i++)
        kept_follow_configuration(reporter->kept, all.list[i]);
    free(all.list);
}

static void
take_back(void *context, struct database *database)
{
    (void)context;
    (void)canary_switch_latch(database, NULL);
}

static void
come_back(struct reporter *reporter)
{
    char error[512] = "";
    enum store_outcome outcome;
    int64_t now = monotonic_now();

    if (now - reporter->tried_at < retry_ns)
        return;
    reporter->tried_at = now;
    if (connect_store(reporter, error, sizeof error, &outcome)) {
        let_go(reporter);
        set_state(reporter, REPORTER_STORE_WORKS, "");
    } else {
        set_state(reporter, outcome == STORE_REFUSES ? REPORTER_STORE_REFUSES : REPORTER_STORE_AWAY,
                  error);
    }
}

static bool
is_away(struct reporter *reporter)
{
    return state_of(reporter) >= REPORTER_STORE_AWAY;
}

void
reporter_attend(struct reporter *reporter)
{
    struct task *task;

    for (;;) {
        pthread_mutex_lock(&reporter->lock);
        task = tasks_take(&reporter->store_tasks);
        pthread_mutex_unlock(&reporter->lock);
        if (task == NULL)
            break;
        task->work(task->context);
        free(task);
    }
    if (is_away(reporter))
        return;
    if (kept_is_waiting(reporter->kept))
        (void)reporter_write_waiting(reporter);
    if (store_heard(reporter->store))
        (void)reporter_read_news(reporter);
    if (store_is_away(reporter->store))
        (void)reporter_store_said(reporter, false);
}

static void
tick(struct reporter *reporter)
{
    bool is_shared = store_is_shared(reporter->store);

    if (is_away(reporter))
        come_back(reporter);
    if (is_away(reporter))
        return;
    if (is_shared && reporter->ticks % BEAT_TICKS == 0)
        (void)reporter_store_said(reporter, store_beat(reporter->store));
    // Whoever waits for NOTIFY alone waits for ever where a pooler stands between.
    if (is_shared && !is_away(reporter))
        (void)reporter_read_news(reporter);
    if (reporter->ticks % FLUSH_TICKS == 0 && !is_away(reporter))
        (void)reporter_flush(reporter, false);
    reporter->ticks++;
}

static void
wait_until(struct reporter *reporter, int64_t until)
{
    struct pollfd fds[] = {
        {.fd = reporter->store_wake, .events = POLLIN},
        {.fd = is_away(reporter) ? -1 : store_descriptor(reporter->store), .events = POLLIN}};
    int64_t left = until - monotonic_now();
    uint64_t count;

    if (left > 0 && poll(fds, 2, (int)(left / 1000000) + 1) > 0 && fds[0].revents != 0)
        while (read(reporter->store_wake, &count, sizeof count) < 0 && errno == EINTR)
            ;
}

static bool
is_stopping(struct reporter *reporter)
{
    pthread_mutex_lock(&reporter->lock);

    bool is_over = reporter->is_store_stopping && reporter->store_tasks.first == NULL;

    pthread_mutex_unlock(&reporter->lock);
    return is_over;
}

// What nobody will ever write.
static void
tell_loss(struct reporter *reporter)
{
    size_t count;
    uint64_t upto;
    struct store_event *events = audit_unstored(reporter->audit, &count, &upto);

    log_event(LOG_ERROR_LEVEL, "store_lost",
              "events=%zu settings_wait=%s hint=\"the proxy ended while the store was %s: what was "
              "counted since is not in it\"",
              count, kept_is_waiting(reporter->kept) ? "true" : "false", names[state_of(reporter)]);
    audit_unstored_free(&events, count);
}

static void *
run(void *context)
{
    struct reporter *reporter = context;
    int64_t next = monotonic_now();

    is_store_thread = true;
    while (!is_stopping(reporter)) {
        reporter_attend(reporter);
        if (monotonic_now() >= next) {
            tick(reporter);
            next = monotonic_now() + TICK_MS * (int64_t)1000000;
        }
        if (!is_stopping(reporter))
            wait_until(reporter, next);
    }
    reporter_attend(reporter);
    if (is_away(reporter) || !reporter_flush(reporter, true))
        tell_loss(reporter);
    return NULL;
}

bool
reporter_store_start(struct reporter *reporter, char *error, size_t error_size)
{
    enum store_outcome outcome;

    reporter->store_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reporter->store_wake < 0) {
        snprintf(error, error_size, "could not make an event's descriptor: %s", strerror(errno));
        return false;
    }
    reporter->tried_at = monotonic_now();
    if (connect_store(reporter, error, error_size, &outcome)) {
        // The run is in the store before anybody is served.
        if (!reporter_flush(reporter, false) && !store_is_away(reporter->store)) {
            snprintf(error, error_size, "%s", store_error(reporter->store));
            return false;
        }
    } else if (outcome != STORE_IS_AWAY || !store_is_shared(reporter->store)) {
        return false;
    } else {
        set_state(reporter, REPORTER_STORE_AWAY, error);
        databases_each(reporter->instance->databases, take_back, NULL);
    }
    if (pthread_create(&reporter->store_thread, NULL, run, reporter) != 0) {
        snprintf(error, error_size, "could not start the store's thread");
        return false;
    }
    reporter->is_store_thread_started = true;
    return true;
}

void
reporter_store_stop(struct reporter *reporter)
{
    if (!reporter->is_store_thread_started)
        return;
    pthread_mutex_lock(&reporter->lock);
    reporter->is_store_stopping = true;
    pthread_mutex_unlock(&reporter->lock);
    reporter_store_wake(reporter);
    pthread_join(reporter->store_thread, NULL);
    reporter->is_store_thread_started = false;
}
