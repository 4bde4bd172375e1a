// What initdb made, kept by cluster: the same in all databases of one, so that each of them reads its own rows alone.
// Any thread.
#ifndef PROXY_CONTROL_BUILTIN_CATALOGS_H
#define PROXY_CONTROL_BUILTIN_CATALOGS_H

#include "compare/sql/catalog.h"

enum { BUILTIN_CATALOGS_KEPT = 16, BUILTIN_CATALOGS_NAME = 1024 };

struct builtin_catalogs;

struct builtin_catalogs *builtin_catalogs_new(void); // NULL: no memory
void builtin_catalogs_free(struct builtin_catalogs **kept);
// A reference to what was kept under that name (a cluster's identity and its rows' fingerprint); NULL: nothing.
struct catalog *builtin_catalogs_find(struct builtin_catalogs *kept, const char *name);
// Takes a reference of its own. The one that was asked for the longest ago makes room. Names that do not fit are not kept.
void builtin_catalogs_keep(struct builtin_catalogs *kept, const char *name,
                           struct catalog *catalog);

#endif
