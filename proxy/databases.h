// All databases of the process: found by name, made at first use, reloaded together.
#ifndef PROXY_DATABASES_H
#define PROXY_DATABASES_H

#include "proxy/database.h"

struct databases;
struct databases *databases_new(const struct configuration *configuration, char *error,
                                size_t error_size);
void databases_free(struct databases **databases); // after all threads have ended
// `made` is called for every database that there is, and for each that is made from then on (by
// RELOAD, by the '*' entry), once, before anybody finds it: to start what it needs. It must not call
// back into databases_…. To be set before the threads that call databases_find start.
void databases_on_made(struct databases *databases,
                       void (*made)(void *context, struct database *database), void *context);
// While the store that the fleet shares is away, nobody knows what was said of a database: those made meanwhile begin with
// their canary latched.
void databases_hold(struct databases *databases, bool is_held);
// By the name in a startup packet; NULL: no such entry (any more). The '*' entry makes one at first
// use, up to DATABASES_LIMIT of them: names come from clients that have not yet said who they are.
enum { DATABASES_LIMIT = 1000 };
struct database *databases_find(struct databases *databases, const char *name);
// All or nothing. Databases whose entry is gone keep their sessions and take no new ones. A configured
// percentage that differs from the one before replaces the percentage in force, unless an operator has
// set another one, or the canary is latched.
bool databases_reload(struct databases *databases, const struct configuration *configuration,
                      char *error, size_t error_size);
void databases_each(struct databases *databases,
                    void (*each)(void *context, struct database *database), void *context);

#endif
