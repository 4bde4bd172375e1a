// Opens a stream to a server: resolves, connects (each host in turn), and negotiates TLS as sslmode
// says (SSLRequest, or direct TLS with ALPN). On one uv loop; never blocks it.
#ifndef PROXY_TRANSPORT_CONNECTOR_H
#define PROXY_TRANSPORT_CONNECTOR_H

#include "proxy/transport/stream.h"
#include "proxy/transport/target.h"

struct connector;

// `stream` is the caller's then (paused, without an owner); NULL: `error` says what failed, e.g.
// "connection to 127.0.0.1:5432 refused".
typedef void (*connector_done)(void *context, struct stream *stream, const char *error);

// `timeout` in nanoseconds for everything; 0: the target's connect_timeout. `tls` may be NULL, which is
// sslmode=disable. NULL: no memory, and `done` is not called. `done` is never called from within.
// The connector frees itself after `done`.
struct connector *connector_start(uv_loop_t *loop, struct target *target, struct tls_context *tls,
                                  uint64_t timeout, connector_done done, void *context);
// To the very server that `beside` goes to, for cancel requests: nothing is resolved, and TLS is used where
// `beside` uses it. `beside` is read here and not needed after.
struct connector *connector_start_beside(uv_loop_t *loop, struct target *target,
                                         struct tls_context *tls, const struct stream *beside,
                                         uint64_t timeout, connector_done done, void *context);
// sslmode=allow and prefer leave the channel to the server, which may refuse a login for it (pg_hba.conf's hostssl and
// hostnossl). Is there another channel than the one that `refused` has?
bool connector_has_other_way(const struct target *target, const struct stream *refused);
// To the same server: with TLS if `refused` has none, else without; where the server was not asked, as it answers. `refused`
// is read here and not needed after.
struct connector *connector_start_other_way(uv_loop_t *loop, struct target *target,
                                            struct tls_context *tls, const struct stream *refused,
                                            uint64_t timeout, connector_done done, void *context);
// `done` will not be called any more. Nulls the pointer.
void connector_cancel(struct connector **connector);
// Where the stream goes, for cancel requests: copies the peer's address.
bool stream_peer_address(const struct stream *stream, struct sockaddr_storage *address,
                         socklen_t *length);

#endif
