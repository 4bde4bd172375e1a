// The books balance, whatever happens to a read, and while others write in them.
#include "proxy/report/books.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

Test(books, every_ending_balances)
{
    struct books books = {0};
    struct books_page page;

    for (int i = 0; i < 8; i++)
        books_begin(&books, i < 4 ? SERVED_OLD : i < 6 ? SERVED_NEW : SERVED_FALLBACK);
    books_begin(&books, SERVED_UNANSWERED);
    books_compared(&books, VERDICT_MATCH, DIFFERENCE_NONE);
    books_compared(&books, VERDICT_LAGGING, DIFFERENCE_NONE);
    books_compared(&books, VERDICT_MISMATCH, DIFFERENCE_VALUE);
    books_compared(&books, VERDICT_UNSTABLE, DIFFERENCE_NONE);
    books_compared(&books, VERDICT_UNVERIFIED, DIFFERENCE_NONE);
    books_skipped(&books, SKIP_NO_RELATION);
    books_dropped(&books, DROP_MEMORY);
    books_other(&books);
    books_read(&books, &page);
    cr_expect_eq(page.reads, 9u);
    cr_expect_eq(page.compared, 5u);
    cr_expect_eq(page.skipped_total, 1u);
    cr_expect_eq(page.dropped_total, 1u);
    cr_expect_eq(page.in_flight, 2u);
    cr_expect_eq(page.other, 1u);
    cr_expect_eq(page.served_old, 6u);
    cr_expect_eq(page.served_new, 2u);
    cr_expect_eq(page.fallbacks, 2u);
    cr_expect_eq(page.unanswered, 1u);
    cr_expect_eq(page.mismatches[DIFFERENCE_VALUE], 1u);
    cr_expect_float_eq(page.mismatch_rate, 1.0 / 3, 1e-12);
    cr_expect_float_eq(page.coverage, 3.0 / 9, 1e-12);
    cr_expect_gt(page.mismatch_upper_bound, page.mismatch_rate);
}

Test(books, what_is_accepted_is_not_in_the_rate)
{
    struct books books = {0};
    struct books_page page;

    for (int i = 0; i < 2; i++) {
        books_begin(&books, SERVED_OLD);
        books_compared(&books, VERDICT_MISMATCH, DIFFERENCE_VALUE);
    }
    books_accepted(&books);
    books_read(&books, &page);
    cr_expect_eq(page.verdicts[VERDICT_MISMATCH], 2u);
    cr_expect_eq(page.accepted, 1u);
    cr_expect_float_eq(page.mismatch_rate, 0.5, 1e-12);
}

static void
collect(void *context, const char *name, uint64_t *value)
{
    char *names = context;

    cr_assert_lt(strlen(names) + strlen(name) + 2, 4096u);
    strcat(strcat(names, name), " ");
    *value = 7;
}

Test(books, every_counter_has_a_name_of_its_own)
{
    struct books_page page = {0};
    char names[4096] = " ";

    books_page_each(&page, collect, names);
    cr_expect(strstr(names, " reads ") != NULL);
    cr_expect(strstr(names, " verdict.match ") != NULL);
    cr_expect(strstr(names, " skipped.login ") != NULL);
    cr_expect(strstr(names, " dropped.queue_full ") != NULL);
    cr_expect(strstr(names, " mismatch.missing_rows ") != NULL);
    cr_expect(strstr(names, " rollback.console ") != NULL);
    for (int i = 0; i < VERDICT_COUNT; i++)
        cr_expect_eq(page.verdicts[i], 7u);
    for (int i = 1; i < SKIP_COUNT; i++)
        cr_expect_eq(page.skipped[i], 7u);
}

enum { WRITES = 100000 };

static void *
write_reads(void *context)
{
    struct books *books = context;

    for (int i = 0; i < WRITES; i++) {
        books_begin(books, i % 3 == 0 ? SERVED_NEW : SERVED_OLD);
        if (i % 5 == 0)
            books_skipped(books, SKIP_SAMPLED_OUT);
        else
            books_compared(books, i % 7 == 0 ? VERDICT_MISMATCH : VERDICT_MATCH,
                           i % 7 == 0 ? DIFFERENCE_VALUE : DIFFERENCE_NONE);
    }
    return NULL;
}

Test(books, balance_at_the_end_of_writes_from_several_threads)
{
    static struct books books;
    struct books_page page;
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_reads, &books), 0);
    for (int i = 0; i < 20; i++)
        books_read(&books, &page); // must come back, whatever is going on
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    books_read(&books, &page);
    cr_expect_eq(page.reads, 2u * WRITES);
    cr_expect_eq(page.in_flight, 0u);
    cr_expect_eq(page.reads, page.compared + page.skipped_total);
    cr_expect_eq(page.reads, page.served_old + page.served_new);
}
