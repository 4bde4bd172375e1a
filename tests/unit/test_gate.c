// The gate: what is not shown keeps it closed, and each reason is named.
#include "proxy/guard/gate.h"
#include <criterion/criterion.h>
#include <math.h>

static const struct configuration_gate limits = {
    .min_comparisons = 1000,
    .max_mismatch_rate = 0.001,
    .confidence = 0.95,
    .max_latency_ratio = 3,
    .min_coverage = 0.5,
    .min_distinct = 100,
};

#define CLOSED(NAME) (1u << GATE_##NAME)

static const struct decided {
    const char *what;
    struct gate_figures figures;
    unsigned reasons;
} decided[] = {
    {"all is well",
     {.reads = 6000,
      .covered = 3000,
      .distinct = 100,
      .latency_ratio = 3,
      .is_latency_judged = true},
     0},
    {"nothing is known",
     {.latency_ratio = NAN, .is_latency_judged = true},
     CLOSED(COMPARISONS) | CLOSED(MISMATCH_RATE) | CLOSED(LATENCY_RATIO) | CLOSED(COVERAGE) |
         CLOSED(DISTINCT)},
    // 0 of n is at most 0.001 at 95 % from n = 2995 on.
    {"too few to be sure",
     {.reads = 2994,
      .covered = 2994,
      .distinct = 100,
      .latency_ratio = 1,
      .is_latency_judged = true},
     CLOSED(MISMATCH_RATE)},
    {"just enough",
     {.reads = 2995,
      .covered = 2995,
      .distinct = 100,
      .latency_ratio = 1,
      .is_latency_judged = true},
     0},
    {"one mismatch needs more",
     {.reads = 4000,
      .covered = 4000,
      .mismatches = 1,
      .distinct = 100,
      .latency_ratio = 1,
      .is_latency_judged = true},
     CLOSED(MISMATCH_RATE)},
    {"and gets them",
     {.reads = 4800,
      .covered = 4800,
      .mismatches = 1,
      .distinct = 100,
      .latency_ratio = 1,
      .is_latency_judged = true},
     0},
    {"slow",
     {.reads = 3000,
      .covered = 3000,
      .distinct = 100,
      .latency_ratio = 3.01,
      .is_latency_judged = true},
     CLOSED(LATENCY_RATIO)},
    {"slow, and measured unlike",
     {.reads = 3000, .covered = 3000, .distinct = 100, .latency_ratio = 3.01},
     0},
    {"no latencies",
     {.reads = 3000,
      .covered = 3000,
      .distinct = 100,
      .latency_ratio = NAN,
      .is_latency_judged = true},
     CLOSED(LATENCY_RATIO)},
    {"much is not compared",
     {.reads = 6001,
      .covered = 3000,
      .distinct = 100,
      .latency_ratio = 1,
      .is_latency_judged = true},
     CLOSED(COVERAGE)},
    {"always the same",
     {.reads = 3000,
      .covered = 3000,
      .distinct = 99,
      .latency_ratio = 1,
      .is_latency_judged = true},
     CLOSED(DISTINCT)},
    {"rolled back",
     {.is_latched = true,
      .reads = 3000,
      .covered = 3000,
      .distinct = 100,
      .latency_ratio = 1,
      .is_latency_judged = true},
     CLOSED(LATCHED)},
    {"alert",
     {.is_alert = true,
      .reads = 3000,
      .covered = 3000,
      .distinct = 100,
      .latency_ratio = 1,
      .is_latency_judged = true},
     CLOSED(ALERT)},
};

Test(gate, opens_for_what_is_shown_and_names_what_is_not)
{
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++) {
        unsigned reasons = gate_decide(&limits, &decided[i].figures);
        char text[256];

        cr_expect_eq(reasons, decided[i].reasons, "%s: %x", decided[i].what, reasons);
        for (int reason = 0; reason < GATE_REASONS; reason++) {
            gate_reason_text((enum gate_reason)reason, &limits, &decided[i].figures, text,
                             sizeof text);
            cr_expect(text[0] != '\0' && gate_reason_name((enum gate_reason)reason)[0] != '\0');
        }
    }
}
