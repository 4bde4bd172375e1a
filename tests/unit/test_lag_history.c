// How old the state is that new shows, from samples of where old was.
#include "proxy/control/lag_history.h"
#include <criterion/criterion.h>

Test(lag_history, without_a_sample_nothing_is_known)
{
    struct lag_history history = {0};
    uint64_t age;

    cr_expect_not(lag_history_age(&history, 100, 5, &age));
    cr_expect_eq(lag_history_position(&history, 5), 0);
}

Test(lag_history, the_age_counts_from_the_first_position_that_is_not_replayed)
{
    struct lag_history history = {0};
    uint64_t age;

    lag_history_add(&history, 100, 100, 1000, 1);
    lag_history_add(&history, 200, 200, 2000, 2);
    lag_history_add(&history, 300, 300, 3000, 3);
    cr_assert(lag_history_age(&history, 300, 9000, &age));
    cr_expect_eq(age, 0);
    cr_assert(lag_history_age(&history, 299, 9000, &age));
    cr_expect_eq(age, 6000);
    cr_assert(lag_history_age(&history, 150, 9000, &age));
    cr_expect_eq(age, 7000);
    cr_assert(lag_history_age(&history, 0, 9000, &age));
    cr_expect_eq(age, 8000);
}

Test(lag_history, a_position_that_does_not_move_keeps_its_first_time)
{
    struct lag_history history = {0};
    uint64_t age;

    lag_history_add(&history, 100, 100, 1000, 1);
    lag_history_add(&history, 100, 100, 5000, 5);
    cr_expect_eq(history.count, 1);
    cr_assert(lag_history_age(&history, 50, 9000, &age));
    cr_expect_eq(age, 8000);
}

Test(lag_history, a_position_that_falls_begins_anew)
{
    struct lag_history history = {0};

    lag_history_add(&history, 500, 500, 1000, 1);
    lag_history_add(&history, 100, 100, 2000, 2);
    cr_expect_eq(history.count, 1);
    cr_expect_eq(history.samples[0].position, 100);
}

Test(lag_history, a_long_lag_can_be_told_although_the_samples_are_bounded)
{
    struct lag_history history = {0};
    uint64_t samples = 100 * LAG_HISTORY_SIZE, age;

    for (uint64_t i = 1; i <= samples; i++)
        lag_history_add(&history, i, i, i * 1000, (int64_t)i);
    cr_expect_leq(history.count, LAG_HISTORY_SIZE);
    cr_expect_eq(history.samples[history.count - 1].position, samples);
    for (size_t i = 1; i < history.count; i++)
        cr_assert_lt(history.samples[i - 1].position, history.samples[i].position);
    cr_assert(lag_history_age(&history, 0, samples * 1000, &age));
    cr_expect_gt(age, samples * 1000 * 9 / 10, "nearly all of the time is remembered");
}

Test(lag_history, a_time_gives_the_last_position_noted_by_then)
{
    struct lag_history history = {0};

    lag_history_add(&history, 100, 100, 1000, 10);
    lag_history_add(&history, 200, 200, 2000, 20);
    cr_expect_eq(lag_history_position(&history, 9), 0);
    cr_expect_eq(lag_history_position(&history, 10), 100);
    cr_expect_eq(lag_history_position(&history, 19), 100);
    cr_expect_eq(lag_history_position(&history, 99), 200);
}

Test(lag_history, what_is_not_flushed_is_no_lag)
{
    struct lag_history history = {0};
    uint64_t age;

    lag_history_add(&history, 100, 100, 1000, 10);
    lag_history_add(&history, 200, 100, 2000, 20);
    cr_assert(lag_history_age(&history, 100, 9000, &age));
    cr_expect_eq(age, 0, "new has all that there is to be had");
    cr_assert(lag_history_age(&history, 99, 9000, &age));
    cr_expect_eq(age, 8000);
    cr_expect_eq(lag_history_position(&history, 20), 200, "but it may be seen on old");
}

Test(lag_history, what_is_flushed_later_lags_from_then_on)
{
    struct lag_history history = {0};
    uint64_t age;

    lag_history_add(&history, 200, 100, 2000, 20);
    lag_history_add(&history, 200, 200, 7000, 70);
    cr_assert(lag_history_age(&history, 100, 9000, &age));
    cr_expect_eq(age, 2000);
    cr_expect_eq(lag_history_position(&history, 20), 200);
}

Test(lag_history, a_flushed_position_that_falls_begins_anew)
{
    struct lag_history history = {0};

    lag_history_add(&history, 500, 500, 1000, 1);
    lag_history_add(&history, 600, 100, 2000, 2);
    cr_expect_eq(history.count, 1);
}
