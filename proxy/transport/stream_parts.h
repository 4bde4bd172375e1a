// The inside of a stream, for the files that make it up: stream.c (its life and its reading),
// stream_send.c (its writing) and stream_name.c (who is at the other end).
#ifndef PROXY_TRANSPORT_STREAM_PARTS_H
#define PROXY_TRANSPORT_STREAM_PARTS_H

#include "protocol/capture.h"
#include "proxy/transport/loop_buffers.h"
#include "proxy/transport/stream.h"
#include "proxy/transport/tls_session.h"

enum stream_phase {
    STREAM_OPEN,
    STREAM_FINISHING, // stopped; the queue is being written
    STREAM_LINGERING, // our end is said; what the peer still sends is thrown away until its end
    STREAM_CLOSING,   // uv_close was called
};

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_timer_t timer; // open: deferred work; later: the deadline of the phase
    unsigned open_handles;
    enum stream_phase phase;
    const struct stream_callbacks *callbacks; // NULL: nobody owns it
    void *context;
    struct loop_buffers *buffers;
    // A connector's:
    size_t host;     // which of the target's hosts this is
    bool is_unasked; // without TLS, since the server said a moment ago that it has none

    // Reading.
    bool is_paused;  // the owner's wish
    bool is_reading; // what libuv was told
    bool end_is_said;
    bool end_is_deferred; // the timer is to say `deferred_end`
    bool peer_has_ended;
    enum stream_end deferred_end;

    // TLS; NULL: plain.
    struct tls_session *tls;
    bool is_secured;
    bool has_undelivered; // `received` or what OpenSSL holds has not been given to the owner yet
    size_t answers; // bytes that reading made OpenSSL say, since the peer last took everything
    struct chunk *received; // a reference while records wait in it, in tls_session's input

    // Writing.
    struct capture waiting; // what the next uv_write takes
    struct capture sending; // with libuv
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool is_writing;
    bool is_corked;
    bool write_has_failed; // everything further is thrown away
    size_t high_water;     // bytes
    bool is_over;          // stream_write said false
};

// stream_name.c
size_t stream_host(const struct stream *stream);
// stream.c: says on_end from the loop, not from within the present call.
void stream_defer_end(struct stream *stream, enum stream_end why);
// stream.c: the queue is written, or will never be.
void stream_sent(struct stream *stream);
// stream_send.c: onto the socket, as is. For TLS: records.
void stream_send(struct stream *stream, struct chunk *chunk, size_t offset, size_t length);

#endif
