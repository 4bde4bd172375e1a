// A stream's writing. Bytes go to the socket at once (uv_try_write) but for a corked one; what it does not take waits in
// a capture, by reference where that pays, and is written whole by the next uv_write: one write is
// with libuv at a time, however many small ones came meanwhile. The loop's thread.
//
// A broken connection is noticed by reading, not by writing: what the peer said before it went (a
// FATAL) is still to be read, so a failed write only throws the queue away.
#include "proxy/transport/stream_parts.h"
#include <stdlib.h>

enum { BUFFERS_ON_STACK = 16 };

static void start_write(struct stream *stream);

static void
fail(struct stream *stream, int error)
{
    stream->write_has_failed = true;
    capture_fini(&stream->waiting);
    if (error != UV_EPIPE && error != UV_ECONNRESET && error != UV_ECANCELED) {
        stream_defer_end(stream, STREAM_END_ERROR); // the reading would not notice
    }
}

size_t
stream_pending(const struct stream *stream)
{
    if (stream->phase == STREAM_CLOSING) {
        return 0;
    }
    return uv_stream_get_write_queue_size(&stream->socket.stream) + stream->waiting.length;
}

static void
tell_drained(struct stream *stream)
{
    if (stream->is_over && stream_pending(stream) <= stream->high_water / 4) {
        stream->is_over = false;
        if (stream->phase == STREAM_OPEN && stream->callbacks != NULL &&
            stream->callbacks->on_drained != NULL) {
            stream->callbacks->on_drained(stream->context);
        }
    }
}

static void
on_written(uv_write_t *write, int status)
{
    struct stream *stream = write->data;
    capture_fini(&stream->sending);
    stream->is_writing = false;
    if (status < 0) {
        fail(stream, status);
    } else if (stream->waiting.length > 0 && stream->phase != STREAM_CLOSING) {
        start_write(stream);
    }
    tell_drained(stream);
    if (!stream->is_writing) {
        stream_sent(stream);
    }
}

static void
start_write(struct stream *stream)
{
    capture_take(&stream->sending, &stream->waiting);
    size_t count = stream->sending.count;
    uv_buf_t few[BUFFERS_ON_STACK];
    uv_buf_t *buffers = count <= BUFFERS_ON_STACK ? few : calloc(count, sizeof *buffers);
    int error = UV_ENOMEM;
    if (buffers != NULL) {
        for (size_t i = 0; i < count; i++) {
            const struct slice *slice = &stream->sending.slices[i];
            buffers[i].base = (char *)slice->chunk->bytes + slice->offset;
            buffers[i].len = slice->length;
        }
        stream->write.data = stream;
        error =
            uv_write(&stream->write, &stream->socket.stream, buffers, (unsigned)count, on_written);
    }
    if (buffers != few) {
        free(buffers);
    }
    stream->is_writing = error == 0;
    if (error != 0) {
        capture_fini(&stream->sending);
        fail(stream, error);
    }
}

// What the socket takes of it now.
static size_t
try_write(struct stream *stream, const void *bytes, size_t length)
{
    if (stream->is_writing || stream->is_corked) {
        return 0;
    }
    uv_buf_t buffer = {.base = (char *)bytes, .len = length};
    int written = uv_try_write(&stream->socket.stream, &buffer, 1);
    if (written < 0 && written != UV_EAGAIN) {
        fail(stream, written);
    }
    return written < 0 ? 0 : (size_t)written;
}

// `chunk` NULL: `bytes` are copied where they must wait.
static void
send_bytes(struct stream *stream, struct chunk *chunk, const uint8_t *bytes, size_t length)
{
    if (stream->write_has_failed || stream->phase > STREAM_FINISHING || length == 0) {
        return;
    }
    size_t written = try_write(stream, bytes, length);
    if (written == length || stream->write_has_failed) {
        return;
    }
    bytes += written;
    length -= written;
    bool is_kept = chunk != NULL ? capture_append(&stream->waiting, chunk,
                                                  (size_t)(bytes - chunk->bytes), length)
                                 : capture_copy(&stream->waiting, bytes, length);
    if (!is_kept) {
        fail(stream, UV_ENOMEM);
    } else if (!stream->is_writing && !stream->is_corked) {
        start_write(stream);
    }
}

void
stream_cork(struct stream *stream)
{
    stream->is_corked = true;
}

void
stream_uncork(struct stream *stream)
{
    stream->is_corked = false;
    if (stream->waiting.length > 0 && !stream->is_writing && stream->phase != STREAM_CLOSING) {
        start_write(stream);
    }
}

void
stream_send(struct stream *stream, struct chunk *chunk, size_t offset, size_t length)
{
    send_bytes(stream, chunk, chunk->bytes + offset, length);
}

static bool
write_bytes(struct stream *stream, struct chunk *chunk, const uint8_t *bytes, size_t length)
{
    if (stream->phase != STREAM_OPEN) {
        return true;
    }
    if (stream->tls == NULL) {
        send_bytes(stream, chunk, bytes, length);
    } else if (stream->is_secured && !stream->write_has_failed &&
               !tls_session_write(stream->tls, bytes, length)) {
        stream->write_has_failed = true;
        stream_defer_end(stream, STREAM_END_TLS);
    }
    if (stream_pending(stream) > stream->high_water) {
        stream->is_over = true;
    }
    return !stream->is_over;
}

bool
stream_write(struct stream *stream, struct chunk *chunk, size_t offset, size_t length)
{
    return write_bytes(stream, chunk, chunk->bytes + offset, length);
}

bool
stream_write_copy(struct stream *stream, const void *bytes, size_t length)
{
    return write_bytes(stream, NULL, bytes, length);
}
