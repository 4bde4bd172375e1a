// May the migration take its next step? One decision for the ramp and for the subcommand `gate`. Pure.
#ifndef PROXY_GUARD_GATE_H
#define PROXY_GUARD_GATE_H

#include "config/configuration.h"
#include <stddef.h>

enum gate_reason {
#define REASON(NAME, name) GATE_##NAME,
#include "proxy/guard/gate.tbl"
    GATE_REASONS
};

struct gate_figures {
    bool is_latched, is_alert;
    uint64_t reads; // that have come to their end
    uint64_t covered,
        mismatches;       // comparisons that count into the rate; mismatches without the accepted
    uint64_t distinct;    // (statement, parameters) compared, estimated
    double latency_ratio; // new's p95 to old's; NAN: a side has none
    const char *latency_compares; // as in latency.h; NULL with NAN
    bool is_latency_judged;       // false: it is measured on both sides unlike, and only a hint
};

// The reasons that close it, 1 << reason each. 0: it is open.
unsigned gate_decide(const struct configuration_gate *limits, const struct gate_figures *figures);
const char *gate_reason_name(enum gate_reason reason);
// What is wrong and what would do, without the name; "at most 0.012 at 95 % (3 of 420), …".
void gate_reason_text(enum gate_reason reason, const struct configuration_gate *limits,
                      const struct gate_figures *figures, char *text, size_t size);
// The figures, whatever was decided of them.
void gate_figures_text(const struct configuration_gate *limits, const struct gate_figures *figures,
                       char *text, size_t size);

#endif
