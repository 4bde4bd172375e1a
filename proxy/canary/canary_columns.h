// What new's columns must be for new to answer in old's place, and rows that are put as old would have put them: the client
// sees old's types (DESIGN 3.7). Pure.
#ifndef PROXY_CANARY_CANARY_COLUMNS_H
#define PROXY_CANARY_CANARY_COLUMNS_H

#include "compare/recode/recode.h"
#include "protocol/reply.h"
#include "proxy/database.h"

struct state_snapshot;

struct canary_types {                   // what values are told by
    struct database_catalogs *catalogs; // a reference; NULL: only PostgreSQL's own types are known
    bool is_utf8;                       // client_encoding
    bool has_short_floats;              // extra_float_digits
};

struct canary_column { // what is done to its values
    enum recode_outcome outcome;
    struct recode *recode; // owned; NULL: nothing
};

void canary_types_init(struct canary_types *types, struct database *database,
                       const struct state_snapshot *state);
void canary_types_fini(struct canary_types *types);

// `new_column` in the format that new answers in. The column is the caller's to finish.
void canary_column_init(struct canary_column *column, const struct canary_types *types,
                        const struct reply_column *old_column,
                        const struct reply_column *new_column);
void canary_column_fini(struct canary_column *column);
// Writes new's DataRow as old's. False: malformed, a value does not fit, or the writer would hold more than `limit`.
bool canary_row_convert(struct writer *writer, const struct canary_column *columns, size_t count,
                        const uint8_t *body, size_t length, size_t limit);

#endif
