// A read's way from where it was begun (read_begin.c): the mirrored run is one job on the other side, BEGIN READ ONLY,
// the read and ROLLBACK in one pipeline; its answer is held against the served one. Equal: match. Else it is the
// judge's. Every way out is one of the three read_end… functions, which end it in the books. A result over
// shadow.max_result, served or mirrored, makes it a large read (large.c). Runs on the session's shadow thread.

#include "proxy/shadow/read.h"
#include "compare/rounds.h"
#include "proxy/report/reporter.h"
#include "proxy/shadow/large.h"
#include "proxy/shadow/noise.h"
#include "proxy/shadow/suspicion.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t
read_wall_clock(uint64_t then)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    return now_us - (int64_t)((uv_hrtime() - then) / 1000);
}

// --- the ends ---------------------------------------------------------------------------------

static void
read_free(struct read **read)
{
    struct read *gone = *read;
    struct shadow *shadow = gone->mirror->shadow;
    *read = NULL;
    assert(!gone->judge && !gone->large);
    if (gone->link) {
        *gone->link = gone->next;
        if (gone->next)
            gone->next->link = gone->link;
        atomic_fetch_sub(&shadow->held_bytes, gone->held);
        atomic_fetch_sub(&shadow->held_reads, 1);
    }
    result_fini(&gone->results[SIDE_OLD]);
    result_fini(&gone->results[SIDE_NEW]);
    rules_fini(&gone->rules);
    free(gone->messages.bytes);
    free(gone->new_messages.bytes);
    free(gone->sql);
    free(gone->bind);
    state_snapshot_unref(&gone->state);
    database_catalogs_unref(&gone->catalogs);
    database_settings_unref(&gone->settings);
    shape_unref(&gone->shape);
    mirror_unref(&gone->mirror);
    free(gone);
}

static void
read_end(struct read **read)
{
    struct read *ended = *read;
    *read = NULL;
    ended->is_over = true;
    if (!ended->is_repeated)
        read_free(&ended);
}

void
read_repeated(struct read *read)
{
    read->is_repeated = false;
    if (read->is_over)
        read_free(&read);
}

// The figures' view of a read, but for how it ended.
static struct figures_read
figures_of(const struct read *read)
{
    return (struct figures_read){
        .analysis = read->shape->analysis,
        .served = read->served,
        .served_ns = read->served_ns,
        .mirrored_ns = read->mirrored_ns,
        .served_is_new = read->served_side == SIDE_NEW,
        .parameters_digest = read->parameters_digest,
        .has_type_change = read->has_type_change,
    };
}

void
read_end_compared(struct read **read, enum verdict verdict, enum difference_class class)
{
    struct database *database = (*read)->mirror->at->database;
    struct figures_read figures = figures_of(*read);
    figures.is_compared = true;
    figures.verdict = verdict;
    figures.difference = class;
    figures.is_accepted = (*read)->is_accepted;
    if (verdict == VERDICT_MISMATCH && !(*read)->is_accepted)
        reporter_quarantine((*read)->mirror->shadow->instance->reporter, database,
                            figures.analysis->fingerprint);
    // Accepted first: at no moment is it counted as a mismatch that is not.
    if ((*read)->is_accepted)
        books_accepted(&database->books);
    books_compared(&database->books, verdict, class);
    enum side served = (*read)->served_side;
    guard_count_latency(&database->guard_counts, served, LATENCY_SERVED, (*read)->served_ns);
    guard_count_latency(&database->guard_counts, served == SIDE_OLD ? SIDE_NEW : SIDE_OLD,
                        LATENCY_MIRRORED, (*read)->mirrored_ns);
    figures_add(database->figures, &figures);
    read_end(read);
}

void
read_end_skipped(struct read **read, enum skip_reason reason)
{
    struct database *database = (*read)->mirror->at->database;
    struct figures_read figures = figures_of(*read);
    figures.skipped = reason;
    books_skipped(&database->books, reason);
    figures_add(database->figures, &figures);
    read_end(read);
}

void
read_end_dropped(struct read **read, enum drop_reason reason)
{
    struct database *database = (*read)->mirror->at->database;
    struct figures_read figures = figures_of(*read);
    figures.dropped = reason;
    books_dropped(&database->books, reason);
    figures_add(database->figures, &figures);
    read_end(read);
}

// --- the mirrored answer ----------------------------------------------------------------------

bool
read_differs(const struct read *read, const struct result *old_result,
             const struct result *new_result, struct difference *difference)
{
    return difference_find(old_result, new_result, &read->shape->analysis->determinacy,
                           &read->rules.difference, difference);
}

static void
learn_mirrored(struct read *read)
{
    struct shapes *shapes = read->mirror->at->database->shapes;
    enum side side = read->served_side == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
    const struct result *mirrored = &read->results[side];
    if (mirrored->kind == RESULT_ROWS && mirrored->has_columns)
        shape_learn(shapes, read->shape, side, mirrored->columns, mirrored->column_count);
}

// A result without types takes the other side's: nobody ever described it.
static void
lend_columns(struct result *to, const struct result *from)
{
    if (to->has_columns || !from->has_columns || to->kind != RESULT_ROWS ||
        from->kind != RESULT_ROWS)
        return;
    int16_t *formats = calloc(from->column_count + 1, sizeof(*formats));
    if (!formats)
        return;
    for (size_t i = 0; i < from->column_count; i++)
        formats[i] = from->columns[i].format;
    result_set_columns(to, from->columns, from->column_count, formats, from->column_count);
    free(formats);
}

static void
read_compare(struct read *read)
{
    struct result *old_result = &read->results[SIDE_OLD], *new_result = &read->results[SIDE_NEW];
    learn_mirrored(read);
    lend_columns(old_result, new_result);
    struct difference difference;
    if (!rules_for_read(&read->rules, &read->settings->entry->compare, read->shape->analysis,
                        read->catalogs, old_result->columns, old_result->column_count) ||
        !read_differs(read, old_result, new_result, &difference)) {
        read_end_dropped(&read, DROP_MEMORY);
        return;
    }
    read->has_type_change = difference.has_type_change;
    noise_begin(read);
    if (difference.class == DIFFERENCE_NONE)
        read_end_compared(&read, VERDICT_MATCH, DIFFERENCE_NONE);
    else
        suspicion_begin(read, &difference);
}

static void
read_mirrored(struct own_job *job)
{
    struct read *read = job->context;
    enum side other = job->side;
    enum skip_reason skip;
    enum drop_reason drop;
    read_outcome(job, &skip, &drop);
    read->mirrored_ns = job->outcome == OWN_DONE ? job->ended - job->sent : 0;
    bool is_large = job->outcome == OWN_TOO_BIG;
    bool has_answer = job->outcome == OWN_DONE && read_result_of(job, &read->results[other]);
    own_job_free(&job);

    struct result *mirrored = &read->results[other];
    if (skip != SKIP_NONE) {
        read_end_skipped(&read, skip);
    } else if (drop != DROP_NONE) {
        read_end_dropped(&read, drop);
    } else if (is_large) {
        large_begin(read);
    } else if (!has_answer) {
        read_end_compared(&read, VERDICT_UNVERIFIED, DIFFERENCE_NONE);
    } else if (mirrored->kind == RESULT_ERROR && rounds_is_circumstance(mirrored->sqlstate)) {
        if (strcmp(mirrored->sqlstate, "25006") == 0)
            atomic_store(&read->shape->is_unproven, true);
        read_end_compared(&read, VERDICT_UNVERIFIED, DIFFERENCE_NONE);
    } else {
        read_compare(read);
    }
}

bool
read_run_mirrored(struct read *read)
{
    enum side other = read->served_side == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
    struct own_job *job = read_job(read, other, NULL);
    if (!job)
        return false;
    job->done = read_mirrored;
    job->context = read;
    own_pool_run(read->mirror->shadow->pool, job);
    return true;
}
