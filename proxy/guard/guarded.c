// A guarded database: its life, its counters, and how what is in force gets into the store. The guard never waits for
// the store: what it lowers is in force, and the reporter has it written.
#include "proxy/guard/guarded.h"
#include "proxy/report/reporter.h"
#include <stdio.h>
#include <stdlib.h>

struct guarded *
guarded_new(struct instance *instance, struct database *database)
{
    struct guarded *guarded = calloc(1, sizeof *guarded);

    if (guarded == NULL)
        return NULL;
    guarded->instance = instance;
    guarded->database = database;
    pthread_mutex_init(&guarded->lock, NULL);
    return guarded;
}

void
guarded_free(struct guarded **guarded)
{
    if (*guarded == NULL)
        return;
    guard_window_end(&(*guarded)->window);
    pthread_mutex_destroy(&(*guarded)->lock);
    free(*guarded);
    *guarded = NULL;
}

void
guarded_restore_ramp(struct guarded *guarded, const char *state)
{
    if (ramp_state_find(state, &guarded->ramp.state))
        guarded->is_ramp_restored = true;
}

enum guardrail_state
guarded_state(struct guarded *guarded)
{
    pthread_mutex_lock(&guarded->lock);

    enum guardrail_state state = guarded->guardrail.state;

    pthread_mutex_unlock(&guarded->lock);
    return state;
}

static uint32_t
load(const atomic_uint_fast64_t *counter)
{
    return (uint32_t)atomic_load_explicit(counter, memory_order_relaxed);
}

static uint32_t
sum(const atomic_uint_fast64_t *counters, int count)
{
    uint32_t total = 0;

    for (int i = 0; i < count; i++)
        total += load(&counters[i]);
    return total;
}

void
guarded_sample(const struct database *database, struct guard_sample *sample)
{
    const struct books *books = &database->books;
    const struct guard_counts *counts = &database->guard_counts;

    // What is a part of something is taken before it. Not books_read: that waits for a balance.
    for (int i = GUARD_COUNTS; i-- > 0;)
        sample->canary[i] = atomic_load_explicit(&counts->canary[i], memory_order_relaxed);
    sample->mismatches = load(&books->verdicts[VERDICT_MISMATCH]);
    sample->accepted = load(&books->accepted);
    sample->covered = sample->mismatches;
    for (int i = 0; i < VERDICT_COUNT; i++)
        if (i != VERDICT_MISMATCH && verdict_is_covered((enum verdict)i))
            sample->covered += load(&books->verdicts[i]);
    sample->reads = sum(books->verdicts, VERDICT_COUNT) + sum(books->skipped, SKIP_COUNT) +
                    sum(books->dropped, DROP_COUNT);
    for (int side = 0; side < 2; side++)
        for (int run = 0; run < LATENCY_RUN_COUNT; run++)
            for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
                sample->latency[side][run][i] =
                    atomic_load_explicit(&counts->latency[side][run][i], memory_order_relaxed);
}

void
guarded_keep(struct guarded *guarded)
{
    struct database *database = guarded->database;
    char percent[16];

    pthread_mutex_lock(&guarded->lock);

    const char *ramp = ramp_state_name(guarded->ramp.state);

    pthread_mutex_unlock(&guarded->lock);
    snprintf(percent, sizeof percent, "%u", atomic_load(&database->canary_percent));

    bool is_latched = atomic_load(&database->canary_state) == CANARY_LATCHED;
    const struct reporter_setting settings[] = {
        {database->name, "canary_state", "latched"},
        {database->name, "canary_percent", is_latched ? "0" : percent},
        {database->name, "ramp", ramp},
    };

    // That the latch is off is nothing that a guard may say.
    reporter_lower(guarded->instance->reporter, is_latched ? settings : settings + 1,
                   is_latched ? 3 : 2, "guard", NULL);
}
