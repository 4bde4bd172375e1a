// Parameters on their way to new: the types that the client declared are old's, and so are the OIDs inside of binary values
// (DESIGN 3.7).
#ifndef COMPARE_RECODE_RECODE_BIND_H
#define COMPARE_RECODE_RECODE_BIND_H

#include "compare/recode/recode.h"
#include "compare/sql/rewrite.h"
#include "protocol/request.h"

struct recode_sides { // borrowed
    const struct catalog *old_catalog, *new_catalog;
    const struct rewrites *rewrites; // may be NULL
};

struct recode_bind { // a Parse's types and a Bind's values as new gets them
    uint32_t *types; // owned
    size_t type_count;
    struct writer values;        // what the values that differ consist of
    struct bind_request request; // its arrays are owned
};

// `declared`: as the client's Parse has them, 0 where it left one open; `described`: what old then said that they are, NULL if it was
// not asked. What the client left open stays open for new to find, unless the value is binary and can't be read without.
// False: one of them can't be put to new, or no memory.
bool recode_bind_init(struct recode_bind *bind, const struct recode_sides *sides,
                      const uint32_t *declared, size_t declared_count, const uint32_t *described,
                      size_t described_count, const struct bind_request *request);
void recode_bind_fini(struct recode_bind *bind);

#endif
