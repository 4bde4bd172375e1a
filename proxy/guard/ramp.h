// The ramp's next move. Where it stands is the percentage alone: the step under way is the last one that it has
// reached, so that nothing but `state` is to be kept. Pure; one thread; the time is told.
#ifndef PROXY_GUARD_RAMP_H
#define PROXY_GUARD_RAMP_H

#include "config/configuration.h"

// IDLE | ABORTED | DONE | PAUSED ──START──► RUNNING
// RUNNING ──PAUSE, an alert, another hand on the percentage──► PAUSED
// RUNNING | PAUSED ──ABORT, a rollback──► ABORTED
// RUNNING ──the last step's hold has passed──► DONE
#define RAMP_STATES(STATE)                                                                         \
    STATE(IDLE, idle)                                                                              \
    STATE(RUNNING, running) STATE(PAUSED, paused) STATE(ABORTED, aborted) STATE(DONE, done)
enum ramp_state {
#define STATE(NAME, name) RAMP_IS_##NAME,
    RAMP_STATES(STATE)
#undef STATE
};
const char *ramp_state_name(enum ramp_state state);
bool ramp_state_find(const char *name, enum ramp_state *state);

struct ramp {
    enum ramp_state state;
    unsigned percent;    // hundredths: as the ramp left it
    uint64_t held_since; // ns: since when it is that
    bool is_asking;      // the next step is on its way: it is taken when the store has it
};

struct ramp_plan { // what the configuration says; borrowed
    const struct configuration_ramp_step *steps;
    size_t count;
    enum ramp_on_breach on_breach;
};

// The step under way: the last one of at most `percent`. -1: none is reached.
int ramp_step_at(const struct ramp_plan *plan, unsigned percent);

struct ramp_facts {
    uint64_t now;
    unsigned percent; // in force
    bool is_latched, is_alert, is_gate_open;
};

enum ramp_move {
    RAMP_STAYS,
    RAMP_ASKS,      // for the step of `percent`
    RAMP_FOLLOWS,   // the step of `percent` was taken elsewhere
    RAMP_FALLS,     // an alert: paused at `percent`, which may be lower
    RAMP_GIVES_WAY, // paused: somebody else has set the percentage
    RAMP_ABORTS,    // the canary was rolled back
    RAMP_ENDS,      // the last hold has passed
};
struct ramp_decision {
    enum ramp_move move;
    unsigned percent;
};
// Moves `ramp` and says how; the percentage in force is the caller's to move.
struct ramp_decision ramp_decide(struct ramp *ramp, const struct ramp_plan *plan,
                                 const struct ramp_facts *facts);
// The step that was asked for is in force; or could not be kept, and is asked for again.
void ramp_entered(struct ramp *ramp, unsigned percent, uint64_t now);
void ramp_refused(struct ramp *ramp);
void ramp_start(struct ramp *ramp, unsigned percent, uint64_t now);
void ramp_pause(struct ramp *ramp);
void ramp_abort(struct ramp *ramp);

#endif
