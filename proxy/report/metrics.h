// The metrics of DESIGN 2.4 in Prometheus' text format (version 0.0.4). One table: metrics.tbl.
#ifndef PROXY_REPORT_METRICS_H
#define PROXY_REPORT_METRICS_H

#include "proxy/report/picture.h"

// The whole page; the caller frees it. NULL: no memory.
char *metrics_text(const struct pictures *pictures, size_t *length);

#endif
