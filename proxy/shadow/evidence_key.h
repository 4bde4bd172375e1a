// Which row of which table a differing row is, where its result tells.
#ifndef PROXY_SHADOW_EVIDENCE_KEY_H
#define PROXY_SHADOW_EVIDENCE_KEY_H

#include "compare/result.h"
#include "compare/sql/catalog.h"
#include <jansson.h>
#include <stddef.h>

// A value as JSON, as it may be shown.
typedef json_t *(*evidence_show)(const void *context, const struct cell *cell);

// [{"table": "schema.table", "columns": [names], "values": [...]}, ...]: one for each table of which the result has a
// key (primary, or unique over columns that are never NULL) in full, each of its columns once. `table` not 0: that
// table's alone. Empty where there is none, or without a catalog.
json_t *evidence_keys(const struct result *result, size_t row, const struct catalog *catalog,
                      uint32_t table, evidence_show show, const void *context);

#endif
