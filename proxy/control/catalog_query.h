// The questions that a side's system catalogs are read by, and what becomes of the rows of their answers.
#ifndef PROXY_CONTROL_CATALOG_QUERY_H
#define PROXY_CONTROL_CATALOG_QUERY_H

#include "compare/sql/catalog_build.h"
#include "compare/sql/quote.h"
#include <libpq-fe.h>
#include <stddef.h>

struct catalog_view { // a user's
    uint32_t oid;
    char *definition; // owned
};

// What the answers to a side's questions lead to, and the answer that is taken.
struct catalog_answer {
    struct catalog_build *build; // owned
    struct catalog_view *views;  // users', by OID; owned
    size_t view_count;
    struct text name; // of what initdb made: whoever asks begins it, the fingerprint is added
    const PGresult *rows;
    int row; // of them, the one that is taken
};

struct catalog_query {
    const char *what; // is read, for the error
    int minimum_version;
    int maximum_version;                         // 0: none
    int columns;                                 // in an answer
    int known;                                   // of them, the first ones, that are never NULL
    bool (*take)(struct catalog_answer *answer); // one row; false: no memory. NULL: a command
    const char *sql;
};

struct catalog_queries {
    const struct catalog_query *list;
    size_t count;
};

// Begin the transaction that the others are asked in, and list the users' views. The last one is the fingerprint, which
// differs where in one cluster what initdb made does.
extern const struct catalog_queries catalog_queries_opening;
extern const struct catalog_queries catalog_queries_builtin; // what initdb made
extern const struct catalog_queries catalog_queries_users; // all the rest; they end the transaction

// All or nothing: every row of `rows`. NULL: done; otherwise what is wrong.
const char *catalog_query_take(const struct catalog_query *query, struct catalog_answer *answer);
void catalog_answer_fini(struct catalog_answer *answer);

#endif
