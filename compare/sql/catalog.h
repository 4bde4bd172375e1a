// What both sides' system catalogs say about what a statement can touch and call: immutable once
// built, shared by reference. Filled by proxy/catalog_load over libpq, or by a test. Relations with
// their columns, unique keys, views' definitions and row security policies; functions with
// volatility, language and body; operators; casts; types, domains and enums.
#ifndef COMPARE_SQL_CATALOG_H
#define COMPARE_SQL_CATALOG_H

#include "compare/type.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalog;

struct catalog *catalog_ref(struct catalog *catalog);
void catalog_unref(struct catalog **catalog);
// Names for what a RowDescription says: "schema.table" and the column, NULL where unknown.
// Borrowed from the catalog.
const char *catalog_table_name(const struct catalog *catalog, uint32_t table);
const char *catalog_column_name(const struct catalog *catalog, uint32_t table, int16_t attribute);
bool catalog_is_view(const struct catalog *catalog, uint32_t table);
const char *catalog_type_name(const struct catalog *catalog, uint32_t type);
struct type_resolver catalog_type_resolver(const struct catalog *catalog);

#endif
