// Exact (Clopper-Pearson) confidence bounds of a proportion. The upper bound of k of n is the p at
// which k or fewer hits have the probability 1 - confidence, that is I_p(k + 1, n - k) = confidence
// with I the regularised incomplete beta function; the lower one is symmetrical. I is computed by
// its continued fraction (modified Lentz), p by bisection. Pure, any thread: lgamma_r, because
// lgamma writes a global.
//
// The fraction takes about sqrt(n) steps near the mean: microseconds for a thousand comparisons, a
// few milliseconds for a thousand million.
#include "compare/bound.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>

enum { MAX_STEPS = 200000, MAX_HALVINGS = 200 };

static const double TINY = 1e-300; // keeps Lentz's denominators from zero

static double
guarded(double value)
{
    return fabs(value) < TINY ? TINY : value;
}

static double
log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

// The continued fraction of I_x(a, b), without the factor before it.
static double
fraction(double a, double b, double x)
{
    double c = 1.0;
    double d = 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0));
    double value = d;
    for (int step = 1; step <= MAX_STEPS; step++) {
        double m = step;
        double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guarded(1.0 + even * d);
        c = guarded(1.0 + even / c);
        value *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guarded(1.0 + odd * d);
        c = guarded(1.0 + odd / c);
        double change = d * c;
        value *= change;
        if (fabs(change - 1.0) < 4.0 * DBL_EPSILON)
            break;
    }
    return value;
}

static double
incomplete_beta(double a, double b, double x)
{
    if (x <= 0.0)
        return 0.0;
    if (x >= 1.0)
        return 1.0;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    // The fraction converges fast below the mean; above it the symmetrical one does.
    if (x < (a + 1.0) / (a + b + 2.0))
        return front * fraction(a, b, x) / a;
    return 1.0 - front * fraction(b, a, 1.0 - x) / b;
}

// The x where I_x(a, b), which grows with x, reaches `target`.
static double
inverse(double a, double b, double target)
{
    double low = 0.0;
    double high = 1.0;
    for (int i = 0; i < MAX_HALVINGS; i++) {
        double middle = low + (high - low) / 2.0;
        if (middle <= low || middle >= high)
            break;
        if (incomplete_beta(a, b, middle) < target)
            low = middle;
        else
            high = middle;
        if (high - low <= 1e-12 * high)
            break;
    }
    return low + (high - low) / 2.0;
}

double
bound_upper(uint64_t hits, uint64_t trials, double confidence)
{
    if (trials == 0 || hits >= trials)
        return 1.0;
    if (hits == 0) // closed form: (1 - p)^n = 1 - confidence
        return -expm1(log1p(-confidence) / (double)trials);
    return inverse((double)hits + 1.0, (double)(trials - hits), confidence);
}

double
bound_lower(uint64_t hits, uint64_t trials, double confidence)
{
    if (trials == 0 || hits == 0)
        return 0.0;
    if (hits >= trials) // closed form: p^n = 1 - confidence
        return exp(log1p(-confidence) / (double)trials);
    return inverse((double)hits, (double)(trials - hits) + 1.0, 1.0 - confidence);
}
