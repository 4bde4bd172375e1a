// How a read is put to new, where it is rewritten: as another of its shape was, whose rewriting the shadow has
// published (proxy/shadow/shapes.h). Workers parse no SQL. Pure.
#ifndef PROXY_CANARY_CANARY_REWRITE_H
#define PROXY_CANARY_CANARY_REWRITE_H

#include "proxy/canary/canary_unit.h"
#include "proxy/shadow/shapes.h"

// Sets read->new_sql. False: it is not known how, or no memory.
bool canary_rewrite(struct canary_read *read, const struct shape_rewrite *known);

#endif
