// SHOW RAMP and RAMP …: the ramp as operators see and move it. On the reporter thread.
#include "proxy/console/console_commands.h"
#include "proxy/guard/guarded.h"
#include <stdio.h>
#include <string.h>
#include <uv.h>

static const struct answer_column ramp_columns[] = {
    {"database", ANSWER_TEXT},  {"state", ANSWER_TEXT},      {"step", ANSWER_INTEGER},
    {"steps", ANSWER_INTEGER},  {"percent", ANSWER_PERCENT}, {"next_percent", ANSWER_PERCENT},
    {"hold_left", ANSWER_REAL}, {"gate", ANSWER_TEXT},       {"waits_for", ANSWER_TEXT},
};

const struct answer_shape console_ramp_shape = ANSWER_SHAPE(ramp_columns);

struct seen { // of a ramp, copied out of its lock
    struct ramp ramp;
    struct gate_figures gate;
    unsigned reasons;
};

static struct seen
look(struct guarded *guarded)
{
    struct seen seen;

    pthread_mutex_lock(&guarded->lock);
    seen.ramp = guarded->ramp;
    seen.gate = guarded->gate;
    seen.reasons = guarded->gate_reasons;
    pthread_mutex_unlock(&guarded->lock);
    return seen;
}

// What keeps a running ramp from its next step, one after the other.
static void
add_gate(struct answer *answer, const struct seen *seen, const struct configuration_gate *limits)
{
    char text[1024] = "";
    size_t length = 0;

    for (int i = 0; i < GATE_REASONS; i++) {
        char reason[256];

        if ((seen->reasons & 1u << i) == 0 || length >= sizeof text)
            continue;
        gate_reason_text((enum gate_reason)i, limits, &seen->gate, reason, sizeof reason);
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%s: %s",
                             length > 0 ? "; " : "", gate_reason_name((enum gate_reason)i), reason);
    }
    answer_text(answer, seen->reasons == 0 ? "open" : "closed");
    answer_text(answer, text);
}

static void
add_ramp(struct console_run *run, struct database *database, void *context)
{
    struct answer *answer = &run->answer;

    (void)context;
    if (database->guarded == NULL)
        return;

    struct seen seen = look(database->guarded);
    struct database_settings *settings = database_settings(database);
    const struct configuration_database *entry = settings->entry;
    struct ramp_plan plan = {entry->ramp, entry->ramp_count, entry->ramp_on_breach};
    unsigned percent = atomic_load(&database->canary_percent);
    int step = ramp_step_at(&plan, percent);
    bool is_running = seen.ramp.state == RAMP_IS_RUNNING;
    uint64_t held = uv_hrtime() - seen.ramp.held_since;

    answer_text(answer, database->name);
    answer_text(answer, ramp_state_name(seen.ramp.state));
    answer_integer(answer, (uint64_t)(step + 1));
    answer_integer(answer, plan.count);
    answer_percent(answer, percent);
    if ((size_t)(step + 1) < plan.count)
        answer_percent(answer, plan.steps[step + 1].percent);
    else
        answer_null(answer);
    if (is_running && step >= 0)
        answer_real(answer, held < plan.steps[step].hold
                                ? (double)(plan.steps[step].hold - held) / 1e9
                                : 0);
    else
        answer_null(answer);
    if (is_running) {
        add_gate(answer, &seen, &entry->gate);
    } else {
        answer_null(answer);
        answer_null(answer);
    }
    database_settings_unref(&settings);
}

void
console_show_ramp(struct console_run *run)
{
    (void)console_each_database(run, add_ramp, NULL);
    snprintf(run->tag, sizeof run->tag, "SHOW %zu", answer_rows(&run->answer));
}

struct order {
    enum guarded_said (*give)(struct guarded *guarded, const char *actor, char *text, size_t size);
    const char *unkept; // what is told when the store could not keep it
};

static void
give(struct console_run *run, struct database *database, void *context)
{
    const struct order *order = context;
    char text[256] = "";

    switch (database->guarded == NULL
                ? GUARDED_NOT_NOW
                : order->give(database->guarded, run->actor, text, sizeof text)) {
    case GUARDED_NOT_NOW:
        console_fail(&run->error, "55000", "SHOW RAMP says where it stands.", "database \"%s\": %s",
                     database->name, text);
        break;
    case GUARDED_NOT_KEPT:
        console_fail(&run->error, "58030", order->unkept, "the store could not keep it: %s", text);
        break;
    case GUARDED_DONE:
        break;
    }
}

static void
order(struct console_run *run, const struct order *given)
{
    snprintf(run->tag, sizeof run->tag, "RAMP");
    (void)console_each_database(run, give, (void *)given);
}

static void
start_with_store(struct console_run *run)
{
    static const struct order start = {guarded_ramp_start, "Nothing was changed."};

    order(run, &start);
}

void
console_ramp_start(struct console_run *run)
{
    run->then = start_with_store;
}

void
console_ramp_pause(struct console_run *run)
{
    static const struct order pause = {guarded_ramp_pause,
                                       "It is in force, and a restart would forget it."};

    order(run, &pause);
    run->then = console_settle;
}

void
console_ramp_abort(struct console_run *run)
{
    static const struct order abort_it = {guarded_ramp_abort,
                                          "It is in force, and a restart would forget it."};

    order(run, &abort_it);
    run->then = console_settle;
}
