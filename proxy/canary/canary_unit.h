// A unit of the client's as a candidate for new: is it reads and nothing else, which of its messages are
// old's, and how is it put to new? Pure over the unit's bytes and the session's prepared statements.
#ifndef PROXY_CANARY_CANARY_UNIT_H
#define PROXY_CANARY_CANARY_UNIT_H

#include "compare/recode/recode_bind.h"
#include "protocol/capture.h"
#include "protocol/request.h"
#include "proxy/canary/canary_command.h"
#include "proxy/shadow/statement.h"

enum canary_unit_kind {
    CANARY_UNIT_OTHER,      // old's, and nothing is known of it
    CANARY_UNIT_READS,      // what may be reads, and nothing else but a BEGIN in front
    CANARY_UNIT_STATEMENTS, // only prepares, describes or closes, or runs what is empty
    CANARY_UNIT_BEGIN,      // of a transaction, and nothing else
    CANARY_UNIT_SET,        // SET TRANSACTION, the same
    CANARY_UNIT_END,        // COMMIT, ROLLBACK, the same
};

// Parse, Close and Describe of statements are old's, and so are the messages of a BEGIN in front: old answers
// them, and is left in the state that it would be in. Portals are new's: each is bound, perhaps described, and
// executed once in full. A Query is one EXECUTE a statement.
enum canary_step_kind {
    CANARY_STEP_OLD,
    CANARY_STEP_BIND,
    CANARY_STEP_DESCRIBE,
    CANARY_STEP_EXECUTE,
    CANARY_STEP_CLOSE, // of a portal
};

struct canary_step { // one message; a Query's statements have no bytes
    enum canary_step_kind kind;
    const uint8_t *raw; // borrowed
    size_t raw_length;
    size_t read; // which, but for OLD and CLOSE
};

struct canary_read {
    const char *sql; // one statement's, borrowed
    size_t sql_length;
    const char *text; // of the Query or the Parse: with the comments around the statement; borrowed
    const uint32_t *types; // declared parameter types; borrowed
    size_t type_count;
    const uint32_t *described; // what old said that they are, NULL: it was not asked; borrowed
    size_t described_count;
    struct bind_request bind; // owned; without values in a Query
    bool has_describe;        // the client is to get its description
    bool is_executed;
    char *new_sql;    // how it is put to new, where it is rewritten; owned, NULL: as it is
    bool is_replaced; // by a whole other statement, which finds its parameters' types itself
};

struct canary_unit {
    const uint8_t *bytes; // borrowed; the whole unit
    size_t length;
    enum canary_unit_kind kind;
    bool is_simple;
    struct canary_step *steps; // owned; without the Sync
    size_t step_count;
    struct canary_read *reads; // owned
    size_t read_count;
    struct parse_request *parses; // of its Parses; owned
    size_t parse_count;
    // What is old's in front of the first read.
    size_t prefix_length, prefix_steps;
    size_t old_steps;          // old's in all
    bool has_begin;            // the prefix begins a transaction
    struct canary_modes modes; // of its commands
    bool has_statements;       // prepares by name, or closes
    bool
        old_can_begin_again; // old's messages may be said twice: they prepare the unnamed statement
    bool has_named_portal;
};

// What it is. `statements`: the session's, as old has them. To be ended by _fini, whatever it is.
enum canary_unit_kind canary_unit_read(struct canary_unit *unit, const uint8_t *bytes,
                                       size_t length, void *const *statements);
void canary_unit_fini(struct canary_unit *unit);
// The messages for new: BEGIN READ ONLY, the reads (always described), ROLLBACK; CANARY_UNITS units.
// `sides`: what parameters' types are told by. `statement_timeout`: a value of that setting, "0" for none. False: no
// memory, or a parameter can't be put to new.
enum { CANARY_UNITS = 3 };
bool canary_unit_write(const struct canary_unit *unit, const struct recode_sides *sides,
                       const char *statement_timeout, uint8_t **messages, size_t *length);
// Old's messages, without a Sync.
bool canary_unit_write_old(const struct canary_unit *unit, struct writer *writer);
// Has old messages between the reads?
bool canary_unit_is_mixed(const struct canary_unit *unit);
// The request as the shadow is to see it: the client's messages, with the Describes that were added.
bool canary_unit_capture(const struct canary_unit *unit, struct capture *capture);

#endif
