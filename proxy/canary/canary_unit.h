// A unit of the client's as a candidate for new: is it one read and nothing else, and how is it put to
// new? Pure over the unit's bytes and the session's prepared statements.
#ifndef PROXY_CANARY_CANARY_UNIT_H
#define PROXY_CANARY_CANARY_UNIT_H

#include "compare/recode/recode_bind.h"
#include "protocol/capture.h"
#include "protocol/request.h"
#include "proxy/shadow/statement.h"

// A Query of one statement; or Parse and Close messages (the prefix), then Bind, perhaps Describe,
// Execute of everything, and Sync, all of the unnamed portal.
struct canary_unit {
    const uint8_t *bytes; // borrowed; the whole unit
    size_t length;
    size_t prefix_length;  // Parse and Close in front: old gets them, too
    unsigned prefix_count; // of them
    bool is_simple;
    bool has_describe;
    const char *sql; // of the one statement, borrowed
    size_t sql_length;
    const char *text; // of the Query or the Parse: with the comments around the statement; borrowed
    const uint32_t *types; // declared parameter types; borrowed
    size_t type_count;
    const uint32_t *described; // what old said that they are, NULL: it was not asked; borrowed
    size_t described_count;
    struct parse_request parse; // when its Parse is in the unit; owned
    struct bind_request bind;   // owned
};

// False: it is none of these. `statements`: the session's, as old has them.
bool canary_unit_read(struct canary_unit *unit, const uint8_t *bytes, size_t length,
                      void *const *statements);
void canary_unit_fini(struct canary_unit *unit);
// The messages for new: BEGIN READ ONLY, the read (always described), ROLLBACK; three units. `sides`: what parameters' types are
// told by. False: no memory, or a parameter can't be put to new.
bool canary_unit_write(const struct canary_unit *unit, const struct recode_sides *sides,
                       uint8_t **messages, size_t *length);
// The request as the shadow is to see it: the client's messages, with the Describe that was added.
bool canary_unit_capture(const struct canary_unit *unit, struct capture *capture);

#endif
