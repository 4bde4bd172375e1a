// Sizes, times and percentages: what is written reads back, and nothing is rounded or guessed.
#include "config/units.h"
#include <criterion/criterion.h>

Test(units, sizes_are_read_exactly)
{
    static const struct {
        const char *text;
        size_t bytes;
    } cases[] = {
        {"0", 0},
        {"0B", 0},
        {"1B", 1},
        {"1KiB", 1024},
        {"256KiB", 262144},
        {"64MiB", 67108864},
        {"3GiB", 3221225472},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes = 77;

        cr_expect(units_read_size(cases[i].text, &bytes), "%s", cases[i].text);
        cr_expect_eq(bytes, cases[i].bytes, "%s", cases[i].text);
    }
}

Test(units, what_is_no_size_is_refused_and_leaves_the_value)
{
    static const char *const cases[] = {
        "",
        " ",
        "1",
        "64",
        "64MB",
        "64mib",
        "-1B",
        "+1B",
        "1 KiB",
        "B",
        "1.5MiB",
        "99999999999999999999B",
        "0x10B",
        "1KiBs",
        "1KiB ",
        "9GB",
        "9000000000000GiB",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes = 77;

        cr_expect_not(units_read_size(cases[i], &bytes), "%s", cases[i]);
        cr_expect_eq(bytes, 77);
    }
}

Test(units, durations_are_read_exactly)
{
    static const struct {
        const char *text;
        uint64_t nanoseconds;
    } cases[] = {
        {"0", 0},           {"7us", 7000},         {"250ms", 250000000},
        {"5s", 5000000000}, {"10m", 600000000000}, {"2h", 7200000000000},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t nanoseconds = 77;

        cr_expect(units_read_duration(cases[i].text, &nanoseconds), "%s", cases[i].text);
        cr_expect_eq(nanoseconds, cases[i].nanoseconds, "%s", cases[i].text);
    }
}

Test(units, what_is_no_duration_is_refused)
{
    static const char *const cases[] = {"",    "5",    "5 s",  "s",     "1d",
                                        "-5s", "1.5s", "5sec", "1h30m", "99999999999h"};
    uint64_t nanoseconds;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_not(units_read_duration(cases[i], &nanoseconds), "%s", cases[i]);
}

Test(units, percentages_go_from_0_to_100_in_hundredths)
{
    static const struct {
        const char *text;
        unsigned hundredths;
    } cases[] = {
        {"0", 0},    {"5", 500},     {"100", 10000},  {"0.01", 1},
        {"0.1", 10}, {"12.5", 1250}, {"99.99", 9999}, {"100.00", 10000},
    };
    static const char *const bad[] = {
        "",   "-1", "100.01", "101",  "0.001", "5%",  " 5",  "5 ",
        ".5", "5.", "1e1",    "five", "5,25",  "NaN", "0x5", "1000000000000000000000"};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned hundredths = 77777;

        cr_expect(units_read_percent(cases[i].text, &hundredths), "%s", cases[i].text);
        cr_expect_eq(hundredths, cases[i].hundredths, "%s", cases[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned hundredths;

        cr_expect_not(units_read_percent(bad[i], &hundredths), "%s", bad[i]);
    }
}

Test(units, every_percentage_reads_back_as_written)
{
    for (unsigned hundredths = 0; hundredths <= 10000; hundredths++) {
        char text[16];
        unsigned again = 77777;

        units_write_percent(hundredths, text);
        cr_assert(units_read_percent(text, &again), "%s", text);
        cr_assert_eq(again, hundredths, "%s", text);
    }
}

Test(units, sizes_and_durations_read_back_as_written)
{
    static const uint64_t values[] = {0, 1, 1023, 1024, 1536, 1048576, 67108864, 1073741824};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[24];
        size_t bytes = 7;
        uint64_t nanoseconds = 7;

        units_write_size(values[i], text);
        cr_assert(units_read_size(text, &bytes) && bytes == values[i], "%s", text);
        units_write_duration(values[i] * 1000, text);
        cr_assert(units_read_duration(text, &nanoseconds), "%s", text);
        cr_assert_eq(nanoseconds, values[i] * 1000, "%s", text);
    }
}

Test(units, values_are_written_in_the_largest_whole_unit)
{
    char text[24];

    units_write_size(64 << 20, text);
    cr_expect_str_eq(text, "64MiB");
    units_write_size(0, text);
    cr_expect_str_eq(text, "0B");
    units_write_duration(250000000, text);
    cr_expect_str_eq(text, "250ms");
    units_write_duration(60000000000, text);
    cr_expect_str_eq(text, "1m");
    units_write_percent(25, text);
    cr_expect_str_eq(text, "0.25");
    units_write_percent(1250, text);
    cr_expect_str_eq(text, "12.5");
}
