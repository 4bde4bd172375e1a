// Figures, breaches, hysteresis. A breach is no accident: rates are judged by their lower Clopper-Pearson bound, and
// latency ratios by new's quantile as low, and old's as high, as the counts leave them at 95 %. An alert ends
// when every figure's plain value was under its limit with room to spare for a whole window.
#include "proxy/guard/guardrail.h"
#include "compare/bound.h"
#include "proxy/guard/guard_latency.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double CONFIDENCE = 0.95, NORMAL_QUANTILE = 1.645; // one-sided, of CONFIDENCE
static const double CALM = 0.8; // the part of a limit under which an alert may end

static void
read_rate(struct guardrail_value *value, double limit, uint64_t hits, uint64_t of, uint64_t least)
{
    *value = (struct guardrail_value){.value = NAN, .limit = limit, .hits = hits, .of = of};
    if (of == 0 || of < least)
        return;
    if (hits > of) // counters of one read are not one atomic step
        value->hits = hits = of;
    value->value = (double)hits / (double)of;
    value->bound = bound_lower(hits, of, CONFIDENCE);
}

struct source {
    const struct configuration_guardrail *limits;
    const struct guard_sample *window;
    int64_t lag_us;
    struct histogram latency[2]; // of guard_latency_choose
};

static void
read_mismatch_rate(const struct source *from, struct guardrail_value *value)
{
    read_rate(value, from->limits->max_mismatch_rate, guard_sample_mismatches(from->window),
              from->window->covered, from->limits->min_comparisons);
}

static void
read_error_rate(const struct source *from, struct guardrail_value *value)
{
    const uint32_t *canary = from->window->canary;

    read_rate(value, from->limits->max_error_rate, canary[GUARD_ERRORS],
              (uint64_t)canary[GUARD_SERVED] + canary[GUARD_FALLBACKS],
              from->limits->min_comparisons);
}

static void
read_fallback_rate(const struct source *from, struct guardrail_value *value)
{
    const uint32_t *canary = from->window->canary;
    uint64_t not_new = (uint64_t)canary[GUARD_FALLBACKS] + canary[GUARD_AVOIDED];

    read_rate(value, from->limits->max_fallback_rate, not_new, not_new + canary[GUARD_SERVED],
              from->limits->min_comparisons);
}

// The quantile, as far up (or down) as `sign` times the error of its rank may put it; NAN: beyond what there is.
static double
quantile_bound(const struct histogram *histogram, double quantile, int sign)
{
    double error = NORMAL_QUANTILE * sqrt(quantile * (1 - quantile) / (double)histogram->count);
    double at = quantile + sign * error;

    return at >= 1 || at <= 0 ? NAN : histogram_quantile(histogram, at);
}

static void
read_latency(const struct source *from, struct guardrail_value *value, double quantile)
{
    const struct histogram *old_runs = &from->latency[0], *new_runs = &from->latency[1];

    *value = (struct guardrail_value){.value = NAN,
                                      .limit = from->limits->max_latency_ratio,
                                      .hits = new_runs->count,
                                      .of = old_runs->count};
    if (old_runs->count == 0 || new_runs->count == 0)
        return;

    double least = quantile_bound(new_runs, quantile, -1) / quantile_bound(old_runs, quantile, 1);

    if (isnan(least)) // so few that nothing lies beyond the quantile
        return;
    value->value = histogram_quantile(new_runs, quantile) / histogram_quantile(old_runs, quantile);
    value->bound = least;
}

static void
read_latency_p95(const struct source *from, struct guardrail_value *value)
{
    read_latency(from, value, 0.95);
}

static void
read_latency_p99(const struct source *from, struct guardrail_value *value)
{
    read_latency(from, value, 0.99);
}

static void
read_lag(const struct source *from, struct guardrail_value *value)
{
    double seconds = from->lag_us < 0 ? NAN : (double)from->lag_us / 1e6;

    *value = (struct guardrail_value){
        .value = seconds, .bound = seconds, .limit = (double)from->limits->max_lag / 1e9};
}

static const struct {
    const char *name;
    void (*read)(const struct source *from, struct guardrail_value *value);
} table[] = {
#define FIGURE(NAME, name, read) {#name, read},
#include "proxy/guard/guardrail.tbl"
};

void
guardrail_read(const struct configuration_guardrail *limits, const struct guard_sample *window,
               int64_t lag_us, struct guardrail_reading *reading)
{
    struct source source = {.limits = limits, .window = window, .lag_us = lag_us};

    reading->latency_compares =
        guard_latency_choose(window, limits->min_comparisons, source.latency);
    for (int i = 0; i < GUARDRAIL_FIGURES; i++)
        table[i].read(&source, &reading->figures[i]);
}

unsigned
guardrail_breaches(const struct guardrail_reading *reading)
{
    unsigned breaches = 0;

    for (int i = 0; i < GUARDRAIL_FIGURES; i++)
        if (!isnan(reading->figures[i].value) &&
            reading->figures[i].bound > reading->figures[i].limit)
            breaches |= 1u << i;
    return breaches;
}

static bool
is_calm(const struct guardrail_reading *reading)
{
    for (int i = 0; i < GUARDRAIL_FIGURES; i++)
        if (!isnan(reading->figures[i].value) &&
            reading->figures[i].value > CALM * reading->figures[i].limit)
            return false;
    return true;
}

void
guardrail_describe(const struct guardrail_reading *reading, unsigned figures, char *text,
                   size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    for (int i = 0; i < GUARDRAIL_FIGURES; i++) {
        const struct guardrail_value *value = &reading->figures[i];

        if ((figures & 1u << i) == 0 || length >= size)
            continue;
        length += (size_t)snprintf(text + length, size - length, "%s%s %.4g",
                                   length > 0 ? "; " : "", table[i].name, value->value);
        if (value->of > 0 && length < size)
            length += (size_t)snprintf(text + length, size - length,
                                       i == GUARDRAIL_LATENCY_P95 || i == GUARDRAIL_LATENCY_P99
                                           ? " (at least %.4g: %" PRIu64 " runs on new, %" PRIu64
                                             " on old)"
                                           : " (at least %.4g: %" PRIu64 " of %" PRIu64 ")",
                                       value->bound, value->hits, value->of);
        if (length < size)
            length += (size_t)snprintf(text + length, size - length, ", limit %.4g", value->limit);
    }
}

const char *
guardrail_state_name(enum guardrail_state state)
{
    static const char *const names[] = {
#define STATE(NAME, name) [GUARDRAIL_IS_##NAME] = #name,
        GUARDRAIL_STATES(STATE)
#undef STATE
    };

    return names[state];
}

static enum guardrail_decision
decide_in_alert(struct guardrail *guardrail, const struct configuration_guardrail *limits,
                const struct guardrail_reading *reading, uint64_t now, unsigned *figures)
{
    unsigned joined = *figures & ~guardrail->breached;

    if (!is_calm(reading))
        guardrail->calm_since = now;
    if (joined != 0) {
        guardrail->breached |= joined;
        *figures = joined;
        return GUARDRAIL_BEGINS_ALERT;
    }
    if (now - guardrail->calm_since < limits->window)
        return GUARDRAIL_NOTHING;
    *figures = guardrail->breached;
    guardrail->breached = 0;
    guardrail->state = GUARDRAIL_IS_FINE;
    return GUARDRAIL_ENDS_ALERT;
}

enum guardrail_decision
guardrail_decide(struct guardrail *guardrail, const struct configuration_guardrail *limits,
                 const struct guardrail_reading *reading, uint64_t now, unsigned *figures)
{
    *figures = guardrail_breaches(reading);
    if (*figures != 0 && limits->action == GUARDRAIL_ROLLBACK) {
        *guardrail = (struct guardrail){.state = GUARDRAIL_IS_ROLLED_BACK};
        return GUARDRAIL_ROLLS_BACK;
    }
    if (guardrail->state == GUARDRAIL_IS_ALERT)
        return decide_in_alert(guardrail, limits, reading, now, figures);
    if (*figures != 0) {
        *guardrail = (struct guardrail){GUARDRAIL_IS_ALERT, *figures, now};
        return GUARDRAIL_BEGINS_ALERT;
    }
    guardrail->state = isnan(reading->figures[GUARDRAIL_MISMATCH_RATE].value) ||
                               isnan(reading->figures[GUARDRAIL_FALLBACK_RATE].value)
                           ? GUARDRAIL_IS_TOO_FEW
                           : GUARDRAIL_IS_FINE;
    return GUARDRAIL_NOTHING;
}

bool
guardrail_rest(struct guardrail *guardrail, bool is_latched)
{
    bool was_alert = guardrail->state == GUARDRAIL_IS_ALERT;

    if (guardrail->state != GUARDRAIL_IS_ROLLED_BACK || !is_latched)
        *guardrail = (struct guardrail){.state = GUARDRAIL_IS_IDLE};
    return was_alert;
}
