// The client's side of a cancel: which errands it needs, and the close when the last has come back.
#include "proxy/relay/cancel.h"
#include "proxy/relay/cancel_errand.h"
#include "proxy/relay/registry.h"
#include "proxy/relay/worker.h"
#include "proxy/relay/workers.h"
#include <stdlib.h>
#include <string.h>

#define CANCEL_NS (10ull * 1000 * 1000 * 1000)
#define UNKNOWN_NS (1000ull * 1000 * 1000)

enum { KNOWN_MAX = 64 };

struct cancel {
    struct worker *worker;
    struct cancel *next, *previous; // in worker->cancels
    struct stream *client;
    uint64_t id;
    uint64_t deadline;
    struct cancel_key key;  // borrowed from the startup packet, during cancel_start only
    unsigned errands;       // that have not come back
    char *asked[KNOWN_MAX]; // connection strings of the olds asked so far; during cancel_start only
    size_t asked_count;
};

static atomic_uint_fast64_t last_unknown; // uv_hrtime of the last broadcast

struct cancel *
cancel_next(const struct cancel *cancel)
{
    return cancel->next;
}

static void
on_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    (void)context;
    (void)chunk;
    (void)offset;
    (void)length;
}

// The client may leave: the errands go on all the same.
static void
on_end(void *context, enum stream_end why)
{
    (void)why;
    struct cancel *cancel = context;
    stream_stop(cancel->client);
}

static void
on_closed(void *context)
{
    struct cancel *cancel = context;
    struct worker *worker = cancel->worker;
    if (cancel->previous) {
        cancel->previous->next = cancel->next;
    } else {
        worker->cancels = cancel->next;
    }
    if (cancel->next) {
        cancel->next->previous = cancel->previous;
    }
    free(cancel);
    worker_released(worker);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_closed = on_closed,
};

void
cancel_abort(struct cancel *cancel)
{
    stream_abort(cancel->client);
}

void
cancel_tick(struct cancel *cancel, uint64_t now)
{
    if (now > cancel->deadline) {
        stream_stop(cancel->client);
    }
}

void
cancel_errand_done(struct worker *worker, uint64_t id)
{
    for (struct cancel *at = worker->cancels; at; at = at->next) {
        if (at->id == id && --at->errands == 0) {
            stream_stop(at->client);
            return;
        }
    }
}

static void
ask(struct cancel *cancel, struct database_settings *settings)
{
    cancel->errands +=
        cancel_errand_start(cancel->worker, settings->targets[SIDE_OLD], settings->tls[SIDE_OLD],
                            NULL, &cancel->key, cancel->worker->index, cancel->id);
}

static void
ask_database(void *context, struct database *database)
{
    struct cancel *cancel = context;
    struct database_settings *settings = database_settings(database);
    const char *name = settings->targets[SIDE_OLD]->connection_string;
    bool is_asked = cancel->asked_count == KNOWN_MAX;
    for (size_t i = 0; i < cancel->asked_count; i++) {
        is_asked = is_asked || strcmp(cancel->asked[i], name) == 0;
    }
    char *copy = is_asked ? NULL : strdup(name);
    if (copy) {
        cancel->asked[cancel->asked_count++] = copy;
        ask(cancel, settings);
    }
    database_settings_unref(&settings);
}

static void
ask_all(struct cancel *cancel)
{
    uint64_t now = uv_hrtime();
    uint64_t last = atomic_load(&last_unknown);
    if ((last != 0 && now - last < UNKNOWN_NS) ||
        !atomic_compare_exchange_strong(&last_unknown, &last, now)) {
        return;
    }
    databases_each(cancel->worker->instance->databases, ask_database, cancel);
    while (cancel->asked_count > 0) {
        char *name = cancel->asked[--cancel->asked_count];
        explicit_bzero(name, strlen(name));
        free(name);
    }
}

static void
send_errands(struct cancel *cancel)
{
    struct worker *worker = cancel->worker;
    struct registry_place place;
    if (!registry_find(worker->instance->registry, cancel->key.pid, cancel->key.bytes,
                       cancel->key.length, &place)) {
        ask_all(cancel);
        return;
    }
    struct mail mail = {.kind = MAIL_CANCEL,
                        .session = place.session,
                        .origin = worker->index,
                        .cancel = cancel->id};
    cancel->errands += worker_mail(workers_at(worker->workers, place.worker), &mail);
}

void
cancel_start(struct worker *worker, struct stream *client, const struct startup *startup)
{
    static const struct stream_callbacks nobody = {0};
    struct cancel *cancel = calloc(1, sizeof(*cancel));
    if (!cancel) {
        stream_set_owner(client, &nobody, NULL);
        stream_abort(client);
        return;
    }
    cancel->worker = worker;
    cancel->client = client;
    cancel->id = ++worker->last_cancel;
    cancel->deadline = uv_hrtime() + CANCEL_NS;
    cancel->key =
        (struct cancel_key){startup->cancel_pid, startup->cancel_key, startup->cancel_key_length};
    cancel->next = worker->cancels;
    if (worker->cancels) {
        worker->cancels->previous = cancel;
    }
    worker->cancels = cancel;
    worker->session_count++;
    stream_set_owner(client, &callbacks, cancel);
    send_errands(cancel);
    if (cancel->errands == 0) {
        stream_stop(client);
    }
}
