// Quantiles of the histogram against exact ones, and the estimate of distinct things.
#include "proxy/report/distinct.h"
#include "proxy/report/histogram.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static int
by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

Test(histogram, quantiles_are_within_a_bucket_of_the_exact_ones)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    static struct histogram histogram;
    static const double quantiles[] = {0.01, 0.5, 0.95, 0.99, 0.999};

    srand(7);
    for (int i = 0; i < COUNT; i++) {
        // From 3 us to 30 s, evenly over the octaves.
        values[i] = (uint64_t)(3000 * exp(rand() / (double)RAND_MAX * 16.1));
        histogram_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof values[0], by_value);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        double exact = (double)values[(int)(quantiles[i] * COUNT)];
        double found = histogram_quantile(&histogram, quantiles[i]);

        cr_expect_lt(fabs(found - exact) / exact, 0.08, "p%g: %g for %g", quantiles[i], found,
                     exact);
    }
}

Test(histogram, extremes)
{
    struct histogram histogram = {0};

    cr_expect_eq(histogram_quantile(&histogram, 0.5), 0);
    histogram_add(&histogram, 0);
    histogram_add(&histogram, 999);
    histogram_add(&histogram, UINT64_MAX / 2);
    cr_expect_eq(histogram.count, 3u);
    cr_expect_leq(histogram_quantile(&histogram, 0.5), 1000);
    cr_expect_geq(histogram_quantile(&histogram, 0.99), 1e11);
    cr_expect_eq(histogram_at_most(&histogram, 1000000), 2u);
}

Test(histogram, is_the_same_after_writing_and_reading)
{
    struct histogram histogram = {0};
    struct histogram back = {0};
    uint8_t bytes[HISTOGRAM_MAX_BYTES];

    for (uint64_t i = 1; i < 1000; i++)
        histogram_add(&histogram, i * i * 1000);

    size_t length = histogram_write(&histogram, bytes);

    histogram_read(&back, bytes, length);
    cr_expect_eq(memcmp(&histogram, &back, sizeof back), 0);
    histogram_read(&back, bytes, length - 1); // cut short: nothing is added
    cr_expect_eq(back.count, histogram.count);
}

Test(distinct, estimates)
{
    static const uint64_t counts[] = {0, 1, 10, 100, 1000, 100000};

    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct distinct distinct = {0};

        for (int again = 0; again < 3; again++)
            for (uint64_t i = 0; i < counts[c]; i++)
                distinct_add(&distinct, XXH3_64bits(&i, sizeof i));

        double error = fabs((double)distinct_estimate(&distinct) - (double)counts[c]);

        cr_expect_leq(error, 1 + 0.1 * (double)counts[c], "%lu: %g", counts[c], error);
    }
}
