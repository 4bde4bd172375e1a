// How a read is put to new, where new has another shape (DESIGN 3.6): tables and columns under other names, or
// another statement altogether. Text in, text out; needs ANALYSIS_STACK bytes of stack, as the analysis does.
//
// A table that is only renamed is put under its new name with old's as its alias. One with renamed columns is put
// as a subquery that shows old's columns under old's names, in old's order: so stars, USING, NATURAL and aliases
// mean what they meant, and the output is called what the client expects. All other text stays byte for byte.
#ifndef COMPARE_SQL_REWRITE_H
#define COMPARE_SQL_REWRITE_H

#include "compare/sql/catalog.h"
#include <stdatomic.h>

struct rewrite_pair { // borrowed strings
    const char *from, *to;
};

// One entry of the list: names, or a whole statement.
struct rewrite {
    // "table", "schema.table" or "schema.*"; a bare name means old's table of that name in any schema.
    struct rewrite_pair *tables;
    struct rewrite_pair *columns; // "table.column" or "schema.table.column" to a column's name
    size_t table_count, column_count;
    const char *fingerprint; // glob, or NULL
    const char *like;        // LIKE pattern over the normalised statement, or NULL
    const char *to;          // NULL: names
    atomic_bool is_broken;   // new would not prepare `to`
};

struct rewrites {
    struct rewrite *list; // the first whole statement that matches wins, else the names of all
    size_t count;
    uint64_t digest; // of all that is said in it; 0: nothing
};

struct rewrite_subject {
    const char *sql; // one statement
    size_t length;
    const char *fingerprint, *query; // libpg_query's, and the normalised statement
    const struct catalog *old_catalog, *new_catalog;
};

enum rewrite_status { REWRITE_SAME, REWRITE_CHANGED, REWRITE_REFUSED, REWRITE_NO_MEMORY };

struct rewritten {
    char *sql;           // owned; of REWRITE_CHANGED
    const char *because; // static; of REWRITE_REFUSED
    bool is_whole;       // replaced by a `to`
};

enum rewrite_status rewrite_statement(const struct rewrites *rewrites,
                                      const struct rewrite_subject *subject,
                                      struct rewritten *rewritten);
void rewritten_fini(struct rewritten *rewritten);

#endif
