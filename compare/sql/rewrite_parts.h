// The inside of the rewriting: names, whole statements, and what both write with.
#ifndef COMPARE_SQL_REWRITE_PARTS_H
#define COMPARE_SQL_REWRITE_PARTS_H

#include "compare/sql/catalog_data.h"
#include "compare/sql/parse.h"
#include "compare/sql/quote.h"
#include "compare/sql/rewrite.h"

// rewrite_match.c: the entry whose `to` replaces this statement, or NULL.
const struct rewrite *rewrite_match(const struct rewrites *rewrites,
                                    const struct rewrite_subject *subject);
// rewrite_whole.c: `to` with the statement's literals put in.
enum rewrite_status rewrite_whole(const struct rewrite *rewrite,
                                  const struct rewrite_subject *subject,
                                  struct rewritten *rewritten);
// rewrite_names.c: tables and columns.
enum rewrite_status rewrite_names(const struct rewrites *rewrites,
                                  const struct rewrite_subject *subject,
                                  struct rewritten *rewritten);

// rewrite_place.c: where a table of old's is on new.
struct rewrite_place {
    const char *schema; // NULL: by new's search_path
    size_t schema_length;
    const char *name;
    bool is_moved;    // a table's entry speaks of it
    bool has_columns; // an entry speaks of a column of it
};
void rewrite_place_of(const struct rewrites *rewrites, const struct catalog_relation *relation,
                      struct rewrite_place *place);
// What a column of it is called on new, or NULL: the list says nothing.
const char *rewrite_column_of(const struct rewrites *rewrites,
                              const struct catalog_relation *relation, const char *column);
// "schema"."name", quoted.
void rewrite_place_write(const struct rewrite_place *place, struct text *text);
void rewrite_quote(struct text *text, const char *name, size_t length);
// The relation there, or NULL.
const struct catalog_relation *rewrite_place_find(const struct rewrite_place *place,
                                                  const struct catalog *new_catalog);

#endif
