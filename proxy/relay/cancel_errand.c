// The server's side of a cancel. The connector's time-out ends the first half; a server that does not close
// after the key was sent is given up by the stop of the stream, as nothing more can come of it.
#include "proxy/relay/cancel_errand.h"
#include "protocol/startup.h"
#include "proxy/log.h"
#include "proxy/relay/registry.h"
#include "proxy/relay/worker.h"
#include "proxy/relay/workers.h"
#include "proxy/transport/connector.h"
#include <stdlib.h>
#include <string.h>

#define CONNECT_NS (5ull * 1000 * 1000 * 1000)

struct cancel_errand {
    struct worker *worker;
    struct cancel_errand *next, *previous; // in worker->errands
    struct connector *connector;
    struct stream *stream;
    uint32_t pid;
    uint8_t key[REGISTRY_KEY_MAX];
    size_t key_length;
    unsigned origin;
    uint64_t cancel;
};

struct cancel_errand *
cancel_errand_next(const struct cancel_errand *errand)
{
    return errand->next;
}

static void
end(struct cancel_errand *errand)
{
    struct worker *worker = errand->worker;
    if (errand->previous) {
        errand->previous->next = errand->next;
    } else {
        worker->errands = errand->next;
    }
    if (errand->next) {
        errand->next->previous = errand->previous;
    }
    struct worker *origin = workers_at(worker->workers, errand->origin);
    worker_mail(origin, &(struct mail){.kind = MAIL_CANCEL_DONE, .cancel = errand->cancel});
    explicit_bzero(errand, sizeof(*errand));
    free(errand);
    worker_released(worker);
}

static void
ignore_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    (void)context;
    (void)chunk;
    (void)offset;
    (void)length;
}

static void
on_end(void *context, enum stream_end why)
{
    (void)why;
    struct cancel_errand *errand = context;
    stream_stop(errand->stream);
}

static void
on_closed(void *context)
{
    end(context);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = ignore_bytes,
    .on_end = on_end,
    .on_closed = on_closed,
};

static void
on_connected(void *context, struct stream *stream, const char *error)
{
    struct cancel_errand *errand = context;
    errand->connector = NULL;
    if (!stream) {
        log_event(LOG_WARNING_LEVEL, "cancel_failed", "error=\"%s\"", error);
        end(errand);
        return;
    }
    errand->stream = stream;
    stream_set_owner(stream, &callbacks, errand);
    struct writer writer;
    writer_init(&writer);
    startup_write_cancel(&writer, errand->pid, errand->key, errand->key_length);
    if (!writer.failed) {
        stream_write_copy(stream, writer.bytes, writer.length);
    }
    writer_wipe(&writer);
    writer_fini(&writer);
    stream_resume(stream);
}

bool
cancel_errand_start(struct worker *worker, struct target *target, struct tls_context *tls,
                    const struct stream *beside, const struct cancel_key *key, unsigned origin,
                    uint64_t cancel)
{
    struct cancel_errand *errand = calloc(1, sizeof(*errand));
    if (!errand || key->length > sizeof(errand->key)) {
        free(errand);
        return false;
    }
    errand->worker = worker;
    errand->pid = key->pid;
    memcpy(errand->key, key->bytes, key->length);
    errand->key_length = key->length;
    errand->origin = origin;
    errand->cancel = cancel;
    errand->connector =
        beside ? connector_start_beside(&worker->loop, target, tls, beside, CONNECT_NS,
                                        on_connected, errand)
               : connector_start(&worker->loop, target, tls, CONNECT_NS, on_connected, errand);
    if (!errand->connector) {
        free(errand);
        return false;
    }
    errand->next = worker->errands;
    if (worker->errands) {
        worker->errands->previous = errand;
    }
    worker->errands = errand;
    worker->session_count++;
    return true;
}

void
cancel_errand_abort(struct cancel_errand *errand)
{
    if (errand->stream) {
        stream_abort(errand->stream);
    } else {
        connector_cancel(&errand->connector);
        end(errand);
    }
}
