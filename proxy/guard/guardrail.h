// The guardrail's judgement: what came within the window, held against the limits of the configuration. Pure; one
// thread; the time is told.
#ifndef PROXY_GUARD_GUARDRAIL_H
#define PROXY_GUARD_GUARDRAIL_H

#include "config/configuration.h"
#include "proxy/guard/guard_window.h"

enum guardrail_figure {
#define FIGURE(NAME, name, read) GUARDRAIL_##NAME,
#include "proxy/guard/guardrail.tbl"
    GUARDRAIL_FIGURES
};

struct guardrail_value {
    double value; // NAN: unknown, or of too few
    double bound; // what chance leaves of it at 95 %: a breach is a bound over the limit
    double limit;
    uint64_t hits, of; // of a rate; of a ratio: new's runs and old's
};

struct guardrail_reading {
    struct guardrail_value figures[GUARDRAIL_FIGURES];
    const char *latency_compares; // "served", "mirrored", "mixed", as in latency.h
};

// `lag_us` < 0: unknown.
void guardrail_read(const struct configuration_guardrail *limits, const struct guard_sample *window,
                    int64_t lag_us, struct guardrail_reading *reading);
unsigned guardrail_breaches(const struct guardrail_reading *reading); // 1 << figure
// The figures of the set as text: "mismatch_rate 0.02 (at least 0.011: 12 of 600) over 0.001; …".
void guardrail_describe(const struct guardrail_reading *reading, unsigned figures, char *text,
                        size_t size);

// IDLE ──new may serve──► TOO_FEW ◄──► FINE
// TOO_FEW | FINE ──a breach, action: rollback──► ROLLED_BACK ──armed again──► IDLE
// TOO_FEW | FINE ──a breach, action: alert──► ALERT ──calm for a whole window──► FINE
// any but ROLLED_BACK ──new serves nothing──► IDLE
#define GUARDRAIL_STATES(STATE)                                                                    \
    STATE(IDLE, idle)                                                                              \
    STATE(TOO_FEW, too_few) STATE(FINE, fine) STATE(ALERT, alert) STATE(ROLLED_BACK, rolled_back)
enum guardrail_state {
#define STATE(NAME, name) GUARDRAIL_IS_##NAME,
    GUARDRAIL_STATES(STATE)
#undef STATE
};
const char *guardrail_state_name(enum guardrail_state state);

struct guardrail {
    enum guardrail_state state;
    unsigned breached;   // while ALERT: the figures that have been told
    uint64_t calm_since; // while ALERT: ns
};

enum guardrail_decision {
    GUARDRAIL_NOTHING,
    GUARDRAIL_BEGINS_ALERT, // or another figure has joined it
    GUARDRAIL_ENDS_ALERT,
    GUARDRAIL_ROLLS_BACK,
};
// *figures: those that the decision is about.
enum guardrail_decision guardrail_decide(struct guardrail *guardrail,
                                         const struct configuration_guardrail *limits,
                                         const struct guardrail_reading *reading, uint64_t now,
                                         unsigned *figures);
// New serves nothing any more. True: that ended an alert.
bool guardrail_rest(struct guardrail *guardrail, bool is_latched);

#endif
