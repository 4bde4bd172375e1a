// Cancel requests for own sessions: a connection to the same server that carries the key and nothing
// else (manual 55.2.8). Nobody waits for it but the end of the pool.
#include "protocol/startup.h"
#include "proxy/own/own_parts.h"
#include <stdlib.h>

enum { CANCEL_NANOSECONDS = 1000000000 };

struct errand {
    struct own_pool *pool;
    struct stream *stream;
    struct writer packet;
};

static void
end(struct errand *errand)
{
    struct own_pool *pool = errand->pool;
    writer_fini(&errand->packet);
    free(errand);
    pool->cancels--;
    own_pool_is_gone(pool, NULL);
}

static void
on_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    (void)context, (void)chunk, (void)offset, (void)length; // servers say nothing here
}

static void
on_end(void *context, enum stream_end why)
{
    (void)why;
    stream_stop(((struct errand *)context)->stream);
}

static void
on_closed(void *context)
{
    end(context);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = on_bytes, .on_end = on_end, .on_closed = on_closed};

static void
on_connected(void *context, struct stream *stream, const char *error)
{
    struct errand *errand = context;
    (void)error;
    if (stream == NULL) {
        end(errand);
        return;
    }
    errand->stream = stream;
    stream_set_owner(stream, &callbacks, errand);
    stream_write_copy(stream, errand->packet.bytes, errand->packet.length);
    stream_stop(stream);
}

void
own_cancel_send(struct own_session *session)
{
    if (session->key_length == 0 || session->stream == NULL) {
        return;
    }
    struct own_pool *pool = session->group->pool;
    enum side side = session->group->place->side;
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) {
        return; // the server's own statement_timeout ends it
    }
    errand->pool = pool;
    writer_init(&errand->packet);
    startup_write_cancel(&errand->packet, session->pid, session->key, session->key_length);
    pool->cancels++;
    if (errand->packet.failed ||
        connector_start_beside(pool->loop, session->settings->targets[side],
                               session->settings->tls[side], session->stream, CANCEL_NANOSECONDS,
                               on_connected, errand) == NULL) {
        pool->cancels--;
        writer_fini(&errand->packet);
        free(errand);
    }
}
