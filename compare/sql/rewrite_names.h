// The inside of the renaming: one statement on its way to new's names.
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

typedef void renaming_visitor(struct renaming *renaming, const ProtobufCMessage *message);

// rewrite_text.c
void renaming_refuse(struct renaming *renaming, const char *because);
void *renaming_grow(struct renaming *renaming, void *array, size_t count, size_t *capacity,
                    size_t size); // NULL: no memory, noted
// Takes the text.
void renaming_splice(struct renaming *renaming, size_t at, size_t end, struct text *text);
// Where the token at `at` ends, after `parts` names with dots between; 0: there are none.
size_t renaming_end_of(const struct renaming *renaming, size_t at, size_t parts);
// Likewise; *last is where the last of the parts begins.
size_t renaming_dotted(const struct renaming *renaming, size_t at, size_t parts, size_t *last);
char *renaming_text(struct renaming *renaming); // NULL: no memory
// rewrite_collect.c
const char *renaming_string(const PgQuery__Node *node); // of a String node, or NULL
void renaming_each(struct renaming *renaming, const ProtobufCMessage *message,
                   renaming_visitor *visit);
void renaming_collect(struct renaming *renaming, const ProtobufCMessage *message);
// rewrite_names.c
bool renaming_has_cte(const struct renaming *renaming, const char *name);
bool renaming_has_column(const struct catalog_relation *relation, const char *name);
// rewrite_from.c: the items of a FROM clause; `is_table`: of the command TABLE.
void renaming_from(struct renaming *renaming, const PgQuery__Node *node, bool is_table);

#endif
