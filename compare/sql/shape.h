// The key that an analysis is kept under: a hash of a statement's tokens with the literals left out,
// but for those in ORDER BY, GROUP BY, LIMIT, OFFSET, FETCH, EXPLAIN options and casts, together with
// parameter types, search_path and the catalogs' epoch (DESIGN 3.1). Fast enough for the hot path.
#ifndef COMPARE_SQL_SHAPE_H
#define COMPARE_SQL_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shape_key {
    uint64_t high, low;
};

struct shape_context {
    const uint32_t *types; // declared parameter types
    size_t type_count;
    uint64_t state; // digest of what else decides the meaning: search_path, role
    uint64_t epoch; // of the catalogs
};

// False: the text does not lex; it is then no read that could be mirrored.
bool shape_key_of(const char *sql, size_t length, const struct shape_context *context,
                  struct shape_key *key);

#endif
