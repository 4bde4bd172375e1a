// One look at one database: the counters are read, the window slides, the guardrail judges what is in it, and what it
// decides is done at once: the percentage and the latch are two stores that every session reads before every
// read. Only then it is told, and handed on to be kept. Then comes the ramp's turn. Runs on the guard's thread.
//
// While nothing can be served by new there is nothing to guard, and no window: it begins with the canary.
#include "config/units.h"
#include "proxy/control/control.h"
#include "proxy/guard/canary_switch.h"
#include "proxy/guard/guarded.h"
#include "proxy/report/reporter.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { DETAIL = 900 };

static const uint64_t SECOND = 1000000000;

static unsigned
known_figures(const struct guardrail_reading *reading)
{
    unsigned known = 0;

    for (int i = 0; i < GUARDRAIL_FIGURES; i++)
        known |= isnan(reading->figures[i].value) ? 0 : 1u << i;
    return known;
}

// Percentages, and what led to it: the figures in question first, then the others.
static void
tell(struct guarded *guarded, const char *kind, const char *what,
     const struct guardrail_reading *reading, unsigned figures)
{
    char chief[DETAIL / 2];
    char others[DETAIL / 2];
    char trouble[256] = "";

    guardrail_describe(reading, figures, chief, sizeof chief);
    guardrail_describe(reading, known_figures(reading) & ~figures, others, sizeof others);

    if (figures & 1u << GUARDRAIL_LAG && guarded->database->control != NULL)
        control_lag_trouble(guarded->database->control, trouble);

    const char *compares = reading->latency_compares;

    reporter_event(guarded->instance->reporter, guarded->database, kind, "guardrail",
                   "%s%s%s%s%s%s%s%s%s%s", what, chief, *trouble ? " (nobody can tell it: " : "",
                   trouble, *trouble ? ")" : "", *others ? "; beside it " : "", others,
                   compares != NULL ? " (latencies: " : "", compares != NULL ? compares : "",
                   compares != NULL ? ")" : "");
}

static void
roll_back(struct guarded *guarded, const struct guardrail_reading *reading, unsigned figures)
{
    unsigned before;

    if (!canary_switch_latch(guarded->database, &before))
        return; // somebody was faster
    books_rolled_back(&guarded->database->books, ROLLBACK_GUARDRAIL);

    char percent[16];
    char what[96];

    units_write_percent(before, percent);
    snprintf(what, sizeof what,
             "canary_percent from %s to 0, and latched until ARM CANARY: ", percent);
    tell(guarded, "rollback", what, reading, figures);
    guarded_keep(guarded);
}

// A lag that nobody can tell may be as long as it has been so: a subscription that has broken shows no other.
static int64_t
possible_lag_us(const struct database *database, uint64_t now)
{
    int64_t lag_us = atomic_load(&database->lag_us);
    uint64_t hidden_since = atomic_load(&database->lag_hidden_since);

    if (lag_us >= 0 || hidden_since == 0)
        return lag_us;
    return now > hidden_since ? (int64_t)((now - hidden_since) / 1000) : 0;
}

static void
judge(struct guarded *guarded, const struct configuration_guardrail *limits,
      const struct guard_sample *inside, uint64_t now)
{
    struct guardrail_reading reading;
    unsigned figures;

    guardrail_read(limits, inside, possible_lag_us(guarded->database, now), &reading);
    pthread_mutex_lock(&guarded->lock);

    enum guardrail_decision decision =
        guardrail_decide(&guarded->guardrail, limits, &reading, now, &figures);

    pthread_mutex_unlock(&guarded->lock);
    switch (decision) {
    case GUARDRAIL_ROLLS_BACK:
        roll_back(guarded, &reading, figures);
        guard_window_end(&guarded->window); // it may be armed again before the next look
        break;
    case GUARDRAIL_BEGINS_ALERT:
        tell(guarded, "guardrail", "alert: ", &reading, figures);
        break;
    case GUARDRAIL_ENDS_ALERT:
        tell(guarded, "guardrail", "the alert has ended: ", &reading, figures);
        break;
    case GUARDRAIL_NOTHING:
        break;
    }
}

static void
rest(struct guarded *guarded, bool is_latched)
{
    guard_window_end(&guarded->window);
    pthread_mutex_lock(&guarded->lock);

    bool was_alert = guardrail_rest(&guarded->guardrail, is_latched);

    pthread_mutex_unlock(&guarded->lock);
    if (was_alert)
        reporter_event(guarded->instance->reporter, guarded->database, "guardrail", "guardrail",
                       "the alert has ended: new serves nothing any more");
}

static void
look(struct guarded *guarded, const struct configuration_database *entry,
     const struct guard_sample *sample, uint64_t now)
{
    struct database *database = guarded->database;
    struct guard_window *window = &guarded->window;
    bool is_latched = atomic_load(&database->canary_state) == CANARY_LATCHED;
    bool may_serve = atomic_load(&database->canary_percent) > 0 || entry->canary.include_count > 0;
    struct guard_sample inside;

    if (is_latched || !may_serve) {
        rest(guarded, is_latched);
        return;
    }
    if (!guard_window_is_begun(window) || window->length != entry->guardrail.window) {
        // Whether new has failed is seen anew, or a canary that begins again would be held to be failing.
        atomic_store(&database->canary_failures, 0);
        (void)guard_window_begin(window, entry->guardrail.window, sample, now);
    }
    if (!guard_window_is_begun(window))
        return; // no memory: again with the next look
    guard_window_slide(window, sample, now, &inside);
    judge(guarded, &entry->guardrail, &inside, now);
}

uint64_t
guarded_tick(struct guarded *guarded, uint64_t now)
{
    struct database_settings *settings = database_settings(guarded->database);
    const struct configuration_database *entry = settings->entry;
    uint64_t step = entry->guardrail.window / GUARD_SLOTS;
    struct guard_sample sample;

    guarded_sample(guarded->database, &sample);
    look(guarded, entry, &sample, now);
    guarded_ramp_tick(guarded, entry, &sample, now);
    database_settings_unref(&settings);
    return now + (step < SECOND ? step : SECOND);
}
