// See catalog_reader.h. A reading opens a connection to each side and closes it afterwards. A side that
// cannot be read keeps the catalog that it had, the epoch rises all the same, and that side is tried again
// with growing pauses. catalog_load waits inside libpq: a hanging server is cut off by shutting down
// the socket from outside, after READING_LIMIT or on stop.
#include "proxy/control/catalog_reader.h"
#include "compare/sql/quote.h"
#include "proxy/background.h"
#include "proxy/control/catalog_load.h"
#include "proxy/control/control.h"
#include "proxy/control/side_link.h"
#include "proxy/log.h"
#include "proxy/rewriting.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static const uint64_t second = 1000000000, reading_limit = 60 * 1000000000ull, at_once = 100000000,
                      least_gap = 100000000, longest_gap = 4000000000, settled_after = 10000000000,
                      settled_at_last = 60000000000;

// Readings cost both servers something: where DDL never ends they take this share of the time, after `at_once` of them.
// With nothing to mirror they only tell the books' reasons apart: that can wait until the DDL is over (settled_after its
// last, settled_at_last after its first). Reads wait for them, each for the first that begins behind it, yet not for
// longer than CONTROL_CATALOGS_PATIENCE_NS: a gap is not longer than four seconds, or four times the last reading, and
// where that reading, the gap and the next would be over it, not longer than what is left.
enum { SHARE_OF_TIME = 20, SHARE_WHEN_IDLE = 100, LONGEST_GAP = 4 };

struct catalog_reader {
    struct database *database;
    struct builtin_catalogs *builtin; // all databases'
    pthread_t thread;
    int stop_fd;
    pthread_mutex_t lock; // for what follows
    pthread_cond_t changed;
    bool is_stopping, is_requested;
    bool is_reading;        // the next epoch may lack what is committed from now on
    uint64_t promised;      // the epoch that the last request waits for
    int socket;             // of the reading that runs; -1: none
    uint64_t reading_since; // ns
    // ns: first and last time since the last request that what was read was said to be out of date, and not asked
    // for anew; 0: none
    uint64_t distrusted_first, distrusted_last;
    // The thread's own.
    bool is_due[2]; // by side: requested, or failed
    uint64_t pause; // before the next try after a failure; 0: the last one went well
    int64_t credit; // ns that readings may take at once; below 0: it is to be waited for
    uint64_t credited_at;
    char rewrite_trouble[DATABASE_TROUBLE]; // likewise
    char errors[2][512];                    // what was logged last, so that it is said once
};

static const char *const side_names[] = {"old", "new"};

static void
say_outcome(struct catalog_reader *reader, enum side side, const char *error)
{
    char *said = reader->errors[side];

    if (strcmp(said, error) == 0 || strcmp(error, "stopping") == 0)
        return;
    snprintf(said, sizeof reader->errors[side], "%s", error);
    if (*error)
        log_event(LOG_WARNING_LEVEL, "catalog_unread", "database=%s side=%s error=\"%s\"",
                  reader->database->name, side_names[side], error);
    else
        log_event(LOG_INFO_LEVEL, "catalog_read", "database=%s side=%s", reader->database->name,
                  side_names[side]);
}

// False: stop, and the socket is not known to whoever stops.
static bool
publish_socket(struct catalog_reader *reader, int fd)
{
    pthread_mutex_lock(&reader->lock);

    bool is_stopping = reader->is_stopping;

    reader->socket = is_stopping ? -1 : fd;
    reader->reading_since = uv_hrtime();
    pthread_mutex_unlock(&reader->lock);
    return !is_stopping;
}

// NULL: `error` says why.
static struct catalog *
read_side(struct catalog_reader *reader, const struct target *target, char error[512])
{
    struct side_link link;
    struct catalog *catalog = NULL;

    side_link_init(&link, reader->stop_fd);
    if (!side_link_up(&link, target)) {
        snprintf(error, 512, "%s", link.error);
        return NULL;
    }
    PQsetnonblocking(link.connection, 0);
    error[0] = '\0';
    if (!publish_socket(reader, PQsocket(link.connection))) {
        snprintf(error, 512, "stopping");
    } else if (catalog_load(link.connection, reader->builtin, &catalog, error, 512) != 0) {
        catalog = NULL;
        if (!error[0])
            snprintf(error, 512, "the catalog could not be read");
        error[strcspn(error, "\n")] = '\0';
    }
    publish_socket(reader, -1);
    side_link_close(&link);
    return catalog;
}

// --- rewrites ---------------------------------------------------------------------------------

// Said once, and again when it changes.
static void
note_rewrites(struct catalog_reader *reader, const char *trouble)
{
    if (strcmp(reader->rewrite_trouble, trouble) == 0)
        return;
    snprintf(reader->rewrite_trouble, sizeof reader->rewrite_trouble, "%s", trouble);
    database_set_rewrite_trouble(reader->database, reader->rewrite_trouble);
    if (*trouble)
        log_event(LOG_WARNING_LEVEL, "rewrite_failed", "database=%s error=\"%s\"",
                  reader->database->name, reader->rewrite_trouble);
    else
        log_event(LOG_INFO_LEVEL, "rewrites_work", "database=%s", reader->database->name);
}

struct trial {
    struct side_link link;
    struct text said;
};

static void
say_rewrite(void *context, const struct rewrite *rewrite, const char *what, const char *error)
{
    struct trial *trial = context;
    const char *name = rewrite->fingerprint ? rewrite->fingerprint : rewrite->like;

    text_add(&trial->said, trial->said.length ? "; " : "");
    text_add(&trial->said, rewrite->to && name ? name : what);
    text_add(&trial->said, ": ");
    text_add(&trial->said, error);
}

// Before the catalogs are known to the shadow, so that no read is put by a rewrite that was not tried.
static void
try_rewrites(struct catalog_reader *reader, const struct database_settings *settings,
             struct catalog *const catalogs[2])
{
    struct trial trial = {0};

    if (settings->rewrites->count == 0 && !*reader->rewrite_trouble)
        return;
    side_link_init(&trial.link, reader->stop_fd);
    side_link_up(&trial.link, settings->targets[SIDE_NEW]);
    if (trial.link.connection && !publish_socket(reader, PQsocket(trial.link.connection)))
        side_link_close(&trial.link);
    if (trial.link.connection) {
        PQsetnonblocking(trial.link.connection, 0);
        rewriting_try(settings->rewrites, catalogs, trial.link.connection, say_rewrite, &trial);
    }
    publish_socket(reader, -1);
    if (trial.link.connection && PQstatus(trial.link.connection) == CONNECTION_OK)
        note_rewrites(reader, trial.said.bytes ? trial.said.bytes : "");
    side_link_close(&trial.link);
    text_fini(&trial.said);
}

// Reads the sides that are due. True: none is due any more.
static bool
read_due(struct catalog_reader *reader, bool is_request)
{
    struct database_settings *settings = database_settings(reader->database);
    struct database_catalogs *before = database_catalogs(reader->database);
    struct catalog *catalogs[2] = {NULL};
    bool is_news = is_request; // who asked waits for the epoch
    uint64_t old_as_of = before->old_as_of;

    for (int side = 0; side < 2; side++) {
        char error[512] = "";

        if (reader->is_due[side]) {
            uint64_t began = uv_hrtime();

            catalogs[side] = read_side(reader, settings->targets[side], error);
            say_outcome(reader, (enum side)side, catalogs[side] ? "" : error);
            reader->is_due[side] = !catalogs[side];
            is_news |= catalogs[side] != NULL;
            old_as_of = side == SIDE_OLD && catalogs[side] ? began : old_as_of;
        }
        if (!catalogs[side] && before->catalogs[side])
            catalogs[side] = catalog_ref(before->catalogs[side]);
    }
    if (is_news)
        try_rewrites(reader, settings, catalogs);
    if (is_news)
        database_set_catalogs(reader->database, catalogs[SIDE_OLD], catalogs[SIDE_NEW], old_as_of);
    for (int side = 0; !is_news && side < 2; side++) {
        if (catalogs[side])
            catalog_unref(&catalogs[side]);
    }
    database_catalogs_unref(&before);
    database_settings_unref(&settings);
    return !reader->is_due[SIDE_OLD] && !reader->is_due[SIDE_NEW];
}

// A request during a reading was promised the epoch after the next; where that reading brought none (a
// side still cannot be read), the epoch is raised without news.
static void
keep_promise(struct catalog_reader *reader)
{
    struct database *database = reader->database;

    pthread_mutex_lock(&reader->lock);
    uint64_t promised = reader->is_requested ? 0 : reader->promised;
    pthread_mutex_unlock(&reader->lock);
    if (atomic_load(&database->catalogs_epoch) < promised) {
        struct database_catalogs *now = database_catalogs(database);
        struct catalog *catalogs[2];

        for (int side = 0; side < 2; side++)
            catalogs[side] = now->catalogs[side] ? catalog_ref(now->catalogs[side]) : NULL;
        database_set_catalogs(database, catalogs[SIDE_OLD], catalogs[SIDE_NEW], now->old_as_of);
        database_catalogs_unref(&now);
    }
}

static struct timespec
from_now(uint64_t nanoseconds)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(nanoseconds / second);
    time.tv_nsec += (long)(nanoseconds % second);
    if (time.tv_nsec >= (long)second) {
        time.tv_sec++;
        time.tv_nsec -= (long)second;
    }
    return time;
}

// How long the next reading has to wait.
static uint64_t
gap_after(struct catalog_reader *reader, uint64_t reading)
{
    bool is_idle = database_is_idle(reader->database);
    uint64_t share = is_idle ? SHARE_WHEN_IDLE : SHARE_OF_TIME, now = uv_hrtime();

    reader->credit += (int64_t)((now - reader->credited_at) / share);
    if (reader->credit > (int64_t)at_once)
        reader->credit = (int64_t)at_once;
    reader->credit -= (int64_t)reading;
    reader->credited_at = now;
    uint64_t gap = reader->credit < 0 ? (uint64_t)-reader->credit * share : 0;
    uint64_t most = longest_gap;

    if (most < reading * LONGEST_GAP)
        most = reading * LONGEST_GAP;
    if (reading * 3 < CONTROL_CATALOGS_PATIENCE_NS &&
        reading * 2 + most > CONTROL_CATALOGS_PATIENCE_NS)
        most = CONTROL_CATALOGS_PATIENCE_NS - reading * 2;
    gap = gap > most ? most : gap;
    return gap < least_gap ? least_gap : gap;
}

enum work { WORK_STOP, WORK_REQUEST, WORK_RETRY };

static enum work
wait_for_work(struct catalog_reader *reader, uint64_t wait)
{
    struct timespec retry = from_now(reader->pause), gap = from_now(wait);
    enum work work = WORK_RETRY;

    pthread_mutex_lock(&reader->lock);
    reader->is_reading = false;
    while (!reader->is_stopping &&
           pthread_cond_timedwait(&reader->changed, &reader->lock, &gap) != ETIMEDOUT)
        continue; // requests that come in the gap are one
    while (!reader->is_stopping && !reader->is_requested) {
        int outcome = 0;

        if (reader->pause)
            outcome = pthread_cond_timedwait(&reader->changed, &reader->lock, &retry);
        else
            pthread_cond_wait(&reader->changed, &reader->lock);
        if (outcome == ETIMEDOUT)
            break;
    }
    if (reader->is_stopping)
        work = WORK_STOP;
    else if (reader->is_requested)
        work = WORK_REQUEST;
    reader->is_requested = false;
    reader->is_reading = true;
    pthread_mutex_unlock(&reader->lock);
    return work;
}

static void *
run(void *context)
{
    struct catalog_reader *reader = context;

    background_begin("catalogs");
    reader->credit = (int64_t)at_once;
    reader->credited_at = uv_hrtime();
    for (enum work work = WORK_REQUEST; work != WORK_STOP;) {
        uint64_t began = uv_hrtime();

        if (work == WORK_REQUEST)
            reader->is_due[SIDE_OLD] = reader->is_due[SIDE_NEW] = true;
        bool is_done = read_due(reader, work == WORK_REQUEST);

        if (work == WORK_REQUEST)
            keep_promise(reader);
        if (is_done)
            reader->pause = 0;
        else if (reader->pause == 0)
            reader->pause = second;
        else
            reader->pause = reader->pause < 16 * second ? reader->pause * 2 : reader->pause;
        work = wait_for_work(reader, gap_after(reader, uv_hrtime() - began));
    }
    return NULL;
}

struct catalog_reader *
catalog_reader_start(struct database *database, struct builtin_catalogs *builtin)
{
    struct catalog_reader *reader = calloc(1, sizeof *reader);
    pthread_condattr_t monotonic;

    if (!reader)
        return NULL;
    reader->database = database;
    reader->builtin = builtin;
    reader->socket = -1;
    reader->is_reading = true; // the thread begins with it
    reader->promised = atomic_load(&database->catalogs_epoch) + 1;
    reader->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&reader->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reader->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (reader->stop_fd >= 0 && pthread_create(&reader->thread, NULL, run, reader) == 0)
        return reader;
    if (reader->stop_fd >= 0)
        close(reader->stop_fd);
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
    return NULL;
}

void
catalog_reader_stop(struct catalog_reader **reader)
{
    struct catalog_reader *gone = *reader;

    *reader = NULL;
    if (!gone)
        return;
    eventfd_write(gone->stop_fd, 1);
    pthread_mutex_lock(&gone->lock);
    gone->is_stopping = true;
    if (gone->socket >= 0)
        shutdown(gone->socket, SHUT_RDWR);
    pthread_cond_signal(&gone->changed);
    pthread_mutex_unlock(&gone->lock);
    pthread_join(gone->thread, NULL);
    close(gone->stop_fd);
    pthread_cond_destroy(&gone->changed);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

// Under the lock.
static uint64_t
next_epoch(const struct catalog_reader *reader)
{
    return atomic_load(&reader->database->catalogs_epoch) + (reader->is_reading ? 2 : 1);
}

uint64_t
catalog_reader_distrust(struct catalog_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    uint64_t epoch = next_epoch(reader);
    reader->distrusted_last = uv_hrtime();
    if (reader->distrusted_first == 0)
        reader->distrusted_first = reader->distrusted_last;
    pthread_mutex_unlock(&reader->lock);
    return epoch;
}

// Under the lock. Never less than was promised before: somebody waits for that.
static uint64_t
promise(struct catalog_reader *reader, uint64_t epoch)
{
    if (epoch > reader->promised)
        reader->promised = epoch;
    reader->is_requested = true;
    reader->distrusted_first = 0;
    pthread_cond_signal(&reader->changed);
    return epoch;
}

void
catalog_reader_ensure(struct catalog_reader *reader, uint64_t epoch)
{
    pthread_mutex_lock(&reader->lock);
    if (reader->promised < epoch)
        promise(reader, epoch);
    pthread_mutex_unlock(&reader->lock);
}

void
catalog_reader_settle(struct catalog_reader *reader, uint64_t epoch)
{
    uint64_t now = uv_hrtime();

    pthread_mutex_lock(&reader->lock);
    bool is_over = now - reader->distrusted_last >= settled_after ||
                   (reader->distrusted_first && now - reader->distrusted_first >= settled_at_last);
    if (reader->promised < epoch && is_over)
        promise(reader, epoch);
    pthread_mutex_unlock(&reader->lock);
}

uint64_t
catalog_reader_request(struct catalog_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    uint64_t epoch = promise(reader, next_epoch(reader));
    pthread_mutex_unlock(&reader->lock);
    return epoch;
}

void
catalog_reader_watch(struct catalog_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    if (reader->socket >= 0 && uv_hrtime() - reader->reading_since > reading_limit)
        shutdown(reader->socket, SHUT_RDWR);
    pthread_mutex_unlock(&reader->lock);
}
