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
#include "proxy/transport/connector.h"
#include "protocol/startup.h"
#include "proxy/transport/stream_parts.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { ERROR_SIZE = 512, NAME_SIZE = 160, ADDRESS_LIMIT = 16 };

enum phase { RESOLVING, CONNECTING, ASKING, SECURING, OVER };

struct address {
    struct sockaddr_storage socket;
    socklen_t length;
};

struct connector {
    uv_loop_t *loop;
    struct target *target;   // a reference
    struct tls_context *tls; // a reference, or NULL
    connector_done done;     // NULL: cancelled
    void *context;
    enum phase phase;
    unsigned holds; // what keeps this alive: libuv's handles and requests, and our streams
    size_t host;    // the present one; target->host_count: none left
    struct address addresses[ADDRESS_LIMIT];
    size_t address_count;
    size_t address;     // the present one
    bool is_beside;     // one address only, given by the caller
    enum tls_mode mode; // of the present attempt
    bool without_tls;   // `prefer`: the present address is tried again
    uv_timer_t timer;
    uint64_t deadline; // ms from the beginning; 0: none
    uv_getaddrinfo_t resolver;
    uv_poll_t *poll; // own allocation, freed when closed
    struct stream *stream;
    char error[ERROR_SIZE];
};

static void try_host(struct connector *connector);
static void try_address(struct connector *connector);

// ---- the end ----

static void
let_go(struct connector *connector)
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
    let_go(handle->data);
}

static void
on_poll_closed(uv_handle_t *handle)
{
    let_go(handle->data);
    free(handle);
}

static void
on_stream_closed(void *context)
{
    let_go(context);
}

static const struct stream_callbacks closing_callbacks = {.on_closed = on_stream_closed};

static void
drop_poll(struct connector *connector)
{
    if (connector->poll != NULL) {
        uv_close((uv_handle_t *)connector->poll, on_poll_closed);
        connector->poll = NULL;
    }
}

static void
drop_stream(struct connector *connector)
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
    if (connector->phase == RESOLVING) {
        uv_cancel((uv_req_t *)&connector->resolver); // its callback comes all the same
    }
    connector->phase = OVER;
    if (connector->poll != NULL) {
        int fd;
        if (uv_fileno((uv_handle_t *)connector->poll, &fd) == 0) {
            uv_poll_stop(connector->poll);
            close(fd);
        }
    }
    drop_poll(connector);
    drop_stream(connector);
    uv_close((uv_handle_t *)&connector->timer, on_timer_closed);
}

static void
finish(struct connector *connector, struct stream *stream)
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
    if (cancelled != NULL && cancelled->phase != OVER) {
        cancelled->done = NULL;
        wind_up(cancelled);
    }
}

// ---- words ----

static const struct target_host *
present_host(const struct connector *connector)
{
    return &connector->target->hosts[connector->host];
}

static bool
is_socket_directory(const char *host)
{
    return host[0] == '/' || host[0] == '@';
}

// "host:port", or the socket's path.
static void
name_host(const struct connector *connector, char name[NAME_SIZE])
{
    const struct target_host *host = present_host(connector);
    if (is_socket_directory(host->host) && *host->address == '\0') {
        snprintf(name, NAME_SIZE, "%s/.s.PGSQL.%u", host->host, host->port);
    } else {
        bool is_ipv6 = strchr(host->host, ':') != NULL;
        snprintf(name, NAME_SIZE, "%s%s%s:%u", is_ipv6 ? "[" : "", host->host, is_ipv6 ? "]" : "",
                 host->port);
    }
}

__attribute__((format(printf, 2, 3))) static void
note(struct connector *connector, const char *format, ...)
{
    char name[NAME_SIZE];
    char what[ERROR_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    name_host(connector, name);
    size_t used = strlen(connector->error);
    snprintf(connector->error + used, ERROR_SIZE - used, "%sconnection to %s %s",
             used > 0 ? "; " : "", name, what);
}

static void
note_errno(struct connector *connector, int error)
{
    if (error == ECONNREFUSED) {
        note(connector, "refused");
    } else if (error == ETIMEDOUT) {
        note(connector, "timed out");
    } else {
        note(connector, "failed: %s", uv_strerror(-error));
    }
}

// ---- TLS ----

static void
next_address(struct connector *connector)
{
    connector->address++;
    connector->without_tls = false;
    try_address(connector);
}

// This attempt has failed with `error` noted, or is to be made again in plain.
static void
give_up_attempt(struct connector *connector, bool again_without_tls)
{
    drop_stream(connector);
    if (again_without_tls) {
        connector->without_tls = true;
        try_address(connector);
    } else {
        next_address(connector);
    }
}

static void
begin_tls(struct connector *connector, bool alpn)
{
    connector->phase = SECURING;
    if (!stream_start_tls_client(connector->stream, connector->tls, present_host(connector)->host,
                                 alpn)) {
        note(connector, "failed: no memory for TLS");
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
    finish(connector, stream);
}

static void
on_answer(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct connector *connector = context;
    char answer = (char)chunk->bytes[offset];
    bool insists = connector->mode >= TLS_REQUIRE;
    if (connector->phase != ASKING) {
        return;
    }
    if (answer == 'S' && length == 1) {
        begin_tls(connector, false);
    } else if (answer == 'N' && length == 1 && !insists) {
        connected(connector);
    } else if (answer == 'N' && length == 1) {
        note(connector, "failed: the server does not support TLS, but sslmode requires it");
        give_up_attempt(connector, false);
    } else if (answer == 'S' || answer == 'N') {
        note(connector, "failed: unencrypted data after the answer to SSLRequest");
        give_up_attempt(connector, false);
    } else if (answer == 'E' && !insists) {
        give_up_attempt(connector, true); // a server that does not know SSLRequest
    } else {
        note(connector, "failed: invalid answer to SSLRequest: no PostgreSQL server?");
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
    bool again = connector->phase == SECURING && connector->mode <= TLS_PREFER;
    if (!again && why == STREAM_END_TLS) {
        note(connector, "failed: TLS: %s", stream_tls_error(connector->stream));
    } else if (!again) {
        note(connector, "failed: the server closed the connection %s",
             connector->phase == ASKING ? "after SSLRequest" : "during the TLS handshake");
    }
    give_up_attempt(connector, again);
}

static const struct stream_callbacks callbacks = {
    .on_bytes = on_answer,
    .on_secured = on_secured,
    .on_end = on_end,
    .on_closed = on_stream_closed,
};

static void
ask_for_tls(struct connector *connector)
{
    struct writer writer;
    writer_init(&writer);
    startup_write_ssl_request(&writer);
    connector->phase = ASKING;
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
        note_errno(connector, errno);
        next_address(connector);
        return;
    }
    connector->holds++;
    connector->stream->host = connector->host;
    connector->mode = mode_of(connector);
    if (connector->mode <= TLS_ALLOW) {
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
    drop_poll(connector);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (status < 0 && error == 0) {
        error = -status;
    }
    if (error != 0) {
        close(fd);
        note_errno(connector, error);
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
        drop_poll(connector);
    }
    return -error;
}

static void
try_address(struct connector *connector)
{
    if (connector->address >= connector->address_count) {
        connector->host++;
        try_host(connector);
        return;
    }
    const struct address *address = &connector->addresses[connector->address];
    connector->phase = CONNECTING;
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
        note_errno(connector, error);
        next_address(connector);
    }
}

// ---- hosts ----

static bool
fill_unix_address(struct connector *connector, const struct target_host *host)
{
    struct address *address = &connector->addresses[0];
    struct sockaddr_un *path = (struct sockaddr_un *)&address->socket;
    memset(address, 0, sizeof *address);
    path->sun_family = AF_UNIX;
    int length =
        snprintf(path->sun_path, sizeof path->sun_path, "%s/.s.PGSQL.%u", host->host, host->port);
    if (length >= (int)sizeof path->sun_path) {
        note(connector, "failed: the path of a Unix socket has at most %zu bytes",
             sizeof path->sun_path - 1);
        return false;
    }
    address->length = sizeof *path;
    if (path->sun_path[0] == '@') { // the abstract name space: no NUL at its end
        path->sun_path[0] = '\0';
        address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    }
    connector->address_count = 1;
    return true;
}

static void
on_resolved(uv_getaddrinfo_t *resolver, int status, struct addrinfo *list)
{
    struct connector *connector = resolver->data;
    if (connector->phase != RESOLVING) {
        uv_freeaddrinfo(list);
        let_go(connector);
        return;
    }
    connector->holds--; // the timer holds on
    connector->address_count = 0;
    for (struct addrinfo *entry = list;
         status == 0 && entry != NULL && connector->address_count < ADDRESS_LIMIT;
         entry = entry->ai_next) {
        struct address *address = &connector->addresses[connector->address_count++];
        memcpy(&address->socket, entry->ai_addr, entry->ai_addrlen);
        address->length = entry->ai_addrlen;
    }
    uv_freeaddrinfo(list);
    if (status != 0) {
        note(connector, "failed: could not translate host name to address: %s",
             uv_strerror(status));
    }
    try_address(connector);
}

static void
resolve(struct connector *connector, const struct target_host *host)
{
    char port[8];
    const char *name = *host->address != '\0' ? host->address : host->host;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof port, "%u", host->port);
    connector->phase = RESOLVING;
    connector->resolver.data = connector;
    int error =
        uv_getaddrinfo(connector->loop, &connector->resolver, on_resolved, name, port, &hints);
    if (error == 0) {
        connector->holds++;
    } else {
        connector->phase = CONNECTING;
        note(connector, "failed: could not look up the host name: %s", uv_strerror(error));
        try_address(connector);
    }
}

// An address needs no thread of the resolver.
static bool
fill_literal(struct connector *connector, const struct target_host *host)
{
    const char *name = *host->address != '\0' ? host->address : host->host;
    struct address *address = &connector->addresses[0];
    memset(address, 0, sizeof *address);
    if (uv_ip4_addr(name, host->port, (struct sockaddr_in *)&address->socket) == 0) {
        address->length = sizeof(struct sockaddr_in);
    } else if (uv_ip6_addr(name, host->port, (struct sockaddr_in6 *)&address->socket) == 0) {
        address->length = sizeof(struct sockaddr_in6);
    }
    connector->address_count = address->length > 0 ? 1 : 0;
    return address->length > 0;
}

static void
try_host(struct connector *connector)
{
    if (connector->is_beside || connector->host >= connector->target->host_count) {
        connector->host = 0;
        finish(connector, NULL);
        return;
    }
    const struct target_host *host = present_host(connector);
    connector->address = 0;
    connector->address_count = 0;
    connector->phase = CONNECTING;
    if (is_socket_directory(host->host) && *host->address == '\0') {
        fill_unix_address(connector, host);
        try_address(connector);
    } else if (fill_literal(connector, host)) {
        try_address(connector);
    } else {
        resolve(connector, host);
    }
}

// ---- life ----

static void
on_deadline(uv_timer_t *timer)
{
    struct connector *connector = timer->data;
    note(connector, "timed out");
    finish(connector, NULL);
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
        try_address(connector);
    } else {
        try_host(connector);
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
    connector->phase = CONNECTING;
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
    enum tls_mode first = stream_is_tls(refused) ? TLS_PREFER : TLS_ALLOW;
    return target->tls_mode == first && stream_peer_address(refused, &address, &length) &&
           address.ss_family != AF_UNIX;
}

struct connector *
connector_start_other_way(uv_loop_t *loop, struct target *target, struct tls_context *tls,
                          const struct stream *refused, uint64_t timeout, connector_done done,
                          void *context)
{
    return start_at(loop, target, stream_is_tls(refused) ? NULL : tls, refused, timeout, done,
                    context);
}
