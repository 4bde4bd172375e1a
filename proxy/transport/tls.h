// OpenSSL contexts: for clients (listen.tls) and towards servers (sslmode and its kin). TLS 1.2 and
// 1.3 only. A context is immutable, shared by reference, and may be used on any thread.
#ifndef PROXY_TRANSPORT_TLS_H
#define PROXY_TRANSPORT_TLS_H

#include "config/configuration.h"
#include "proxy/transport/target.h"

struct tls_context;

// NULL: `error` says which file, what is wrong and what to do.
struct tls_context *tls_context_for_clients(const struct configuration_tls *settings, char *error,
                                            size_t error_size);
struct tls_context *tls_context_for_server(const struct target *target, char *error,
                                           size_t error_size);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context **context);

#endif
