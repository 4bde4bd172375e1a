// One execution of one statement, as the mirror found it in a unit: what it does to the session's state, and
// whether it is a read.
#ifndef PROXY_SHADOW_EXECUTION_H
#define PROXY_SHADOW_EXECUTION_H

#include "compare/result.h"
#include "proxy/shadow/mirror.h"
#include "proxy/shadow/shapes.h"
#include "proxy/shadow/statement.h"

struct execution {
    const char *sql; // UTF-8
    size_t sql_length;
    struct statement *statement; // extended protocol, else NULL
    const uint8_t *bind;
    size_t bind_length;
    bool is_cut;           // the Bind is not at hand: over shadow.max_request
    struct result *result; // NULL: cut away
    bool is_unknown;       // whether old accepted it is not known
    bool
        may_be_partial; // its portal may have been run in parts: the result that would say so was cut away
};

// Books it; its read is mirrored or not, and the state follows.
void execution_run(struct mirror *mirror, const struct unit *unit,
                   const struct execution *execution);
// Does a statement depend on an object of the session alone?
bool execution_names_temporary(const struct mirror *mirror, const struct shape *shape,
                               const char *sql, size_t length);

#endif
