// Reads one side's system catalogs over libpq.
#ifndef PROXY_CONTROL_CATALOG_LOAD_H
#define PROXY_CONTROL_CATALOG_LOAD_H

#include "compare/sql/catalog.h"
#include <libpq-fe.h>
#include <stddef.h>

enum catalog_load_outcome { CATALOG_LOADED, CATALOG_NOT_LOADED };

// Blocks. On CATALOG_LOADED `catalog` is the caller's; otherwise `error` says why.
enum catalog_load_outcome catalog_load(PGconn *connection, struct catalog **catalog, char *error,
                                       size_t error_size);

#endif
