// Inside of a catalog, for catalog.c and catalog_build.c alone.
#ifndef COMPARE_SQL_CATALOG_STORE_H
#define COMPARE_SQL_CATALOG_STORE_H

#include "compare/sql/arena.h"
#include "compare/sql/catalog_data.h"
#include <stdatomic.h>

struct catalog_table {
    void *rows; // owned
    size_t count, capacity, size;
};

enum { CATALOG_TABLES = 10 };

struct catalog {
    atomic_uint references;
    struct arena arena;                                          // strings and slices
    struct catalog_table relations, functions, operators, types; // by name, then schema
    struct catalog_table columns, keys, policies;                // by relation
    struct catalog_table dependencies, checks, labels;           // by type
    // Pointers into the above, by OID; owned.
    const struct catalog_relation **relations_by_oid;
    const struct catalog_function **functions_by_oid;
    const struct catalog_type **types_by_oid;
    const char *search_path;
    struct catalog
        *below; // whose rows are here as well, and whose arena has their strings; NULL: none
    bool has_keepers;
};

// All of a catalog's tables, in the order in which catalog.c and catalog_build.c list them.
void catalog_tables(struct catalog *catalog, struct catalog_table *tables[CATALOG_TABLES]);

#endif
