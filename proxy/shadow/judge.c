// A suspicion's rounds. The stages of one round, each entered when the one before has its answer:
//
//   OLD_FIRST ──► FENCE ──► NEW ──► OLD_SECOND ──► rounds_add ──► settled, or
//      ▲                                               │
//      └────────────────────── GAP ◄───────────────────┘
//
// Old's position comes in the pipeline of OLD_FIRST, right behind its reading. The fence is control's:
// it calls back on its own thread, and the answer comes through the shadow's mailbox. Whatever can't be finished
// gives the round up as unverified. Runs on the shadow thread; memory goes with the timer's close.

#include "proxy/shadow/judge.h"
#include "compare/rounds.h"
#include "protocol/message.h"
#include "proxy/control/control.h"
#include "proxy/report/figures.h"
#include "proxy/shadow/evidence.h"
#include "proxy/shadow/large.h"
#include "proxy/shadow/verdict_memory.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum stage { OLD_FIRST, FENCE, NEW, OLD_SECOND, GAP };
enum { READINGS = 3 };

struct fence { // one wait for the lag; may outlive its judge
    struct shadow_work work;
    struct shadow_mailbox *mailbox; // a reference
    struct judge *judge;            // NULL: abandoned. The shadow thread's
    enum lag_wait result;
    double lag_seconds;
};

struct judge {
    struct read *read;
    struct rounds rounds;
    enum stage stage;
    struct result readings[READINGS]; // OLD_FIRST, NEW, OLD_SECOND; of this round
    struct evidence_times times;
    struct fence *fence; // while stage is FENCE
    struct verdict_key key;
    uv_timer_t timer;
};

static void stage_enter(struct judge *judge, enum stage stage);

static struct result *
reading_of(struct judge *judge, enum stage stage)
{
    switch (stage) {
    case OLD_FIRST:
        return &judge->readings[0];
    case NEW:
        return &judge->readings[1];
    case OLD_SECOND:
        return &judge->readings[2];
    case FENCE:
    case GAP:
        break;
    }
    assert(!"a stage that reads");
    return NULL;
}

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

// Takes the judge off its read; its memory goes when the timer has closed.
static struct read *
judge_detach(struct judge *judge)
{
    struct read *read = judge->read;
    if (judge->fence)
        judge->fence->judge = NULL;
    judge->fence = NULL;
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
    if (verdict != VERDICT_UNVERIFIED)
        verdict_memory_put(judge->read->mirror->shadow->verdicts, &judge->key, verdict, class,
                           uv_hrtime());
    struct read *read = judge_detach(judge);
    read_end_compared(&read, verdict, class);
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
    struct read *abandoned = judge_detach(read->judge);
    read_end_dropped(&abandoned, DROP_SHUTDOWN);
}

bool
judge_is_waiting(const struct judge *judge)
{
    return judge->stage == FENCE || judge->stage == GAP;
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
        struct reply_row row;
        const uint8_t *value;
        size_t length;
        char text[32];
        unsigned high, low;
        if (unit != READ_UNITS || message.type != MESSAGE_SERVER_DATA_ROW ||
            !reply_row_begin(&row, message.body, message.length) ||
            !reply_row_next(&row, &value, &length) || !value || length >= sizeof(text))
            continue;
        snprintf(text, sizeof(text), "%.*s", (int)length, (const char *)value);
        if (sscanf(text, "%X/%X", &high, &low) == 2)
            position = (uint64_t)high << 32 | low;
    }
    capture_cursor_fini(&cursor);
    return position;
}

static const char *
trouble_with(const struct own_job *job)
{
    switch (job->outcome) {
    case OWN_DONE:
        return NULL;
    case OWN_TIMEOUT:
        return "a reading timed out";
    default:
        return job->side == SIDE_NEW ? "new could not be read" : "old could not be read";
    }
}

static void fence_begin(struct judge *judge, uint64_t position, bool has_position);

static void
round_end(struct judge *judge)
{
    enum rounds_step step =
        rounds_add(&judge->rounds, &judge->readings[0], &judge->readings[1], &judge->readings[2]);
    readings_clear(judge);
    if (step == ROUNDS_SETTLED)
        judge_settle(judge);
    else
        stage_enter(judge, GAP);
}

static void
reading_done(struct own_job *job)
{
    struct judge *judge = job->context;
    struct result *reading = reading_of(judge, judge->stage);
    const char *trouble = trouble_with(job);
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
    if (is_large) { // it has grown over shadow.max_result
        large_begin(judge_detach(judge));
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
    case NEW:
        stage_enter(judge, OLD_SECOND);
        break;
    case OLD_SECOND:
        round_end(judge);
        break;
    case FENCE:
    case GAP:
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
fence_free(struct fence *fence)
{
    shadow_mailbox_unref(&fence->mailbox);
    free(fence);
}

// On the shadow thread.
static void
fence_answered(struct shadow_work *work)
{
    struct fence *fence = (struct fence *)work;
    struct judge *judge = fence->judge;
    enum lag_wait result = fence->result;
    double lag = fence->lag_seconds;
    fence_free(fence);
    if (!judge)
        return;
    judge->fence = NULL;
    judge->times.lag_seconds = lag;
    if (result == LAG_CLOSED)
        stage_enter(judge, NEW);
    else
        judge_give_up(judge, result == LAG_OPEN ? "new did not catch up within lag.max_wait"
                                                : "the lag is unknown");
}

// On the control thread.
static void
fence_reached(void *context, enum lag_wait result, double lag_seconds)
{
    struct fence *fence = context;
    fence->result = result;
    fence->lag_seconds = lag_seconds;
    if (!shadow_mailbox_post(fence->mailbox, &fence->work))
        fence_free(fence);
}

static void
fence_begin(struct judge *judge, uint64_t position, bool has_position)
{
    struct read *read = judge->read;
    if (has_position && position == 0) {
        judge_give_up(judge, "old did not tell its position");
        return;
    }
    struct fence *fence = calloc(1, sizeof(*fence));
    if (!fence) {
        judge_give_up(judge, "no memory for the lag fence");
        return;
    }
    fence->work.run = fence_answered;
    fence->mailbox = shadow_mailbox_ref(read->mirror->shadow->mailbox);
    fence->judge = judge;
    judge->fence = fence;
    judge->stage = FENCE;
    control_wait_for_lag(read->mirror->at->database->control, position, fence_reached, fence);
}

// --- the stages -------------------------------------------------------------------------------

static void
gap_over(uv_timer_t *timer)
{
    stage_enter(timer->data, OLD_FIRST);
}

static void
stage_enter(struct judge *judge, enum stage stage)
{
    struct read *read = judge->read;
    uint64_t settle = read->settings->entry->shadow.recheck.settle / 1000000;
    judge->stage = stage;
    switch (stage) {
    case OLD_FIRST:
        judge->times.old_first_at = read_wall_clock(uv_hrtime());
        reading_begin(judge, SIDE_OLD, control_position_sql(read->mirror->at->database));
        break;
    case NEW:
        judge->times.new_at = read_wall_clock(uv_hrtime());
        reading_begin(judge, SIDE_NEW, NULL);
        break;
    case OLD_SECOND:
        judge->times.old_second_at = read_wall_clock(uv_hrtime());
        reading_begin(judge, SIDE_OLD, NULL);
        break;
    case GAP:
        uv_timer_start(&judge->timer, gap_over,
                       settle + shadow_random(read->mirror->shadow) % (settle + 1), 0);
        break;
    case FENCE:
        assert(!"fence_begin enters it");
    }
}

// Over the limit of rechecks: what the same suspicion came to before, else unverified.
static void
judge_by_memory(struct read *read, const struct verdict_key *key)
{
    enum verdict verdict = VERDICT_UNVERIFIED;
    enum difference_class class = DIFFERENCE_NONE;
    verdict_memory_find(read->mirror->shadow->verdicts, key, uv_hrtime(), &verdict, &class);
    read_end_compared(&read, verdict, class);
}

void
judge_begin(struct read *read, const struct difference *first)
{
    struct mirror *mirror = read->mirror;
    const struct configuration_recheck *recheck = &read->settings->entry->shadow.recheck;
    const struct determinacy *determinacy = &read->shape->analysis->determinacy;
    if (first->is_open) {
        read_end_compared(&read, VERDICT_UNSTABLE, DIFFERENCE_NONE);
        return;
    }
    struct verdict_key key = {.read = read->parameters_digest ^ read->shape->key.low};
    for (enum side side = SIDE_OLD; side <= SIDE_NEW; side++) {
        uint64_t digest[2];
        result_digest(&read->results[side], digest);
        key.sides[side] = digest[0];
    }
    double share = (double)recheck->max_per_second / mirror->shadow->count;
    if (!throttle_pass(&mirror->at->rechecks, share, uv_hrtime())) {
        judge_by_memory(read, &key);
        return;
    }
    struct judge *judge = calloc(1, sizeof(*judge));
    if (!judge) {
        judge_by_memory(read, &key);
        return;
    }
    judge->read = read;
    judge->key = key;
    judge->times.lag_seconds = -1;
    struct rounds_settings settings = {.rounds = recheck->rounds, .attempts = recheck->attempts};
    rounds_init(&judge->rounds, &settings, determinacy, &read->rules.difference);
    for (int i = 0; i < READINGS; i++)
        result_init(&judge->readings[i]);
    uv_timer_init(&mirror->shadow->loop, &judge->timer);
    judge->timer.data = judge;
    read->judge = judge;
    stage_enter(judge, OLD_FIRST);
}
