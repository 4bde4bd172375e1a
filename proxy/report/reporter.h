// The reporter thread owns the store (SQLite): once a second it writes the books and figures there, at once it
// writes operators' settings and events. Others queue what they have and go on; nobody on a worker or
// shadow thread waits for it. The console's commands run on it, too.
#ifndef PROXY_REPORT_REPORTER_H
#define PROXY_REPORT_REPORTER_H

#include "proxy/database.h"
#include "proxy/instance.h"
#include "proxy/report/figures.h"
#include "proxy/report/store.h"

// Opens the store, brings back what it keeps (percentages, latches, quarantines, accepted) into the
// databases, and starts the thread. NULL: `error`. The databases must be there, shadows and workers not yet.
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
// Runs `work` on the reporter thread, soon.
void reporter_run(struct reporter *reporter, void (*work)(void *context), void *context);
// The audit log, newest first, at most `limit`; copied cell by cell into `each`. Any thread.
void reporter_events(struct reporter *reporter, unsigned limit,
                     void (*each)(void *context, const struct store_event *event), void *context);
bool reporter_store_works(struct reporter *reporter); // the last flush succeeded; any thread

// For work on the reporter thread alone:

struct reporter_setting {
    const char *database, *name, *value; // see store_write_setting
};
// True when the disk has all of them.
bool reporter_keep(struct reporter *reporter, const struct reporter_setting *settings, size_t count,
                   const char *actor, char *error, size_t error_size);
// Writes books, figures and events now; true when the disk has them.
bool reporter_flush(struct reporter *reporter, char *error, size_t error_size);

#endif
