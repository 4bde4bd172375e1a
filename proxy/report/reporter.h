// The reporter: two threads that nobody on a worker or shadow thread waits for. Its own runs the console's commands and
// watches for what belongs into the audit log; the store's owns the store, writes books, figures and events there once a
// second, operators' settings at once, and hears what other proxies of the fleet have set. Others queue what they have
// and go on.
//
// What a shared store (store.h) being away means: what raises the risk is refused, what lowers it is in force here at once
// and written when the store is back, before anything is read from it; figures and events wait in memory, and what
// does not fit is counted as lost.
#ifndef PROXY_REPORT_REPORTER_H
#define PROXY_REPORT_REPORTER_H

#include "proxy/database.h"
#include "proxy/instance.h"
#include "proxy/report/figures.h"
#include "proxy/report/store.h"

// Opens the store, brings back what it keeps (percentages, latches, quarantines, accepted) into the
// databases, and starts the threads. NULL: `error`. A shared store that is away is no error: the canaries are
// latched until it is there. The databases must be there, shadows and workers not yet.
struct reporter *reporter_start(struct instance *instance, char *error, size_t error_size);
// Runs what was queued, writes everything, joins. To be called when workers and shadows have ended.
void reporter_stop(struct reporter **reporter);
// The audit log. Copies; any thread. `kind` e.g. "canary", "rollback", "reload", "side", "login".
void reporter_event(struct reporter *reporter, const struct database *database, const char *kind,
                    const char *actor, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
// A refused login of our own goes into the audit log, kind "login", for each user and side of a database once a
// minute at most. The context is the instance. Copies; any thread, without waiting for the store.
struct own_refusal;
void reporter_refusal(void *instance, const struct own_refusal *refusal);
// A confirmed mismatch: gives it the store's next id, adds it to the database's figures
// (figures_mismatch_add), and quarantines its fingerprint where canary.quarantine says so. Copies; any
// thread. The counts of books and figures are the caller's.
void reporter_mismatch(struct reporter *reporter, struct database *database,
                       const struct figures_mismatch *mismatch);
// A read was counted as a mismatch that is not accepted, with evidence of its own or not: its fingerprint is
// quarantined, and that is kept at once. Any thread, without waiting for the store.
void reporter_quarantine(struct reporter *reporter, struct database *database,
                         const char *fingerprint);
// Runs `work` on the reporter's thread, soon. It must not wait for the store.
void reporter_run(struct reporter *reporter, void (*work)(void *context), void *context);
// The same for work that needs the store: on the store's thread, or on the reporter's while the store is away.
void reporter_run_with_store(struct reporter *reporter, void (*work)(void *context), void *context);
// The audit log, newest first, at most `limit`; copied cell by cell into `each`. Any thread.
void reporter_events(struct reporter *reporter, unsigned limit,
                     void (*each)(void *context, const struct store_event *event), void *context);

// Settings, shared by the fleet: any name and value of a database (store.tbl has those that take effect by themselves).

struct reporter_setting {
    const char *database, *name, *value;
};
// What raises the risk: all or none, in force when the store has all of them durably. False: nothing was changed, or, when
// the store was lost meanwhile, nobody knows, and what the store has comes into force when it is back. A latch beats
// a percentage. Waits for the store, two seconds at most unless it is slow in between: for work by
// reporter_run_with_store, and for any thread that may wait.
bool reporter_keep(struct reporter *reporter, const struct reporter_setting *settings, size_t count,
                   const char *actor, char *error, size_t error_size);
// What lowers the risk: in force at once, and waits for the store. Any thread, not in databases_each.
void reporter_lower(struct reporter *reporter, const struct reporter_setting *settings,
                    size_t count, const char *actor, const char *reason);
// Does the store have all that was lowered? Writes it. For work by reporter_run_with_store.
bool reporter_settle(struct reporter *reporter, char *error, size_t error_size);
// The value that is known here; false: nobody has said one. Any thread.
bool reporter_setting(struct reporter *reporter, const char *database, const char *name,
                      char *value, size_t size);
// `changed` hears of every setting that another proxy has changed, on the store's thread, after it took effect. It may
// lower, and hand on with reporter_run; it must not keep. One listener; to be set before workers start.
void reporter_on_setting(struct reporter *reporter,
                         void (*changed)(void *context, const struct store_setting *setting),
                         void *context);

// May the proxies of the fleet have this configuration beside each other, and does it raise nothing while the store is
// away? False: `error`. Waits for the store. When it is in force, the others know.
bool reporter_admits(struct reporter *reporter, const struct configuration *configuration,
                     char *error, size_t error_size);

enum reporter_store { // any thread
    REPORTER_STORE_WORKS,
    REPORTER_STORE_FAILS,   // the last thing written failed; tried again each second
    REPORTER_STORE_AWAY,    // a shared one, out of reach
    REPORTER_STORE_REFUSES, // a shared one: what it found there when it came back
};
struct reporter_store_state {
    enum reporter_store store;
    bool is_shared;
    char trouble[512];                  // "": it works
    uint64_t lost_events, lost_minutes; // minutes: those whose figures stand under a later one
};
void reporter_store_state(struct reporter *reporter, struct reporter_store_state *state);
bool reporter_store_works(struct reporter *reporter);
const char *reporter_store_name(enum reporter_store store); // "works", …

#endif
