// What a statement's words tell without parsing it: for the shadow where a whole analysis would be in vain. No memory of
// its own, any thread.
#ifndef COMPARE_SQL_GLANCE_H
#define COMPARE_SQL_GLANCE_H

#include "compare/sql/catalog.h"
#include "compare/sql/parsed.h"
#include <stdbool.h>
#include <stddef.h>

enum glance_kind {
    GLANCE_UNKNOWN,
    GLANCE_READ,
    GLANCE_WRITE, // or what else is no read and changes no catalog: LOCK, FETCH
    GLANCE_DDL,
};

struct glance {
    enum glance_kind kind; // what it calls itself
    // Something that is named in it may leave something in its session, as far as the catalog knows it; of DDL: the
    // object may be a temporary one, also where the session has none. Or it may be more than one statement.
    bool may_leave;
};

// `catalog` is old's; NULL: it is not known, and only PostgreSQL's own names are.
struct glance glance_at(const char *sql, size_t length, const struct catalog *catalog);
struct glance glance_once(struct parsed *parsed, const struct catalog *catalog);
// Is that all that there is to know while nothing can be proven?
bool glance_is_enough(const struct glance *glance);

#endif
