// Which row of which table a differing row is, where its result tells.
#ifndef PROXY_SHADOW_EVIDENCE_KEY_H
#define PROXY_SHADOW_EVIDENCE_KEY_H

#include "compare/result.h"
#include "compare/sql/catalog.h"
#include <jansson.h>
#include <stddef.h>

// A value as JSON, as it may be shown.
typedef json_t *(*evidence_show)(const void *context, const struct cell *cell);

struct evidence_row {
    const struct result *result;
    size_t number;
    const struct catalog *catalog; // of the result's side; may be NULL
    const unsigned *references;    // one a column, as in struct analysis_column
};

// [{"table": "schema.table", "columns": [names], "values": [...]}, ...]: one for each reference to a table of which the
// result has a key (primary, or unique over columns that are never NULL) in full. `column` not SIZE_MAX, and a
// table's: that reference's alone. Empty where there is none, or without a catalog. `unknown`: the names of tables are
// added that the result has keys of, when none is known to be the right row's.
json_t *evidence_keys(const struct evidence_row *row, size_t column, evidence_show show,
                      const void *context, json_t *unknown);

#endif
