// `pgrehearse report --keys`: which rows differ, for a repair job.
#ifndef PROXY_REPORT_REPORT_KEYS_H
#define PROXY_REPORT_REPORT_KEYS_H

#include "proxy/report/picture.h"
#include <stdio.h>

// One line a key, most recently seen first, tabs between: database, table, key columns and key values (each a JSON
// array), class, last seen. Keys that are masked are not printed; *masked says of how many rows.
bool report_keys_text(FILE *out, const struct pictures *pictures, size_t *masked);
// The same as a JSON array of objects.
bool report_keys_json(FILE *out, const struct pictures *pictures, size_t *masked);

#endif
