// The guard: one light thread that looks at every database once a step of its guardrail's window. It waits for nothing
// but time, least of all for the store.
#ifndef PROXY_GUARD_GUARD_H
#define PROXY_GUARD_GUARD_H

#include "proxy/instance.h"

struct guard;

struct guard *guard_new(struct instance *instance); // NULL: no memory
// Makes database->guarded. For databases_on_made: any thread, without a wait. False: no memory.
bool guard_watch(struct guard *guard, struct database *database);
bool guard_start(struct guard *guard); // the reporter must be there
void guard_stop(struct guard *guard);  // before the reporter stops; idempotent
void guard_free(struct guard **guard); // after it has; the databases' `guarded` go with it

#endif
