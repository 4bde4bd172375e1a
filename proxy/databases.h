// All databases of the process: found by name, made at first use, reloaded together.
#ifndef PROXY_DATABASES_H
#define PROXY_DATABASES_H

#include "proxy/database.h"

struct databases;
struct databases *databases_new(const struct configuration *configuration, char *error,
                                size_t error_size);
void databases_free(struct databases **databases); // after all threads have ended
// `made` is called for every database that there is, and for each that is made from then on (by
// RELOAD, by the '*' entry once a client of it was admitted), once, before anybody uses it: to start what it
// needs. It must not call back into databases_…. To be set before the threads that call databases_find start.
void databases_on_made(struct databases *databases,
                       void (*made)(void *context, struct database *database), void *context);
// While the store that the fleet shares is away, nobody knows what was said of a database: those made meanwhile begin with
// their canary latched.
void databases_hold(struct databases *databases, bool is_held);
// By name; NULL: no such entry (any more). The '*' entry makes one at first use, up to DATABASES_LIMIT of them.
enum { DATABASES_LIMIT = 1000 };
struct database *databases_find(struct databases *databases, const char *name);
// The same for a client that has yet to show who it is, and is one of the database's `clients` from here on. What is made
// for it alone is nobody else's business (`made`, databases_each), and goes with the last that leaves it, unless one was
// admitted: clients invent names.
struct database *databases_enter(struct databases *databases, const char *name);
bool databases_is_admitted(const struct database *database);
// Old has let the client in, or the pointer is to outlive it: from here on it is a database like all others.
void databases_admit(struct databases *databases, struct database *database);
void databases_leave(struct databases *databases, struct database **database);
// All or nothing. Databases whose entry is gone keep their sessions and take no new ones. A configured
// percentage that differs from the one before replaces the percentage in force, unless an operator has
// set another one, or the canary is latched.
bool databases_reload(struct databases *databases, const struct configuration *configuration,
                      char *error, size_t error_size);
void databases_each(struct databases *databases,
                    void (*each)(void *context, struct database *database), void *context);

#endif
