// The feed: a bounded queue of many writers (the workers) and one reader (a shadow thread), without a
// lock. Each cell carries a number that says whose turn it is: equal to a writer's place when it is free,
// one more when it is filled, and a whole turn of the ring more when the reader has emptied it.
//
// A session lives on one worker, so its events stay in order. Wakes are few: a writer sets `is_dirty`, and the
// flush at the end of its loop's turn sends the wake, or leaves it to a later one while little waits.
#include "proxy/relay/feed.h"
#include "proxy/relay/session_view.h"
#include "proxy/transport/secret.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LAZY_NS = 20 * 1000 * 1000, CACHE_LINE = 64 };
// A few that wait are no sign of anything: the reader may just not have been scheduled.
enum { LATE_NS = 250 * 1000 * 1000, LATE_LEAST = 64 };
enum { SMALL_REPLY = 1024 };

struct cell {
    atomic_uint_fast64_t turn;
    struct feed_event event;
};

struct feed {
    struct cell *cells; // owned; `depth` of them, a power of two
    uint64_t depth;
    uv_async_t *wake;
    _Alignas(CACHE_LINE) atomic_uint_fast64_t tail;   // next place to fill
    _Alignas(CACHE_LINE) atomic_uint_fast64_t head;   // next place to empty
    _Alignas(CACHE_LINE) atomic_uint_fast64_t memory; // pinned and not given back
    // ns: when the unit ended that was pulled last, or that found the feed empty
    atomic_uint_fast64_t reached;
    atomic_bool is_late; // from when it is until the reader finds the feed empty
    atomic_bool is_dirty;
    atomic_bool is_watched;           // the reader looks by itself, every few milliseconds
    atomic_uint_fast64_t dirty_since; // uv_hrtime of the first flush that left it so, 0: none did
};

void
session_facts_forget_parameters(struct session_facts *facts)
{
    for (size_t i = 0; facts->parameters && i < 2 * facts->parameter_count; i++) {
        free(facts->parameters[i]);
    }
    free(facts->parameters);
    facts->parameters = NULL;
    facts->parameter_count = 0;
}

void
session_facts_free(struct session_facts **facts)
{
    struct session_facts *gone = *facts;
    *facts = NULL;
    if (!gone) {
        return;
    }
    secret_unref(&gone->secret);
    session_facts_forget_parameters(gone);
    free(gone->user);
    free(gone->application_name);
    free(gone->client_address);
    session_view_unref(&gone->view);
    state_free(&gone->state);
    free(gone);
}

struct feed *
feed_new(unsigned depth, uv_async_t *wake)
{
    struct feed *feed = aligned_alloc(CACHE_LINE, sizeof(*feed));
    if (!feed) {
        return NULL;
    }
    memset(feed, 0, sizeof(*feed));
    feed->depth = 16;
    while (feed->depth < depth) {
        feed->depth *= 2;
    }
    feed->cells = calloc(feed->depth, sizeof(*feed->cells));
    if (!feed->cells) {
        free(feed);
        return NULL;
    }
    for (uint64_t i = 0; i < feed->depth; i++) {
        atomic_init(&feed->cells[i].turn, i);
    }
    feed->wake = wake;
    return feed;
}

static void
event_fini(struct feed_event *event)
{
    switch (event->kind) {
    case FEED_SESSION_BEGUN:
        session_facts_free(&event->facts);
        break;
    case FEED_SECRET:
        secret_unref(&event->secret);
        break;
    case FEED_UNIT:
        unit_free(&event->unit);
        break;
    case FEED_SESSION_ENDED:
        break;
    }
}

void
feed_free(struct feed **feed)
{
    if (!*feed) {
        return;
    }
    struct feed_event event;
    while (feed_pull(*feed, &event)) {
        event_fini(&event);
    }
    free((*feed)->cells);
    free(*feed);
    *feed = NULL;
}

static uint64_t
waiting(const struct feed *feed)
{
    uint64_t head = atomic_load_explicit(&feed->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&feed->tail, memory_order_relaxed);
    return tail > head ? tail - head : 0;
}

// What speaks against the unit's reply, or the whole unit where it is no loss.
static enum drop_reason
overload(const struct feed *feed, const struct unit *unit, size_t memory_limit)
{
    uint64_t before = atomic_load_explicit(&feed->memory, memory_order_relaxed);
    if (waiting(feed) > feed->depth - feed->depth / 8) {
        return DROP_QUEUE_FULL;
    }
    return before + unit_memory(unit) > memory_limit ? DROP_MEMORY : DROP_NONE;
}

static bool
is_late(struct feed *feed, uint64_t now)
{
    uint64_t reached = atomic_load_explicit(&feed->reached, memory_order_relaxed);
    bool is = atomic_load_explicit(&feed->is_late, memory_order_relaxed);
    if (!is && waiting(feed) >= LATE_LEAST && now > reached && now - reached > LATE_NS) {
        is = true;
        atomic_store_explicit(&feed->is_late, true, memory_order_relaxed);
    }
    return is;
}

enum drop_reason
feed_sheds(struct feed *feed, const struct unit *unit, size_t memory_limit, bool is_awaited)
{
    enum drop_reason reason = overload(feed, unit, memory_limit);
    bool is_just_late = reason == DROP_NONE && is_awaited && is_late(feed, unit->ended);
    return is_just_late ? DROP_QUEUE_FULL : reason;
}

// What becomes of the session's state may be told by a small reply.
static void
strip(struct unit *unit, enum drop_reason reason)
{
    if (unit->reply.length > SMALL_REPLY) {
        capture_fini(&unit->reply);
        unit->is_reply_cut = true;
    }
    unit->dropped = reason;
}

// Beyond twice the limit nothing goes in.
static bool
fits(const struct feed *feed, size_t memory, size_t memory_limit)
{
    uint64_t before = atomic_load_explicit(&feed->memory, memory_order_relaxed);
    return before == 0 || before + memory <= 2 * (uint64_t)memory_limit;
}

// A free place, now the caller's alone; NULL: the ring is full.
static struct cell *
claim(struct feed *feed, uint64_t *place)
{
    *place = atomic_load_explicit(&feed->tail, memory_order_relaxed);
    for (;;) {
        struct cell *cell = &feed->cells[*place & (feed->depth - 1)];
        uint64_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn == *place) {
            if (atomic_compare_exchange_weak_explicit(&feed->tail, place, *place + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                return cell;
            }
        } else if (turn < *place) {
            return NULL;
        } else {
            *place = atomic_load_explicit(&feed->tail, memory_order_relaxed);
        }
    }
}

bool
feed_push(struct feed *feed, struct feed_event *event, size_t memory_limit)
{
    struct unit *unit = event->kind == FEED_UNIT ? event->unit : NULL;
    bool may_strip = unit && unit->dropped == DROP_NONE;
    enum drop_reason reason = may_strip ? overload(feed, unit, memory_limit) : DROP_NONE;
    size_t memory = unit ? unit_memory(unit) : 0;
    if (reason != DROP_NONE && unit->reply.length > SMALL_REPLY) {
        memory -= unit->reply.pinned;
    }
    if (unit && waiting(feed) == 0) {
        atomic_store_explicit(&feed->reached, unit->ended, memory_order_relaxed);
    }
    uint64_t place;
    struct cell *cell = !unit || fits(feed, memory, memory_limit) ? claim(feed, &place) : NULL;
    if (!cell) {
        return false;
    }
    if (reason != DROP_NONE) {
        strip(unit, reason);
    }
    atomic_fetch_add_explicit(&feed->memory, memory, memory_order_relaxed);
    cell->event = *event;
    atomic_store_explicit(&cell->turn, place + 1, memory_order_release);
    // Always stored, never tested first: the flush that takes it back then sees this event.
    atomic_store_explicit(&feed->is_dirty, true, memory_order_release);
    return true;
}

void
feed_flush(struct feed *feed, bool is_urgent)
{
    if (!atomic_load_explicit(&feed->is_dirty, memory_order_relaxed)) {
        return;
    }
    if (!is_urgent && waiting(feed) < feed->depth / 16) {
        uint64_t now = uv_hrtime();
        uint64_t since = atomic_load_explicit(&feed->dirty_since, memory_order_relaxed);
        if (since == 0) {
            atomic_store_explicit(&feed->dirty_since, now, memory_order_relaxed);
            return;
        }
        if (now - since < LAZY_NS) {
            return;
        }
    }
    atomic_store_explicit(&feed->dirty_since, 0, memory_order_relaxed);
    if (!atomic_exchange_explicit(&feed->is_dirty, false, memory_order_acq_rel) || !feed->wake) {
        return;
    }
    // Either the reader that ends its watch sees the event, or this sees that it no longer watches.
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&feed->is_watched, memory_order_relaxed) ||
        waiting(feed) > feed->depth / 16) {
        uv_async_send(feed->wake);
    }
}

void
feed_watch(struct feed *feed, bool is_watched)
{
    atomic_store_explicit(&feed->is_watched, is_watched, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

bool
feed_pull(struct feed *feed, struct feed_event *event)
{
    uint64_t place = atomic_load_explicit(&feed->head, memory_order_relaxed);
    struct cell *cell = &feed->cells[place & (feed->depth - 1)];
    if (atomic_load_explicit(&cell->turn, memory_order_acquire) != place + 1) {
        atomic_store_explicit(&feed->is_late, false, memory_order_relaxed);
        return false;
    }
    *event = cell->event;
    if (event->kind == FEED_UNIT) {
        atomic_store_explicit(&feed->reached, event->unit->ended, memory_order_relaxed);
    }
    atomic_store_explicit(&cell->turn, place + feed->depth, memory_order_release);
    atomic_store_explicit(&feed->head, place + 1, memory_order_relaxed);
    return true;
}

void
feed_release(struct feed *feed, size_t memory)
{
    uint64_t before = atomic_fetch_sub_explicit(&feed->memory, memory, memory_order_relaxed);
    assert(before >= memory);
    (void)before;
}

void
feed_depth(const struct feed *feed, uint64_t *events, uint64_t *bytes)
{
    *events = waiting(feed);
    *bytes = atomic_load_explicit(&feed->memory, memory_order_relaxed);
}
