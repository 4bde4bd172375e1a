// The statements that are prepared on one own session, so that a read of a statement that its client has prepared, too,
// is not parsed each time. Pure.
//
// A job says what may be kept by a name: a Parse of OWN_KEPT, and right behind it the Bind. What goes out has a name of the
// session's own, without the Parse where the session has the statement. What the client leaves unnamed stays so: it is
// planned for its values each time, as on old.
#ifndef PROXY_OWN_OWN_STATEMENTS_H
#define PROXY_OWN_OWN_STATEMENTS_H

#include "protocol/writer.h"

#define OWN_KEPT "kept"

enum { OWN_STATEMENTS = 100 }; // then the longest unused is closed

struct own_statement {
    uint64_t high, low; // digest of its text and parameter types
    unsigned number;    // of its name
    uint64_t used;      // when, by `clock`
    size_t parse;       // of the job that runs; it is prepared when that has been answered
    bool is_pending;
};

struct own_statements {
    struct own_statement list[OWN_STATEMENTS];
    size_t count;
    unsigned next_number;
    uint64_t clock;
    size_t parses, parsed; // of the job that runs
};

// A job's messages as this session is to be sent them; `statements` NULL: nothing is kept. False: no messages, or no memory.
bool own_statements_write(struct own_statements *statements, const uint8_t *messages, size_t length,
                          struct writer *writer);
void own_statements_parsed(struct own_statements *statements); // ParseComplete, of the job
void own_statements_settle(struct own_statements *statements); // the job is over
void own_statements_clear(struct own_statements *statements);  // DEALLOCATE ALL

#endif
