// The books of one database: relaxed atomic counters, one increment each on the way of a read, and the copy
// that readers take. Owned by the database; shadow threads write, any thread reads.
//
// The counters of one read are not one atomic step, so a copy is taken anew until it balances; under
// any real load that is the first or second try, and after BOOKS_TRIES the last copy is given as it is.
#include "proxy/report/books.h"
#include "compare/bound.h"
#include <assert.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { BOOKS_TRIES = 2000, BOOKS_YIELD_EVERY = 50 };

static const double CONFIDENCE = 0.95;

static void
add(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_seq_cst);
}

void
books_begin(struct books *books, enum served served)
{
    add(&books->reads);
    switch (served) {
    case SERVED_FALLBACK:
        add(&books->fallbacks);
        add(&books->served_old);
        break;
    case SERVED_OLD:
        add(&books->served_old);
        break;
    case SERVED_NEW:
        add(&books->served_new);
        break;
    case SERVED_UNANSWERED:
        add(&books->unanswered);
        break;
    }
    add(&books->in_flight);
}

static void
end(struct books *books)
{
    uint_fast64_t before = atomic_fetch_sub_explicit(&books->in_flight, 1, memory_order_seq_cst);

    assert(before > 0);
    (void)before;
}

void
books_compared(struct books *books, enum verdict verdict, enum difference_class difference)
{
    end(books);
    add(&books->verdicts[verdict]);
    if (verdict == VERDICT_MISMATCH)
        add(&books->mismatches[difference]);
}

void
books_skipped(struct books *books, enum skip_reason reason)
{
    end(books);
    add(&books->skipped[reason]);
}

void
books_dropped(struct books *books, enum drop_reason reason)
{
    end(books);
    add(&books->dropped[reason]);
}

void
books_other(struct books *books)
{
    add(&books->other);
}

void
books_accepted(struct books *books)
{
    add(&books->accepted);
}

void
books_fell_back(struct books *books, enum fallback_reason reason)
{
    add(&books->fallback_reasons[reason]);
}

void
books_rolled_back(struct books *books, enum rollback_trigger trigger)
{
    add(&books->rollbacks[trigger]);
}

static void
copy(uint64_t *to, const atomic_uint_fast64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = atomic_load_explicit(&from[i], memory_order_seq_cst);
}

static void
copy_all(const struct books *books, struct books_page *page)
{
    copy(&page->in_flight, &books->in_flight, 1);
    copy(&page->other, &books->other, 1);
    copy(&page->served_old, &books->served_old, 1);
    copy(&page->served_new, &books->served_new, 1);
    copy(&page->unanswered, &books->unanswered, 1);
    copy(&page->fallbacks, &books->fallbacks, 1);
    copy(page->verdicts, books->verdicts, VERDICT_COUNT);
    copy(page->skipped, books->skipped, SKIP_COUNT);
    copy(page->dropped, books->dropped, DROP_COUNT);
    copy(page->mismatches, books->mismatches, DIFFERENCE_COUNT);
    copy(&page->accepted, &books->accepted, 1);
    copy(page->fallback_reasons, books->fallback_reasons, FALLBACK_COUNT);
    copy(page->rollbacks, books->rollbacks, ROLLBACK_COUNT);
}

static uint64_t
sum(const uint64_t *values, size_t count)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += values[i];
    return total;
}

void
books_page_finish(struct books_page *page)
{
    uint64_t covered = 0;

    for (int i = 0; i < VERDICT_COUNT; i++)
        if (verdict_is_covered((enum verdict)i))
            covered += page->verdicts[i];
    page->compared = sum(page->verdicts, VERDICT_COUNT);
    page->skipped_total = sum(page->skipped, SKIP_COUNT);
    page->dropped_total = sum(page->dropped, DROP_COUNT);
    page->coverage = page->reads > 0 ? (double)covered / (double)page->reads : 0;

    uint64_t mismatches = page->verdicts[VERDICT_MISMATCH];

    mismatches -= page->accepted < mismatches ? page->accepted : mismatches;
    page->mismatch_rate = covered > 0 ? (double)mismatches / (double)covered : 0;
    page->mismatch_upper_bound = bound_upper(mismatches, covered, CONFIDENCE);
}

static bool
balances(const struct books_page *page)
{
    return page->reads == page->in_flight + sum(page->verdicts, VERDICT_COUNT) +
                              sum(page->skipped, SKIP_COUNT) + sum(page->dropped, DROP_COUNT) &&
           page->reads == page->served_old + page->served_new + page->unanswered &&
           page->verdicts[VERDICT_MISMATCH] == sum(page->mismatches, DIFFERENCE_COUNT);
}

void
books_read(struct books *books, struct books_page *page)
{
    memset(page, 0, sizeof *page);
    for (int i = 1; i <= BOOKS_TRIES; i++) {
        uint64_t before;

        copy(&before, &books->reads, 1);
        copy_all(books, page);
        copy(&page->reads, &books->reads, 1);
        if (before == page->reads && balances(page))
            break;
        if (i % BOOKS_YIELD_EVERY == 0)
            sched_yield();
    }
    books_page_finish(page);
}

static void
each_of(const char *prefix, uint64_t *values, int count, const char *(*name_of)(int),
        void (*each)(void *context, const char *name, uint64_t *value), void *context)
{
    for (int i = 0; i < count; i++) {
        const char *name = name_of(i);
        char full[64];

        if (name[0] == '\0')
            continue;
        snprintf(full, sizeof full, "%s.%s", prefix, name);
        each(context, full, &values[i]);
    }
}

static const char *
name_of_verdict(int i)
{
    return verdict_name((enum verdict)i);
}

static const char *
name_of_skipped(int i)
{
    return i == SKIP_NONE ? "" : skip_reason_name((enum skip_reason)i);
}

static const char *
name_of_dropped(int i)
{
    return i == DROP_NONE ? "" : drop_reason_name((enum drop_reason)i);
}

static const char *
name_of_difference(int i)
{
    return i == DIFFERENCE_NONE ? "" : difference_class_name((enum difference_class)i);
}

static const char *
name_of_fallback(int i)
{
    return fallback_reason_name((enum fallback_reason)i);
}

static const char *
name_of_rollback(int i)
{
    return rollback_trigger_name((enum rollback_trigger)i);
}

void
books_page_each(struct books_page *page,
                void (*each)(void *context, const char *name, uint64_t *value), void *context)
{
    each(context, "reads", &page->reads);
    each(context, "in_flight", &page->in_flight);
    each(context, "other", &page->other);
    each(context, "served_old", &page->served_old);
    each(context, "served_new", &page->served_new);
    each(context, "unanswered", &page->unanswered);
    each(context, "fallbacks", &page->fallbacks);
    each(context, "accepted", &page->accepted);
    each_of("verdict", page->verdicts, VERDICT_COUNT, name_of_verdict, each, context);
    each_of("skipped", page->skipped, SKIP_COUNT, name_of_skipped, each, context);
    each_of("dropped", page->dropped, DROP_COUNT, name_of_dropped, each, context);
    each_of("mismatch", page->mismatches, DIFFERENCE_COUNT, name_of_difference, each, context);
    each_of("fallback", page->fallback_reasons, FALLBACK_COUNT, name_of_fallback, each, context);
    each_of("rollback", page->rollbacks, ROLLBACK_COUNT, name_of_rollback, each, context);
}

const char *
served_name(enum served served)
{
    static const char *const names[] = {"old", "new", "fallback", "unanswered"};

    return names[served];
}

const char *
fallback_reason_name(enum fallback_reason reason)
{
    static const char *const names[] = {
#define FALLBACK(NAME, name, help) #name,
#define ROLLBACK(NAME, name, help)
#include "proxy/canary/canary_reasons.tbl"
    };

    return names[reason];
}

const char *
rollback_trigger_name(enum rollback_trigger trigger)
{
    static const char *const names[] = {
#define FALLBACK(NAME, name, help)
#define ROLLBACK(NAME, name, help) #name,
#include "proxy/canary/canary_reasons.tbl"
    };

    return names[trigger];
}
