// What tls_session.c needs of a context. For the files that are about TLS alone.
#ifndef PROXY_TRANSPORT_TLS_OPENSSL_H
#define PROXY_TRANSPORT_TLS_OPENSSL_H

#include "proxy/transport/tls.h"
#include <openssl/ssl.h>
#include <stdbool.h>

SSL_CTX *tls_context_ssl(const struct tls_context *context);     // the context's
bool tls_context_checks_host(const struct tls_context *context); // verify-full
bool tls_context_sends_name(const struct tls_context *context);  // SNI

#endif
