// One control thread a database: two links, one lag probe, and those who wait for a position. It polls
// fast while somebody waits (5 ms, doubling up to lag.poll) and once a second otherwise; whatever it
// learns goes into the database's atomics for everybody to read. Waiters come in through a list and an
// eventfd, and are answered outside the lock. A database of the '*' entry that has no client has no connection either:
// DROP DATABASE and CREATE DATABASE … TEMPLATE would find it in use. Known compromise: while a side does not answer, the thread
// stands still for up to two seconds, and waiters of this database are answered that much later.
#include "proxy/control/control.h"
#include "proxy/control/catalog_reader.h"
#include "proxy/control/lag.h"
#include "proxy/control/side_link.h"
#include "proxy/control/write_fence.h"
#include "proxy/log.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const uint64_t millisecond = 1000000, pace_least = 5000000, pace_writes = 20000000,
                      pace_idle = 1000000000, rest_after = 500000000, tail_lasts = 500000000;
// What is left of a session that has ended may keep a deserted database for so long: while new is away its reads wait
// for catalogs, and DROP DATABASE waits for us (five seconds).
static const uint64_t leftovers_last = 1000000000;
static const char *const side_names[] = {"old", "new"};

struct waiter {
    struct waiter *next;
    uint64_t position, since, deadline; // ns; the deadline is set on the thread
    control_lag_done done;
    void *context;
};

struct control {
    struct database *database;
    pthread_t thread;
    int wake_fd, stop_fd;
    struct catalog_reader *reader;
    pthread_mutex_t lock; // for what follows
    struct waiter *arrivals;
    bool is_stopping;
    char trouble[256];
    // The thread's own.
    struct side_link links[2];
    bool was_tried[2]; // a side's first state is said, too
    struct database_settings *settings;
    uint64_t settings_epoch;
    struct lag lag;
    enum lag_state state;
    uint64_t replayed; // while state is LAG_STATE_KNOWN
    struct waiter *waiters;
    uint64_t poll_began_at, polled_at, pace; // ns
    uint64_t in_use_at;                      // ns: when a client or a waiter was last seen
    uint64_t peopled_at;                     // ns: when a client was
    atomic_bool is_resting;                  // nobody uses the database: both links are closed
    atomic_bool is_called;                   // reads wait for catalogs
    struct write_fence fence;
    atomic_bool are_writes_awaited; // since the last poll
};

static void
control_wake(struct control *control)
{
    eventfd_write(control->wake_fd, 1);
}

// --- sides ------------------------------------------------------------------------------------

static void
note_side(struct control *control, enum side side)
{
    struct database *database = control->database;
    const struct side_link *link = &control->links[side];
    bool is_up = link->connection != NULL;
    bool was_up = atomic_exchange(&database->sides_up[side], is_up);

    if (is_up == was_up && control->was_tried[side])
        return;
    if (is_up && control->was_tried[side])
        catalog_reader_request(control->reader); // DDL may have passed meanwhile
    control->was_tried[side] = true;
    log_event(is_up ? LOG_INFO_LEVEL : LOG_WARNING_LEVEL, is_up ? "side_up" : "side_down",
              "database=%s side=%s%s%s%s", database->name, side_names[side],
              is_up ? "" : " error=\"", is_up ? "" : link->error, is_up ? "" : "\"");
}

static void
follow_settings(struct control *control)
{
    struct database *database = control->database;
    uint64_t epoch = atomic_load_explicit(&database->settings_epoch, memory_order_acquire);

    if (control->settings && epoch == control->settings_epoch)
        return;

    struct database_settings *before = control->settings;

    control->settings = database_settings(database);
    control->settings_epoch = epoch;
    for (int side = 0; before && side < 2; side++) {
        if (strcmp(before->targets[side]->connection_string,
                   control->settings->targets[side]->connection_string) == 0)
            continue;
        side_link_close(&control->links[side]);
        control->links[side].retry_at = 0;
    }
    lag_forget(&control->lag);
    write_fence_forget(&control->fence);
    control->polled_at = 0;
    if (before)
        catalog_reader_request(control->reader);
    database_settings_unref(&before);
}

// --- the lag ----------------------------------------------------------------------------------

// Does a probe tell what new has replayed? While it is silent it still is the one that is asked.
static bool
is_told(const struct control *control)
{
    return control->settings->entry->lag.probe != LAG_NONE && control->lag.probe != LAG_NONE &&
           control->state != LAG_STATE_UNRESOLVED;
}

static void
follow_writes(struct control *control)
{
    const struct lag *lag = &control->lag;

    if (control->state == LAG_STATE_KNOWN && is_told(control)) {
        write_fence_sample(&control->fence, lag->old_asked_at, lag->old_position);
        write_fence_replayed(&control->fence, control->replayed);
    } else {
        write_fence_forget(&control->fence);
    }
    if (!is_told(control))
        control->fence.awaited = 0;
    atomic_store(&control->database->writes_replayed,
                 is_told(control) ? control->fence.until : WRITES_UNTOLD);
}

// A side that does not answer is another trouble, which shows by itself.
static void
follow_hidden_lag(struct control *control)
{
    atomic_uint_fast64_t *since = &control->database->lag_hidden_since;
    bool do_both_answer =
        control->links[SIDE_OLD].connection && control->links[SIDE_NEW].connection;

    if (control->state == LAG_STATE_KNOWN || !is_told(control) || !do_both_answer)
        atomic_store(since, 0);
    else if (atomic_load(since) == 0)
        atomic_store(since, uv_hrtime());
}

// Puts what a poll found where everybody reads it.
static void
publish(struct control *control)
{
    struct database *database = control->database;
    const struct lag *lag = &control->lag;
    bool is_known = control->state == LAG_STATE_KNOWN;
    uint64_t age;
    int64_t lag_us = -1;

    if (is_known && lag->probe == LAG_NONE)
        lag_us = 0;
    else if (is_known && lag_history_age(&lag->history, control->replayed, uv_hrtime(), &age))
        lag_us = (int64_t)(age / 1000);
    follow_writes(control);
    follow_hidden_lag(control);
    atomic_store(&database->lag_us, lag_us);
    atomic_store(&database->lag_probe,
                 (int)(lag->probe == LAG_AUTO ? control->settings->entry->lag.probe : lag->probe));
    pthread_mutex_lock(&control->lock);

    bool is_news = strcmp(control->trouble, is_known ? "" : lag->trouble) != 0;

    snprintf(control->trouble, sizeof control->trouble, "%s", is_known ? "" : lag->trouble);
    pthread_mutex_unlock(&control->lock);
    if (is_news)
        log_event(is_known ? LOG_INFO_LEVEL : LOG_WARNING_LEVEL,
                  is_known ? "lag_known" : "lag_unknown",
                  is_known ? "database=%s probe=%s" : "database=%s reason=\"%s\"", database->name,
                  is_known ? lag_probe_name(lag->probe) : lag->trouble);
}

static bool
is_stopping(struct control *control)
{
    pthread_mutex_lock(&control->lock);

    bool result = control->is_stopping;

    pthread_mutex_unlock(&control->lock);
    return result;
}

static void
poll_sides(struct control *control)
{
    for (int side = 0; side < 2; side++)
        side_link_up(&control->links[side], control->settings->targets[side]);
    if (atomic_exchange(&control->are_writes_awaited, false))
        write_fence_await(&control->fence, uv_hrtime());
    control->poll_began_at = uv_hrtime();
    control->lag.wants_sample = write_fence_wants_sample(&control->fence);
    control->replayed = 0;
    control->state =
        lag_poll(&control->lag, control->links, &control->settings->entry->lag, &control->replayed);
    if (is_stopping(control))
        return; // what was broken off says nothing about the sides
    if (control->state != LAG_STATE_KNOWN)
        control->replayed = 0;
    for (int side = 0; side < 2; side++)
        note_side(control, (enum side)side);
    publish(control);
    control->polled_at = uv_hrtime();
}

// --- waiters ----------------------------------------------------------------------------------

static uint64_t
wait_limit(const struct control *control)
{
    const struct configuration_database *entry = control->settings->entry;

    return control->lag.probe == LAG_NONE ? entry->shadow.recheck.settle : entry->lag.max_wait;
}

static bool
take_arrivals(struct control *control)
{
    pthread_mutex_lock(&control->lock);

    struct waiter *arrivals = control->arrivals;

    control->arrivals = NULL;
    pthread_mutex_unlock(&control->lock);
    if (!arrivals)
        return false;
    while (arrivals) {
        struct waiter *waiter = arrivals;

        arrivals = waiter->next;
        waiter->deadline = waiter->since + wait_limit(control);
        waiter->next = control->waiters;
        control->waiters = waiter;
    }
    return true;
}

// Is it decided? With `none`, new is never more than settle behind, and the time alone decides. What an earlier poll
// found is no answer: since then a subscription may have been made whose tables are still empty, or new promoted.
static bool
is_answered(const struct control *control, const struct waiter *waiter, uint64_t now,
            enum lag_wait *answer)
{
    bool is_known = control->state == LAG_STATE_KNOWN;
    bool is_fresh = control->poll_began_at >= waiter->since;

    if (is_known && control->lag.probe == LAG_NONE)
        *answer = LAG_CLOSED;
    else if (is_known && waiter->position == 0)
        *answer = LAG_UNKNOWN; // old's position was not asked for
    else if (is_known && is_fresh &&
             control->replayed >= lag_settled_position(&control->lag, waiter->position))
        *answer = LAG_CLOSED;
    else
        *answer = is_known ? LAG_OPEN : LAG_UNKNOWN;
    return now >= waiter->deadline || (*answer == LAG_CLOSED && control->lag.probe != LAG_NONE) ||
           (is_known && *answer == LAG_UNKNOWN) ||
           (control->state == LAG_STATE_UNRESOLVED && is_fresh);
}

static void
answer_waiters(struct control *control)
{
    int64_t lag_us = atomic_load(&control->database->lag_us);
    double lag_seconds = lag_us < 0 ? -1 : (double)lag_us / 1e6;
    struct waiter **link = &control->waiters;
    uint64_t now = uv_hrtime();

    while (*link) {
        struct waiter *waiter = *link;
        enum lag_wait answer;

        if (!is_answered(control, waiter, now, &answer)) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        waiter->done(waiter->context, answer, lag_seconds);
        free(waiter);
    }
}

static void
dismiss(struct waiter *waiter)
{
    while (waiter) {
        struct waiter *next = waiter->next;

        waiter->done(waiter->context, LAG_UNKNOWN, -1);
        free(waiter);
        waiter = next;
    }
}

// --- rest -------------------------------------------------------------------------------------

static bool
is_peopled(const struct control *control)
{
    bool is_named = strcmp(control->settings->entry->name, "*") != 0;

    return is_named || atomic_load(&control->database->clients) > 0;
}

static bool
may_have_leftovers(const struct control *control, uint64_t now)
{
    return now - control->peopled_at < leftovers_last;
}

static bool
is_in_use(const struct control *control)
{
    return is_peopled(control) || (control->waiters && may_have_leftovers(control, uv_hrtime()));
}

static void
begin_rest(struct control *control)
{
    struct database *database = control->database;

    control->is_resting = true;
    for (int side = 0; side < 2; side++)
        side_link_close(&control->links[side]);
    control->state = LAG_STATE_SILENT;
    write_fence_forget(&control->fence);
    atomic_store(&database->writes_replayed, 0);
    atomic_store(&database->lag_us, -1);
    atomic_store(&database->lag_hidden_since, 0);
    // What the catalogs will say when somebody comes again is not known now.
    database_want_catalogs(database, catalog_reader_distrust(control->reader));
}

static void
end_rest(struct control *control)
{
    control->is_resting = false;
    control->polled_at = 0;
    database_want_catalogs(control->database, catalog_reader_request(control->reader));
}

// Is there nothing to look at?
static bool
rests(struct control *control)
{
    uint64_t now = uv_hrtime();

    if (is_peopled(control))
        control->peopled_at = now;

    bool is_called =
        may_have_leftovers(control, now) && atomic_exchange(&control->is_called, false);

    if (is_called || is_in_use(control)) {
        control->in_use_at = now;
        if (control->is_resting)
            end_rest(control);
    } else if (!control->is_resting && now - control->in_use_at >= rest_after) {
        begin_rest(control);
    }
    return control->is_resting;
}

// --- the thread -------------------------------------------------------------------------------

// How long until something is due, in ms for poll().
static int
time_left(const struct control *control)
{
    uint64_t now = uv_hrtime(), due = control->polled_at + control->pace;

    // A client that comes, or the last one that leaves, does not wake the thread.
    if (control->is_resting || !is_in_use(control))
        due = now + rest_after / 2;
    for (const struct waiter *waiter = control->waiters; waiter; waiter = waiter->next) {
        if (waiter->deadline < due)
            due = waiter->deadline;
    }
    return due <= now ? 0 : (int)((due - now) / millisecond) + 1;
}

// False: stop.
static bool
sleep_until_due(struct control *control)
{
    PGconn *new = control->links[SIDE_NEW].connection;
    struct pollfd fds[] = {{.fd = control->wake_fd, .events = POLLIN},
                           {.fd = control->stop_fd, .events = POLLIN},
                           {.fd = new ? PQsocket(new) : -1, .events = POLLIN}};
    eventfd_t count;

    if (poll(fds, 3, time_left(control)) > 0 && fds[0].revents)
        eventfd_read(control->wake_fd, &count);
    // Nobody asked it anything: new has gone, mostly, and what comes back may have replayed less.
    if (fds[2].revents) {
        side_link_attend(&control->links[SIDE_NEW]);
        control->polled_at = 0;
    }
    return !fds[1].revents;
}

static bool
are_writes_awaited(struct control *control)
{
    return is_told(control) &&
           (atomic_load(&control->are_writes_awaited) || write_fence_is_awaited(&control->fence));
}

// Does somebody wait for what old has not flushed?
static bool
is_tail_awaited(struct control *control)
{
    const struct lag *lag = &control->lag;

    if (lag->tail_since == 0 || control->state != LAG_STATE_KNOWN || !is_told(control))
        return false;
    for (const struct waiter *waiter = control->waiters; waiter; waiter = waiter->next) {
        if (lag_settled_position(lag, waiter->position) > lag->old_flushed)
            return true;
    }
    return write_fence_awaited_position(&control->fence) > lag->old_flushed;
}

// Commits flush it, mostly at once and without synchronous_commit within `tail_lasts`.
static void
push_tail(struct control *control)
{
    if (is_tail_awaited(control) && uv_hrtime() - control->lag.tail_since >= tail_lasts)
        lag_push_tail(&control->lag, &control->links[SIDE_OLD]);
}

// Sessions that wrote are many and impatient for little: for them alone it is polled less often.
static void
set_pace(struct control *control, bool has_arrivals)
{
    uint64_t most = control->settings->entry->lag.poll;
    bool has_waiters = control->waiters && control->lag.probe != LAG_NONE;
    bool has_writers = !has_waiters && are_writes_awaited(control);
    uint64_t least = has_waiters ? pace_least : pace_writes;

    if (!has_waiters && !has_writers)
        control->pace = pace_idle;
    else if (has_arrivals || control->pace == pace_idle)
        control->pace = least;
    else
        control->pace *= 2;
    if ((has_waiters || has_writers) && control->pace > most)
        control->pace = most;
}

static void *
run(void *context)
{
    struct control *control = context;

    control->in_use_at = control->peopled_at = uv_hrtime();
    do {
        follow_settings(control);

        bool has_arrivals = take_arrivals(control);

        answer_waiters(control); // those that are late, or need no probe
        if (has_arrivals || (control->pace == pace_idle && are_writes_awaited(control)))
            set_pace(control, has_arrivals);
        if (!rests(control) &&
            (uv_hrtime() >= control->polled_at + control->pace || control->polled_at == 0)) {
            poll_sides(control);
            answer_waiters(control);
            push_tail(control);
            set_pace(control, has_arrivals);
        }
        catalog_reader_watch(control->reader);
    } while (sleep_until_due(control));
    pthread_mutex_lock(&control->lock);

    struct waiter *late = control->arrivals;

    control->arrivals = NULL;
    pthread_mutex_unlock(&control->lock);
    dismiss(late);
    dismiss(control->waiters);
    control->waiters = NULL;
    return NULL;
}

static void
control_free(struct control *control)
{
    catalog_reader_stop(&control->reader);
    for (int side = 0; side < 2; side++)
        side_link_close(&control->links[side]);
    database_settings_unref(&control->settings);
    if (control->wake_fd >= 0)
        close(control->wake_fd);
    if (control->stop_fd >= 0)
        close(control->stop_fd);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

struct control *
control_start(struct database *database, struct builtin_catalogs *builtin)
{
    struct control *control = calloc(1, sizeof *control);

    if (!control)
        return NULL;
    control->database = database;
    control->pace = pace_idle;
    control->state = LAG_STATE_SILENT;
    snprintf(control->trouble, sizeof control->trouble, "not looked at yet");
    lag_init(&control->lag);
    pthread_mutex_init(&control->lock, NULL);
    control->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    control->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int side = 0; side < 2; side++)
        side_link_init(&control->links[side], control->stop_fd);
    if (control->wake_fd >= 0 && control->stop_fd >= 0)
        control->reader = catalog_reader_start(database, builtin);
    if (!control->reader || pthread_create(&control->thread, NULL, run, control) != 0) {
        control_free(control);
        return NULL;
    }
    database->control = control;
    return control;
}

void
control_stop(struct control **control)
{
    struct control *gone = *control;

    *control = NULL;
    if (!gone)
        return;
    pthread_mutex_lock(&gone->lock);
    gone->is_stopping = true;
    pthread_mutex_unlock(&gone->lock);
    eventfd_write(gone->stop_fd, 1);
    pthread_join(gone->thread, NULL);
    control_free(gone);
}

void
control_call(struct control *control)
{
    if (!atomic_exchange(&control->is_called, true) && atomic_load(&control->is_resting))
        control_wake(control);
}

void
control_await_writes(struct control *control)
{
    atomic_bool *is_said = &control->are_writes_awaited;

    if (!atomic_load_explicit(is_said, memory_order_relaxed) && !atomic_exchange(is_said, true))
        control_wake(control);
}

uint64_t
control_request_catalogs(struct control *control)
{
    return catalog_reader_request(control->reader);
}

uint64_t
control_distrust_catalogs(struct control *control)
{
    return catalog_reader_distrust(control->reader);
}

void
control_ensure_catalogs(struct control *control, uint64_t epoch)
{
    catalog_reader_ensure(control->reader, epoch);
}

void
control_settle_catalogs(struct control *control, uint64_t epoch)
{
    catalog_reader_settle(control->reader, epoch);
}

void
control_wait_for_lag(struct control *control, uint64_t position, control_lag_done done,
                     void *context)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);

    if (waiter) {
        *waiter = (struct waiter){
            .position = position, .since = uv_hrtime(), .done = done, .context = context};
        pthread_mutex_lock(&control->lock);
        if (!control->is_stopping) {
            waiter->next = control->arrivals;
            control->arrivals = waiter;
            waiter = NULL;
        }
        pthread_mutex_unlock(&control->lock);
        if (!waiter) {
            control_wake(control);
            return;
        }
    }
    free(waiter);
    done(context, LAG_UNKNOWN, -1);
}

const char *
control_position_sql(const struct database *database)
{
    bool is_needed = database->control && atomic_load(&database->lag_probe) != LAG_NONE;

    return is_needed ? lag_position_sql : NULL;
}

void
control_lag_trouble(struct control *control, char text[256])
{
    pthread_mutex_lock(&control->lock);
    snprintf(text, 256, "%s", control->trouble);
    pthread_mutex_unlock(&control->lock);
}
