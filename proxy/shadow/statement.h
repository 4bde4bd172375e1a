// Prepared statements and portals of one session, by name, as old has them.
#ifndef PROXY_SHADOW_STATEMENT_H
#define PROXY_SHADOW_STATEMENT_H

#include "protocol/reply.h"
#include "protocol/request.h"
#include "proxy/database.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct statement {         // by Parse or PREPARE; shared by its portals and reads
    unsigned references;   // one thread
    char *name, *sql;      // UTF-8
    char *prepare;         // the PREPARE that made it, UTF-8; NULL: a Parse did
    bool has_unknown_type; // PREPARE named a parameter type that is not built in
    uint32_t *types;
    size_t type_count;
    uint32_t *described; // as old's ParameterDescription has them; NULL: old was not asked
    size_t described_count;
    bool is_cut;               // the SQL was over shadow.max_request: not known
    struct statement_columns { // from Describe; NULL: never described
        struct reply_column *list;
        size_t count;
    } columns[2]; // by the side that served the Describe (enum side)
};

struct portal {
    char *name;
    struct statement *statement;
    uint8_t *bind; // body of the Bind message
    size_t bind_length;
    bool is_cut;   // the Bind was over shadow.max_request: `bind` is its beginning
    bool is_begun; // an Execute ran it
};

struct statement *statement_new(const struct parse_request *request, bool is_cut);
struct statement *statement_ref(struct statement *statement);
void statement_unref(struct statement **statement);
// The body of a ParameterDescription of old's.
void statement_set_described(struct statement *statement, const uint8_t *body, size_t length);
void statement_set_columns(struct statement *statement, enum side side,
                           const struct reply_column *columns, size_t count);

// The tables: roots of tsearch trees, NULL at first. Putting replaces.
bool statements_put(void **statements, struct statement *statement); // takes one reference
struct statement *statements_find(void *const *statements, const char *name);
void statements_remove(void **statements, const char *name);
void statements_clear(void **statements);
struct portal *portals_put(void **portals, const char *name, struct statement *statement,
                           const uint8_t *bind, size_t bind_length); // NULL: no memory
struct portal *portals_find(void *const *portals, const char *name);
void portals_remove(void **portals, const char *name);
void portals_clear(void **portals);

#endif
