// Up to when writes are on new.
#include "proxy/control/write_fence.h"
#include <criterion/criterion.h>

Test(write_fence, writes_before_a_sample_are_on_new_once_its_position_is_replayed)
{
    struct write_fence fence = {0};

    write_fence_sample(&fence, 1000, 100);
    write_fence_replayed(&fence, 99);
    cr_expect_eq(fence.until, 0);
    write_fence_sample(&fence, 2000, 200);
    write_fence_replayed(&fence, 100);
    cr_expect_eq(fence.until, 1000);
    write_fence_replayed(&fence, 199);
    cr_expect_eq(fence.until, 1000);
    write_fence_replayed(&fence, 5000);
    cr_expect_eq(fence.until, 2000);
}

Test(write_fence, a_position_that_does_not_move_covers_what_was_acknowledged_since)
{
    struct write_fence fence = {0};

    write_fence_sample(&fence, 1000, 100);
    write_fence_replayed(&fence, 100);
    write_fence_sample(&fence, 3000, 100);
    write_fence_replayed(&fence, 100);
    cr_expect_eq(fence.until, 3000);
    write_fence_sample(&fence, 4000, 101);
    write_fence_replayed(&fence, 100);
    cr_expect_eq(fence.until, 3000);
}

Test(write_fence, the_same_sample_told_again_is_none)
{
    struct write_fence fence = {0};

    write_fence_sample(&fence, 1000, 100);
    write_fence_sample(&fence, 1000, 100);
    cr_expect_eq(fence.count, 1);
}

Test(write_fence, who_waits_wants_a_sample_that_was_asked_for_later)
{
    struct write_fence fence = {0};

    cr_expect_not(write_fence_is_awaited(&fence));
    write_fence_sample(&fence, 1000, 100);
    write_fence_await(&fence, 1500);
    cr_expect(write_fence_wants_sample(&fence));
    write_fence_sample(&fence, 2000, 200);
    cr_expect_not(write_fence_wants_sample(&fence));
    write_fence_replayed(&fence, 150);
    cr_expect(write_fence_is_awaited(&fence));
    write_fence_replayed(&fence, 200);
    cr_expect_not(write_fence_is_awaited(&fence));
}

Test(write_fence, what_a_new_that_came_back_has_lost_is_not_on_it)
{
    struct write_fence fence = {0};

    write_fence_sample(&fence, 1000, 100);
    write_fence_replayed(&fence, 150);
    cr_assert_eq(fence.until, 1000);
    write_fence_replayed(&fence, 90);
    cr_expect_eq(fence.until, 0);
    write_fence_replayed(&fence, 150);
    cr_expect_eq(fence.until, 0, "it is told again by a sample alone");
    write_fence_sample(&fence, 2000, 150);
    write_fence_replayed(&fence, 150);
    cr_expect_eq(fence.until, 2000);
}

Test(write_fence, an_old_whose_position_goes_back_is_another_one)
{
    struct write_fence fence = {0};

    write_fence_sample(&fence, 1000, 1000);
    write_fence_replayed(&fence, 1000);
    write_fence_sample(&fence, 2000, 50);
    cr_expect_eq(fence.until, 0);
    write_fence_replayed(&fence, 40);
    cr_expect_eq(fence.until, 0);
    write_fence_replayed(&fence, 50);
    cr_expect_eq(fence.until, 2000);
}

Test(write_fence, forgetting_leaves_those_who_wait)
{
    struct write_fence fence = {0};

    write_fence_sample(&fence, 1000, 100);
    write_fence_replayed(&fence, 100);
    write_fence_await(&fence, 900);
    cr_expect_not(write_fence_is_awaited(&fence));
    write_fence_forget(&fence);
    cr_expect(write_fence_is_awaited(&fence));
    cr_expect(write_fence_wants_sample(&fence));
}

Test(write_fence, a_new_that_lags_for_long_never_looks_fresher_than_it_is)
{
    struct write_fence fence = {0};
    uint64_t position = 0;

    for (uint64_t i = 1; i <= 10 * WRITE_FENCE_SIZE; i++) {
        write_fence_sample(&fence, 1000 * i, 10 * i);
        cr_assert_leq(fence.count, WRITE_FENCE_SIZE);
    }
    while (position < 100 * WRITE_FENCE_SIZE) {
        position += 7;
        write_fence_replayed(&fence, position);
        cr_assert_leq(fence.until, position / 10 * 1000);
    }
    cr_expect_eq(fence.until, 10000 * WRITE_FENCE_SIZE, "the newest sample is kept");
}

Test(write_fence, those_who_wait_wait_for_the_first_position_asked_for_since)
{
    struct write_fence fence = {0};

    write_fence_sample(&fence, 1000, 100);
    write_fence_await(&fence, 1500);
    cr_expect_eq(write_fence_awaited_position(&fence), 0, "none is known yet");
    write_fence_sample(&fence, 2000, 200);
    write_fence_sample(&fence, 3000, 300);
    cr_expect_eq(write_fence_awaited_position(&fence), 200);
    write_fence_replayed(&fence, 199);
    cr_expect_eq(write_fence_awaited_position(&fence), 200);
    write_fence_replayed(&fence, 200);
    cr_expect_eq(write_fence_awaited_position(&fence), 0, "nobody waits any more");
}
