// The ramp: up step by step while the gate is open, down at once, and never up by itself where somebody stopped it.
#include "proxy/guard/ramp.h"
#include <criterion/criterion.h>

#define SECOND UINT64_C(1000000000)

static const struct configuration_ramp_step steps[] = {
    {100, 10 * SECOND}, {500, 20 * SECOND}, {10000, 30 * SECOND}};
static const struct ramp_plan plan = {steps, 3, RAMP_TO_LAST_GOOD};

struct moment {
    unsigned at; // s
    unsigned percent;
    bool is_gate_open, is_alert, is_latched;
    enum ramp_move move;
    unsigned to;
    enum ramp_state state;
};

// What the ramp asks for is taken at once, as long as it is asked for.
static void
play(struct ramp *ramp, const struct ramp_plan *along, const struct moment *moments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct moment *moment = &moments[i];
        struct ramp_facts facts = {
            .now = (1000 + moment->at) * SECOND,
            .percent = moment->percent,
            .is_gate_open = moment->is_gate_open,
            .is_alert = moment->is_alert,
            .is_latched = moment->is_latched,
        };
        struct ramp_decision decision = ramp_decide(ramp, along, &facts);

        cr_expect_eq(decision.move, moment->move, "moment %zu: move %d", i, decision.move);
        if (decision.move != RAMP_STAYS)
            cr_expect_eq(decision.percent, moment->to, "moment %zu: to %u", i, decision.percent);
        cr_expect_eq(ramp->state, moment->state, "moment %zu: state %d", i, ramp->state);
        if (decision.move == RAMP_ASKS)
            ramp_entered(ramp, decision.percent, facts.now);
    }
}

#define PLAY(ramp, along, moments) play(ramp, along, moments, sizeof moments / sizeof *moments)

Test(ramp, enters_each_step_when_its_hold_has_passed_and_the_gate_is_open)
{
    static const struct moment moments[] = {
        {0, 0, .move = RAMP_STAYS, .state = RAMP_IS_RUNNING}, // the first one, too
        {1, 0, .is_gate_open = true, .move = RAMP_ASKS, .to = 100, .state = RAMP_IS_RUNNING},
        {10, 100, .is_gate_open = true, .move = RAMP_STAYS, .state = RAMP_IS_RUNNING},
        {11, 100, .is_gate_open = false, .move = RAMP_STAYS, .state = RAMP_IS_RUNNING},
        {12, 100, .is_gate_open = true, .move = RAMP_ASKS, .to = 500, .state = RAMP_IS_RUNNING},
        {31, 500, .is_gate_open = true, .move = RAMP_STAYS, .state = RAMP_IS_RUNNING},
        {32, 500, .is_gate_open = true, .move = RAMP_ASKS, .to = 10000, .state = RAMP_IS_RUNNING},
        {61, 10000, .is_gate_open = false, .move = RAMP_STAYS, .state = RAMP_IS_RUNNING},
        {62, 10000, .is_gate_open = false, .move = RAMP_ENDS, .to = 10000, .state = RAMP_IS_DONE},
        {99, 10000, .is_gate_open = true, .move = RAMP_STAYS, .state = RAMP_IS_DONE},
    };
    struct ramp ramp = {0};

    cr_expect_eq(ramp_decide(&ramp, &plan, &(struct ramp_facts){.is_gate_open = true}).move,
                 RAMP_STAYS, "nobody has started it");
    ramp_start(&ramp, 0, 1000 * SECOND);
    PLAY(&ramp, &plan, moments);
}

Test(ramp, asks_once_and_again_when_it_was_refused)
{
    struct ramp ramp = {0};
    struct ramp_facts facts = {.now = SECOND, .is_gate_open = true};

    ramp_start(&ramp, 0, 0);
    cr_expect_eq(ramp_decide(&ramp, &plan, &facts).move, RAMP_ASKS);
    cr_expect_eq(ramp_decide(&ramp, &plan, &facts).move, RAMP_STAYS);
    ramp_refused(&ramp);
    cr_expect_eq(ramp_decide(&ramp, &plan, &facts).move, RAMP_ASKS);
}

Test(ramp, falls_as_configured_when_the_guardrail_alerts)
{
    static const struct {
        enum ramp_on_breach on_breach;
        unsigned from, to;
    } cases[] =
        {
            {RAMP_TO_LAST_GOOD, 10000, 500}, {RAMP_TO_LAST_GOOD, 500, 100},
            {RAMP_TO_LAST_GOOD, 100, 0},     {RAMP_TO_LAST_GOOD, 0, 0},
            {RAMP_TO_LAST_GOOD, 300, 0}, // an operator's own, from which it was started
            {RAMP_TO_ZERO, 500, 0},          {RAMP_STAYS_THERE, 500, 500},
        };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ramp_plan along = plan;
        struct ramp ramp = {0};
        const struct moment moments[] = {
            {1, cases[i].from, .is_gate_open = true, .is_alert = true, .move = RAMP_FALLS,
             .to = cases[i].to, .state = RAMP_IS_PAUSED},
            // Paused it stays, whatever follows.
            {99, cases[i].to, .is_gate_open = true, .move = RAMP_STAYS, .state = RAMP_IS_PAUSED},
        };

        along.on_breach = cases[i].on_breach;
        ramp_start(&ramp, cases[i].from, 0);
        PLAY(&ramp, &along, moments);
    }
}

Test(ramp, gives_way_to_who_sets_the_percentage_and_ends_with_a_rollback)
{
    static const struct moment moments[] = {
        {1, 100, .is_gate_open = true, .move = RAMP_STAYS, .state = RAMP_IS_RUNNING},
        {2, 300, .is_gate_open = true, .move = RAMP_GIVES_WAY, .to = 300, .state = RAMP_IS_PAUSED},
        {90, 100, .is_gate_open = true, .move = RAMP_STAYS, .state = RAMP_IS_PAUSED},
        {91, 0, .is_latched = true, .move = RAMP_ABORTS, .to = 0, .state = RAMP_IS_ABORTED},
        {92, 0, .is_gate_open = true, .move = RAMP_STAYS, .state = RAMP_IS_ABORTED},
    };
    struct ramp ramp = {0};

    ramp_start(&ramp, 100, 1000 * SECOND);
    PLAY(&ramp, &plan, moments);
}

Test(ramp, follows_a_step_that_another_proxy_took)
{
    static const struct moment moments[] = {
        {1, 500, .move = RAMP_FOLLOWS, .to = 500, .state = RAMP_IS_RUNNING},
        {20, 500, .is_gate_open = true, .move = RAMP_STAYS,
         .state = RAMP_IS_RUNNING}, // its hold begins anew
        {21, 500, .is_gate_open = true, .move = RAMP_ASKS, .to = 10000, .state = RAMP_IS_RUNNING},
    };
    struct ramp ramp = {0};

    ramp_start(&ramp, 100, 1000 * SECOND);
    PLAY(&ramp, &plan, moments);
}

Test(ramp, an_empty_plan_has_nothing_to_do)
{
    static const struct ramp_plan none = {0};
    static const struct moment moments[] = {
        {1, 0, .is_gate_open = true, .move = RAMP_ENDS, .to = 0, .state = RAMP_IS_DONE}};
    struct ramp ramp = {0};

    ramp_start(&ramp, 0, 0);
    PLAY(&ramp, &none, moments);
}
