// The gate's decision. What is not known keeps it closed: it takes comparisons to show that new agrees, and so many of
// them that the upper confidence bound of the mismatch rate is under the limit.
#include "proxy/guard/gate.h"
#include "compare/bound.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static double
upper_bound(const struct configuration_gate *limits, const struct gate_figures *figures)
{
    return bound_upper(figures->mismatches, figures->covered, limits->confidence);
}

static double
coverage(const struct gate_figures *figures)
{
    return figures->reads > 0 ? (double)figures->covered / (double)figures->reads : 0;
}

unsigned
gate_decide(const struct configuration_gate *limits, const struct gate_figures *figures)
{
    const bool closes[GATE_REASONS] = {
        [GATE_LATCHED] = figures->is_latched,
        [GATE_ALERT] = figures->is_alert,
        [GATE_COMPARISONS] =
            figures
                ->covered<limits->min_comparisons, [GATE_MISMATCH_RATE] =
                                                       upper_bound(limits, figures)>
                    limits->max_mismatch_rate,
        [GATE_LATENCY_RATIO] =
            figures->is_latency_judged && !(figures->latency_ratio <= limits->max_latency_ratio),
        [GATE_COVERAGE] = coverage(figures) < limits->min_coverage,
        [GATE_DISTINCT] = figures->distinct < limits->min_distinct,
    };
    unsigned reasons = 0;

    for (int i = 0; i < GATE_REASONS; i++)
        reasons |= closes[i] ? 1u << i : 0;
    return reasons;
}

const char *
gate_reason_name(enum gate_reason reason)
{
    static const char *const names[] = {
#define REASON(NAME, name) #name,
#include "proxy/guard/gate.tbl"
    };

    return names[reason];
}

void
gate_reason_text(enum gate_reason reason, const struct configuration_gate *limits,
                 const struct gate_figures *figures, char *text, size_t size)
{
    double percent = limits->confidence * 100;

    text[0] = '\0';
    switch (reason) {
    case GATE_LATCHED:
        snprintf(text, size, "the canary was rolled back; ARM CANARY allows it again");
        break;
    case GATE_ALERT:
        snprintf(text, size, "a limit of the guardrail is passed; SHOW EVENTS says which");
        break;
    case GATE_COMPARISONS:
        snprintf(text, size, "%" PRIu64 ", and at least %" PRIu64 " are needed", figures->covered,
                 limits->min_comparisons);
        break;
    case GATE_MISMATCH_RATE:
        snprintf(text, size,
                 "at most %.4g at %.4g %% confidence (%" PRIu64 " mismatches of %" PRIu64
                 " comparisons), and no more than %.4g may be",
                 upper_bound(limits, figures), percent, figures->mismatches, figures->covered,
                 limits->max_mismatch_rate);
        break;
    case GATE_LATENCY_RATIO:
        if (isnan(figures->latency_ratio))
            snprintf(text, size, "unknown: there are no latencies of both sides");
        else
            snprintf(text, size, "new's p95 is %.4g times old's (%s), and no more than %.4g may be",
                     figures->latency_ratio, figures->latency_compares, limits->max_latency_ratio);
        break;
    case GATE_COVERAGE:
        snprintf(text, size, "%.4g of the reads are compared, and at least %.4g must be",
                 coverage(figures), limits->min_coverage);
        break;
    case GATE_DISTINCT:
        snprintf(text, size,
                 "%" PRIu64 " different statements with their parameters, and at least %" PRIu64
                 " are needed",
                 figures->distinct, limits->min_distinct);
        break;
    case GATE_REASONS:
        break;
    }
}

void
gate_figures_text(const struct configuration_gate *limits, const struct gate_figures *figures,
                  char *text, size_t size)
{
    char ratio[32] = "unknown";

    if (!isnan(figures->latency_ratio))
        snprintf(ratio, sizeof ratio, "%.4g %s", figures->latency_ratio, figures->latency_compares);
    snprintf(text, size,
             "%" PRIu64 " comparisons, %" PRIu64 " mismatches: at most %.4g at %.4g %%; coverage "
             "%.4g; %" PRIu64 " distinct; latency ratio %s",
             figures->covered, figures->mismatches, upper_bound(limits, figures),
             limits->confidence * 100, coverage(figures), figures->distinct, ratio);
}
