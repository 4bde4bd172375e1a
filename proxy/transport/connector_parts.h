// What opening a stream is made of, for the files connector*.c alone.
//
//   connector.c          the life of one: begins, ends, is cancelled
//   connector_host.c     hosts: their addresses, and what is told of them
//   connector_attempt.c  addresses: connecting, and TLS as sslmode says
#ifndef PROXY_TRANSPORT_CONNECTOR_PARTS_H
#define PROXY_TRANSPORT_CONNECTOR_PARTS_H

#include "proxy/transport/connector.h"
#include "proxy/transport/stream_parts.h"

enum { CONNECTOR_ERROR_SIZE = 512, CONNECTOR_ADDRESS_LIMIT = 16 };

enum connector_phase {
    CONNECTOR_RESOLVING,
    CONNECTOR_CONNECTING,
    CONNECTOR_ASKING,
    CONNECTOR_SECURING,
    CONNECTOR_OVER,
};

struct connector_address {
    struct sockaddr_storage socket;
    socklen_t length;
};

struct connector {
    uv_loop_t *loop;
    struct target *target;   // a reference
    struct tls_context *tls; // a reference, or NULL
    connector_done done;     // NULL: cancelled
    void *context;
    enum connector_phase phase;
    unsigned holds; // what keeps this alive: libuv's handles and requests, and our streams
    size_t host;    // the present one; target->host_count: none left
    struct connector_address addresses[CONNECTOR_ADDRESS_LIMIT];
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
    char error[CONNECTOR_ERROR_SIZE];
};

void connector_let_go(struct connector *connector); // one of its holds
void connector_drop_poll(struct connector *connector);
void connector_drop_stream(struct connector *connector);
void connector_stream_closed(void *context); // of the streams' on_closed
// The end: `stream` is the caller's, or NULL: it has failed as noted.
void connector_finish(struct connector *connector, struct stream *stream);

void connector_try_host(struct connector *connector);    // the present one, or the end
void connector_try_address(struct connector *connector); // the present one, or the next host

const struct target_host *connector_host(const struct connector *connector); // the present one
// Adds to `error` what went wrong with it.
void connector_note(struct connector *connector, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void connector_note_errno(struct connector *connector, int error);

#endif
