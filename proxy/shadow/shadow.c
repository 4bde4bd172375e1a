// A shadow thread: one uv loop that pulls units from its feed and gives them to its sessions' mirrors.
// Pulling is bounded a turn, so that answers from the own sessions are taken in between. Threads are made with
// a stack for libpg_query. The thread owns everything in struct shadow but the shared part.
//
// While units keep coming it looks into the feed by a timer and tells the workers so: a wake costs both sides a
// system call, and the units come in batches this way. It looks once a millisecond when each look finds many,
// and more rarely when they are few, or when nothing is mirrored: each look takes a turn from the clients' own servers.
//
// Stopping: what the feed still holds is taken in with is_stopping set, so that it reaches the books as
// dropped (shutdown); then the pool ends its jobs, the judges that wait are abandoned, and the loop runs empty.

#include "proxy/shadow/shadow.h"
#include "proxy/background.h"
#include "proxy/log.h"
#include "proxy/relay/session_view.h"
#include "proxy/report/reporter.h"
#include "proxy/shadow/judge.h"
#include "proxy/shadow/large.h"
#include "proxy/shadow/mirror.h"
#include "proxy/shadow/read.h"
#include "proxy/shadow/rechecks.h"
#include "proxy/shadow/shadow_thread.h"
#include "proxy/shadow/verdict_memory.h"
#include "proxy/transport/secret.h"
#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { FEED_DEPTH = 16384, EVENTS_A_TURN = 256 };
enum { TICK_MS = 10, TICK_IDLE_MS = 100 }; // while mirrors are parked, and else
enum { WATCH_LEAST_MS = 1, WATCH_MOST_MS = 4, WATCH_IDLE_MS = 16, WATCH_IN_VAIN_MS = 64 };
enum { WATCH_FEW = 4, WATCH_MANY = 16 }; // events a look

struct shadows {
    unsigned count;
    struct shadow threads[];
};

uint64_t
shadow_random(struct shadow *shadow)
{
    // xorshift64*: for sampling and gaps, nothing that must not be guessed.
    uint64_t x = shadow->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    shadow->random = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

static void
renew(struct shadow_database *at)
{
    uint64_t epoch = atomic_load(&at->database->settings_epoch);
    if (!at->settings || epoch != at->settings_epoch) {
        database_settings_unref(&at->settings);
        at->settings = database_settings(at->database);
        at->settings_epoch = epoch;
    }
    epoch = atomic_load(&at->database->catalogs_epoch);
    if (!at->catalogs || epoch != at->catalogs_epoch) {
        database_catalogs_unref(&at->catalogs);
        at->catalogs = database_catalogs(at->database);
        at->catalogs_epoch = epoch;
    }
}

struct shadow_database *
shadow_database(struct shadow *shadow, struct database *database)
{
    struct shadow_database *at = shadow->databases;
    while (at && at->database != database)
        at = at->next;
    if (!at) {
        at = calloc(1, sizeof(*at));
        if (!at)
            return NULL;
        at->database = database;
        at->next = shadow->databases;
        shadow->databases = at;
        // The first units wait until the catalogs have been read once.
        uint64_t none = 0;
        atomic_compare_exchange_strong(&database->catalogs_wanted, &none, 1);
    }
    renew(at);
    return at;
}

// --- sessions ---------------------------------------------------------------------------------

static int
mirror_order(const void *a, const void *b)
{
    uint64_t left = ((const struct mirror *)a)->id, right = ((const struct mirror *)b)->id;
    return (left > right) - (left < right);
}

static struct mirror *
find_mirror(struct shadow *shadow, uint64_t session)
{
    struct mirror key = {.id = session};
    struct mirror **found = tfind(&key, &shadow->mirrors, mirror_order);
    return found ? *found : NULL;
}

static void
session_begun(struct shadow *shadow, struct session_facts **facts)
{
    struct mirror *mirror = mirror_new(shadow, facts);
    if (mirror && tsearch(mirror, &shadow->mirrors, mirror_order))
        return;
    log_event(LOG_ERROR_LEVEL, "session_not_followed", "because=memory");
    if (mirror) {
        mirror_lose(mirror, "no memory for the session");
        mirror_unref(&mirror);
    } else {
        atomic_store(&(*facts)->view->is_usable, false);
    }
    session_facts_free(facts);
}

static void
session_ended(struct shadow *shadow, uint64_t session)
{
    struct mirror *mirror = find_mirror(shadow, session);
    if (!mirror)
        return;
    tdelete(mirror, &shadow->mirrors, mirror_order);
    mirror_end(mirror);
}

static void
take_event(struct shadow *shadow, struct feed_event *event)
{
    struct mirror *mirror;
    switch (event->kind) {
    case FEED_SESSION_BEGUN:
        session_begun(shadow, &event->facts);
        break;
    case FEED_SECRET:
        mirror = find_mirror(shadow, event->session);
        if (mirror) {
            mirror_secret(mirror, &event->secret);
        } else {
            secret_unref(&event->secret);
        }
        break;
    case FEED_UNIT:
        mirror = find_mirror(shadow, event->session);
        if (mirror) {
            mirror_take(mirror, &event->unit);
            shadow->watched.is_lively |=
                !mirror->is_parked && !database_is_idle(mirror->at->database);
        } else {
            feed_release(shadow->feed, unit_memory(event->unit));
            unit_free(&event->unit);
        }
        break;
    case FEED_SESSION_ENDED:
        session_ended(shadow, event->session);
        break;
    }
}

// --- the loop ---------------------------------------------------------------------------------

static void
run_mail(struct shadow *shadow, bool close)
{
    struct shadow_work *work = shadow_mailbox_empty(shadow->mailbox, close);
    while (work) {
        struct shadow_work *next = work->next;
        work->run(work);
        work = next;
    }
}

static void
publish_counts(struct shadow *shadow)
{
    unsigned busy, idle, waiting;
    own_pool_counts(shadow->pool, &busy, &idle, &waiting);
    atomic_store(&shadow->own_busy, busy);
    atomic_store(&shadow->own_idle, idle);
}

static void
unpark_all(struct shadow *shadow, bool by_force)
{
    struct mirror *mirror = shadow->parked;
    while (mirror) {
        struct mirror *next = mirror->next_parked;
        mirror_unpark(mirror, by_force);
        mirror = next;
    }
}

static void
pool_closed(void *context)
{
    struct shadow *shadow = context;
    shadow->is_pool_closed = true;
    run_mail(shadow, true);
    uv_close((uv_handle_t *)&shadow->wake, NULL);
    uv_close((uv_handle_t *)&shadow->tick, NULL);
    uv_close((uv_handle_t *)&shadow->watch, NULL);
}

static void
stop(struct shadow *shadow)
{
    struct feed_event event;
    shadow->is_stopping = true;
    unpark_all(shadow, true);
    while (feed_pull(shadow->feed, &event))
        take_event(shadow, &event);
    unpark_all(shadow, true);
    run_mail(shadow, false);
    for (struct read *read = shadow->reads; read;) {
        bool is_waiting = read->judge && judge_is_waiting(read->judge);
        bool is_large_waiting = read->large && large_is_waiting(read->large);
        if (is_waiting)
            judge_abandon(read); // and others with it: begin again
        else if (is_large_waiting)
            large_abandon(read);
        read = is_waiting || is_large_waiting ? shadow->reads : read->next;
    }
    own_pool_stop(shadow->pool, pool_closed, shadow);
}

static unsigned
pull(struct shadow *shadow)
{
    struct feed_event event;
    unsigned taken = 0;
    bool was_lively = shadow->watched.is_lively;
    shadow->watched.is_lively = false;
    while (taken < EVENTS_A_TURN && feed_pull(shadow->feed, &event)) {
        take_event(shadow, &event);
        taken++;
    }
    if (taken == EVENTS_A_TURN)
        uv_async_send(&shadow->wake);
    if (taken == 0)
        shadow->watched.is_lively = was_lively;
    return taken;
}

static void watched(uv_timer_t *timer);

static void
watch(struct shadow *shadow, unsigned taken)
{
    unsigned most = shadow->watched.is_lively ? WATCH_MOST_MS : WATCH_IDLE_MS;
    unsigned period = shadow->watched.period;
    period = taken < WATCH_FEW ? period * 2 : taken > WATCH_MANY ? period / 2 : period;
    period = period > most ? most : period;
    shadow->watched.period = period < WATCH_LEAST_MS ? WATCH_LEAST_MS : period;
    uv_timer_start(&shadow->watch, watched, shadow->watched.period, 0);
}

static void
watched(uv_timer_t *timer)
{
    struct shadow *shadow = timer->data;
    if (shadow->is_stopping)
        return;
    unsigned taken = pull(shadow);
    shadow->watched.in_vain = taken > 0 ? 0 : shadow->watched.in_vain + shadow->watched.period;
    if (shadow->watched.in_vain < WATCH_IN_VAIN_MS) {
        watch(shadow, taken);
        return;
    }
    feed_watch(shadow->feed, false);
    pull(shadow); // what came before the workers saw it
}

static void
woken(uv_async_t *async)
{
    struct shadow *shadow = async->data;
    if (shadow->is_stopping)
        return;
    run_mail(shadow, false);
    unsigned taken = pull(shadow);
    if (taken > 0 && !uv_is_active((uv_handle_t *)&shadow->watch)) {
        shadow->watched.in_vain = 0;
        feed_watch(shadow->feed, true);
        watch(shadow, taken);
    }
    if (atomic_load(&shadow->stop_is_wanted))
        stop(shadow);
}

static void ticked(uv_timer_t *timer);

static void
set_tick(struct shadow *shadow, unsigned period)
{
    if (shadow->tick_period != period)
        uv_timer_start(&shadow->tick, ticked, period, period);
    shadow->tick_period = period;
}

static void
ticked(uv_timer_t *timer)
{
    struct shadow *shadow = timer->data;
    if (shadow->is_stopping)
        return;
    unpark_all(shadow, false);
    publish_counts(shadow);
    set_tick(shadow, shadow->parked ? TICK_MS : TICK_IDLE_MS);
}

void
shadow_park(struct shadow *shadow, struct mirror *mirror)
{
    mirror->next_parked = shadow->parked;
    shadow->parked = mirror;
    set_tick(shadow, TICK_MS);
}

static void
drop_mirror(void *node)
{
    mirror_end(node);
}

static void
run(void *argument)
{
    struct shadow *shadow = argument;
    background_begin("shadow");
    uv_run(&shadow->loop, UV_RUN_DEFAULT);
    assert(!shadow->reads && !shadow->parked);
    tdestroy(shadow->mirrors, drop_mirror);
    own_pool_free(&shadow->pool);
    while (shadow->databases) {
        struct shadow_database *gone = shadow->databases;
        shadow->databases = gone->next;
        database_settings_unref(&gone->settings);
        database_catalogs_unref(&gone->catalogs);
        free(gone);
    }
    analysis_thread_end();
}

// --- start and stop ---------------------------------------------------------------------------

static bool
shadow_start(struct shadow *shadow, struct instance *instance, unsigned index, unsigned count)
{
    shadow->instance = instance;
    shadow->index = index;
    shadow->count = count;
    shadow->random = uv_hrtime() ^ ((uint64_t)(index + 1) << 48);
    shadow->large.end = &shadow->large.first;
    shadow->verdicts = verdict_memory_new();
    shadow->rechecks = rechecks_new();
    uv_loop_init(&shadow->loop);
    uv_async_init(&shadow->loop, &shadow->wake, woken);
    shadow->wake.data = shadow;
    uv_timer_init(&shadow->loop, &shadow->tick);
    shadow->tick.data = shadow;
    set_tick(shadow, TICK_IDLE_MS);
    uv_timer_init(&shadow->loop, &shadow->watch);
    shadow->watch.data = shadow;
    shadow->mailbox = shadow_mailbox_new(&shadow->wake);
    shadow->feed = feed_new(FEED_DEPTH, &shadow->wake);
    shadow->pool = own_pool_new(&shadow->loop);
    if (shadow->pool)
        own_pool_on_refusal(shadow->pool, reporter_refusal, shadow->instance);
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = ANALYSIS_STACK};
    return shadow->verdicts && shadow->rechecks && shadow->mailbox && shadow->feed &&
           shadow->pool && uv_thread_create_ex(&shadow->thread, &options, run, shadow) == 0;
}

struct shadows *
shadows_start(struct instance *instance, unsigned count)
{
    struct shadows *shadows = calloc(1, sizeof(*shadows) + count * sizeof(struct shadow));
    if (!shadows)
        return NULL;
    shadows->count = count;
    for (unsigned i = 0; i < count; i++) {
        if (!shadow_start(&shadows->threads[i], instance, i, count))
            return NULL; // serve ends the process
    }
    return shadows;
}

struct feed *
shadows_feed(struct shadows *shadows, uint64_t session)
{
    return shadows->threads[session % shadows->count].feed;
}

void
shadows_stop(struct shadows **shadows)
{
    struct shadows *gone = *shadows;
    *shadows = NULL;
    for (unsigned i = 0; i < gone->count; i++) {
        atomic_store(&gone->threads[i].stop_is_wanted, true);
        uv_async_send(&gone->threads[i].wake);
    }
    for (unsigned i = 0; i < gone->count; i++) {
        struct shadow *shadow = &gone->threads[i];
        uv_thread_join(&shadow->thread);
        uv_loop_close(&shadow->loop);
        feed_free(&shadow->feed);
        shadow_mailbox_unref(&shadow->mailbox);
        verdict_memory_free(&shadow->verdicts);
        rechecks_free(&shadow->rechecks);
    }
    free(gone);
}

void
shadows_load(struct shadows *shadows, struct shadow_load *load)
{
    memset(load, 0, sizeof(*load));
    for (unsigned i = 0; i < shadows->count; i++) {
        struct shadow *shadow = &shadows->threads[i];
        uint64_t events, bytes;
        feed_depth(shadow->feed, &events, &bytes);
        load->queue_reads += events + atomic_load(&shadow->held_reads);
        load->queue_bytes += bytes + atomic_load(&shadow->held_bytes);
        load->own_busy[SIDE_NEW] += atomic_load(&shadow->own_busy);
        load->own_idle[SIDE_NEW] += atomic_load(&shadow->own_idle);
    }
}
