// The inside of rewrite_names.c and rewrite_from.c: one statement on its way to new's names.
#ifndef COMPARE_SQL_REWRITE_NAMES_H
#define COMPARE_SQL_REWRITE_NAMES_H

#include "compare/sql/arena.h"
#include "compare/sql/rewrite_parts.h"

struct rewrite_splice { // bytes of the statement, and what stands there instead
    size_t at, end;
    const char *text;
    size_t order; // of making: the later one of two at one place stands behind
};

struct rewrite_item {                        // of a FROM clause
    const char *name;                        // alias or relation; NULL: none
    const struct catalog_relation *relation; // old's, of one that is rewritten; else NULL
    bool is_subquery;
    struct rewrite_item *next;
};

struct rewrite_level { // of queries within queries
    struct rewrite_item *items;
    struct rewrite_level *outer;
};

struct rewrite_cte {
    const char *name;
    const struct rewrite_cte *next;
};

struct renaming {
    const struct rewrites *rewrites;
    const struct rewrite_subject *subject;
    struct arena arena;
    struct rewrite_splice *splices; // owned
    size_t splice_count, splice_capacity;
    const char **used; // last parts of column names in the statement; owned
    size_t used_count, used_capacity;
    bool uses_all; // a star and the like
    struct rewrite_level *level;
    const struct rewrite_cte *ctes;
    const char *because; // refused
    bool no_memory;
};

void renaming_refuse(struct renaming *renaming, const char *because);
void renaming_splice(struct renaming *renaming, size_t at, size_t end, struct text *text);
// Where the token at `at` ends, after `parts` names with dots between; 0: there are none.
size_t renaming_end_of(const struct renaming *renaming, size_t at, size_t parts);
bool renaming_has_cte(const struct renaming *renaming, const char *name);
bool renaming_has_column(const struct catalog_relation *relation, const char *name);
// rewrite_from.c: the items of a FROM clause; `is_table`: of the command TABLE.
void renaming_from(struct renaming *renaming, const PgQuery__Node *node, bool is_table);

#endif
