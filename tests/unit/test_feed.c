// The feed loses nothing that it took, keeps each writer's order, and says when it takes no more.
#include "proxy/relay/feed.h"
#include <criterion/criterion.h>
#include <pthread.h>

static struct unit *
unit_with(uint64_t session, uint64_t sequence, size_t request, size_t reply)
{
    struct unit *unit = unit_new(session, sequence, 'I', 1);
    cr_assert(unit);
    char *bytes = calloc(1, request + reply + 1);
    cr_assert(capture_copy(&unit->request, bytes, request));
    cr_assert(capture_copy(&unit->reply, bytes, reply));
    free(bytes);
    return unit;
}

enum { WRITERS = 3, EACH = 20000 };

struct writer_thread {
    struct feed *feed;
    uint64_t session;
};

static void *
write_units(void *context)
{
    struct writer_thread *writer = context;
    for (uint64_t i = 1; i <= EACH; i++) {
        struct feed_event event = {.kind = FEED_UNIT, .session = writer->session};
        event.unit = unit_new(writer->session, i, 'I', 1);
        while (!feed_push(writer->feed, &event, 1 << 30)) {
            sched_yield();
        }
    }
    return NULL;
}

Test(feed, keeps_every_writers_order)
{
    struct feed *feed = feed_new(256, NULL);
    struct writer_thread writers[WRITERS];
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer_thread){feed, (uint64_t)i};
        cr_assert_eq(pthread_create(&threads[i], NULL, write_units, &writers[i]), 0);
    }
    uint64_t seen[WRITERS] = {0};
    for (uint64_t total = 0; total < (uint64_t)WRITERS * EACH;) {
        struct feed_event event;
        if (!feed_pull(feed, &event)) {
            sched_yield();
            continue;
        }
        cr_assert_eq(event.unit->sequence, seen[event.session] + 1);
        seen[event.session]++;
        feed_release(feed, unit_memory(event.unit));
        unit_free(&event.unit);
        total++;
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t events, bytes;
    feed_depth(feed, &events, &bytes);
    cr_assert_eq(events, 0);
    cr_assert_eq(bytes, 0);
    feed_free(&feed);
}

Test(feed, strips_replies_over_the_memory_limit_and_refuses_beyond_twice)
{
    struct feed *feed = feed_new(64, NULL);
    struct feed_event event = {.kind = FEED_UNIT, .session = 1};
    event.unit = unit_with(1, 1, 10, 60000);
    cr_assert(feed_push(feed, &event, 100000));
    event.unit = unit_with(1, 2, 10, 60000);
    cr_assert(feed_push(feed, &event, 100000));
    struct unit *big = unit_with(1, 3, 200000, 100);
    event.unit = big;
    cr_assert_not(feed_push(feed, &event, 100000));
    cr_assert_eq(big->reply.length, 100, "whoever books it needs its reply");
    cr_assert_eq(big->dropped, DROP_NONE);
    unit_free(&big);
    struct feed_event out;
    cr_assert(feed_pull(feed, &out));
    cr_assert_eq(out.unit->dropped, DROP_NONE);
    unit_free(&out.unit);
    cr_assert(feed_pull(feed, &out));
    cr_assert_eq(out.unit->dropped, DROP_MEMORY);
    cr_assert(out.unit->is_reply_cut);
    cr_assert_eq(out.unit->reply.length, 0);
    unit_free(&out.unit);
    feed_free(&feed);
}

Test(feed, leaves_a_small_reply_that_may_tell_of_state)
{
    struct feed *feed = feed_new(64, NULL);
    struct feed_event event = {.kind = FEED_UNIT, .session = 1};
    event.unit = unit_with(1, 1, 10, 60000);
    size_t limit = unit_memory(event.unit);
    cr_assert(feed_push(feed, &event, limit));
    event.unit = unit_with(1, 2, 10, 1000);
    cr_assert(feed_push(feed, &event, limit));
    struct feed_event out;
    cr_assert(feed_pull(feed, &out));
    feed_release(feed, unit_memory(out.unit));
    unit_free(&out.unit);
    cr_assert(feed_pull(feed, &out));
    cr_expect_eq(out.unit->dropped, DROP_MEMORY);
    cr_expect_not(out.unit->is_reply_cut);
    cr_expect_eq(out.unit->reply.length, 1000);
    feed_release(feed, unit_memory(out.unit));
    unit_free(&out.unit);
    uint64_t events, bytes;
    feed_depth(feed, &events, &bytes);
    cr_expect_eq(bytes, 0);
    feed_free(&feed);
}

Test(feed, strips_when_nearly_full_and_refuses_when_full)
{
    struct feed *feed = feed_new(64, NULL);
    struct feed_event event = {.kind = FEED_UNIT, .session = 1};
    unsigned stripped = 0, taken = 0;
    for (uint64_t i = 1; i <= 65; i++) {
        struct unit *unit = unit_with(1, i, 10, 10);
        event.unit = unit;
        if (!feed_push(feed, &event, 1 << 30)) {
            cr_assert_eq(unit->reply.length, 10);
            unit_free(&unit);
            break;
        }
        taken++;
        stripped += unit->dropped == DROP_QUEUE_FULL;
    }
    cr_assert_eq(taken, 64);
    cr_assert_eq(stripped, 7);
    feed_free(&feed);
}

static void
push_at(struct feed *feed, uint64_t sequence, uint64_t ended)
{
    struct feed_event event = {.kind = FEED_UNIT, .session = 1};
    event.unit = unit_with(1, sequence, 10, 10);
    event.unit->ended = ended;
    cr_assert(feed_push(feed, &event, 1 << 30));
}

static void
pull_one(struct feed *feed)
{
    struct feed_event event;
    cr_assert(feed_pull(feed, &event));
    feed_release(feed, unit_memory(event.unit));
    unit_free(&event.unit);
}

static enum drop_reason
shed_at(struct feed *feed, uint64_t ended, bool is_awaited)
{
    struct unit *unit = unit_with(1, 1, 10, 10);
    unit->ended = ended;
    enum drop_reason reason = feed_sheds(feed, unit, 1 << 30, is_awaited);
    unit_free(&unit);
    return reason;
}

Test(feed, sheds_when_nearly_full_or_over_its_memory)
{
    struct feed *feed = feed_new(64, NULL);
    for (uint64_t i = 1; i <= 56; i++) {
        cr_assert_eq(shed_at(feed, i, false), DROP_NONE);
        push_at(feed, i, i);
    }
    struct unit *unit = unit_with(1, 57, 10, 10);
    cr_expect_eq(feed_sheds(feed, unit, 100, false), DROP_MEMORY);
    push_at(feed, 57, 57);
    cr_expect_eq(feed_sheds(feed, unit, 1 << 30, false), DROP_QUEUE_FULL);
    pull_one(feed);
    cr_expect_eq(feed_sheds(feed, unit, 1 << 30, false), DROP_NONE);
    unit_free(&unit);
    feed_free(&feed);
}

Test(feed, sheds_what_comes_while_an_awaited_reader_is_late_until_it_has_caught_up)
{
    static const uint64_t MS = 1000 * 1000;
    struct feed *feed = feed_new(1024, NULL);
    uint64_t start = 1000 * MS;
    for (uint64_t i = 0; i < 100; i++) {
        push_at(feed, i + 1, start + i * MS);
    }
    cr_expect_eq(shed_at(feed, start + 100 * MS, true), DROP_NONE, "not yet late");
    cr_expect_eq(shed_at(feed, start + 300 * MS, false), DROP_NONE, "nobody waits for it");
    cr_expect_eq(shed_at(feed, start + 300 * MS, true), DROP_QUEUE_FULL);
    for (int i = 0; i < 100; i++) {
        pull_one(feed);
    }
    cr_expect_eq(shed_at(feed, start + 301 * MS, true), DROP_QUEUE_FULL, "it does not know yet");
    struct feed_event event;
    cr_assert_not(feed_pull(feed, &event));
    cr_expect_eq(shed_at(feed, start + 302 * MS, true), DROP_NONE);
    // After a pause the time counts from what came first.
    push_at(feed, 101, start + 9000 * MS);
    for (uint64_t i = 0; i < 100; i++) {
        push_at(feed, 102 + i, start + 9000 * MS);
    }
    cr_expect_eq(shed_at(feed, start + 9001 * MS, true), DROP_NONE);
    feed_free(&feed);
}

Test(feed, a_few_that_wait_for_long_do_not_make_the_reader_late)
{
    static const uint64_t MS = 1000 * 1000;
    struct feed *feed = feed_new(1024, NULL);
    for (uint64_t i = 1; i <= 10; i++) {
        push_at(feed, i, MS);
    }
    cr_expect_eq(shed_at(feed, 5000 * MS, true), DROP_NONE);
    feed_free(&feed);
}
