// The client's side of a cancel: which errands it needs, and the close when the last has come back.
//
// A key that the registry does not know may be anybody's invention, and goes to every old: a bucket in the process
// says how often. What finds it empty waits for its turn in its worker's queue (in the order of arrival there; the
// workers take tokens from each other as they come), whether or not its client still does: clients that close
// without waiting want their cancel all the same. The queues of all workers are bounded together; a cancel that
// finds them full, or waits longer than CANCEL_NS, is lost, and the log says so.
#include "proxy/relay/cancel.h"
#include "proxy/log.h"
#include "proxy/relay/cancel_errand.h"
#include "proxy/relay/registry.h"
#include "proxy/relay/worker.h"
#include "proxy/relay/workers.h"
#include <stdlib.h>
#include <string.h>

#define CANCEL_NS (10ull * 1000 * 1000 * 1000)

enum {
    SERVERS_MAX = 64, // distinct olds
    UNKNOWN_BURST = 32,
    UNKNOWN_PER_SECOND = 16,
    WAITING_MAX = 128, // in the process; a full queue takes 8 s
    TURN_MS = 1000 / UNKNOWN_PER_SECOND,
};

struct cancel {
    struct worker *worker;
    struct cancel *next, *previous; // in worker->cancels
    struct cancel *next_waiting;    // in worker->first_waiting_cancel
    bool is_waiting;                // for a token
    struct stream *client;
    uint64_t id;
    uint64_t deadline;
    uint32_t pid;
    uint8_t key[REGISTRY_KEY_MAX];
    size_t key_length;
    unsigned errands; // that have not come back
};

// The olds that a cancel has gone to: targets, borrowed while `settings` are held.
struct asked {
    struct cancel *cancel;
    struct database_settings *settings[SERVERS_MAX]; // references
    size_t count;
};

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

// The client may leave: the errands go on all the same, and so does the waiting for them.
static void
on_end(void *context, enum stream_end why)
{
    (void)why;
    struct cancel *cancel = context;
    if (!cancel->is_waiting) {
        stream_stop(cancel->client);
    }
}

static void
wait_no_more(struct cancel *cancel)
{
    struct worker *worker = cancel->worker;
    struct cancel **at = &worker->first_waiting_cancel, *before = NULL;
    while (*at != cancel) {
        before = *at;
        at = &before->next_waiting;
    }
    *at = cancel->next_waiting;
    if (worker->last_waiting_cancel == cancel) {
        worker->last_waiting_cancel = before;
    }
    cancel->is_waiting = false;
    atomic_fetch_sub(&worker->instance->waiting_cancels, 1);
    if (!worker->first_waiting_cancel) {
        uv_timer_stop(&worker->cancel_turn);
    }
}

static void
on_closed(void *context)
{
    struct cancel *cancel = context;
    struct worker *worker = cancel->worker;
    if (cancel->is_waiting) {
        wait_no_more(cancel);
    }
    if (cancel->previous) {
        cancel->previous->next = cancel->next;
    } else {
        worker->cancels = cancel->next;
    }
    if (cancel->next) {
        cancel->next->previous = cancel->previous;
    }
    explicit_bzero(cancel, sizeof(*cancel));
    free(cancel);
    worker_released(worker);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_closed = on_closed,
};

// A flood must not fill the log, too.
static void
note_lost(const struct cancel *cancel)
{
    if (bucket_take(&cancel->worker->instance->cancel_warnings, 1, 1, uv_hrtime())) {
        log_event(LOG_WARNING_LEVEL, "cancel_lost",
                  "reason=\"more than %d a second have keys that this proxy did not give out\"",
                  UNKNOWN_PER_SECOND);
    }
}

void
cancel_abort(struct cancel *cancel)
{
    stream_abort(cancel->client);
}

void
cancel_tick(struct cancel *cancel, uint64_t now)
{
    if (now > cancel->deadline) {
        if (cancel->is_waiting) {
            note_lost(cancel);
        }
        stream_stop(cancel->client);
    }
}

void
cancel_shut_down(struct cancel *cancel)
{
    if (cancel->is_waiting) {
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

static bool
is_same_server(const struct target *one, const struct target *other)
{
    bool is_same = one->host_count == other->host_count;
    for (size_t i = 0; is_same && i < one->host_count; i++) {
        const struct target_host *a = &one->hosts[i], *b = &other->hosts[i];
        is_same = a->port == b->port && strcmp(a->host, b->host) == 0 &&
                  strcmp(a->address, b->address) == 0;
    }
    return is_same;
}

static void
ask_database(void *context, struct database *database)
{
    struct asked *asked = context;
    struct cancel *cancel = asked->cancel;
    struct database_settings *settings = database_settings(database);
    struct target *target = settings->targets[SIDE_OLD];
    bool is_asked = asked->count == SERVERS_MAX;
    for (size_t i = 0; i < asked->count && !is_asked; i++) {
        is_asked = is_same_server(asked->settings[i]->targets[SIDE_OLD], target);
    }
    if (is_asked) {
        database_settings_unref(&settings);
        return;
    }
    asked->settings[asked->count++] = settings;
    struct cancel_key key = {cancel->pid, cancel->key, cancel->key_length};
    cancel->errands += cancel_errand_start(cancel->worker, target, settings->tls[SIDE_OLD], NULL,
                                           &key, cancel->worker->index, cancel->id);
}

// Each server once, however many databases of it are served.
static void
ask_all(struct cancel *cancel)
{
    struct asked asked = {.cancel = cancel};
    databases_each(cancel->worker->instance->databases, ask_database, &asked);
    while (asked.count > 0) {
        database_settings_unref(&asked.settings[--asked.count]);
    }
}

static bool
take_token(struct worker *worker)
{
    return bucket_take(&worker->instance->unknown_cancels, UNKNOWN_BURST, UNKNOWN_PER_SECOND,
                       uv_hrtime());
}

static void
on_turn(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    struct cancel *cancel;
    while ((cancel = worker->first_waiting_cancel) && take_token(worker)) {
        wait_no_more(cancel);
        ask_all(cancel);
        if (cancel->errands == 0) {
            stream_stop(cancel->client);
        }
    }
}

static void
wait_for_token(struct cancel *cancel)
{
    struct worker *worker = cancel->worker;
    if (atomic_fetch_add(&worker->instance->waiting_cancels, 1) >= WAITING_MAX) {
        atomic_fetch_sub(&worker->instance->waiting_cancels, 1);
        note_lost(cancel);
        return;
    }
    if (worker->last_waiting_cancel) {
        worker->last_waiting_cancel->next_waiting = cancel;
    } else {
        worker->first_waiting_cancel = cancel;
        uv_timer_start(&worker->cancel_turn, on_turn, TURN_MS, TURN_MS);
    }
    worker->last_waiting_cancel = cancel;
    cancel->is_waiting = true;
}

static void
send_errands(struct cancel *cancel)
{
    struct worker *worker = cancel->worker;
    struct registry_place place;
    if (registry_find(worker->instance->registry, cancel->pid, cancel->key, cancel->key_length,
                      &place)) {
        struct mail mail = {.kind = MAIL_CANCEL,
                            .session = place.session,
                            .origin = worker->index,
                            .cancel = cancel->id};
        cancel->errands += worker_mail(workers_at(worker->workers, place.worker), &mail);
    } else if (!worker->first_waiting_cancel && take_token(worker)) {
        ask_all(cancel);
    } else {
        wait_for_token(cancel);
    }
}

void
cancel_start(struct worker *worker, struct stream *client, const struct startup *startup)
{
    static const struct stream_callbacks nobody = {0};
    struct cancel *cancel = calloc(1, sizeof(*cancel));
    if (!cancel || startup->cancel_key_length > sizeof(cancel->key)) {
        free(cancel);
        stream_set_owner(client, &nobody, NULL);
        stream_abort(client);
        return;
    }
    cancel->worker = worker;
    cancel->client = client;
    cancel->id = ++worker->last_cancel;
    cancel->deadline = uv_hrtime() + CANCEL_NS;
    cancel->pid = startup->cancel_pid;
    memcpy(cancel->key, startup->cancel_key, startup->cancel_key_length);
    cancel->key_length = startup->cancel_key_length;
    cancel->next = worker->cancels;
    if (worker->cancels) {
        worker->cancels->previous = cancel;
    }
    worker->cancels = cancel;
    worker->session_count++;
    stream_set_owner(client, &callbacks, cancel);
    send_errands(cancel);
    if (cancel->errands == 0 && !cancel->is_waiting) {
        stream_stop(client);
    }
}
