// All workers of the process: started and stopped together.
#ifndef PROXY_RELAY_WORKERS_H
#define PROXY_RELAY_WORKERS_H

#include "proxy/instance.h"

struct worker;

// Binds listen's addresses and starts the threads. NULL: `error` says which address and why.
// `ended` is called on the last worker's thread when all have ended.
struct workers *workers_start(struct instance *instance, void (*ended)(void *context),
                              void *context, char *error, size_t error_size);
enum workers_stop { WORKERS_WAIT, WORKERS_SHUT_DOWN, WORKERS_ABORT };
void workers_stop(struct workers *workers, enum workers_stop how); // any thread; returns at once
void workers_free(struct workers **workers);                       // joins
struct worker *workers_at(struct workers *workers, unsigned index);
unsigned workers_count(const struct workers *workers);
struct worker *workers_next(struct workers *workers); // round robin; any thread
void workers_ended(struct workers *workers);          // one thread has, said by it

#endif
