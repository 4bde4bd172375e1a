// Confidence bounds against published values, against the definition, which the values that nobody printed
// below were computed from with other code, and at the edges.
#include "compare/bound.h"
#include <criterion/criterion.h>
#include <math.h>

static double
binomial_cdf(unsigned hits, unsigned trials, double p)
{
    double sum = 0;
    for (unsigned k = 0; k <= hits; k++)
        sum += exp(lgamma(trials + 1.0) - lgamma(k + 1.0) - lgamma(trials - k + 1.0) + k * log(p) +
                   (trials - k) * log1p(-p));
    return sum;
}

// Two-sided intervals as their publishers print them, to seven figures.
Test(bound, both_agree_with_printed_intervals)
{
    static const struct {
        uint64_t hits, trials;
        double confidence, lower, upper; // confidence of each bound alone
    } cases[] = {
        {9, 24, 0.975, 0.1879929, 0.5940636},      // R, stats::binom.test(9, 24), 95 %
        {12, 50, 0.95, 0.1447182, 0.3596557},      // the same, (12, 50), 90 %, on the R-help list
        {1, 1497, 0.95, 3.426347e-5, 3.164954e-3}, // the same, (1, 1497), 90 %
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double lower = bound_lower(cases[i].hits, cases[i].trials, cases[i].confidence);
        double upper = bound_upper(cases[i].hits, cases[i].trials, cases[i].confidence);
        cr_expect(fabs(lower / cases[i].lower - 1) < 2e-6, "%zu: %.9g", i, lower);
        cr_expect(fabs(upper / cases[i].upper - 1) < 2e-6, "%zu: %.9g", i, upper);
    }
}

Test(bound, upper_agrees_with_values_of_other_code)
{
    static const struct {
        uint64_t hits, trials;
        double confidence, expected;
    } cases[] = {
        {0, 100, 0.95, 0.029513}, {1, 100, 0.95, 0.046560},   {0, 10, 0.95, 0.258866},
        {5, 10, 0.95, 0.777559},  {5, 10, 0.975, 0.812914},   {4, 20, 0.95, 0.401028},
        {0, 20, 0.975, 0.168433}, {10, 100, 0.975, 0.176223},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double bound = bound_upper(cases[i].hits, cases[i].trials, cases[i].confidence);
        cr_expect(fabs(bound - cases[i].expected) < 2e-6, "%d/%d: %.7f, not %.7f",
                  (int)cases[i].hits, (int)cases[i].trials, bound, cases[i].expected);
    }
}

Test(bound, lower_agrees_with_values_of_other_code)
{
    static const struct {
        uint64_t hits, trials;
        double confidence, expected;
    } cases[] = {
        {5, 10, 0.975, 0.187086},  {10, 100, 0.975, 0.049005}, {4, 20, 0.95, 0.071354},
        {10, 10, 0.975, 0.691503}, {1, 100, 0.975, 0.000253},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double bound = bound_lower(cases[i].hits, cases[i].trials, cases[i].confidence);
        cr_expect(fabs(bound - cases[i].expected) < 2e-6, "%d/%d: %.7f, not %.7f",
                  (int)cases[i].hits, (int)cases[i].trials, bound, cases[i].expected);
    }
}

Test(bound, holds_its_definition)
{
    for (unsigned trials = 1; trials <= 400; trials += 37)
        for (unsigned hits = 0; hits < trials; hits += 1 + trials / 9) {
            double upper = bound_upper(hits, trials, 0.95);
            cr_expect(fabs(binomial_cdf(hits, trials, upper) - 0.05) < 1e-8, "%u/%u", hits, trials);
            if (hits > 0) {
                double lower = bound_lower(hits, trials, 0.95);
                double above = 1 - binomial_cdf(hits - 1, trials, lower);
                cr_expect(fabs(above - 0.05) < 1e-8, "%u/%u", hits, trials);
            }
        }
}

Test(bound, stands_at_the_edges)
{
    cr_expect(bound_upper(0, 0, 0.95) == 1.0);
    cr_expect(bound_lower(0, 0, 0.95) == 0.0);
    cr_expect(bound_upper(7, 7, 0.95) == 1.0);
    cr_expect(bound_lower(0, 7, 0.95) == 0.0);
    cr_expect(fabs(bound_upper(0, 1000000, 0.95) - 2.995728e-6) < 1e-11);
    double large = bound_upper(500000000, 1000000000, 0.95);
    cr_expect(fabs(large - (0.5 + 1.6448536 * 0.5 / sqrt(1e9))) < 1e-7, "%.10f", large);
}

Test(bound, narrows_with_more_trials)
{
    double before = 1;
    for (uint64_t trials = 10; trials <= 100000000; trials *= 10) {
        double bound = bound_upper(trials / 10, trials, 0.95);
        cr_expect(bound < before && bound > 0.1);
        before = bound;
    }
}
