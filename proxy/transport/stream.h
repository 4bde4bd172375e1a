// A byte stream on one uv loop: TCP or Unix socket, plain or TLS. The only file, with tls.c, that
// sees uv_stream_t and SSL. Reads arrive as chunks by reference; writes go out at once where the
// socket takes them, and are queued by reference where it does not. One thread: the loop's.
#ifndef PROXY_TRANSPORT_STREAM_H
#define PROXY_TRANSPORT_STREAM_H

#include "protocol/chunk.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

struct stream;
struct tls_context;

enum stream_end {
    STREAM_END_PEER,    // orderly end from the peer
    STREAM_END_ERROR,   // a read or write failed
    STREAM_END_TLS,     // handshake or record error; stream_tls_error says what
    STREAM_END_STOPPED, // never said: for owners that note why they stopped
};

struct stream_callbacks {
    // The bytes [offset, offset + length) of `chunk`; the chunk is the stream's: take a reference
    // to keep it. After this the object may be stopped: the stream itself is then safe until on_closed.
    void (*on_bytes)(void *context, struct chunk *chunk, size_t offset, size_t length);
    // The queue fell below the low-water mark after stream_write said false.
    void (*on_drained)(void *context);
    // TLS is up (stream_start_tls_*).
    void (*on_secured)(void *context);
    // The peer ended or the stream failed: said once; the owner then calls stream_stop.
    void (*on_end)(void *context, enum stream_end why);
    // Everything is closed; the stream is freed right after. Said once, after stream_stop.
    void (*on_closed)(void *context);
};

// Bytes that may be queued before stream_write says false, and to a peer on this machine; a quarter is the low-water mark.
enum { STREAM_HIGH_WATER = 256 * 1024, STREAM_NEAR_WATER = 64 * 1024, STREAM_CHUNK = 64 * 1024 };

// Takes over a connected socket. NULL: the descriptor is closed, errno says why.
struct stream *stream_open(uv_loop_t *loop, int fd, const struct stream_callbacks *callbacks,
                           void *context);
// Changes who is called, e.g. when a connector hands its stream over.
void stream_set_owner(struct stream *stream, const struct stream_callbacks *callbacks,
                      void *context);
void stream_resume(struct stream *stream); // start reading; a new stream is paused
void stream_pause(struct stream *stream);  // backpressure: nothing is read from the socket
// Sends the bytes. True: go on; false: over the high-water mark, wait for on_drained (the bytes are taken
// all the same). Takes a reference if it must.
bool stream_write(struct stream *stream, struct chunk *chunk, size_t offset, size_t length);
bool stream_write_copy(struct stream *stream, const void *bytes, size_t length);
// What is written from here on is gathered, and leaves in one write at stream_uncork (or stream_stop). Not nested.
void stream_cork(struct stream *stream);
void stream_uncork(struct stream *stream);
size_t stream_pending(const struct stream *stream); // bytes queued
// TLS on an established stream: on_secured or on_end follows, never before these return. Until then
// nothing may be written. `left_over`: bytes already read from before the handshake are fatal
// and must not be passed; direct TLS passes the ClientHello that was read. False: no memory.
bool stream_start_tls_server(struct stream *stream, struct tls_context *context,
                             const void *client_hello, size_t length);
bool stream_start_tls_client(struct stream *stream, struct tls_context *context,
                             const char *host_name, bool alpn);
bool stream_is_tls(const struct stream *stream);
bool stream_has_alpn(const struct stream *stream);         // "postgresql" was agreed on
const char *stream_tls_error(const struct stream *stream); // "" if none
bool stream_peer_is_verified(const struct stream *stream); // it showed a certificate that we trust
// The first common name in the peer's verified certificate; false: none, or none that can be a user's name.
bool stream_peer_name(const struct stream *stream, char *name, size_t size);
// Hash of the peer's certificate for tls-server-end-point (server side certificate), or 0.
size_t stream_channel_binding(const struct stream *stream, unsigned char out[64]);
// Finishes writing what is queued, and lets the peer read it, for at most a second, then closes.
// Idempotent. From here on nothing but on_closed is called.
void stream_stop(struct stream *stream);
// Closes at once, e.g. with bytes still queued.
void stream_abort(struct stream *stream);
// The peer's address as text ("127.0.0.1", "local" for Unix), and its port or 0.
void stream_peer(const struct stream *stream, char address[64], int *port);
int stream_fd(const struct stream *stream); // for peer credentials (SO_PEERCRED) only

#endif
