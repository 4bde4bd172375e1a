// Positions in the log: read as PostgreSQL writes them, and never waited for where replay cannot end.
#include "proxy/control/lag.h"
#include <criterion/criterion.h>

Test(lag, positions_are_read_as_written)
{
    uint64_t position;

    cr_assert(lag_read_position("16/B374D848", &position));
    cr_expect_eq(position, 0x16B374D848);
    cr_assert(lag_read_position("0/0", &position));
    cr_expect_eq(position, 0);
    cr_assert(lag_read_position("FFFFFFFF/FFFFFFFF", &position));
    cr_expect_eq(position, UINT64_MAX);
}

Test(lag, what_is_no_position_is_refused)
{
    static const char *const cases[] = {"",    "/",    "1/",   "/1",          "1",          "1/2/3",
                                        "x/1", "1/1x", "1/ g", "100000000/0", "0/100000000"};
    uint64_t position = 7;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_not(lag_read_position(cases[i], &position), "%s", cases[i]);
        cr_expect_eq(position, 7);
    }
}

Test(lag, a_position_behind_an_unwritten_page_header_is_the_page_s_begin)
{
    struct lag lag = {.block_size = 8192, .segment_size = 16 << 20};

    cr_expect_eq(lag_settled_position(&lag, 8192 * 3 + 24), 8192 * 3);
    cr_expect_eq(lag_settled_position(&lag, (16 << 20) * 2 + 40), (16 << 20) * 2);
    // 40 bytes into a page that begins no segment is the end of a record that came over from the page before.
    cr_expect_eq(lag_settled_position(&lag, 8192 * 3 + 40), 8192 * 3 + 40);
    cr_expect_eq(lag_settled_position(&lag, 8192 * 3 + 32), 8192 * 3 + 32);
    cr_expect_eq(lag_settled_position(&lag, 8192 * 3), 8192 * 3);
}

Test(lag, before_the_sizes_are_known_a_position_stays)
{
    struct lag lag = {0};

    cr_expect_eq(lag_settled_position(&lag, 8192 + 24), 8192 + 24);
}
