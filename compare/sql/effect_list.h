// What the files that read effects out of a statement share: the list that they add to.
#ifndef COMPARE_SQL_EFFECT_LIST_H
#define COMPARE_SQL_EFFECT_LIST_H

#include "compare/sql/effect.h"
#include "compare/sql/parse.h"

struct effect_list {
    struct effect *effects; // owned
    size_t count;
    bool has_failed;                  // no memory
    const char *sql;                  // the statement's text
    size_t length;                    // of it
    const struct effect_facts *facts; // never NULL
};

// Takes sql; copies name. Both may be NULL. NULL: no memory, noted.
struct effect *effect_list_add(struct effect_list *list, enum effect_kind kind, const char *name,
                               char *sql);
void effect_list_taint(struct effect_list *list, const char *what, bool is_local);
// A setting; takes sql, NULL being a lack of memory.
void effect_list_set(struct effect_list *list, const char *name, char *sql, bool is_local);
void effect_list_unknown(struct effect_list *list, const char *name, bool is_local);
void effect_list_reset(struct effect_list *list, const char *name, bool is_local);
// effect_set.c: SET, RESET.
void effect_list_of_set(struct effect_list *list, const PgQuery__VariableSetStmt *set);
// effect_config.c: set_config in a SELECT.
void effect_list_of_calls(struct effect_list *list,
                          const PgQuery__Node *node); // of set_config, anywhere
void effect_list_of_configs(struct effect_list *list, const PgQuery__SelectStmt *select);
// effect_names.c: temporary objects, and DDL on what may be one. False: it is no such statement.
bool effect_list_of_names(struct effect_list *list, const PgQuery__Node *node);
void effect_list_of_into(struct effect_list *list, const PgQuery__IntoClause *into);

#endif
