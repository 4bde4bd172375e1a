// TLS on one connection, without its socket: records in, bytes out, and the other way. With tls.c the only
// file that sees SSL. One thread.
#ifndef PROXY_TRANSPORT_TLS_SESSION_H
#define PROXY_TRANSPORT_TLS_SESSION_H

#include "proxy/transport/loop_buffers.h"
#include "proxy/transport/tls.h"
#include <stdbool.h>

struct tls_session;

enum tls_session_status {
    TLS_SESSION_MORE,   // the input is used up
    TLS_SESSION_DONE,   // handshake: it is complete. read: bytes came
    TLS_SESSION_END,    // the peer said close_notify
    TLS_SESSION_FAILED, // tls_session_error says why
};

// Takes records that are to be sent; they lie in `chunk`, by reference where they must wait.
typedef void (*tls_session_send)(void *context, struct chunk *chunk, size_t offset, size_t length);

struct tls_session *tls_session_new_server(struct tls_context *context,
                                           struct loop_buffers *buffers, tls_session_send send,
                                           void *send_context);
// `host_name`: for SNI and verify-full. `alpn`: offers "postgresql" and insists on it (direct TLS).
struct tls_session *tls_session_new_client(struct tls_context *context, const char *host_name,
                                           bool alpn, struct loop_buffers *buffers,
                                           tls_session_send send, void *send_context);
void tls_session_free(struct tls_session **session);

// What to read next; borrowed until it is used up or other input is given.
void tls_session_input(struct tls_session *session, const uint8_t *bytes, size_t length);
enum tls_session_status tls_session_handshake(struct tls_session *session);
// Fills `bytes` as far as the input goes; DONE: *length bytes came (and there may be more).
enum tls_session_status tls_session_read(struct tls_session *session, uint8_t *bytes, size_t room,
                                         size_t *length);
bool tls_session_write(struct tls_session *session, const void *bytes, size_t length);
void tls_session_shutdown(struct tls_session *session); // sends close_notify

const char *tls_session_error(const struct tls_session *session); // "" if none
bool tls_session_has_alpn(const struct tls_session *session);     // "postgresql" was agreed on
// tls-server-end-point (RFC 5929): hash of the server's certificate; 0: there is none, or its signature
// knows no hash (Ed25519), for which nothing is defined.
size_t tls_session_channel_binding(const struct tls_session *session, unsigned char out[64]);
bool tls_session_peer_is_verified(const struct tls_session *session); // by its certificate
// The first common name in the peer's (verified) certificate, as PostgreSQL takes it; false: no certificate,
// no such name, or one that holds a NUL or does not fit.
bool tls_session_peer_name(const struct tls_session *session, char *name, size_t size);

#endif
