// A read's way: read_begin books it and finds out whether anything speaks against mirroring it; the
// mirrored run is one job on the other side, BEGIN READ ONLY, the read and ROLLBACK in one pipeline;
// its answer is held against the served one. Equal: match. Else it is the judge's. Every way out is one
// of the three read_end… functions, which alone touch the books. A result over shadow.max_result, served
// or mirrored, makes it a large read (large.c). Runs on the session's shadow thread.

#include "proxy/shadow/read.h"
#include "compare/rounds.h"
#include "protocol/message.h"
#include "proxy/log.h"
#include "proxy/report/reporter.h"
#include "proxy/shadow/evidence.h"
#include "proxy/shadow/large.h"
#include "proxy/shadow/noise.h"
#include "proxy/shadow/read_objection.h"
#include "proxy/shadow/suspicion.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

int64_t
read_wall_clock(uint64_t then)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    return now_us - (int64_t)((uv_hrtime() - then) / 1000);
}

static struct books *
books_of(const struct mirror *mirror)
{
    return &mirror->at->database->books;
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

static enum side
served_side_of(const struct unit *unit)
{
    return unit->route == UNIT_ROUTE_NEW ? SIDE_NEW : SIDE_OLD;
}

// A read that ends as it begins: nothing was made for it yet.
static void
end_at_once(struct mirror *mirror, const struct read_facts *facts, enum served served,
            enum skip_reason skip, enum drop_reason drop)
{
    struct database *database = mirror->at->database;
    const struct unit *unit = facts->unit;
    if (skip != SKIP_NONE)
        books_skipped(&database->books, skip);
    else
        books_dropped(&database->books, drop);
    if (!facts->shape)
        return;
    struct figures_read figures = {
        .analysis = facts->shape->analysis,
        .served = served,
        .served_ns = unit->ended > unit->begun ? unit->ended - unit->begun : 0,
        .served_is_new = unit->route == UNIT_ROUTE_NEW,
        .skipped = skip,
        .dropped = drop,
    };
    figures_add(database->figures, &figures);
}

// --- beginning --------------------------------------------------------------------------------

// Columns of a served result whose RowDescription came with an earlier Describe, or never.
static void
complete_columns(struct read *read, const struct read_facts *facts)
{
    struct result *served = &read->results[read->served_side];
    struct bind_request bind;
    if (served->has_columns || !facts->statement || served->kind != RESULT_ROWS)
        return;
    if (!request_read_bind(facts->bind, facts->bind_length, &bind))
        return;
    struct shapes *shapes = read->mirror->at->database->shapes;
    const struct statement_columns *described = &facts->statement->columns[read->served_side];
    struct shape_columns *learnt = shape_columns(shapes, read->shape, read->served_side);
    if (described->list)
        result_set_columns(served, described->list, described->count, bind.result_formats,
                           bind.result_format_count);
    else if (learnt)
        result_set_columns(served, learnt->columns, learnt->count, bind.result_formats,
                           bind.result_format_count);
    shape_columns_unref(&learnt);
    request_bind_fini(&bind);
}

static bool
copy_request(struct read *read, const struct read_facts *facts)
{
    XXH3_state_t *digest = XXH3_createState();
    if (!digest)
        return false;
    XXH3_64bits_reset(digest);
    XXH3_64bits_update(digest, facts->sql, facts->sql_length);
    if (facts->bind) {
        // The portal's and the statement's names do not matter: from the first format on.
        const uint8_t *values = facts->bind, *end = facts->bind + facts->bind_length;
        for (int names = 0; names < 2 && values < end; values++)
            names += *values == 0;
        XXH3_64bits_update(digest, values, (size_t)(end - values));
        read->bind = malloc(facts->bind_length ? facts->bind_length : 1);
        if (read->bind)
            memcpy(read->bind, facts->bind, facts->bind_length);
        read->bind_length = facts->bind_length;
    }
    read->parameters_digest = XXH3_64bits_digest(digest);
    XXH3_freeState(digest);
    read->sql = strndup(facts->sql, facts->sql_length);
    return read->sql && (!facts->bind || read->bind);
}

// Everything that the read needs to live on its own, after the unit is gone.
static struct read *
read_new(struct mirror *mirror, const struct read_facts *facts, enum served served)
{
    struct read *read = calloc(1, sizeof(*read));
    if (!read)
        return NULL;
    struct shadow *shadow = mirror->shadow;
    read->mirror = mirror;
    mirror->references++;
    atomic_fetch_add(&facts->shape->references, 1);
    read->shape = facts->shape;
    read->settings = mirror->at->settings;
    atomic_fetch_add(&read->settings->references, 1);
    read->catalogs = mirror->at->catalogs;
    atomic_fetch_add(&read->catalogs->references, 1);
    read->state = state_snapshot(mirror->state);
    read->served = served;
    read->served_side = served_side_of(facts->unit);
    read->served_at = read_wall_clock(facts->unit->begun);
    read->served_ns = facts->unit->ended - facts->unit->begun;
    result_init(&read->results[SIDE_OLD]);
    result_init(&read->results[SIDE_NEW]);
    if (facts->result) {
        read->results[read->served_side] = *facts->result;
        result_init(facts->result);
    }
    read->held = sizeof(*read) + result_memory(&read->results[read->served_side]) +
                 facts->sql_length * 2 + facts->bind_length * 2;
    read->link = &shadow->reads;
    read->next = shadow->reads;
    if (read->next)
        read->next->link = &read->next;
    shadow->reads = read;
    atomic_fetch_add(&shadow->held_bytes, read->held);
    atomic_fetch_add(&shadow->held_reads, 1);
    return read;
}

static void read_mirrored(struct own_job *job);

static bool
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

// At once, and of what is not mirrored, too: without old's columns new can't serve such a read.
static void
learn_served(struct mirror *mirror, const struct read_facts *facts)
{
    struct shapes *shapes = mirror->at->database->shapes;
    enum side side = served_side_of(facts->unit);
    const struct result *served = facts->result;
    const struct statement_columns *described =
        facts->statement ? &facts->statement->columns[side] : NULL;
    if (!facts->shape || !served || served->kind != RESULT_ROWS)
        return;
    if (served->has_columns)
        shape_learn(shapes, facts->shape, side, served->columns, served->column_count);
    else if (described && described->list)
        shape_learn(shapes, facts->shape, side, described->list, described->count);
}

static enum served
served_of(const struct unit *unit)
{
    if (unit->is_lost)
        return SERVED_UNANSWERED;
    switch (unit->route) {
    case UNIT_ROUTE_NEW:
        return SERVED_NEW;
    case UNIT_ROUTE_FALLBACK:
        return SERVED_FALLBACK;
    default:
        return SERVED_OLD;
    }
}

void
read_begin(struct mirror *mirror, const struct read_facts *facts)
{
    enum served served = served_of(facts->unit);
    books_begin(books_of(mirror), served);
    learn_served(mirror, facts);
    enum skip_reason skip = read_skip_of(mirror, facts);
    enum drop_reason drop = skip == SKIP_NONE ? read_drop_of(mirror, facts) : DROP_NONE;
    if (skip != SKIP_NONE || drop != DROP_NONE) {
        end_at_once(mirror, facts, served, skip, drop);
        return;
    }
    struct read *read = read_new(mirror, facts, served);
    if (!read) {
        end_at_once(mirror, facts, served, SKIP_NONE, DROP_MEMORY);
        return;
    }
    complete_columns(read, facts);
    bool is_refused = false;
    if (!read->state || !copy_request(read, facts) ||
        !read_write_messages(read, facts, &is_refused))
        read_end_dropped(&read, DROP_MEMORY);
    else if (is_refused)
        read_end_skipped(&read, SKIP_REWRITE);
    else if (!facts->result)
        large_begin(read);
    else if (!read_run_mirrored(read))
        read_end_dropped(&read, DROP_MEMORY);
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
