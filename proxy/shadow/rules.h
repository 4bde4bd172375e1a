// compare.rules for one read: which rule holds for each of its output columns.
#ifndef PROXY_SHADOW_RULES_H
#define PROXY_SHADOW_RULES_H

#include "compare/difference.h"
#include "compare/sql/analysis.h"
#include "compare/sql/catalog.h"
#include "config/configuration.h"
#include "proxy/database.h"

struct read_rules {
    struct difference_rules difference; // points into this struct
    struct column_rule *columns;        // owned, NULL when no rule names this read
    struct type_resolver types[2];      // by side
    bool is_excluded;                   // a rule says skip
};

// `columns` are old's. Not copied: the catalogs must live as long. False: no memory.
bool rules_for_read(struct read_rules *rules, const struct configuration_compare *settings,
                    const struct analysis *analysis, const struct database_catalogs *catalogs,
                    const struct reply_column *columns, size_t column_count);
void rules_fini(struct read_rules *rules);
// Does a rule say that this statement is not to be compared at all?
bool rules_exclude(const struct configuration_compare *settings, const struct analysis *analysis);
// Where an output column comes from: "schema.table" and column name; the table is "" and the column
// "expression" where neither RowDescription nor the text tells. Borrowed.
void rules_column_origin(const struct analysis *analysis, const struct catalog *old_catalog,
                         const struct reply_column *column, size_t number, const char **table,
                         const char **name);

#endif
