// Opens a stream to a server, host by host and address by address, as libpq does:
//
//     NEXT_HOST ──name──► RESOLVING ──addresses──► NEXT_ADDRESS ◄─────────refused, failed─────────┐
//       │ └─address, socket directory─────────────►  │ └──► CONNECTING ──► ASKING ──► SECURING ───┤
//       ▼ none left                                  ▼ none left   │plain      │'N'         │      │
//     FAILED                                     NEXT_HOST         └───────────┴────────────┴─► CONNECTED
//
// sslmode: disable and allow are plain (when a server refuses a login for its channel, the login goes the other
// way), prefer asks and takes no for an answer, and tries the address again without TLS when the
// handshake fails; require and above insist. Over Unix sockets there is no TLS. GSSAPI is never asked for.
//
// Owns what it opened until `done`. It frees itself when libuv has let go of the timer, the poll
// handle, the resolver's request and the streams that failed. One loop's thread.
#include "proxy/transport/connector_parts.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void
connector_let_go(struct connector *connector)
{
    if (--connector->holds > 0) {
        return;
    }
    target_unref(&connector->target);
    tls_context_unref(&connector->tls);
    free(connector);
}

static void
on_timer_closed(uv_handle_t *handle)
{
    connector_let_go(handle->data);
}

static void
on_poll_closed(uv_handle_t *handle)
{
    connector_let_go(handle->data);
    free(handle);
}

void
connector_stream_closed(void *context)
{
    connector_let_go(context);
}

static const struct stream_callbacks closing_callbacks = {.on_closed = connector_stream_closed};

void
connector_drop_poll(struct connector *connector)
{
    if (connector->poll != NULL) {
        uv_close((uv_handle_t *)connector->poll, on_poll_closed);
        connector->poll = NULL;
    }
}

void
connector_drop_stream(struct connector *connector)
{
    if (connector->stream != NULL) {
        stream_set_owner(connector->stream, &closing_callbacks, connector);
        stream_abort(connector->stream);
        connector->stream = NULL;
    }
}

// Everything but the result is given up.
static void
wind_up(struct connector *connector)
{
    if (connector->phase == CONNECTOR_RESOLVING) {
        uv_cancel((uv_req_t *)&connector->resolver); // its callback comes all the same
    }
    connector->phase = CONNECTOR_OVER;
    if (connector->poll != NULL) {
        int fd;
        if (uv_fileno((uv_handle_t *)connector->poll, &fd) == 0) {
            uv_poll_stop(connector->poll);
            close(fd);
        }
    }
    connector_drop_poll(connector);
    connector_drop_stream(connector);
    uv_close((uv_handle_t *)&connector->timer, on_timer_closed);
}

void
connector_finish(struct connector *connector, struct stream *stream)
{
    connector_done done = connector->done;
    wind_up(connector);
    connector->done = NULL;
    if (stream != NULL) {
        stream_set_owner(stream, NULL, NULL);
    }
    done(connector->context, stream, stream == NULL ? connector->error : "");
}

void
connector_cancel(struct connector **connector)
{
    struct connector *cancelled = *connector;
    *connector = NULL;
    if (cancelled != NULL && cancelled->phase != CONNECTOR_OVER) {
        cancelled->done = NULL;
        wind_up(cancelled);
    }
}

static void
on_deadline(uv_timer_t *timer)
{
    struct connector *connector = timer->data;
    connector_note(connector, "timed out");
    connector_finish(connector, NULL);
}

// The first step is made from the loop, so that `done` is never called by connector_start.
static void
on_begin(uv_timer_t *timer)
{
    struct connector *connector = timer->data;
    if (connector->deadline > 0) {
        uv_timer_start(timer, on_deadline, connector->deadline, 0);
    }
    if (connector->is_beside) {
        connector_try_address(connector);
    } else {
        connector_try_host(connector);
    }
}

static struct connector *
new_connector(uv_loop_t *loop, struct target *target, struct tls_context *tls, uint64_t timeout,
              connector_done done, void *context)
{
    struct connector *connector = calloc(1, sizeof *connector);
    if (connector == NULL) {
        return NULL;
    }
    connector->loop = loop;
    connector->target = target_ref(target);
    connector->tls = tls != NULL ? tls_context_ref(tls) : NULL;
    connector->done = done;
    connector->context = context;
    connector->phase = CONNECTOR_CONNECTING;
    connector->deadline = (timeout > 0 ? timeout : target->connect_timeout) / 1000000;
    if (connector->deadline == 0 && timeout > 0) {
        connector->deadline = 1;
    }
    uv_timer_init(loop, &connector->timer);
    connector->timer.data = connector;
    connector->holds = 1;
    uv_timer_start(&connector->timer, on_begin, 0, 0);
    return connector;
}

struct connector *
connector_start(uv_loop_t *loop, struct target *target, struct tls_context *tls, uint64_t timeout,
                connector_done done, void *context)
{
    return new_connector(loop, target, tls, timeout, done, context);
}

// To the address that `stream` goes to; with `tls` in any case, or NULL: without.
static struct connector *
start_at(uv_loop_t *loop, struct target *target, struct tls_context *tls,
         const struct stream *stream, uint64_t timeout, connector_done done, void *context)
{
    struct connector *connector = new_connector(loop, target, tls, timeout, done, context);
    if (connector != NULL) {
        connector->is_beside = true;
        connector->host = stream_host(stream) < target->host_count ? stream_host(stream) : 0;
        connector->address_count = stream_peer_address(stream, &connector->addresses[0].socket,
                                                       &connector->addresses[0].length)
                                       ? 1
                                       : 0;
    }
    return connector;
}

struct connector *
connector_start_beside(uv_loop_t *loop, struct target *target, struct tls_context *tls,
                       const struct stream *beside, uint64_t timeout, connector_done done,
                       void *context)
{
    return start_at(loop, target, stream_is_tls(beside) ? tls : NULL, beside, timeout, done,
                    context);
}

bool
connector_has_other_way(const struct target *target, const struct stream *refused)
{
    struct sockaddr_storage address;
    socklen_t length;
    enum tls_mode first = stream_is_tls(refused) || refused->is_unasked ? TLS_PREFER : TLS_ALLOW;
    return target->tls_mode == first && stream_peer_address(refused, &address, &length) &&
           address.ss_family != AF_UNIX;
}

struct connector *
connector_start_other_way(uv_loop_t *loop, struct target *target, struct tls_context *tls,
                          const struct stream *refused, uint64_t timeout, connector_done done,
                          void *context)
{
    if (refused->is_unasked) {
        atomic_store(&target->plain_until, 0);
        return connector_start(loop, target, tls, timeout, done, context);
    }
    return start_at(loop, target, stream_is_tls(refused) ? NULL : tls, refused, timeout, done,
                    context);
}
