// A byte stream on one uv loop: its life, and its reading. Everything that passes the proxy passes
// here, so the plain path is short: libuv reads into the thread's chunk, the owner gets the bytes where they
// lie. With TLS the records are read into a second chunk and decrypted into the first.
//
//     OPEN ──stream_stop──► FINISHING ──queue written──► LINGERING ──peer's end──► CLOSING ──► freed
//      │                        │ failed, deadline           │ deadline             ▲
//      └──stream_abort──────────┴────────────────────────────┴──────────────────────┘
//
// Lingering: to close a TCP socket with bytes unread makes the kernel send a reset, which may
// overtake the last error message; so our end is said first, and the peer's is waited for.
//
// One thread, the loop's. An end is said once, and only after all that came before it was delivered.
#include "proxy/transport/stream_parts.h"
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STOP_MILLISECONDS = 1000,
    KEEPALIVE_SECONDS = 60,
    LEAST_ROOM = 16 * 1024,
    ANSWERS_LIMIT = 64 * 1024, // some 2,000 key updates
};

static void process_tls(struct stream *stream);
static void on_timer(uv_timer_t *timer);

static void
move(struct stream *stream, enum stream_phase phase)
{
    static const unsigned allowed[] = {
        [STREAM_OPEN] = 1u << STREAM_FINISHING | 1u << STREAM_CLOSING,
        [STREAM_FINISHING] = 1u << STREAM_LINGERING | 1u << STREAM_CLOSING,
        [STREAM_LINGERING] = 1u << STREAM_CLOSING,
        [STREAM_CLOSING] = 0,
    };
    assert((allowed[stream->phase] & 1u << phase) != 0);
    stream->phase = phase;
}

// ---- the end ----

static void
on_handle_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    if (--stream->open_handles > 0) {
        return;
    }
    if (stream->callbacks != NULL && stream->callbacks->on_closed != NULL) {
        stream->callbacks->on_closed(stream->context);
    }
    tls_session_free(&stream->tls);
    chunk_unref(&stream->received);
    capture_fini(&stream->waiting);
    capture_fini(&stream->sending);
    loop_buffers_leave(&stream->buffers);
    free(stream);
}

static void
close_now(struct stream *stream)
{
    if (stream->phase != STREAM_CLOSING) {
        move(stream, STREAM_CLOSING);
        uv_close(&stream->socket.handle, on_handle_closed);
        uv_close((uv_handle_t *)&stream->timer, on_handle_closed);
    }
}

static void
say_end(struct stream *stream, enum stream_end why)
{
    if (stream->phase != STREAM_OPEN || stream->end_is_said) {
        return;
    }
    stream->end_is_said = true;
    if (stream->callbacks != NULL && stream->callbacks->on_end != NULL) {
        stream->callbacks->on_end(stream->context, why);
    }
}

void
stream_defer_end(struct stream *stream, enum stream_end why)
{
    if (stream->phase == STREAM_OPEN && !stream->end_is_deferred) {
        stream->end_is_deferred = true;
        stream->deferred_end = why;
        uv_timer_start(&stream->timer, on_timer, 0, 0);
    }
}

// ---- reading ----

static void
give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct stream *stream = handle->data;
    struct chunk **slot =
        stream->tls != NULL ? &stream->buffers->received : &stream->buffers->plain;
    *buffer = uv_buf_init(NULL, 0);
    if (loop_buffers_room(slot, LEAST_ROOM)) {
        buffer->base = (char *)(*slot)->bytes + (*slot)->length;
        buffer->len = (*slot)->capacity - (*slot)->length;
    }
}

static void
deliver(struct stream *stream, size_t length)
{
    struct chunk *chunk = stream->buffers->plain;
    size_t offset = chunk->length;
    chunk->length += length;
    if (stream->callbacks != NULL) {
        stream->callbacks->on_bytes(stream->context, chunk, offset, length);
    }
}

static void
on_read_end(struct stream *stream, ssize_t error)
{
    stream->peer_has_ended = true;
    stream->is_reading = false;
    uv_read_stop(&stream->socket.stream);
    if (stream->phase == STREAM_LINGERING ||
        (stream->phase == STREAM_FINISHING && error != UV_EOF)) {
        close_now(stream);
    } else {
        say_end(stream, error == UV_EOF ? STREAM_END_PEER : STREAM_END_ERROR);
    }
}

static void
on_read(uv_stream_t *socket, ssize_t length, const uv_buf_t *buffer)
{
    (void)buffer;
    struct stream *stream = socket->data;
    if (length < 0) {
        on_read_end(stream, length);
    } else if (length > 0 && stream->phase == STREAM_OPEN) {
        if (stream->tls == NULL) {
            deliver(stream, (size_t)length);
            return;
        }
        struct chunk *chunk = stream->buffers->received;
        size_t offset = chunk->length;
        chunk->length += (size_t)length;
        stream->received = chunk_ref(chunk);
        tls_session_input(stream->tls, chunk->bytes + offset, (size_t)length);
        process_tls(stream);
    }
}

// Tells libuv to read or not, as things stand.
static void
update_reading(struct stream *stream)
{
    bool is_shaking_hands = stream->tls != NULL && !stream->is_secured;
    bool wanted = !stream->peer_has_ended && !stream->has_undelivered;
    if (stream->phase == STREAM_OPEN) {
        wanted = wanted && !stream->end_is_said && (!stream->is_paused || is_shaking_hands);
    } else {
        wanted = !stream->peer_has_ended && stream->phase != STREAM_CLOSING;
    }
    if (wanted == stream->is_reading || stream->phase == STREAM_CLOSING) {
        return;
    }
    stream->is_reading = wanted;
    if (!wanted) {
        uv_read_stop(&stream->socket.stream);
    } else if (uv_read_start(&stream->socket.stream, give_room, on_read) != 0) {
        stream->is_reading = false;
        stream_defer_end(stream, STREAM_END_ERROR);
    }
}

void
stream_resume(struct stream *stream)
{
    stream->is_paused = false;
    if (stream->has_undelivered && stream->phase == STREAM_OPEN) {
        uv_timer_start(&stream->timer, on_timer, 0, 0);
    }
    update_reading(stream);
}

void
stream_pause(struct stream *stream)
{
    stream->is_paused = true;
    update_reading(stream);
}

// ---- TLS ----

// Decrypts into the thread's chunk. A peer that asks for key updates and takes no answers would fill our memory.
static enum tls_session_status
read_tls(struct stream *stream, size_t *length)
{
    struct chunk *chunk = stream->buffers->plain;
    size_t pending = stream_pending(stream);
    enum tls_session_status status = tls_session_read(stream->tls, chunk->bytes + chunk->length,
                                                      chunk->capacity - chunk->length, length);
    size_t pending_now = stream_pending(stream);
    stream->answers = pending_now == 0 ? 0 : stream->answers + (pending_now - pending);
    return stream->answers > ANSWERS_LIMIT ? TLS_SESSION_FAILED : status;
}

// One step; false: nothing more can be done now.
static bool
step_tls(struct stream *stream)
{
    enum tls_session_status status;
    size_t length = 0;
    if (!stream->is_secured) {
        status = tls_session_handshake(stream->tls);
        if (status == TLS_SESSION_DONE) {
            stream->is_secured = true;
            if (stream->callbacks != NULL && stream->callbacks->on_secured != NULL) {
                stream->callbacks->on_secured(stream->context);
            }
        }
    } else if (!loop_buffers_room(&stream->buffers->plain, LEAST_ROOM)) {
        say_end(stream, STREAM_END_ERROR);
        return false;
    } else {
        status = read_tls(stream, &length);
        if (status == TLS_SESSION_DONE) {
            deliver(stream, length);
        }
    }
    if (status == TLS_SESSION_END || status == TLS_SESSION_FAILED) {
        say_end(stream, status == TLS_SESSION_END ? STREAM_END_PEER : STREAM_END_TLS);
    }
    return status == TLS_SESSION_DONE;
}

// Hands over what the records in hand hold, as far as the owner wants it. At most one chunk of
// records, so a turn is bounded.
static void
process_tls(struct stream *stream)
{
    bool goes_on = true;
    while (goes_on && stream->phase == STREAM_OPEN && !stream->end_is_said &&
           !(stream->is_secured && stream->is_paused)) {
        goes_on = step_tls(stream);
    }
    if (stream->phase == STREAM_CLOSING) {
        return;
    }
    stream->has_undelivered = goes_on && stream->phase == STREAM_OPEN && !stream->end_is_said;
    if (!stream->has_undelivered) {
        tls_session_input(stream->tls, NULL, 0);
        chunk_unref(&stream->received);
    }
    update_reading(stream);
}

static bool
begin_tls(struct stream *stream, struct tls_session *session)
{
    if (session == NULL) {
        return false;
    }
    stream->tls = session;
    stream->has_undelivered = true; // the first step is made by the timer
    uv_timer_start(&stream->timer, on_timer, 0, 0);
    update_reading(stream);
    return true;
}

static void
send_records(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    stream_send(context, chunk, offset, length);
}

bool
stream_start_tls_server(struct stream *stream, struct tls_context *context,
                        const void *client_hello, size_t length)
{
    assert(stream->tls == NULL);
    struct chunk *hello = NULL;
    if (length > 0) {
        hello = chunk_new(length);
        if (hello == NULL) {
            return false;
        }
        memcpy(hello->bytes, client_hello, length);
        hello->length = length;
    }
    if (!begin_tls(stream,
                   tls_session_new_server(context, stream->buffers, send_records, stream))) {
        chunk_unref(&hello);
        return false;
    }
    if (hello != NULL) {
        stream->received = hello;
        tls_session_input(stream->tls, hello->bytes, length);
    }
    return true;
}

bool
stream_start_tls_client(struct stream *stream, struct tls_context *context, const char *host_name,
                        bool alpn)
{
    assert(stream->tls == NULL);
    return begin_tls(stream, tls_session_new_client(context, host_name, alpn, stream->buffers,
                                                    send_records, stream));
}

// ---- life ----

static bool
is_loopback(const struct sockaddr_storage *address)
{
    switch (address->ss_family) {
    case AF_INET:
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    default:
        return false;
    }
}

// What lies in buffers, the peer that has stopped reading has not felt yet, nor has the one at the other end, which goes
// on sending. So that it is not much more with us in between: little that the network has not asked for, and to
// ourselves on this machine, where no distance is to be filled, little in all. (TCP_WINDOW_CLAMP would not do: the
// kernel raises it again as it tunes the buffer.)
static void
bound_buffers(struct stream *stream, int fd, bool is_near)
{
    int most = is_near ? STREAM_NEAR_WATER : STREAM_HIGH_WATER;
    stream->high_water = (size_t)most;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
    if (is_near) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof most);
    }
}

static bool
take_descriptor(uv_loop_t *loop, struct stream *stream, int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int error = getsockname(fd, (struct sockaddr *)&address, &length) != 0 ? -errno : 0;
    if (error == 0 && address.ss_family == AF_UNIX) {
        uv_pipe_init(loop, &stream->socket.pipe, 0);
        error = uv_pipe_open(&stream->socket.pipe, fd);
    } else if (error == 0) {
        uv_tcp_init(loop, &stream->socket.tcp);
        error = uv_tcp_open(&stream->socket.tcp, fd);
    } else {
        uv_tcp_init(loop, &stream->socket.tcp);
    }
    if (error != 0) {
        close(fd);
        errno = -error;
        return false;
    }
    if (address.ss_family != AF_UNIX) { // neither is worth a connection
        uv_tcp_nodelay(&stream->socket.tcp, 1);
        uv_tcp_keepalive(&stream->socket.tcp, 1, KEEPALIVE_SECONDS);
        bound_buffers(stream, fd, is_loopback(&address));
    }
    return true;
}

struct stream *
stream_open(uv_loop_t *loop, int fd, const struct stream_callbacks *callbacks, void *context)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream != NULL) {
        stream->buffers = loop_buffers_use();
    }
    if (stream == NULL || stream->buffers == NULL) {
        free(stream);
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    capture_init(&stream->waiting);
    capture_init(&stream->sending);
    stream->is_paused = true;
    stream->high_water = STREAM_HIGH_WATER;
    bool is_taken = take_descriptor(loop, stream, fd);
    int error = errno;
    uv_timer_init(loop, &stream->timer);
    stream->socket.handle.data = stream;
    stream->timer.data = stream;
    stream->open_handles = 2;
    if (!is_taken) {
        close_now(stream); // frees it
        errno = error;
        return NULL;
    }
    stream->callbacks = callbacks;
    stream->context = context;
    return stream;
}

void
stream_set_owner(struct stream *stream, const struct stream_callbacks *callbacks, void *context)
{
    stream->callbacks = callbacks;
    stream->context = context;
}

static void
on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct stream *stream = shutdown->data;
    if (status < 0) {
        close_now(stream);
    }
}

void
stream_sent(struct stream *stream)
{
    if (stream->phase != STREAM_FINISHING) {
        return;
    }
    stream->shutdown.data = stream;
    if (stream->peer_has_ended || stream->write_has_failed ||
        uv_shutdown(&stream->shutdown, &stream->socket.stream, on_shutdown) != 0) {
        close_now(stream);
    } else {
        move(stream, STREAM_LINGERING);
    }
}

static void
on_timer(uv_timer_t *timer)
{
    struct stream *stream = timer->data;
    if (stream->phase != STREAM_OPEN) {
        close_now(stream);
    } else if (stream->end_is_deferred) {
        say_end(stream, stream->deferred_end);
    } else if (stream->has_undelivered) {
        process_tls(stream);
    }
}

void
stream_stop(struct stream *stream)
{
    if (stream->phase != STREAM_OPEN) {
        return;
    }
    if (stream_is_tls(stream)) {
        tls_session_shutdown(stream->tls);
    }
    stream_uncork(stream);
    move(stream, STREAM_FINISHING);
    uv_timer_start(&stream->timer, on_timer, STOP_MILLISECONDS, 0);
    if (!stream->is_writing) {
        stream_sent(stream);
    }
    update_reading(stream);
}

void
stream_abort(struct stream *stream)
{
    close_now(stream);
}
