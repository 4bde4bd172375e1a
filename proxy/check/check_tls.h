// The proxy's own certificate, as `check` looks at it.
#ifndef PROXY_CHECK_CHECK_TLS_H
#define PROXY_CHECK_CHECK_TLS_H

#include "proxy/check/check_parts.h"

// listen.tls: the files as `serve` reads them, and the certificate's dates.
void check_tls_listen(struct findings *findings, const struct configuration_tls *settings);

#endif
