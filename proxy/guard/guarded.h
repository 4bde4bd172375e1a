// One database with its guardrail and its ramp: what the guard's thread looks at once a step, and what the console
// moves. Made with the database, and freed with it.
#ifndef PROXY_GUARD_GUARDED_H
#define PROXY_GUARD_GUARDED_H

#include "proxy/guard/gate.h"
#include "proxy/guard/guardrail.h"
#include "proxy/guard/ramp.h"
#include "proxy/instance.h"

struct guarded {
    struct guarded *next; // of the guard's list
    struct database *database;
    struct instance *instance;
    pthread_mutex_t lock; // for what follows; never held while the store is waited for
    struct guardrail guardrail;
    struct ramp ramp;
    bool is_ramp_restored;     // the percentage that it goes on from is still to be taken
    struct guard_sample since; // the counters when the ramp's step under way began
    struct gate_figures gate;  // since then, as the last look found them
    unsigned gate_reasons;
    unsigned asked_percent; // while ramp.is_asking
    char asked_because[256];
    // The guard's thread.
    struct guard_window window;
    uint64_t due; // ns
};

struct guarded *guarded_new(struct instance *instance,
                            struct database *database); // NULL: no memory
void guarded_free(struct guarded **guarded);
// From the store, before the threads start.
void guarded_restore_ramp(struct guarded *guarded, const char *state);
enum guardrail_state guarded_state(struct guarded *guarded); // any thread

// One look, on the guard's thread. Gives when the next one is due (ns).
uint64_t guarded_tick(struct guarded *guarded, uint64_t now);
// The counters as they stand. Any thread.
void guarded_sample(const struct database *database, struct guard_sample *sample);
// The store is to have percentage, latch and ramp as they are now. Any thread; waits for nothing.
void guarded_keep(struct guarded *guarded);

// guarded_ramp.c. On the guard's thread, with the settings in force:
void guarded_ramp_tick(struct guarded *guarded, const struct configuration_database *entry,
                       const struct guard_sample *sample, uint64_t now);

// On the reporter thread, for the console. NOT_NOW: `text` says why, and nothing has changed. NOT_KEPT: `text` is the
// store's error; START has changed nothing then, PAUSE and ABORT are in force.
enum guarded_said { GUARDED_DONE, GUARDED_NOT_NOW, GUARDED_NOT_KEPT };
enum guarded_said guarded_ramp_start(struct guarded *guarded, const char *actor, char *text,
                                     size_t size);
enum guarded_said guarded_ramp_pause(struct guarded *guarded, const char *actor, char *text,
                                     size_t size);
enum guarded_said guarded_ramp_abort(struct guarded *guarded, const char *actor, char *text,
                                     size_t size);
// An operator has set the percentage, or rolled the canary back. NULL: nothing is guarded.
void guarded_percent_was_set(struct guarded *guarded, const char *actor);
void guarded_was_rolled_back(struct guarded *guarded, const char *actor);

#endif
