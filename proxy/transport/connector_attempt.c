// One address: the socket, then TLS as sslmode says. What fails is noted, and the next address is tried; `prefer`
// tries the same one again without TLS.
#include "protocol/startup.h"
#include "proxy/transport/connector_parts.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

// ---- TLS ----

static void
next_address(struct connector *connector)
{
    connector->address++;
    connector->without_tls = false;
    connector_try_address(connector);
}

// This attempt has failed with `error` noted, or is to be made again in plain.
static void
give_up_attempt(struct connector *connector, bool again_without_tls)
{
    connector_drop_stream(connector);
    if (again_without_tls) {
        connector->without_tls = true;
        connector_try_address(connector);
    } else {
        next_address(connector);
    }
}

static void
begin_tls(struct connector *connector, bool alpn)
{
    connector->phase = CONNECTOR_SECURING;
    if (!stream_start_tls_client(connector->stream, connector->tls, connector_host(connector)->host,
                                 alpn)) {
        connector_note(connector, "failed: no memory for TLS");
        give_up_attempt(connector, false);
    }
}

static void
connected(struct connector *connector)
{
    struct stream *stream = connector->stream;
    connector->stream = NULL;
    connector->holds--; // the stream's: it is the caller's now
    stream_pause(stream);
    connector_finish(connector, stream);
}

// With `prefer` a server that has no TLS is asked again after this long, and not for each connection: its answer takes a
// turn of its new process. Should it have TLS by then and insist, that is another way (connector_has_other_way).
static const uint64_t ask_again_ns = 1000000000;

static bool
is_known_plain(const struct connector *connector)
{
    return connector->mode == TLS_PREFER &&
           uv_hrtime() < atomic_load(&connector->target->plain_until);
}

static void
note_plain(struct connector *connector)
{
    if (connector->mode == TLS_PREFER && connector->target->host_count == 1) {
        atomic_store(&connector->target->plain_until, uv_hrtime() + ask_again_ns);
    }
}

static void
on_answer(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct connector *connector = context;
    char answer = (char)chunk->bytes[offset];
    bool insists = connector->mode >= TLS_REQUIRE;
    if (connector->phase != CONNECTOR_ASKING) {
        return;
    }
    if (answer == 'S' && length == 1) {
        begin_tls(connector, false);
    } else if (answer == 'N' && length == 1 && !insists) {
        note_plain(connector);
        connected(connector);
    } else if (answer == 'N' && length == 1) {
        connector_note(connector,
                       "failed: the server does not support TLS, but sslmode requires it");
        give_up_attempt(connector, false);
    } else if (answer == 'S' || answer == 'N') {
        connector_note(connector, "failed: unencrypted data after the answer to SSLRequest");
        give_up_attempt(connector, false);
    } else if (answer == 'E' && !insists) {
        give_up_attempt(connector, true); // a server that does not know SSLRequest
    } else {
        connector_note(connector, "failed: invalid answer to SSLRequest: no PostgreSQL server?");
        give_up_attempt(connector, false);
    }
}

static void
on_secured(void *context)
{
    connected(context);
}

static void
on_end(void *context, enum stream_end why)
{
    struct connector *connector = context;
    bool again = connector->phase == CONNECTOR_SECURING && connector->mode <= TLS_PREFER;
    if (!again && why == STREAM_END_TLS) {
        connector_note(connector, "failed: TLS: %s", stream_tls_error(connector->stream));
    } else if (!again) {
        connector_note(connector, "failed: the server closed the connection %s",
                       connector->phase == CONNECTOR_ASKING ? "after SSLRequest"
                                                            : "during the TLS handshake");
    }
    give_up_attempt(connector, again);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = on_answer,
    .on_secured = on_secured,
    .on_end = on_end,
    .on_closed = connector_stream_closed,
};

static void
ask_for_tls(struct connector *connector)
{
    struct writer writer;
    writer_init(&writer);
    startup_write_ssl_request(&writer);
    connector->phase = CONNECTOR_ASKING;
    if (!writer.failed) {
        stream_write_copy(connector->stream, writer.bytes, writer.length);
    } else {
        stream_defer_end(connector->stream, STREAM_END_ERROR);
    }
    writer_fini(&writer);
}

static enum tls_mode
mode_of(const struct connector *connector)
{
    bool is_unix = connector->addresses[connector->address].socket.ss_family == AF_UNIX;
    if (is_unix || connector->tls == NULL || connector->without_tls) {
        return TLS_DISABLE;
    }
    enum tls_mode mode = connector->target->tls_mode;
    return connector->is_beside && mode < TLS_REQUIRE ? TLS_REQUIRE : mode;
}

static void
has_connected(struct connector *connector, int fd)
{
    connector->stream = stream_open(connector->loop, fd, &callbacks, connector);
    if (connector->stream == NULL) {
        connector_note_errno(connector, errno);
        next_address(connector);
        return;
    }
    connector->holds++;
    connector->stream->host = connector->host;
    connector->mode = mode_of(connector);
    connector->stream->is_unasked = is_known_plain(connector);
    if (connector->mode <= TLS_ALLOW || connector->stream->is_unasked) {
        connected(connector);
        return;
    }
    stream_resume(connector->stream);
    if (connector->target->direct_tls) {
        begin_tls(connector, true);
    } else {
        ask_for_tls(connector);
    }
}

// ---- connecting ----

static void
on_writable(uv_poll_t *poll, int status, int events)
{
    struct connector *connector = poll->data;
    (void)events;
    int fd = -1;
    int error = 0;
    socklen_t size = sizeof error;
    uv_fileno((uv_handle_t *)poll, &fd);
    uv_poll_stop(poll);
    connector_drop_poll(connector);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (status < 0 && error == 0) {
        error = -status;
    }
    if (error != 0) {
        close(fd);
        connector_note_errno(connector, error);
        next_address(connector);
    } else {
        has_connected(connector, fd);
    }
}

static int
wait_writable(struct connector *connector, int fd)
{
    uv_poll_t *poll = malloc(sizeof *poll);
    if (poll == NULL) {
        return ENOMEM;
    }
    int error = uv_poll_init(connector->loop, poll, fd);
    if (error != 0) {
        free(poll);
        return -error;
    }
    poll->data = connector;
    connector->poll = poll;
    connector->holds++;
    error = uv_poll_start(poll, UV_WRITABLE, on_writable);
    if (error != 0) {
        connector_drop_poll(connector);
    }
    return -error;
}

void
connector_try_address(struct connector *connector)
{
    if (connector->address >= connector->address_count) {
        connector->host++;
        connector_try_host(connector);
        return;
    }
    const struct connector_address *address = &connector->addresses[connector->address];
    connector->phase = CONNECTOR_CONNECTING;
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : 0;
    if (error == 0 &&
        connect(fd, (const struct sockaddr *)&address->socket, address->length) != 0 &&
        errno != EINPROGRESS && errno != EINTR) {
        error = errno;
    }
    if (error == 0) {
        error = wait_writable(connector, fd);
    }
    if (error != 0) {
        if (fd >= 0) {
            close(fd);
        }
        connector_note_errno(connector, error);
        next_address(connector);
    }
}
