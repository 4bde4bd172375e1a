// The set of workers. The sockets of all are bound before the first thread runs, so that a taken port
// ends the start and nothing else.
#include "proxy/relay/workers.h"
#include "proxy/relay/worker.h"
#include <stdio.h>
#include <stdlib.h>

struct workers {
    struct worker *workers;
    unsigned count;
    atomic_uint running;
    atomic_uint next;
    void (*ended)(void *context);
    void *context;
};

static bool
open_listeners(struct workers *workers, const struct configuration_listen *settings, char *error,
               size_t error_size)
{
    if (!listener_probe(settings, error, error_size)) {
        return false;
    }
    for (unsigned i = 0; i < workers->count; i++) {
        workers->workers[i].listener = listener_open(settings, i == 0, error, error_size);
        if (!workers->workers[i].listener ||
            !listener_start(workers->workers[i].listener, &workers->workers[i])) {
            return false;
        }
    }
    return true;
}

static struct workers *
workers_new(struct instance *instance, unsigned count)
{
    struct workers *workers = calloc(1, sizeof(*workers));
    if (!workers) {
        return NULL;
    }
    workers->workers = calloc(count, sizeof(*workers->workers));
    if (!workers->workers) {
        free(workers);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        workers->workers[i].instance = instance;
        if (!worker_init(&workers->workers[i], workers, i)) {
            workers_free(&workers);
            return NULL;
        }
        workers->count++;
    }
    return workers;
}

struct workers *
workers_start(struct instance *instance, void (*ended)(void *context), void *context, char *error,
              size_t error_size)
{
    const struct configuration *configuration = instance_configuration(instance);
    unsigned count = configuration->listen.workers;
    count = count == 0 ? uv_available_parallelism() : count;
    struct workers *workers = workers_new(instance, count);
    if (!workers) {
        snprintf(error, error_size, "out of memory");
    } else if (!open_listeners(workers, &configuration->listen, error, error_size)) {
        workers_free(&workers);
    }
    configuration_unref(&configuration);
    if (!workers) {
        return NULL;
    }
    workers->ended = ended;
    workers->context = context;
    instance->workers = workers; // seen by the threads from their start
    atomic_store(&workers->running, workers->count);
    for (unsigned i = 0; i < workers->count; i++) {
        if (!worker_start(&workers->workers[i])) {
            snprintf(error, error_size, "cannot start a thread");
            atomic_fetch_sub(&workers->running, workers->count - i);
            workers->ended = NULL;
            workers_stop(workers, WORKERS_ABORT);
            workers_free(&workers);
            instance->workers = NULL;
            return NULL;
        }
    }
    return workers;
}

void
workers_stop(struct workers *workers, enum workers_stop how)
{
    static const enum mail_kind kinds[] = {
        [WORKERS_WAIT] = MAIL_WAIT,
        [WORKERS_SHUT_DOWN] = MAIL_SHUT_DOWN,
        [WORKERS_ABORT] = MAIL_ABORT,
    };
    for (unsigned i = 0; i < workers->count; i++) {
        worker_mail(&workers->workers[i], &(struct mail){.kind = kinds[how]});
    }
}

void
workers_free(struct workers **workers)
{
    if (!*workers) {
        return;
    }
    for (unsigned i = 0; i < (*workers)->count; i++) {
        worker_join(&(*workers)->workers[i]);
    }
    for (unsigned i = 0; i < (*workers)->count; i++) {
        worker_fini(&(*workers)->workers[i]);
    }
    free((*workers)->workers);
    free(*workers);
    *workers = NULL;
}

struct worker *
workers_at(struct workers *workers, unsigned index)
{
    return index < workers->count ? &workers->workers[index] : NULL;
}

unsigned
workers_count(const struct workers *workers)
{
    return workers->count;
}

struct worker *
workers_next(struct workers *workers)
{
    return &workers->workers[atomic_fetch_add(&workers->next, 1) % workers->count];
}

void
workers_ended(struct workers *workers)
{
    if (atomic_fetch_sub(&workers->running, 1) == 1 && workers->ended) {
        workers->ended(workers->context);
    }
}
