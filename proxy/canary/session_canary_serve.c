// Serving reads by new. The job's bytes go through the answer, which holds them back; when the answer is
// complete, or more than canary.hold came, it is released, after old has said what it is asked (session_canary_ask.c).
// Until then old can take over at any moment, and the client sees nothing of it.
//
// The client is not read from meanwhile, so nothing can overtake the read; what old says on its own (a
// notification) passes before the release, which waits for its end, and waits behind it while rows are streaming.
#include "proxy/canary/session_canary.h"
#include "proxy/log.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATIENCE_TICK_MS = 10,
    PROBE_NS = 1000 * 1000 * 1000,
    RELEASED_TIMEOUTS = 6,
    SETTING_SIZE = 64,
    MOST_CONVERTED = 64 * 1024 * 1024 /* of a row that has to be whole to be put as old's */
};

// ---- may new be tried ----

bool
session_canary_may_try(struct database *database, uint64_t now)
{
    if (atomic_load_explicit(&database->canary_failures, memory_order_relaxed) < CANARY_FAILURES) {
        return true;
    }
    uint64_t probe_at = atomic_load_explicit(&database->canary_probe_at, memory_order_relaxed);
    bool may = now >= probe_at && atomic_compare_exchange_strong(&database->canary_probe_at,
                                                                 &probe_at, now + PROBE_NS);
    if (!may) {
        guard_count(&database->guard_counts, GUARD_AVOIDED);
    }
    return may;
}

// ---- patience ----

void
session_canary_tick(struct worker *worker, uint64_t now)
{
    struct canary *next;
    for (struct canary *at = worker->canaries; at; at = next) {
        next = at->next;
        if (now < at->deadline) {
            if (at->session && at->phase == CANARY_COLLECTING && now >= at->hedge_at) {
                session_canary_hedge(at);
            }
            continue;
        }
        if (!at->session) {
            session_canary_end_late(at, false);
            continue;
        }
        if (at->phase == CANARY_DRAINING) {
            session_canary_drain_tick(at, now);
            continue;
        }
        // What has no session yet waited for one in vain.
        enum fallback_reason reason =
            at->job && at->job->sent == 0 ? FALLBACK_UNAVAILABLE : FALLBACK_PATIENCE;
        if (at->job) {
            own_pool_abandon(worker->pool, &at->job);
        }
        session_canary_fall_back(at, reason);
    }
}

static void
on_patience(uv_timer_t *timer)
{
    session_canary_tick(timer->data, uv_hrtime());
}

void
session_canary_start_waiting(struct canary *canary)
{
    struct worker *worker = canary->worker;
    if (!worker->canaries) {
        uv_timer_start(&worker->patience, on_patience, PATIENCE_TICK_MS, PATIENCE_TICK_MS);
    }
    canary->is_waiting = true;
    canary->previous = NULL;
    canary->next = worker->canaries;
    if (canary->next) {
        canary->next->previous = canary;
    }
    worker->canaries = canary;
}

void
session_canary_stop_waiting(struct canary *canary)
{
    if (!canary->is_waiting) {
        return;
    }
    canary->is_waiting = false;
    if (canary->previous) {
        canary->previous->next = canary->next;
    } else {
        canary->worker->canaries = canary->next;
    }
    if (canary->next) {
        canary->next->previous = canary->previous;
    }
    if (!canary->worker->canaries) {
        uv_timer_stop(&canary->worker->patience);
    }
}

// ---- to the client ----

static void
flush(struct canary *canary)
{
    struct writer *out = &canary->answer.out;
    if (out->length > 0) {
        if (!stream_write_copy(canary->session->client, out->bytes, out->length)) {
            canary->is_job_paused = true;
        }
        writer_clear(out);
    }
}

void
session_canary_deliver(struct canary *canary)
{
    struct session *session = canary->session;
    session_canary_stop_waiting(canary);
    canary->phase = CANARY_RELEASED;
    canary->answer.is_released = true;
    atomic_store_explicit(&session->database->canary_failures, 0, memory_order_relaxed);
    session_canary_say_prefix(canary);
    flush(canary);
    if (canary->answer.progress == CANARY_COMPLETE) {
        session_canary_end(canary);
    } else {
        session_old_pause(session, PAUSE_CANARY);
    }
}

// Not before all is known that could still speak against it.
static bool
must_be_complete(const struct canary *canary)
{
    const struct canary_unit *unit = &canary->unit;
    return !canary->may_stream || (canary_unit_is_mixed(unit) && !unit->old_can_begin_again);
}

void
session_canary_release(struct canary *canary)
{
    bool must_wait = canary->answer.progress != CANARY_COMPLETE && must_be_complete(canary);
    session_canary_stop_waiting(canary);
    if (canary->phase == CANARY_HEDGED && must_wait) {
        session_canary_fall_back(canary, FALLBACK_UNFIT);
    } else if (canary->phase == CANARY_HEDGED) {
        canary->is_ready = true;
        session_canary_settle_hedge(canary);
    } else if (canary->session->old_frame.is_inside) {
        canary->phase = CANARY_IN_MESSAGE;
    } else if (must_wait) {
        session_canary_fall_back(canary, FALLBACK_UNFIT);
    } else if (canary->phase == CANARY_ASKING_OLD || !session_canary_ask(canary)) {
        session_canary_deliver(canary);
    }
}

void
session_canary_end(struct canary *canary)
{
    struct session *session = canary->session;
    char status = session->pairing.transaction_status;
    if (canary->answer.has_error && status == 'T' && canary->phase != CANARY_ABORTING_OLD) {
        session_canary_abort_old(canary);
        return;
    }
    struct writer ready;
    writer_init(&ready);
    reply_write_ready(&ready, status);
    canary_answer_record(&canary->answer, ready.bytes, ready.failed ? 0 : ready.length);
    session_to_client(session, ready.bytes, ready.failed ? 0 : ready.length);
    writer_fini(&ready);
    session_canary_finish(canary, UNIT_ROUTE_NEW);
}

// New failed in the middle of an answer of which the client has a part.
static void
break_off(struct canary *canary)
{
    struct session *session = canary->session;
    if (!frame_is_between_messages(&canary->answer.frame) && canary->answer.is_passing) {
        session_close(session, "new failed in the middle of a row");
        return;
    }
    guard_count(&session->database->guard_counts, GUARD_ERRORS);
    writer_clear(&canary->answer.out);
    reply_write_error(&canary->answer.out, MESSAGE_SERVER_ERROR_RESPONSE,
                      &(struct reply_error_text){
                          .severity = "ERROR",
                          .sqlstate = "40001",
                          .message = "the connection to the new server was lost during the answer",
                          .hint = "The read can be tried again."});
    canary->answer.is_record_cut = true;
    canary->answer.has_error = true;
    canary->answer.progress = CANARY_COMPLETE; // what else comes is nobody's
    capture_fini(&canary->answer.record);
    flush(canary);
    session_canary_end(canary);
}

// ---- the job ----

static enum fallback_reason
reason_of(const struct own_job *job)
{
    switch (job->outcome) {
    case OWN_TIMEOUT:
        return FALLBACK_PATIENCE;
    case OWN_DONE:
    case OWN_TOO_BIG:
        return FALLBACK_ERROR;
    case OWN_JUNK:
        return FALLBACK_JUNK;
    case OWN_UNAVAILABLE:
        return job->sent != 0 ? FALLBACK_DISCONNECTED : FALLBACK_UNAVAILABLE;
    default:
        return FALLBACK_UNAVAILABLE;
    }
}

static void
on_job_done(struct own_job *job)
{
    struct canary *canary = job->context;
    enum fallback_reason reason = reason_of(job);
    enum own_outcome outcome = job->outcome;
    canary->is_refused = outcome == OWN_LOGIN;
    own_job_free(&canary->job);
    if (!canary->session) {
        if (canary->is_waiting) {
            session_canary_end_late(canary, outcome == OWN_DONE);
        } else {
            session_canary_free(&canary);
        }
        return;
    }
    if (session_is_closing(canary->session) || canary->answer.progress == CANARY_COMPLETE ||
        canary->is_lost) {
        return; // the rest is session_canary_fini's, or comes with old's agreement
    }
    if (canary->phase == CANARY_RELEASED) {
        break_off(canary);
    } else if (canary->phase == CANARY_COLLECTING || canary->phase == CANARY_HEDGED) {
        session_canary_fall_back(canary, reason);
    }
}

// What is to be done after more has come.
static void
consider(struct canary *canary)
{
    const struct canary_answer *answer = &canary->answer;
    bool is_whole = canary->phase == CANARY_RELEASED && answer->converts;
    bool is_over_large =
        answer->message.length > (is_whole ? MOST_CONVERTED : canary->hold + STREAM_CHUNK);
    bool is_over = answer->out.length > canary->hold || is_over_large;
    if (canary->phase == CANARY_RELEASED) {
        flush(canary);
        if (answer->progress == CANARY_COMPLETE) {
            session_canary_end(canary);
        } else if (answer->progress != CANARY_COMING || is_over_large) {
            break_off(canary);
        }
    } else if (answer->progress == CANARY_FAILED || answer->progress == CANARY_BROKEN) {
        session_canary_fall_back(canary, answer->progress == CANARY_FAILED ? FALLBACK_ERROR
                                                                           : FALLBACK_JUNK);
    } else if (answer->progress == CANARY_UNFIT || (is_over && answer->may_refuse) ||
               (is_over && answer->out.length <= canary->hold)) {
        session_canary_fall_back(canary, FALLBACK_UNFIT);
    } else if (is_over || answer->progress == CANARY_COMPLETE) {
        session_canary_release(canary);
    }
}

static bool
waits_for_old(const struct canary *canary)
{
    return canary->phase == CANARY_ASKING_OLD || canary->phase == CANARY_IN_MESSAGE ||
           canary->phase == CANARY_ABORTING_OLD ||
           (canary->phase == CANARY_HEDGED && canary->is_ready);
}

static bool
on_job_bytes(struct own_job *job, struct chunk *chunk, size_t offset, size_t length)
{
    struct canary *canary = job->context;
    if (!canary->session || session_is_closing(canary->session) || canary->is_lost ||
        canary->phase == CANARY_DRAINING) {
        return true;
    }
    if (canary->answered == 0) {
        canary->answered = uv_hrtime();
    }
    canary_answer_take(&canary->answer, chunk->bytes + offset, length);
    if (!waits_for_old(canary)) {
        consider(canary);
    }
    // Served or fallen back by now, perhaps: then nobody minds what else comes.
    if (canary->session && waits_for_old(canary)) {
        canary->is_job_paused = canary->answer.progress == CANARY_COMING;
    }
    return !canary->session || !canary->is_job_paused;
}

void
session_canary_drained(struct session *session)
{
    struct canary *canary = session->canary;
    if (canary && canary->phase == CANARY_RELEASED && canary->is_job_paused && canary->job) {
        canary->is_job_paused = false;
        own_job_resume(canary->job);
    }
}

// ---- the beginning ----

void
session_canary_free(struct canary **canary)
{
    struct canary *gone = *canary;
    *canary = NULL;
    assert(!gone->job && !gone->is_waiting);
    canary_answer_fini(&gone->answer); // looks into the unit
    canary_unit_fini(&gone->unit);
    writer_fini(&gone->old_message);
    writer_fini(&gone->prefix_reply);
    chunk_unref(&gone->chunk);
    chunk_unref(&gone->old_rest.chunk);
    free(gone->user);
    free(gone);
}

// The client's own holds on new, too; the time that mirrored reads have does not: rows may take long to be taken, and old
// can't take over once the first have gone. One that the role or the database sets is not known.
static void
read_statement_timeout(const struct state_snapshot *state, char value[SETTING_SIZE])
{
    if (!state_value(state, "statement_timeout", value, SETTING_SIZE) || !*value) {
        snprintf(value, SETTING_SIZE, "0");
    }
}

static bool
make_job(struct canary *canary, const struct canary_types *types, struct state_snapshot **state)
{
    struct session *session = canary->session;
    const struct configuration_database *entry = session->settings->entry;
    struct recode_sides sides = {
        .old_catalog = types->catalogs ? types->catalogs->catalogs[SIDE_OLD] : NULL,
        .new_catalog = types->catalogs ? types->catalogs->catalogs[SIDE_NEW] : NULL,
        .rewrites = session->settings->rewrites,
    };
    char statement_timeout[SETTING_SIZE];
    read_statement_timeout(*state, statement_timeout);
    canary->user = strdup(session->user);
    canary->job = own_job_new();
    if (!canary->user || !canary->job ||
        !canary_unit_write(&canary->unit, &sides, statement_timeout, &canary->job->messages,
                           &canary->job->messages_length)) {
        own_job_free(&canary->job);
        return false;
    }
    struct own_job *job = canary->job;
    job->identity = (struct own_identity){
        .database = session->database, .user = canary->user, .secret = session->own_secret};
    job->side = SIDE_NEW;
    job->state = *state;
    *state = NULL;
    job->keeps_statements = !canary->unit.is_simple;
    job->units = CANARY_UNITS;
    job->max_reply = SIZE_MAX;
    // Patience ends it before the release; after it, this ends a new that freezes.
    job->timeout = RELEASED_TIMEOUTS * entry->shadow.timeout;
    job->is_timed_by_silence = true;
    job->queue_timeout = entry->canary.patience;
    job->done = on_job_done;
    job->context = canary;
    job->on_bytes = on_job_bytes;
    return true;
}

bool
session_canary_begin(struct session *session, struct chunk *chunk, struct canary_unit *unit,
                     struct shape_columns **old_columns, struct canary_types *types,
                     bool may_stream, struct state_snapshot **state)
{
    const struct configuration_database *entry = session->settings->entry;
    struct own_pool *pool = worker_pool(session->worker);
    struct canary *canary = pool ? calloc(1, sizeof(*canary)) : NULL;
    if (!canary) {
        return false;
    }
    canary->session = session;
    canary->worker = session->worker;
    canary->database = session->database;
    canary->unit = *unit;
    writer_init(&canary->old_message);
    writer_init(&canary->prefix_reply);
    if (!make_job(canary, types, state) ||
        !canary_answer_init(&canary->answer, &canary->unit, old_columns, types,
                            entry->shadow.max_result)) {
        own_job_free(&canary->job);
        canary_answer_fini(&canary->answer);
        canary->unit = (struct canary_unit){0}; // stays the caller's
        session_canary_free(&canary);
        return false;
    }
    canary->chunk = chunk_ref(chunk);
    canary->may_stream = may_stream;
    canary->status_before = session->pairing.transaction_status;
    canary->begun = uv_hrtime();
    canary->deadline = canary->begun + entry->canary.patience;
    canary->hedge_at = entry->canary.hedge > 0 ? canary->begun + entry->canary.hedge : UINT64_MAX;
    canary->hold = entry->canary.hold;
    session->canary = canary;
    session_client_pause(session, PAUSE_CANARY);
    atomic_store_explicit(&session->registered.state, CLIENT_ACTIVE, memory_order_relaxed);
    session_canary_start_waiting(canary);
    own_pool_run(pool, canary->job);
    return true;
}
