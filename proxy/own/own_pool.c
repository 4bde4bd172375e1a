// Who gets which session. A place is one side of one database, a group one user there; jobs wait in
// their group, first come, first served, and sessions are opened as jobs wait and limits allow.
//
// A side that cannot be reached is not asked again before a growing delay (100 ms to 2 s), and then by one
// connection alone; meanwhile a job that has no session to run on fails at once, so that nothing queues up
// behind a dead server. A user who is refused is not tried again for 10 s, unless with another password.
//
// Where shadow.max_connections leaves no room, sessions go that are idle: another user's at once, another pool's when they
// have been for a while; each pool looks after that itself, on its own loop.
//
// `done` is always called from a timer of its own, never from within anything that callers call.
// Known compromise: shadow.connections is kept per loop, shadow.max_connections over all loops.
#include "proxy/own/own_parts.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_BUSY_MS = 20, TICK_IDLE_MS = 250 };

static const uint64_t first_delay = 100000000u;     // ns
static const uint64_t longest_delay = 2000000000u;  // ns
static const uint64_t refusal_lasts = 10000000000u; // ns
static const uint64_t least_idle = 250000000u;      // ns, before another pool gets the place

static void dispatch(struct own_group *group);

// ---- done ----

static void
on_finisher(uv_timer_t *timer)
{
    struct own_pool *pool = timer->data;
    unsigned count = 0; // those that end meanwhile have their turn later
    for (const struct own_job *job = pool->finished; job != NULL; job = job->next) {
        count++;
    }
    for (; count > 0 && pool->finished != NULL; count--) {
        struct own_job *job = pool->finished;
        pool->finished = job->next;
        job->next = NULL;
        job->done(job);
    }
    if (pool->finished != NULL) {
        uv_timer_start(timer, on_finisher, 0, 0);
    }
    own_pool_is_gone(pool, NULL);
}

void
own_pool_finish(struct own_pool *pool, struct own_job *job, enum own_outcome outcome,
                const struct own_trouble *trouble)
{
    job->outcome = outcome;
    job->session = NULL;
    job->next = NULL;
    if (job->ended == 0) {
        job->ended = uv_hrtime();
    }
    job->sqlstate[0] = '\0';
    job->error[0] = '\0';
    if (outcome != OWN_DONE && trouble != NULL) {
        snprintf(job->sqlstate, sizeof job->sqlstate, "%s", trouble->sqlstate);
        snprintf(job->error, sizeof job->error, "%s", trouble->text);
    }
    if (pool->finished == NULL) {
        pool->finished = job;
        uv_timer_start(&pool->finisher, on_finisher, 0, 0);
    } else {
        pool->last_finished->next = job;
    }
    pool->last_finished = job;
}

// ---- opening sessions ----

// Closes the idle session of this side that has idled longest, so that another user can have one.
static bool
make_room(struct own_group *group)
{
    struct own_session *oldest = NULL;
    for (struct own_group *other = group->pool->groups; other != NULL; other = other->next) {
        if (other == group || other->place != group->place || other->waiting > 0) {
            continue;
        }
        for (struct own_session *at = other->sessions; at != NULL; at = at->next) {
            if (at->phase == OWN_IDLE && (oldest == NULL || at->idle_since < oldest->idle_since)) {
                oldest = at;
            }
        }
    }
    if (oldest != NULL) {
        own_session_close(oldest, false); // freed later: what waits is dispatched then
    }
    return oldest != NULL;
}

static bool
side_may_be_tried(const struct own_place *place, uint64_t now)
{
    return place->failures == 0 || (now >= place->next_try && place->connecting == 0);
}

// Other settings are a new chance.
static bool
is_refused(const struct own_group *group, uint64_t now)
{
    return now < group->login_refused_until && group->refused_epoch == group->place->settings_epoch;
}

// Opens as many sessions as jobs wait and limits allow.
static void
grow(struct own_group *group, uint64_t now)
{
    struct own_place *place = group->place;
    const struct configuration_shadow *limits = &place->settings->entry->shadow;
    atomic_uint *total = &place->database->own_sessions[place->side];
    unsigned coming =
        own_group_count(group, OWN_CONNECTING) + own_group_count(group, OWN_LOGGING_IN);
    while (coming < group->waiting && group->session_count < limits->connections &&
           side_may_be_tried(place, now) && !is_refused(group, now)) {
        if (atomic_fetch_add(total, 1) >= limits->max_connections) {
            atomic_fetch_sub(total, 1);
            if (!make_room(group)) {
                atomic_store(&place->database->own_missing[place->side], group->waiting - coming);
            }
            return;
        }
        if (!own_session_start(group)) {
            atomic_fetch_sub(total, 1);
            return;
        }
        coming++;
    }
}

// ---- giving out ----

// An idle session, by preference one that is in the job's state already.
static struct own_session *
choose_session(struct own_group *group, const struct own_job *job)
{
    struct own_session *chosen = NULL;
    for (struct own_session *at = group->sessions; at != NULL; at = at->next) {
        if (at->phase != OWN_IDLE || at->settings_epoch != group->place->settings_epoch) {
            continue;
        }
        if (!own_state_differs(at, job->state)) {
            return at;
        }
        chosen = at;
    }
    return chosen;
}

static void
dispatch(struct own_group *group)
{
    struct own_pool *pool = group->pool;
    struct own_place *place = group->place;
    if (pool->is_stopping) {
        static const struct own_trouble stopping = {.text = "pgrehearse is stopping"};
        own_group_fail_all(group, OWN_STOPPED, &stopping);
        return;
    }
    own_group_renew_settings(group);
    while (group->first != NULL) {
        struct own_job *job = group->first;
        struct own_session *session = choose_session(group, job);
        if (session == NULL) {
            break;
        }
        own_group_unqueue(group, NULL, job);
        own_session_run(session, job);
    }
    if (group->first == NULL) {
        return;
    }
    uint64_t now = uv_hrtime();
    grow(group, now);
    bool has_working = own_group_count(group, OWN_IDLE) + own_group_count(group, OWN_BUSY) > 0;
    if (!has_working && is_refused(group, now)) {
        own_group_fail_all(group, OWN_LOGIN, &group->refusal);
    } else if (!has_working && place->failures > 0) {
        own_group_fail_all(group, OWN_UNAVAILABLE,
                           &place->trouble); // not even for the probe is waited
    }
}

// Closes what has idled for a while, as far as another pool has no room for as many.
static void
give_room(struct own_group *group, uint64_t now)
{
    atomic_uint *at = &group->place->database->own_missing[group->place->side];
    unsigned missing = group->waiting == 0 ? atomic_load_explicit(at, memory_order_relaxed) : 0;
    struct own_session *next;
    for (struct own_session *session = missing > 0 ? group->sessions : NULL;
         session != NULL && missing > 0; session = next) {
        next = session->next;
        if (session->phase == OWN_IDLE && now - session->idle_since >= least_idle) {
            own_session_close(session, false);
            atomic_store(at, --missing); // who lacks more says so again
        }
    }
}

// ---- the ticker ----

static void on_tick(uv_timer_t *timer);

static void
set_ticker(struct own_pool *pool, uint64_t milliseconds)
{
    if (milliseconds == pool->tick_ms) {
        return;
    }
    pool->tick_ms = milliseconds;
    if (milliseconds == 0) {
        uv_timer_stop(&pool->ticker);
    } else {
        uv_timer_start(&pool->ticker, on_tick, milliseconds, milliseconds);
    }
}

// How often there is something to look after.
static uint64_t
wanted_tick(const struct own_pool *pool)
{
    for (const struct own_group *group = pool->groups; group != NULL; group = group->next) {
        if (group->waiting > 0 || own_group_count(group, OWN_BUSY) > 0 ||
            own_group_count(group, OWN_LOGGING_IN) > 0) {
            return TICK_BUSY_MS;
        }
    }
    return pool->groups != NULL ? TICK_IDLE_MS : 0;
}

static void
on_tick(uv_timer_t *timer)
{
    struct own_pool *pool = timer->data;
    uint64_t now = uv_hrtime();
    for (struct own_group *group = pool->groups; group != NULL; group = group->next) {
        if (!pool->is_stopping && group->session_count > 0) {
            own_group_renew_settings(group);
        }
        struct own_session *next;
        for (struct own_session *at = group->sessions; at != NULL; at = next) {
            next = at->next;
            own_session_tick(at, now);
        }
        own_group_fail_overdue(group, now);
        give_room(group, now);
        dispatch(group);
    }
    struct own_group **at = &pool->groups;
    while (*at != NULL) {
        bool is_idle = (*at)->session_count == 0 && (*at)->waiting == 0;
        if (is_idle && now >= (*at)->login_refused_until) {
            own_group_free(at);
        } else {
            at = &(*at)->next;
        }
    }
    set_ticker(pool, wanted_tick(pool));
}

// ---- what sessions tell ----

void
own_pool_is_ready(struct own_session *session)
{
    struct own_group *group = session->group;
    group->place->failures = 0;
    group->login_refused_until = 0;
    dispatch(group);
}

void
own_pool_has_failed(struct own_session *session, enum own_outcome outcome)
{
    struct own_group *group = session->group;
    struct own_place *place = group->place;
    uint64_t now = uv_hrtime();
    if (place->refuses_options && session->has_options) {
        return; // not a failure: the next one leaves them out
    }
    if (outcome == OWN_LOGIN) {
        group->login_refused_until = now + refusal_lasts;
        group->refused_epoch = session->settings_epoch;
        group->refusal = session->trouble;
        own_admission_is_refused(session);
        place->failures = 0; // it answers
        return;
    }
    unsigned doublings = place->failures < 5 ? place->failures : 5;
    uint64_t delay = first_delay << doublings;
    place->failures++;
    place->next_try = now + (delay < longest_delay ? delay : longest_delay);
    place->trouble = session->trouble;
}

// ---- the end ----

static void
on_timer_closed(uv_handle_t *handle)
{
    struct own_pool *pool = handle->data;
    if (--pool->open_timers == 0 && pool->closed != NULL) {
        pool->closed(pool->closed_context);
    }
}

void
own_pool_is_gone(struct own_pool *pool, struct own_group *group)
{
    if (group != NULL) {
        // Whatever the room was made for may be any of them.
        for (struct own_group *at = pool->groups; at != NULL; at = at->next) {
            if (at->place == group->place && at->first != NULL) {
                dispatch(at);
            }
        }
    }
    bool is_over =
        pool->is_stopping && pool->sessions == 0 && pool->cancels == 0 && pool->finished == NULL;
    if (is_over && !uv_is_closing((uv_handle_t *)&pool->finisher)) {
        uv_close((uv_handle_t *)&pool->finisher, on_timer_closed);
        uv_close((uv_handle_t *)&pool->ticker, on_timer_closed);
    }
}

void
own_pool_stop(struct own_pool *pool, void (*closed)(void *context), void *context)
{
    static const struct own_trouble stopping = {.text = "pgrehearse is stopping"};
    pool->is_stopping = true;
    pool->closed = closed;
    pool->closed_context = context;
    for (struct own_group *group = pool->groups; group != NULL; group = group->next) {
        own_group_fail_all(group, OWN_STOPPED, &stopping);
        struct own_session *next;
        for (struct own_session *at = group->sessions; at != NULL; at = next) {
            next = at->next;
            struct own_job *job = at->job;
            at->job = NULL;
            own_session_close(at, job != NULL);
            if (job != NULL) {
                own_pool_finish(pool, job, OWN_STOPPED, &stopping);
            }
        }
    }
    uv_timer_start(&pool->finisher, on_finisher, 0, 0); // `closed` comes from the loop
}

struct own_pool *
own_pool_new(uv_loop_t *loop)
{
    struct own_pool *pool = calloc(1, sizeof *pool);
    if (pool != NULL) {
        pool->loop = loop;
        uv_timer_init(loop, &pool->finisher);
        uv_timer_init(loop, &pool->ticker);
        pool->finisher.data = pool;
        pool->ticker.data = pool;
        pool->open_timers = 2;
    }
    return pool;
}

void
own_pool_on_refusal(struct own_pool *pool,
                    void (*refused)(void *context, const struct own_refusal *refusal),
                    void *context)
{
    pool->refused = refused;
    pool->refused_context = context;
}

void
own_pool_free(struct own_pool **pool)
{
    struct own_pool *freed = *pool;
    *pool = NULL;
    if (freed == NULL) {
        return;
    }
    assert(freed->open_timers == 0);
    while (freed->groups != NULL) {
        own_group_free(&freed->groups);
    }
    while (freed->places != NULL) {
        struct own_place *place = freed->places;
        freed->places = place->next;
        if (place->settings != NULL) {
            database_settings_unref(&place->settings);
        }
        free(place);
    }
    free(freed);
}

// ---- what callers call ----

void
own_pool_run(struct own_pool *pool, struct own_job *job)
{
    static const struct own_trouble no_memory = {.text = "no memory"};
    assert(job->units > 0);
    job->session = NULL;
    job->queued = uv_hrtime();
    job->sent = 0;
    job->answered = 0;
    job->ended = 0;
    struct own_group *group = own_group_find(pool, &job->identity, job->side);
    if (group == NULL) {
        own_pool_finish(pool, job, OWN_UNAVAILABLE, &no_memory);
        return;
    }
    own_group_learn_secret(group, job->identity.secret);
    own_group_enqueue(group, job);
    dispatch(group);
    if (!pool->is_stopping) {
        set_ticker(pool, TICK_BUSY_MS);
    }
}

static bool
take_from_queues(struct own_pool *pool, const struct own_job *job)
{
    for (struct own_group *group = pool->groups; group != NULL; group = group->next) {
        struct own_job *before = NULL;
        for (struct own_job *at = group->first; at != NULL; before = at, at = at->next) {
            if (at == job) {
                own_group_unqueue(group, before, at);
                return true;
            }
        }
    }
    return false;
}

static void
take_from_finished(struct own_pool *pool, const struct own_job *job)
{
    struct own_job *before = NULL;
    for (struct own_job *at = pool->finished; at != NULL; before = at, at = at->next) {
        if (at == job) {
            if (before != NULL) {
                before->next = at->next;
            } else {
                pool->finished = at->next;
            }
            if (pool->last_finished == at) {
                pool->last_finished = before;
            }
            return;
        }
    }
}

void
own_pool_abandon(struct own_pool *pool, struct own_job **job)
{
    struct own_session *session = (*job)->session;
    if (session != NULL) {
        session->job = NULL;
        own_session_close(session, true);
    } else if (!take_from_queues(pool, *job)) {
        take_from_finished(pool, *job);
    }
    own_job_free(job);
}

void
own_pool_counts(const struct own_pool *pool, unsigned *busy, unsigned *idle, unsigned *waiting)
{
    *busy = 0;
    *idle = 0;
    *waiting = 0;
    for (const struct own_group *group = pool->groups; group != NULL; group = group->next) {
        *busy += own_group_count(group, OWN_BUSY);
        *idle += own_group_count(group, OWN_IDLE);
        *waiting += group->waiting;
    }
}
