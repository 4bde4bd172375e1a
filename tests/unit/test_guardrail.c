// The guardrail: what lies in the window, what is a breach and what is chance, and when an alert may end.
#include "proxy/guard/guardrail.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static const struct configuration_guardrail limits = {
    .window = 60 * SECOND,
    .min_comparisons = 200,
    .max_mismatch_rate = 0.001,
    .max_error_rate = 0.01,
    .max_fallback_rate = 0.2,
    .max_latency_ratio = 3,
    .max_lag = 10 * SECOND,
    .action = GUARDRAIL_ALERT,
};

static struct guard_sample total, inside; // too large for a test's stack with sanitizers

// ---- the window ----

static unsigned
slide(struct guard_window *window, unsigned comparisons, uint64_t now)
{
    total.covered += comparisons;
    guard_window_slide(window, &total, now, &inside);
    return inside.covered;
}

Test(guard_window, holds_what_came_within_its_length_and_a_slot_at_most)
{
    struct guard_window window = {0};
    total.covered = UINT32_MAX - 50; // counters go round

    cr_assert(guard_window_begin(&window, 20 * SECOND, &total, 1000 * SECOND));
    cr_expect_eq(slide(&window, 0, 1000 * SECOND), 0u);
    cr_expect_eq(slide(&window, 100, 1000 * SECOND + SECOND / 2), 100u);
    for (unsigned second = 1; second <= 60; second++) {
        unsigned held = slide(&window, 1, (1000 + second) * SECOND);

        if (second < 20)
            cr_expect_eq(held, 100 + second, "%u: %u", second, held);
        else if (second > 21) // all of the first is gone
            cr_expect(held == 20 || held == 21, "%u: %u", second, held);
    }
    guard_window_end(&window);
    cr_expect_not(guard_window_is_begun(&window));
}

Test(guard_window, forgets_all_when_nobody_looked_for_long)
{
    struct guard_window window = {0};

    cr_assert(guard_window_begin(&window, 20 * SECOND, &total, SECOND));
    cr_expect_eq(slide(&window, 7, 2 * SECOND), 7u);
    cr_expect_eq(slide(&window, 9, 900 * SECOND), 0u, "it may all be older than the window");
    cr_expect_eq(slide(&window, 3, 901 * SECOND), 3u);
    cr_expect_eq(slide(&window, 1, 10 * SECOND + 900 * SECOND), 4u);
    guard_window_end(&window);
}

// ---- breaches ----

struct rates {
    const char *what;
    unsigned covered, mismatches, accepted, served, fallbacks, errors, avoided;
    int64_t lag_us;
    unsigned breaches;
};

#define BREACH(NAME) (1u << GUARDRAIL_##NAME)

static const struct rates rates[] = {
    {"nothing at all", .lag_us = -1, .breaches = 0},
    {"too few comparisons, all wrong", .covered = 199, .mismatches = 199, .breaches = 0},
    {"as many as are needed", .covered = 200, .mismatches = 200, .breaches = BREACH(MISMATCH_RATE)},
    {"over the limit, and it may be chance", .covered = 800, .mismatches = 1, .breaches = 0},
    {"over the limit, and it is no chance", .covered = 800, .mismatches = 5,
     .breaches = BREACH(MISMATCH_RATE)},
    {"what is accepted is no mismatch", .covered = 800, .mismatches = 5, .accepted = 5},
    {"more accepted than counted, for a moment", .covered = 800, .mismatches = 5, .accepted = 6},
    {"too few canary reads, all failed", .fallbacks = 199, .errors = 199, .breaches = 0},
    {"errors", .served = 950, .fallbacks = 50, .errors = 50, .breaches = BREACH(ERROR_RATE)},
    {"as many errors as may be", .served = 990, .fallbacks = 10, .errors = 10, .breaches = 0},
    {"late answers are fallbacks and no errors", .served = 600, .fallbacks = 400,
     .breaches = BREACH(FALLBACK_RATE)},
    {"new is away: few are tried, the others go to old at once", .fallbacks = 10, .errors = 10,
     .avoided = 990, .breaches = BREACH(FALLBACK_RATE)},
    {"as many fallbacks as may be", .served = 800, .fallbacks = 200, .breaches = 0},
    {"as far behind as may be", .lag_us = 10000000, .breaches = 0},
    {"further", .lag_us = 10000001, .breaches = BREACH(LAG)},
    {"nobody knows how far", .lag_us = -1, .breaches = 0},
};

Test(guardrail, a_breach_is_over_the_limit_and_no_chance)
{
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct guardrail_reading reading;

        memset(&inside, 0, sizeof inside);
        inside.covered = rates[i].covered;
        inside.mismatches = rates[i].mismatches;
        inside.accepted = rates[i].accepted;
        inside.canary[GUARD_SERVED] = rates[i].served;
        inside.canary[GUARD_FALLBACKS] = rates[i].fallbacks;
        inside.canary[GUARD_ERRORS] = rates[i].errors;
        inside.canary[GUARD_AVOIDED] = rates[i].avoided;
        guardrail_read(&limits, &inside, rates[i].lag_us, &reading);
        cr_expect_eq(guardrail_breaches(&reading), rates[i].breaches, "%s: %x", rates[i].what,
                     guardrail_breaches(&reading));
    }
}

struct runs { // of which `slow` take `slow_ms`, the others 1 ms
    unsigned count, slow, slow_ms;
};

static void
put(int side, enum latency_run run, struct runs runs)
{
    inside.latency[side][run][histogram_bucket(1000000)] = runs.count - runs.slow;
    inside.latency[side][run][histogram_bucket(runs.slow_ms * UINT64_C(1000000))] += runs.slow;
}

static const struct latencies {
    const char *what;
    struct runs old_served, old_mirrored, new_served, new_mirrored;
    const char *compares;
    unsigned breaches;
} latencies[] = {
    {"as fast", {1000, 0, 1}, {0}, {1000, 0, 1}, {0}, "served", 0},
    {"all slow",
     {1000, 0, 1},
     {0},
     {1000, 1000, 5},
     {0},
     "served",
     BREACH(LATENCY_P95) | BREACH(LATENCY_P99)},
    {"slow within the limit", {1000, 0, 1}, {0}, {1000, 1000, 2}, {0}, "served", 0},
    {"one in ten slow",
     {1000, 0, 1},
     {0},
     {1000, 100, 9},
     {0},
     "served",
     BREACH(LATENCY_P95) | BREACH(LATENCY_P99)},
    {"one in forty slow", {10000, 0, 1}, {0}, {10000, 250, 9}, {0}, "served", BREACH(LATENCY_P99)},
    {"so few that the slow ones are chance", {250, 0, 1}, {0}, {250, 4, 9}, {0}, "served", 0},
    {"old has slow ones, too", {1000, 100, 9}, {0}, {1000, 100, 9}, {0}, "served", 0},
    {"like with like, not what is measured otherwise",
     {1000, 0, 1},
     {1000, 1000, 9},
     {1000, 1000, 9},
     {0},
     "served",
     BREACH(LATENCY_P95) | BREACH(LATENCY_P99)},
    {"too few served by new: mirrored ones",
     {1000, 0, 1},
     {300, 0, 1},
     {100, 100, 9},
     {300, 300, 5},
     "mirrored",
     BREACH(LATENCY_P95) | BREACH(LATENCY_P99)},
    {"canary reads alone: against the same ones on old",
     {0},
     {1000, 0, 1},
     {1000, 1000, 9},
     {0},
     "mixed",
     BREACH(LATENCY_P95) | BREACH(LATENCY_P99)},
    {"too few of everything", {199, 0, 1}, {199, 0, 1}, {199, 199, 9}, {199, 199, 9}, NULL, 0},
};

Test(guardrail, latencies_are_compared_like_with_like)
{
    for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++) {
        const struct latencies *one = &latencies[i];
        struct guardrail_reading reading;

        memset(&inside, 0, sizeof inside);
        put(0, LATENCY_SERVED, one->old_served);
        put(0, LATENCY_MIRRORED, one->old_mirrored);
        put(1, LATENCY_SERVED, one->new_served);
        put(1, LATENCY_MIRRORED, one->new_mirrored);
        guardrail_read(&limits, &inside, 0, &reading);
        cr_expect_eq(guardrail_breaches(&reading), one->breaches, "%s: %x", one->what,
                     guardrail_breaches(&reading));
        cr_expect(
            (reading.latency_compares == NULL) == (one->compares == NULL) &&
                (one->compares == NULL || strcmp(reading.latency_compares, one->compares) == 0),
            "%s: %s", one->what, reading.latency_compares);
    }
}

// ---- what is done ----

static struct guardrail_reading
lag_of(double seconds)
{
    struct guardrail_reading reading;

    memset(&inside, 0, sizeof inside);
    inside.covered = inside.canary[GUARD_SERVED] = 1000;
    guardrail_read(&limits, &inside, (int64_t)(seconds * 1e6), &reading);
    return reading;
}

Test(guardrail, an_alert_ends_when_all_was_clearly_below_for_a_whole_window)
{
    static const struct {
        unsigned at; // s
        double lag;
        enum guardrail_decision decision;
        enum guardrail_state state;
    } moments[] = {
        {0, 1, GUARDRAIL_NOTHING, GUARDRAIL_IS_FINE},
        {1, 11, GUARDRAIL_BEGINS_ALERT, GUARDRAIL_IS_ALERT},
        {2, 12, GUARDRAIL_NOTHING, GUARDRAIL_IS_ALERT}, // it is told once
        {3, 9, GUARDRAIL_NOTHING, GUARDRAIL_IS_ALERT},  // below the limit, not clearly
        {63, 9, GUARDRAIL_NOTHING, GUARDRAIL_IS_ALERT},
        {64, 7.9, GUARDRAIL_NOTHING, GUARDRAIL_IS_ALERT}, // calm since 63
        {122, 7.9, GUARDRAIL_NOTHING, GUARDRAIL_IS_ALERT},
        {122, 8.1, GUARDRAIL_NOTHING, GUARDRAIL_IS_ALERT}, // anew
        {181, 1, GUARDRAIL_NOTHING, GUARDRAIL_IS_ALERT},
        {182, 1, GUARDRAIL_ENDS_ALERT, GUARDRAIL_IS_FINE},
        {183, 1, GUARDRAIL_NOTHING, GUARDRAIL_IS_FINE},
        {184, 11, GUARDRAIL_BEGINS_ALERT, GUARDRAIL_IS_ALERT},
    };
    struct guardrail guardrail = {0};
    unsigned figures;

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        struct guardrail_reading reading = lag_of(moments[i].lag);
        enum guardrail_decision decision = guardrail_decide(
            &guardrail, &limits, &reading, moments[i].at * SECOND + SECOND, &figures);

        cr_expect_eq(decision, moments[i].decision, "moment %zu: %d", i, decision);
        cr_expect_eq(guardrail.state, moments[i].state, "moment %zu", i);
    }
}

Test(guardrail, another_figure_that_joins_an_alert_is_told)
{
    struct guardrail guardrail = {0};
    struct guardrail_reading reading = lag_of(11);
    char text[256];
    unsigned figures;

    cr_expect_eq(guardrail_decide(&guardrail, &limits, &reading, SECOND, &figures),
                 GUARDRAIL_BEGINS_ALERT);
    inside.mismatches = 100;
    guardrail_read(&limits, &inside, 11000000, &reading);
    cr_expect_eq(guardrail_decide(&guardrail, &limits, &reading, 2 * SECOND, &figures),
                 GUARDRAIL_BEGINS_ALERT);
    cr_expect_eq(figures, BREACH(MISMATCH_RATE), "and that one alone");
    guardrail_describe(&reading, figures, text, sizeof text);
    cr_expect_str_eq(text, "mismatch_rate 0.1 (at least 0.08478: 100 of 1000), limit 0.001");
}

Test(guardrail, a_rollback_is_decided_once_and_stands_until_the_canary_is_armed)
{
    struct configuration_guardrail strict = limits;
    struct guardrail guardrail = {0};
    struct guardrail_reading reading = lag_of(11);
    unsigned figures;

    strict.action = GUARDRAIL_ROLLBACK;
    cr_expect_eq(guardrail_decide(&guardrail, &strict, &reading, SECOND, &figures),
                 GUARDRAIL_ROLLS_BACK);
    cr_expect_eq(figures, BREACH(LAG));
    cr_expect_not(guardrail_rest(&guardrail, true));
    cr_expect_eq(guardrail.state, GUARDRAIL_IS_ROLLED_BACK, "latched: it says why");
    cr_expect_not(guardrail_rest(&guardrail, false));
    cr_expect_eq(guardrail.state, GUARDRAIL_IS_IDLE);
}

Test(guardrail, too_few_reads_are_called_so)
{
    struct guardrail guardrail = {0};
    struct guardrail_reading reading;
    unsigned figures;

    memset(&inside, 0, sizeof inside);
    inside.covered = 500; // but no canary read
    guardrail_read(&limits, &inside, 0, &reading);
    cr_expect_eq(guardrail_decide(&guardrail, &limits, &reading, SECOND, &figures),
                 GUARDRAIL_NOTHING);
    cr_expect_eq(guardrail.state, GUARDRAIL_IS_TOO_FEW);
}
