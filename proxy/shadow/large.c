// A large read from its queue to its end. Its passes, and the stages of one:
//
//     SURVEY ──differs──► ROUND ◄──► GAP          the digests of all rows; the judgement is large_judge.c's
//        │                  ▲
//        └──inexactly──► CHECK
//
//     OLD_FIRST ──► NEW_FIRST ──► judged                               a survey, a check
//     OLD_FIRST ──► FENCE ──► NEW_FIRST ──► OLD_SECOND ──► judged     a round
//                  if these differ:  NEW_SECOND ──► judged
//
// How rows are digested depends on the columns of both sides. New's are taken to be old's until it has described
// its own; if they are others, what was read before is worth nothing, and the survey begins again.
//
// Few large reads run at once, so that their memory is bounded: three digests and the rows that were selected,
// kept twice. The others wait with their request alone. The session's shadow thread.
#include "compare/rounds_pause.h"
#include "proxy/shadow/large_parts.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RESTARTS = 4 };

static void stage_enter(struct large *large, enum large_stage stage);

// --- the end ----------------------------------------------------------------------------------

static void
large_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void
start_next(struct shadow *shadow)
{
    if (shadow->is_stopping || shadow->large.running >= LARGE_AT_ONCE || !shadow->large.first)
        return;
    struct large *large = shadow->large.first;
    shadow->large.first = large->next;
    if (!shadow->large.first)
        shadow->large.end = &shadow->large.first;
    shadow->large.waiting--;
    shadow->large.running++;
    large_pass_begin(large, LARGE_SURVEY);
}

static void
leave_queue(struct shadow *shadow, const struct large *large)
{
    struct large **at = &shadow->large.first;
    while (*at != large)
        at = &(*at)->next;
    *at = large->next;
    if (!*at)
        shadow->large.end = at;
    shadow->large.waiting--;
}

// Takes the large read off its read; its memory goes when the timer has closed. The next one starts.
static struct read *
detach(struct large *large)
{
    struct read *read = large->read;
    struct shadow *shadow = read->mirror->shadow;
    fence_abandon(&large->fence);
    for (size_t i = 0; i < LARGE_READINGS; i++)
        large_reading_fini(&large->readings[i]);
    rounds_fini(&large->rounds);
    digest_plan_free(&large->plan);
    result_fini(&large->heads[SIDE_OLD]);
    result_fini(&large->heads[SIDE_NEW]);
    read->large = NULL;
    if (large->stage == LARGE_QUEUED)
        leave_queue(shadow, large);
    else
        shadow->large.running--;
    uv_close((uv_handle_t *)&large->timer, large_closed);
    return read;
}

static void
remember(const struct large *large, enum verdict verdict, enum difference_class class)
{
    if (large->was_judged && verdict != VERDICT_UNVERIFIED)
        verdict_memory_put(large->read->mirror->shadow->verdicts, &large->key,
                           &(struct verdict_remembered){verdict, class, large->read->is_accepted},
                           uv_hrtime());
}

void
large_settle_as(struct large *large, enum verdict verdict, enum difference_class class)
{
    struct shadow *shadow = large->read->mirror->shadow;
    remember(large, verdict, class);
    struct read *read = detach(large);
    read_end_compared(&read, verdict, class);
    start_next(shadow);
}

void
large_settle(struct large *large, enum verdict verdict)
{
    large_settle_as(large, verdict, DIFFERENCE_NONE);
}

void
large_mismatch(struct large *large)
{
    struct read *read = large->read;
    const struct difference *difference = &large->rounds.difference;
    read->is_accepted =
        difference->is_accepted || figures_is_accepted(read->mirror->at->database->figures,
                                                       read->shape->analysis->fingerprint);
    if (!read->is_accepted)
        evidence_record(read, &large->rounds, &large->times);
    large_settle_as(large, VERDICT_MISMATCH, difference->class);
}

void
large_abandon(struct read *read)
{
    struct read *abandoned = detach(read->large);
    read_end_dropped(&abandoned, DROP_SHUTDOWN);
}

bool
large_is_waiting(const struct large *large)
{
    return large->stage == LARGE_QUEUED || large->stage == LARGE_FENCE || large->stage == LARGE_GAP;
}

// --- columns ----------------------------------------------------------------------------------

static bool
are_alike(const struct result *one, const struct result *other)
{
    if (one->column_count != other->column_count)
        return false;
    for (size_t i = 0; i < one->column_count; i++) {
        const struct reply_column *a = &one->columns[i], *b = &other->columns[i];
        if (a->type != b->type || a->format != b->format || strcmp(a->name, b->name) != 0)
            return false;
    }
    return true;
}

static bool
copy_columns(struct result *to, const struct result *from)
{
    int16_t *formats = calloc(from->column_count + 1, sizeof(*formats));
    for (size_t i = 0; formats && i < from->column_count; i++)
        formats[i] = from->columns[i].format;
    bool is_copied = formats && result_set_columns(to, from->columns, from->column_count, formats,
                                                   from->column_count);
    free(formats);
    return is_copied;
}

static bool
describe(struct large *large, enum side side, const struct result *described)
{
    enum side other = side == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
    struct read *read = large->read;
    shape_learn(read->mirror->at->database->shapes, read->shape, side, described->columns,
                described->column_count);
    if (!copy_columns(&large->heads[side], described) ||
        (!large->is_described[other] && !copy_columns(&large->heads[other], described)))
        return false;
    large->is_described[side] = true;
    const struct result *old_head = &large->heads[SIDE_OLD];
    rules_fini(&read->rules);
    return rules_for_read(&read->rules, &read->settings->entry->compare, read->shape->analysis,
                          read->catalogs, old_head->columns, old_head->column_count);
}

// What was digested by the plan of before compares with nothing.
static void
drop_plan(struct large *large)
{
    for (size_t i = 0; i < LARGE_READINGS; i++)
        digest_free(&large->readings[i].digest);
    digest_plan_free(&large->plan);
    bool has_read = large->pass != LARGE_SURVEY || large->stage != LARGE_OLD_FIRST;
    large->must_restart = large->must_restart || has_read;
}

struct digest_plan *
large_plan(struct large *large, enum side side, const struct result *described)
{
    struct read *read = large->read;
    if (large->plan && are_alike(&large->heads[side], described)) {
        large->is_described[side] = true;
        return large->plan;
    }
    drop_plan(large);
    if (!describe(large, side, described))
        return NULL;
    large->plan = digest_plan_new(&large->heads[SIDE_OLD], &large->heads[SIDE_NEW],
                                  &read->shape->analysis->determinacy, &read->rules.difference);
    if (large->plan)
        read->has_type_change = digest_plan_has_type_change(large->plan);
    return large->plan;
}

// --- the stages of a pass ---------------------------------------------------------------------

struct large_reading *
large_reading_running(struct large *large)
{
    assert(large->stage < LARGE_READINGS);
    return &large->readings[large->stage];
}

// A job that brought nothing ends the read as a mirrored one does; in the rounds it is unverified.
static void
end_without(struct large *large, enum skip_reason skip, enum drop_reason drop)
{
    struct shadow *shadow = large->read->mirror->shadow;
    struct read *read = detach(large);
    if (skip != SKIP_NONE)
        read_end_skipped(&read, skip);
    else
        read_end_dropped(&read, drop);
    start_next(shadow);
}

static void
pass_end(struct large *large)
{
    if (!large->must_restart) {
        large_judge(large);
        return;
    }
    large->must_restart = false;
    large->has_selection = false;
    if (++large->restarts > RESTARTS)
        large_settle(large, VERDICT_UNSTABLE); // its columns keep changing
    else
        large_pass_begin(large, LARGE_SURVEY);
}

static void
fence_answered(void *context, enum lag_wait result, double lag_seconds)
{
    struct large *large = context;
    large->fence = NULL;
    large->times.lag_seconds = lag_seconds;
    if (result == LAG_CLOSED)
        stage_enter(large, LARGE_NEW_FIRST);
    else
        large_settle(large, VERDICT_UNVERIFIED);
}

static void
fence_begin(struct large *large, uint64_t position, bool has_position)
{
    struct read *read = large->read;
    large->stage = LARGE_FENCE;
    if (!has_position || position != 0)
        large->fence = fence_wait(read->mirror->shadow, read->mirror->at->database, position,
                                  fence_answered, large);
    if (!large->fence)
        large_settle(large, VERDICT_UNVERIFIED);
}

static void
next_stage(struct large *large, bool has_position)
{
    switch (large->stage) {
    case LARGE_OLD_FIRST:
        if (large->pass == LARGE_ROUND)
            fence_begin(large, large->readings[LARGE_OLD_FIRST].position, has_position);
        else
            stage_enter(large, LARGE_NEW_FIRST);
        break;
    case LARGE_NEW_FIRST:
        if (large->pass == LARGE_ROUND)
            stage_enter(large, LARGE_OLD_SECOND);
        else
            pass_end(large);
        break;
    case LARGE_OLD_SECOND:
    case LARGE_NEW_SECOND:
        pass_end(large);
        break;
    case LARGE_QUEUED:
    case LARGE_FENCE:
    case LARGE_GAP:
        assert(!"a stage that reads");
    }
}

static void
reading_done(struct own_job *job)
{
    struct large *large = job->context;
    struct read *read = large->read;
    const char *trouble = large_reading_end(large_reading_running(large), job);
    bool has_position = job->units > READ_UNITS + 1; // it was asked for
    enum skip_reason skip;
    enum drop_reason drop;
    read_outcome(job, &skip, &drop);
    if (read->mirror->shadow->is_stopping) {
        skip = SKIP_NONE;
        drop = DROP_SHUTDOWN;
    } else if (large->pass != LARGE_SURVEY) {
        skip = SKIP_NONE;
        drop = DROP_NONE;
    }
    if (!trouble && large->pass == LARGE_SURVEY && job->side != read->served_side)
        read->mirrored_ns = job->ended - job->sent;
    own_job_free(&job);
    if (skip != SKIP_NONE || drop != DROP_NONE)
        end_without(large, skip, drop);
    else if (trouble)
        large_settle(large, VERDICT_UNVERIFIED);
    else
        next_stage(large, has_position);
}

static void
reading_begin(struct large *large, enum side side, const char *tail)
{
    struct own_job *job = large_reading_job(large, large_reading_running(large), side, tail);
    if (!job) {
        large_settle(large, VERDICT_UNVERIFIED);
        return;
    }
    job->done = reading_done;
    own_pool_run(large->read->mirror->shadow->pool, job);
}

static void
gap_over(uv_timer_t *timer)
{
    stage_enter(timer->data, LARGE_OLD_FIRST);
}

static void
stage_enter(struct large *large, enum large_stage stage)
{
    struct read *read = large->read;
    struct shadow *shadow = read->mirror->shadow;
    double settle = (double)read->settings->entry->shadow.recheck.settle / 1e6; // ms
    int64_t now = read_wall_clock(uv_hrtime());
    large->stage = stage;
    switch (stage) {
    case LARGE_OLD_FIRST:
        large->times.old_first_at = now;
        reading_begin(large, SIDE_OLD,
                      large->pass == LARGE_ROUND ? control_position_sql(read->mirror->at->database)
                                                 : NULL);
        break;
    case LARGE_NEW_FIRST:
        large->times.new_at = now;
        reading_begin(large, SIDE_NEW, NULL);
        break;
    case LARGE_OLD_SECOND:
        large->times.old_second_at = now;
        reading_begin(large, SIDE_OLD, NULL);
        break;
    case LARGE_NEW_SECOND:
        reading_begin(large, SIDE_NEW, NULL);
        break;
    case LARGE_GAP:
        uv_timer_start(&large->timer, gap_over,
                       (uint64_t)rounds_gap(settle, large->rounds.attempts, shadow_random(shadow)),
                       0);
        break;
    case LARGE_QUEUED:
    case LARGE_FENCE:
        assert(!"entered otherwise");
    }
}

void
large_pass_begin(struct large *large, enum large_pass pass)
{
    for (size_t i = 0; i < LARGE_READINGS; i++) {
        large_reading_fini(&large->readings[i]);
        large_reading_init(&large->readings[i]);
    }
    large->pass = pass;
    stage_enter(large, pass == LARGE_ROUND ? LARGE_GAP : LARGE_OLD_FIRST);
}

void
large_read_new_again(struct large *large)
{
    stage_enter(large, LARGE_NEW_SECOND);
}

// --- the beginning ----------------------------------------------------------------------------

void
large_begin(struct read *read)
{
    struct shadow *shadow = read->mirror->shadow;
    if (shadow->is_stopping) {
        read_end_dropped(&read, DROP_SHUTDOWN);
        return;
    }
    if (shadow->large.waiting >= LARGE_WAITING) {
        read_end_dropped(&read, DROP_QUEUE_FULL);
        return;
    }
    struct large *large = calloc(1, sizeof(*large));
    if (!large) {
        read_end_dropped(&read, DROP_MEMORY);
        return;
    }
    size_t held = result_memory(&read->results[SIDE_OLD]) + result_memory(&read->results[SIDE_NEW]);
    for (enum side side = SIDE_OLD; side <= SIDE_NEW; side++) {
        result_fini(&read->results[side]);
        result_init(&large->heads[side]);
    }
    for (size_t i = 0; i < LARGE_READINGS; i++)
        large_reading_init(&large->readings[i]);
    held = held < read->held ? held : read->held;
    read->held -= held;
    atomic_fetch_sub(&shadow->held_bytes, held);
    large->read = read;
    large->times.lag_seconds = -1;
    uv_timer_init(&shadow->loop, &large->timer);
    large->timer.data = large;
    read->large = large;
    large->stage = LARGE_QUEUED;
    *shadow->large.end = large;
    shadow->large.end = &large->next;
    shadow->large.waiting++;
    start_next(shadow);
}
