// The HTTP interface (DESIGN 2.4): /metrics and the probes for everyone; with http.token, and for those who
// show it (Authorization: Bearer), the JSON interface. A thread of its own, which only reads.
#ifndef PROXY_REPORT_HTTP_H
#define PROXY_REPORT_HTTP_H

#include "proxy/instance.h"

struct http;

// *http stays NULL where http.listen is "". False: `error` says what and what to do.
bool http_start(struct instance *instance, struct http **http, char *error, size_t error_size);
void http_stop(struct http **http); // before anything of the instance goes

#endif
