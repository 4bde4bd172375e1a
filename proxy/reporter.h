// The reporter thread owns the store (SQLite): once a second it writes the books and figures there, at once it
// writes operators' settings and events. Others queue what they have and go on; nobody on a worker or
// shadow thread waits for it. The console's commands run on it, too.
#ifndef PROXY_REPORTER_H
#define PROXY_REPORTER_H

#include "proxy/database.h"
#include "proxy/figures.h"
#include "proxy/instance.h"

// Opens the store, brings back what it keeps (percentages, latches, quarantines, accepted) into the
// databases, and starts the thread. NULL: `error`.
struct reporter *reporter_start(struct instance *instance, char *error, size_t error_size);
void reporter_stop(struct reporter **reporter); // writes everything, joins
// The audit log. Copies; any thread. `kind` e.g. "canary", "rollback", "reload", "side", "login".
void reporter_event(struct reporter *reporter, const struct database *database, const char *kind,
                    const char *actor, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
// The store's next mismatch id is given here; copies. Any thread.
void reporter_mismatch(struct reporter *reporter, struct database *database,
                       const struct figures_mismatch *mismatch);
// Runs `work` on the reporter thread, soon.
void reporter_run(struct reporter *reporter, void (*work)(void *context), void *context);

#endif
