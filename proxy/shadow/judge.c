// A suspicion's rounds. The stages of one round, each entered when the one before has its answer, and with a random
// pause before each reading but the first:
//
//   OLD_FIRST ──► FENCE ──► NEW_FIRST ──► OLD_SECOND ──► NEW_SECOND, if these differ ──► rounds_add ──► settled, or
//      ▲                                                                                   │
//      └──────────────────────────────────── the gap ◄──────────────────────────────────────┘
//
// Old's position comes in the pipeline of OLD_FIRST, right behind its reading. Whatever can't be finished gives the
// round up as unverified. What joined meanwhile (rechecks.h) ends with it or is the next. Runs on the shadow
// thread; memory goes with the timer's close.

#include "proxy/shadow/judge.h"
#include "compare/rounds.h"
#include "compare/rounds_pause.h"
#include "protocol/message.h"
#include "proxy/report/figures.h"
#include "proxy/shadow/evidence.h"
#include "proxy/shadow/fence.h"
#include "proxy/shadow/large.h"
#include "proxy/shadow/suspicion.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum stage { OLD_FIRST, NEW_FIRST, OLD_SECOND, NEW_SECOND, READINGS, FENCE = READINGS, PAUSE };

struct judge {
    struct read *read;
    struct rounds rounds;
    enum stage stage, after_pause;
    struct result readings[READINGS]; // of this round, by stage
    struct evidence_times times;
    struct fence *fence; // while stage is FENCE
    struct recheck recheck;
    uv_timer_t timer;
};

static void stage_enter(struct judge *judge, enum stage stage);

static void
readings_clear(struct judge *judge)
{
    for (int i = 0; i < READINGS; i++)
        result_fini(&judge->readings[i]);
}

// --- the end ----------------------------------------------------------------------------------

static void
judge_closed(uv_handle_t *handle)
{
    free(handle->data);
}

// Takes the judge off its read, once its recheck has ended; its memory goes when the timer has closed.
static struct read *
judge_detach(struct judge *judge)
{
    struct read *read = judge->read;
    fence_abandon(&judge->fence);
    readings_clear(judge);
    rounds_fini(&judge->rounds);
    read->judge = NULL;
    judge->read = NULL;
    uv_close((uv_handle_t *)&judge->timer, judge_closed);
    return read;
}

// Known to be different, by a rule or by ACCEPT: counted apart, and no evidence is kept.
static bool
is_accepted(const struct judge *judge)
{
    struct read *read = judge->read;
    return judge->rounds.difference.is_accepted ||
           figures_is_accepted(read->mirror->at->database->figures,
                               read->shape->analysis->fingerprint);
}

static void
judge_settle(struct judge *judge)
{
    enum verdict verdict = judge->rounds.verdict;
    enum difference_class class = DIFFERENCE_NONE;
    if (verdict == VERDICT_MISMATCH) {
        class = judge->rounds.difference.class;
        judge->read->is_accepted = is_accepted(judge);
        if (!judge->read->is_accepted)
            evidence_record(judge->read, &judge->rounds, &judge->times);
    }
    struct verdict_key key = judge->recheck.key;
    if (verdict != VERDICT_UNVERIFIED)
        verdict_memory_put(judge->read->mirror->shadow->verdicts, &key,
                           &(struct verdict_remembered){verdict, class, judge->read->is_accepted},
                           uv_hrtime());
    unsigned round = judge->recheck.round;
    struct recheck_joined *joined = recheck_end(&judge->recheck);
    struct read *read = judge_detach(judge);
    bool is_accepted_one = read->is_accepted;
    read_end_compared(&read, verdict, class);
    suspicion_settle_joined(joined, &key, round, verdict, class, is_accepted_one);
}

static void
judge_give_up(struct judge *judge, const char *because)
{
    rounds_give_up(&judge->rounds, because);
    judge_settle(judge);
}

void
judge_abandon(struct read *read)
{
    struct recheck_joined *joined = recheck_end(&read->judge->recheck);
    struct read *abandoned = judge_detach(read->judge);
    read_end_dropped(&abandoned, DROP_SHUTDOWN);
    suspicion_drop_joined(joined);
}

bool
judge_is_waiting(const struct judge *judge)
{
    return judge->stage == FENCE || judge->stage == PAUSE;
}

// --- the readings -----------------------------------------------------------------------------

// The position that the job's tail asked for; 0: it has none to tell.
static uint64_t
position_of(const struct own_job *job)
{
    struct capture_cursor cursor;
    struct message message;
    unsigned unit = 0;
    uint64_t position = 0;
    capture_cursor_init(&cursor, &job->reply);
    while (capture_cursor_next(&cursor, &message) == CAPTURE_MESSAGE) {
        unit += message.type == MESSAGE_SERVER_READY_FOR_QUERY;
        if (unit == READ_UNITS && message.type == MESSAGE_SERVER_DATA_ROW)
            position = fence_position(message.body, message.length);
    }
    capture_cursor_fini(&cursor);
    return position;
}

static void fence_begin(struct judge *judge, uint64_t position, bool has_position);

static uint64_t
settle_ms(const struct judge *judge)
{
    return judge->read->settings->entry->shadow.recheck.settle / 1000000;
}

static void
pause_over(uv_timer_t *timer)
{
    struct judge *judge = timer->data;
    stage_enter(judge, judge->after_pause);
}

static void
pause_then(struct judge *judge, enum stage stage)
{
    struct shadow *shadow = judge->read->mirror->shadow;
    double settle = (double)settle_ms(judge);
    double pause = stage == OLD_FIRST
                       ? rounds_gap(settle, judge->rounds.attempts, shadow_random(shadow))
                       : rounds_pause(settle, shadow_random(shadow));
    judge->stage = PAUSE;
    judge->after_pause = stage;
    uv_update_time(&shadow->loop);
    uv_timer_start(&judge->timer, pause_over, (uint64_t)pause, 0);
}

static void
round_end(struct judge *judge, bool has_new_second)
{
    struct result *readings = judge->readings;
    enum rounds_step step =
        rounds_add(&judge->rounds, &readings[OLD_FIRST], &readings[NEW_FIRST],
                   &readings[OLD_SECOND], has_new_second ? &readings[NEW_SECOND] : NULL);
    readings_clear(judge);
    if (step == ROUNDS_SETTLED) {
        judge_settle(judge);
        return;
    }
    judge->recheck.round++;
    pause_then(judge, OLD_FIRST);
}

static void
sides_read(struct judge *judge)
{
    const struct result *readings = judge->readings;
    if (rounds_wants_new_again(&judge->rounds, &readings[OLD_FIRST], &readings[NEW_FIRST],
                               &readings[OLD_SECOND]))
        pause_then(judge, NEW_SECOND);
    else
        round_end(judge, false);
}

// The result has grown over shadow.max_result.
static void
judge_hand_over(struct judge *judge)
{
    struct verdict_key key = judge->recheck.key;
    struct recheck_joined *joined = recheck_end(&judge->recheck);
    large_begin(judge_detach(judge));
    suspicion_settle_joined(joined, &key, 0, VERDICT_UNVERIFIED, DIFFERENCE_NONE, false);
}

static void
reading_done(struct own_job *job)
{
    struct judge *judge = job->context;
    struct result *reading = &judge->readings[judge->stage];
    const char *trouble = read_trouble(job);
    // What was answered before the pool stopped must begin nothing that waits.
    bool is_stopping = job->outcome == OWN_STOPPED || judge->read->mirror->shadow->is_stopping;
    if (!trouble && !read_result_of(job, reading))
        trouble = "a reading was answered with junk";
    uint64_t position = 0;
    if (!trouble && judge->stage == OLD_FIRST)
        position = position_of(job);
    bool has_position = job->units > READ_UNITS;
    bool is_large = job->outcome == OWN_TOO_BIG;
    own_job_free(&job);

    if (is_stopping) {
        judge_abandon(judge->read);
        return;
    }
    if (is_large) {
        judge_hand_over(judge);
        return;
    }
    if (trouble) {
        judge_give_up(judge, trouble);
        return;
    }
    switch (judge->stage) {
    case OLD_FIRST:
        fence_begin(judge, position, has_position);
        break;
    case NEW_FIRST:
        pause_then(judge, OLD_SECOND);
        break;
    case OLD_SECOND:
        sides_read(judge);
        break;
    case NEW_SECOND:
        round_end(judge, true);
        break;
    case FENCE:
    case PAUSE:
        assert(!"a stage that reads");
    }
}

static void
reading_begin(struct judge *judge, enum side side, const char *tail)
{
    struct own_job *job = read_job(judge->read, side, tail);
    if (!job) {
        judge_give_up(judge, "no memory for a reading");
        return;
    }
    job->done = reading_done;
    job->context = judge;
    own_pool_run(judge->read->mirror->shadow->pool, job);
}

// --- the fence --------------------------------------------------------------------------------

static void
fence_passed(void *context, enum lag_wait result, double lag_seconds)
{
    struct judge *judge = context;
    judge->fence = NULL;
    judge->times.lag_seconds = lag_seconds;
    if (result == LAG_CLOSED)
        pause_then(judge, NEW_FIRST);
    else
        judge_give_up(judge, result == LAG_OPEN ? "new did not catch up within lag.max_wait"
                                                : "the lag is unknown");
}

static void
fence_begin(struct judge *judge, uint64_t position, bool has_position)
{
    if (has_position && position == 0) {
        judge_give_up(judge, "old did not tell its position");
        return;
    }
    judge->stage = FENCE;
    struct mirror *mirror = judge->read->mirror;
    judge->fence = fence_wait(mirror->shadow, mirror->at->database, position, fence_passed, judge);
    if (!judge->fence)
        judge_give_up(judge, "no memory for the lag fence");
}

// --- the stages -------------------------------------------------------------------------------

static void
stage_enter(struct judge *judge, enum stage stage)
{
    const char *position_sql = NULL;
    int64_t now = read_wall_clock(uv_hrtime());
    judge->stage = stage;
    switch (stage) {
    case OLD_FIRST:
        judge->times.old_first_at = now;
        position_sql = control_position_sql(judge->read->mirror->at->database);
        break;
    case NEW_FIRST:
        judge->times.new_at = now;
        break;
    case OLD_SECOND:
        judge->times.old_second_at = now;
        break;
    case NEW_SECOND:
        break;
    case FENCE:
    case PAUSE:
        assert(!"a stage that reads");
    }
    reading_begin(judge, stage == OLD_FIRST || stage == OLD_SECOND ? SIDE_OLD : SIDE_NEW,
                  position_sql);
}

// --- the beginning ----------------------------------------------------------------------------

bool
judge_start(struct read *read, const struct verdict_key *key)
{
    const struct configuration_recheck *recheck = &read->settings->entry->shadow.recheck;
    struct shadow *shadow = read->mirror->shadow;
    struct judge *judge = calloc(1, sizeof(*judge));
    if (!judge)
        return false;
    judge->read = read;
    judge->times.lag_seconds = -1;
    struct rounds_settings settings = {.rounds = recheck->rounds, .attempts = recheck->attempts};
    rounds_init(&judge->rounds, &settings, &read->shape->analysis->determinacy,
                &read->rules.difference);
    for (int i = 0; i < READINGS; i++)
        result_init(&judge->readings[i]);
    uv_timer_init(&shadow->loop, &judge->timer);
    judge->timer.data = judge;
    read->judge = judge;
    rechecks_begin(shadow->rechecks, &judge->recheck, key);
    stage_enter(judge, OLD_FIRST);
    return true;
}
