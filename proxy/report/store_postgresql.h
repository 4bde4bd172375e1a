// The inside of a store in a PostgreSQL database: store_postgresql.c says statements and reads rows,
// store_postgresql_join.c connects, makes the schema and joins the fleet.
#ifndef PROXY_REPORT_STORE_POSTGRESQL_H
#define PROXY_REPORT_STORE_POSTGRESQL_H

#include "proxy/control/side_link.h"
#include "proxy/report/store_backend.h"

struct postgresql_store {
    struct store base;
    struct target *target; // owned; NULL: not read yet
    struct side_link link;
    char instance[17];    // of the member that we are; "": a reader
    bool is_in_batch;     // between begin and commit, in pipeline mode
    bool has_failed;      // a statement of the batch did
    unsigned outstanding; // results that are still to come
    unsigned statements;  // of the batch
    char error[512];
};

// The text of each statement, with $n for parameters; "": not said to this kind. Until the process ends.
const char *postgresql_statement(enum store_statement which);
enum store_outcome postgresql_connect(struct store *store, const struct store_member *member,
                                      bool may_write, char *error, size_t error_size);
// Prepares all statements. False: `error` of the store.
bool postgresql_prepare(struct postgresql_store *store);

#endif
