// Reads one side's system catalogs over libpq.
#ifndef PROXY_CONTROL_CATALOG_LOAD_H
#define PROXY_CONTROL_CATALOG_LOAD_H

#include "compare/sql/catalog.h"
#include "proxy/control/builtin_catalogs.h"
#include <libpq-fe.h>
#include <stddef.h>

enum catalog_load_outcome { CATALOG_LOADED, CATALOG_NOT_LOADED };

// Blocks. On CATALOG_LOADED `catalog` is the caller's; otherwise `error` says why. What initdb made is taken from `kept`
// where it has it, and left there; NULL: it is read.
enum catalog_load_outcome catalog_load(PGconn *connection, struct builtin_catalogs *kept,
                                       struct catalog **catalog, char *error, size_t error_size);

#endif
