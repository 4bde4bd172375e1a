// A bucket lets a burst pass, then so many a second, whoever asks.
#include "proxy/relay/bucket.h"
#include <criterion/criterion.h>
#include <pthread.h>

#define SECOND 1000000000ull

static unsigned
take_all(struct bucket *bucket, uint64_t now)
{
    unsigned taken = 0;
    while (taken < 1000 && bucket_take(bucket, 32, 16, now)) {
        taken++;
    }
    return taken;
}

Test(bucket, is_full_at_first_and_holds_no_more_than_a_burst)
{
    struct bucket bucket = {0};
    cr_assert_eq(take_all(&bucket, 5 * SECOND), 32);
    cr_assert_eq(take_all(&bucket, 5 * SECOND), 0);
    cr_assert_eq(take_all(&bucket, 500 * SECOND), 32);
}

Test(bucket, gets_so_many_a_second)
{
    struct bucket bucket = {0};
    cr_assert_eq(take_all(&bucket, SECOND), 32);
    cr_assert_eq(take_all(&bucket, SECOND + SECOND / 16 - 1), 0);
    cr_assert_eq(take_all(&bucket, SECOND + SECOND / 16), 1);
    cr_assert_eq(take_all(&bucket, 2 * SECOND), 15);
    cr_assert_eq(take_all(&bucket, 3 * SECOND + SECOND / 2), 24);
}

Test(bucket, does_not_mind_a_clock_that_is_a_little_behind)
{
    struct bucket bucket = {0};
    cr_assert_eq(take_all(&bucket, 10 * SECOND), 32);
    cr_assert_eq(take_all(&bucket, 10 * SECOND - 1000), 0);
    cr_assert_eq(take_all(&bucket, 11 * SECOND), 16);
}

static struct bucket shared;
static atomic_uint taken;

static void *
take_many(void *context)
{
    (void)context;
    atomic_fetch_add(&taken, take_all(&shared, 7 * SECOND));
    return NULL;
}

Test(bucket, gives_no_token_twice_when_many_ask_at_once)
{
    for (unsigned round = 0; round < 200; round++) {
        pthread_t threads[4];
        shared = (struct bucket){0};
        atomic_store(&taken, 0);
        for (unsigned i = 0; i < 4; i++) {
            cr_assert_eq(pthread_create(&threads[i], NULL, take_many, NULL), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
        }
        cr_assert_eq(atomic_load(&taken), 32);
    }
}
