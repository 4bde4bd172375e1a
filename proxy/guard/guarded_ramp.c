// The ramp of one database at work. The guard's thread decides (ramp.h, gate.h) and moves down by itself; up goes by way
// of the reporter thread, which takes the step when the store has it. Operators' words come on the reporter
// thread, too, so that they and the steps come one after the other; the lock is for the guard's thread.
#include "config/units.h"
#include "proxy/guard/canary_switch.h"
#include "proxy/guard/guard_latency.h"
#include "proxy/guard/guarded.h"
#include "proxy/report/figures.h"
#include "proxy/report/reporter.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { LATENCIES_LEAST = 20 };

static struct ramp_plan
plan_of(const struct configuration_database *entry)
{
    return (struct ramp_plan){entry->ramp, entry->ramp_count, entry->ramp_on_breach};
}

// ---- the gate ----

static void
read_gate(struct guarded *guarded, const struct configuration_database *entry,
          const struct guard_sample *sample)
{
    struct guard_sample between = *sample;
    struct histogram latency[2];

    guard_sample_subtract(&between, &guarded->since);

    const char *compares = guard_latency_choose(&between, LATENCIES_LEAST, latency);

    guarded->gate = (struct gate_figures){
        .is_alert = guarded->guardrail.state == GUARDRAIL_IS_ALERT,
        .is_latched = atomic_load(&guarded->database->canary_state) == CANARY_LATCHED,
        .reads = between.reads,
        .covered = between.covered,
        .mismatches = guard_sample_mismatches(&between),
        .latency_ratio = compares == NULL ? (double)NAN
                                          : histogram_quantile(&latency[1], 0.95) /
                                                histogram_quantile(&latency[0], 0.95),
        .latency_compares = compares,
        .is_latency_judged = compares != NULL, // before the first step new has served nothing
    };
    if (entry->gate.min_distinct > 0) { // of the whole run: estimates can't be subtracted
        struct figures_totals totals;

        figures_totals(guarded->database->figures, &totals);
        guarded->gate.distinct = totals.distinct;
    }
    guarded->gate_reasons = gate_decide(&entry->gate, &guarded->gate);
}

// ---- moves ----

static void
begin_step(struct guarded *guarded, unsigned percent, uint64_t now)
{
    ramp_entered(&guarded->ramp, percent, now);
    guarded_sample(guarded->database, &guarded->since);
}

// Raising needs the store.
static void
take_step(void *context)
{
    struct guarded *guarded = context;
    struct database *database = guarded->database;
    char to[16], percent[16], before[16], error[256];

    pthread_mutex_lock(&guarded->lock);

    bool is_wanted = guarded->ramp.state == RAMP_IS_RUNNING && guarded->ramp.is_asking;
    unsigned from = guarded->ramp.percent, asked = guarded->asked_percent;

    pthread_mutex_unlock(&guarded->lock);
    snprintf(to, sizeof to, "%u", asked);

    const struct reporter_setting settings[] = {{database->name, "canary_percent", to},
                                                {database->name, "ramp", "running"}};
    bool is_kept = is_wanted && reporter_keep(guarded->instance->reporter, settings, 2, "ramp",
                                              error, sizeof error);

    pthread_mutex_lock(&guarded->lock);

    bool is_taken = is_kept && guarded->ramp.state == RAMP_IS_RUNNING &&
                    canary_switch_move(database, from, asked);

    if (is_taken)
        begin_step(guarded, asked, uv_hrtime());
    else
        ramp_refused(&guarded->ramp);
    pthread_mutex_unlock(&guarded->lock);
    if (is_taken) {
        units_write_percent(from, before);
        units_write_percent(asked, percent);
        reporter_event(guarded->instance->reporter, database, "ramp", "ramp",
                       "canary_percent from %s to %s: %s", before, percent, guarded->asked_because);
    } else if (is_kept) {
        guarded_keep(guarded); // something came between: that is what the store is to have
    }
}

// The percentage in force goes down to where the ramp falls. With the lock held.
static void
fall(struct guarded *guarded, unsigned from, unsigned percent)
{
    if (percent != from && canary_switch_move(guarded->database, from, percent))
        guarded->ramp.percent = percent;
}

static void
tell(struct guarded *guarded, struct ramp_decision decision, unsigned from)
{
    struct reporter *reporter = guarded->instance->reporter;
    char percent[16], before[16];

    units_write_percent(decision.percent, percent);
    units_write_percent(from, before);
    switch (decision.move) {
    case RAMP_FALLS:
        reporter_event(reporter, guarded->database, "ramp", "guardrail",
                       "paused by the alert, canary_percent from %s to %s; RAMP START goes on",
                       before, percent);
        break;
    case RAMP_GIVES_WAY:
        reporter_event(reporter, guarded->database, "ramp", "pgrehearse",
                       "paused: canary_percent is %s, which is not the ramp's", before);
        break;
    case RAMP_ABORTS:
        reporter_event(reporter, guarded->database, "ramp", "pgrehearse",
                       "aborted: the canary was rolled back");
        break;
    case RAMP_ENDS:
        reporter_event(reporter, guarded->database, "ramp", "ramp",
                       "done: the last step's hold has passed at %s", percent);
        break;
    case RAMP_FOLLOWS:
        reporter_event(reporter, guarded->database, "ramp", "pgrehearse",
                       "canary_percent is %s: the step was taken elsewhere", percent);
        break;
    case RAMP_ASKS:
    case RAMP_STAYS:
        break;
    }
}

// With the lock held: what is left to do when it is let go is told by the decision.
static struct ramp_decision
move(struct guarded *guarded, const struct configuration_database *entry,
     const struct guard_sample *sample, uint64_t now, unsigned percent)
{
    struct ramp_plan plan = plan_of(entry);

    if (guarded->ramp.state == RAMP_IS_RUNNING)
        read_gate(guarded, entry, sample);

    struct ramp_facts facts = {
        .now = now,
        .percent = percent,
        .is_latched = atomic_load(&guarded->database->canary_state) == CANARY_LATCHED,
        .is_alert = guarded->guardrail.state == GUARDRAIL_IS_ALERT,
        .is_gate_open = guarded->gate_reasons == 0,
    };
    struct ramp_decision decision = ramp_decide(&guarded->ramp, &plan, &facts);

    if (decision.move == RAMP_FALLS)
        fall(guarded, percent, decision.percent);
    if (decision.move == RAMP_FOLLOWS)
        guarded_sample(guarded->database, &guarded->since);
    if (decision.move == RAMP_ASKS) {
        guarded->asked_percent = decision.percent;
        gate_figures_text(&entry->gate, &guarded->gate, guarded->asked_because,
                          sizeof guarded->asked_because);
    }
    return decision;
}

void
guarded_ramp_tick(struct guarded *guarded, const struct configuration_database *entry,
                  const struct guard_sample *sample, uint64_t now)
{
    unsigned percent = atomic_load(&guarded->database->canary_percent);

    pthread_mutex_lock(&guarded->lock);
    if (guarded->is_ramp_restored) { // a hold that a restart broke off begins anew
        guarded->is_ramp_restored = false;
        ramp_entered(&guarded->ramp, percent, now);
        guarded->since = *sample;
    }

    struct ramp_decision decision = move(guarded, entry, sample, now, percent);

    pthread_mutex_unlock(&guarded->lock);
    tell(guarded, decision, percent);
    if (decision.move == RAMP_ASKS)
        reporter_run_with_store(guarded->instance->reporter, take_step, guarded);
    else if (decision.move != RAMP_STAYS)
        guarded_keep(guarded);
}

// ---- operators' words ----

// It is in force, and kept as soon as the store can.
static void
lower_state(struct guarded *guarded, enum ramp_state state, const char *percent, const char *actor)
{
    const struct reporter_setting settings[] = {
        {guarded->database->name, "ramp", ramp_state_name(state)},
        {guarded->database->name, "canary_percent", percent},
    };

    reporter_lower(guarded->instance->reporter, settings, percent == NULL ? 1 : 2, actor, NULL);
}

enum guarded_said
guarded_ramp_start(struct guarded *guarded, const char *actor, char *text, size_t size)
{
    struct database *database = guarded->database;
    struct database_settings *settings = database_settings(database);
    struct ramp_plan plan = plan_of(settings->entry);
    unsigned percent = atomic_load(&database->canary_percent);
    bool is_over = plan.count == 0 || ramp_step_at(&plan, percent) + 1 == (int)plan.count;
    bool has_steps = plan.count > 0;

    database_settings_unref(&settings);
    pthread_mutex_lock(&guarded->lock);

    bool is_running = guarded->ramp.state == RAMP_IS_RUNNING;
    bool is_alert = guarded->guardrail.state == GUARDRAIL_IS_ALERT;

    pthread_mutex_unlock(&guarded->lock);

    const struct {
        bool is_so;
        const char *why;
    } objections[] = {
        {!has_steps, "no ramp is configured; give its steps under ramp:, and RELOAD"},
        {is_running, "the ramp is running"},
        {atomic_load(&database->canary_state) == CANARY_LATCHED,
         "the canary was rolled back and is latched; ARM CANARY allows it again"},
        {is_alert, "a limit of the guardrail is passed; SHOW EVENTS says which"},
        {is_over, "canary_percent has reached the ramp's last step"},
    };

    for (size_t i = 0; i < sizeof objections / sizeof *objections; i++)
        if (objections[i].is_so) {
            snprintf(text, size, "%s", objections[i].why);
            return GUARDED_NOT_NOW;
        }

    const struct reporter_setting running = {database->name, "ramp",
                                             ramp_state_name(RAMP_IS_RUNNING)};

    if (!reporter_keep(guarded->instance->reporter, &running, 1, actor, text, size))
        return GUARDED_NOT_KEPT;
    pthread_mutex_lock(&guarded->lock);
    ramp_start(&guarded->ramp, percent, uv_hrtime());
    guarded->is_ramp_restored = false;
    guarded_sample(database, &guarded->since);
    pthread_mutex_unlock(&guarded->lock);
    units_write_percent(percent, text);
    reporter_event(guarded->instance->reporter, database, "ramp", actor, "started at %s", text);
    return GUARDED_DONE;
}

// The ramp, if it is in one of the states (1 << state), goes to another. False: it was in none.
static bool
leave(struct guarded *guarded, unsigned states, void (*to)(struct ramp *ramp))
{
    pthread_mutex_lock(&guarded->lock);

    bool is_left = (states & 1u << guarded->ramp.state) != 0;

    if (is_left)
        to(&guarded->ramp);
    pthread_mutex_unlock(&guarded->lock);
    return is_left;
}

enum guarded_said
guarded_ramp_pause(struct guarded *guarded, const char *actor, char *text, size_t size)
{
    if (!leave(guarded, 1u << RAMP_IS_RUNNING, ramp_pause)) {
        snprintf(text, size, "the ramp is not running");
        return GUARDED_NOT_NOW;
    }
    reporter_event(guarded->instance->reporter, guarded->database, "ramp", actor, "paused");
    lower_state(guarded, RAMP_IS_PAUSED, NULL, actor);
    return GUARDED_DONE;
}

enum guarded_said
guarded_ramp_abort(struct guarded *guarded, const char *actor, char *text, size_t size)
{
    unsigned before = 0;
    char percent[16];

    if (!leave(guarded, 1u << RAMP_IS_RUNNING | 1u << RAMP_IS_PAUSED, ramp_abort)) {
        snprintf(text, size, "the ramp is not under way");
        return GUARDED_NOT_NOW;
    }
    (void)canary_switch_set(guarded->database, 0, &before);
    units_write_percent(before, percent);
    reporter_event(guarded->instance->reporter, guarded->database, "ramp", actor,
                   "aborted, canary_percent from %s to 0", percent);
    lower_state(guarded, RAMP_IS_ABORTED, "0", actor);
    return GUARDED_DONE;
}

void
guarded_percent_was_set(struct guarded *guarded, const char *actor)
{
    if (guarded == NULL || !leave(guarded, 1u << RAMP_IS_RUNNING, ramp_pause))
        return;
    reporter_event(guarded->instance->reporter, guarded->database, "ramp", actor,
                   "paused: canary_percent was set; RAMP START goes on from there");
    guarded_keep(guarded);
}

void
guarded_was_rolled_back(struct guarded *guarded, const char *actor)
{
    if (guarded == NULL ||
        !leave(guarded, 1u << RAMP_IS_RUNNING | 1u << RAMP_IS_PAUSED, ramp_abort))
        return;
    reporter_event(guarded->instance->reporter, guarded->database, "ramp", actor,
                   "aborted: the canary was rolled back");
    guarded_keep(guarded);
}
