// See ramp.h. Down is a move that is made, up is one that is asked for: it waits for the store, so that a restart finds
// the percentage that was in force, or a lower one.
#include "proxy/guard/ramp.h"
#include <stddef.h>
#include <string.h>

static const char *const names[] = {
#define STATE(NAME, name) [RAMP_IS_##NAME] = #name,
    RAMP_STATES(STATE)
#undef STATE
};

const char *
ramp_state_name(enum ramp_state state)
{
    return names[state];
}

bool
ramp_state_find(const char *name, enum ramp_state *state)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *state = (enum ramp_state)i;
            return true;
        }
    return false;
}

int
ramp_step_at(const struct ramp_plan *plan, unsigned percent)
{
    int step = -1;

    for (size_t i = 0; i < plan->count && plan->steps[i].percent <= percent; i++)
        step = (int)i;
    return step;
}

static unsigned
fall_to(const struct ramp_plan *plan, unsigned percent)
{
    int step = ramp_step_at(plan, percent);

    if (plan->on_breach == RAMP_STAYS_THERE)
        return percent;
    if (plan->on_breach == RAMP_TO_ZERO || step < 1)
        return 0;
    return plan->steps[step - 1].percent;
}

static struct ramp_decision
next_step(struct ramp *ramp, const struct ramp_plan *plan, const struct ramp_facts *facts)
{
    int step = ramp_step_at(plan, ramp->percent);
    size_t next = (size_t)(step + 1);

    if (next < plan->count && facts->percent == plan->steps[next].percent) {
        ramp_entered(ramp, facts->percent, facts->now);
        return (struct ramp_decision){RAMP_FOLLOWS, facts->percent};
    }
    if (facts->percent != ramp->percent) {
        ramp_pause(ramp);
        return (struct ramp_decision){RAMP_GIVES_WAY, facts->percent};
    }
    if (ramp->is_asking || (step >= 0 && facts->now - ramp->held_since < plan->steps[step].hold))
        return (struct ramp_decision){.move = RAMP_STAYS};
    if (next == plan->count) {
        ramp->state = RAMP_IS_DONE;
        return (struct ramp_decision){RAMP_ENDS, ramp->percent};
    }
    if (!facts->is_gate_open)
        return (struct ramp_decision){.move = RAMP_STAYS};
    ramp->is_asking = true;
    return (struct ramp_decision){RAMP_ASKS, plan->steps[next].percent};
}

struct ramp_decision
ramp_decide(struct ramp *ramp, const struct ramp_plan *plan, const struct ramp_facts *facts)
{
    if (ramp->state != RAMP_IS_RUNNING && ramp->state != RAMP_IS_PAUSED)
        return (struct ramp_decision){.move = RAMP_STAYS};
    if (facts->is_latched) {
        ramp_abort(ramp);
        return (struct ramp_decision){RAMP_ABORTS, 0};
    }
    if (ramp->state == RAMP_IS_PAUSED)
        return (struct ramp_decision){.move = RAMP_STAYS};
    if (facts->is_alert) {
        ramp_pause(ramp);
        return (struct ramp_decision){RAMP_FALLS, fall_to(plan, facts->percent)};
    }
    return next_step(ramp, plan, facts);
}

void
ramp_entered(struct ramp *ramp, unsigned percent, uint64_t now)
{
    ramp->percent = percent;
    ramp->held_since = now;
    ramp->is_asking = false;
}

void
ramp_refused(struct ramp *ramp)
{
    ramp->is_asking = false;
}

void
ramp_start(struct ramp *ramp, unsigned percent, uint64_t now)
{
    *ramp = (struct ramp){RAMP_IS_RUNNING, percent, now, false};
}

void
ramp_pause(struct ramp *ramp)
{
    ramp->state = RAMP_IS_PAUSED;
    ramp->is_asking = false;
}

void
ramp_abort(struct ramp *ramp)
{
    ramp->state = RAMP_IS_ABORTED;
    ramp->is_asking = false;
}
