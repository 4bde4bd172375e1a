// What the configuration already says about relations and columns: rules that exempt them, rewrites that move them.
#ifndef PROXY_CHECK_EXEMPTION_H
#define PROXY_CHECK_EXEMPTION_H

#include "config/configuration.h"
#include <stdbool.h>

// Relations are "schema.name". No read of this relation is compared (a rule skips it).
bool exemption_of_relation(const struct configuration_database *entry, const char *relation);
// Differences of this column are ignored, accepted, or judged by a rule's `as`.
bool exemption_of_column(const struct configuration_database *entry, const char *relation,
                         const char *column);
bool exemption_of_extra_column(const struct configuration_database *entry, const char *relation);
// Where `rewrite` says that it went, as written there; NULL: nothing is said.
const char *exemption_moved_relation(const struct configuration_database *entry,
                                     const char *relation);
const char *exemption_moved_column(const struct configuration_database *entry, const char *relation,
                                   const char *column);

#endif
