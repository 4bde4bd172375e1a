// What one statement is and does, proven by allow-list over libpg_query's parse tree and both
// catalogs (DESIGN 3.1). An analysis holds for every statement of the same shape key. Runs only on
// threads with a stack of ANALYSIS_STACK bytes: libpg_query 15 has no stack check of its own.
#ifndef COMPARE_SQL_ANALYSIS_H
#define COMPARE_SQL_ANALYSIS_H

#include "compare/difference.h"
#include "compare/sql/catalog.h"
#include "compare/sql/parsed.h"
#include "compare/sql/rewrite.h"
#include "compare/verdict.h"
#include <stdatomic.h>

enum { ANALYSIS_MAX_SQL = 64 * 1024, ANALYSIS_STACK = 64 * 1024 * 1024 };

struct analysis_table {
    const char *name;   // "schema.table", as old's catalog has it, or as written when unknown
    uint32_t old_table; // OID on old, 0: unknown
};

struct analysis {
    atomic_uint references;
    // Counts as a read in the books: SELECT, VALUES, TABLE, SHOW, EXPLAIN, and what does not parse.
    bool is_read;
    // Proven to write nothing and to leave no state behind: no write for its transaction.
    bool is_harmless;
    // DDL on what may be an object of its session alone: an effect where the session has any.
    bool may_be_temporary;
    bool has_effects;            // changes session or transaction state: see compare/sql/effect.h
    bool sets_config;            // calls set_config, itself or within what it expands to
    enum skip_reason skip;       // SKIP_NONE: may be mirrored
    bool needs_catalog;          // a name is unknown to a catalog that may be out of date
    bool is_rewritten;           // new is sent another text: see compare/sql/rewrite.h
    const char *refused_because; // static; of SKIP_REWRITE
    // Of SKIP_VOLATILE_FUNCTION, where it is one that is to blame: "schema.name", as `safe_functions` has it; else NULL.
    const char *unproven_function; // owned
    bool changes_catalog;          // DDL: catalogs are to be read again after it
    // Of what may be a read in the books (EXECUTE is, if its answer says so), but see `is_for_deeds`.
    char fingerprint[17];          // libpg_query's; "" also when it does not parse
    char *query;                   // normalised SQL, at most 8 KiB; owned; else NULL
    struct analysis_table *tables; // owned
    size_t table_count;
    struct determinacy determinacy;
    // One an output column where the text tells: the table (index into tables, or -1) and column that its
    // values are made of, through joins, views, subqueries, expressions and aggregates; "expression"
    // where they are made of several.
    struct analysis_column {
        int table;
        const char *column;
        bool is_computed; // from that column, not the column itself
        // Columns of one number are of one row of a relation (not so of a self join's two); 0: not known.
        unsigned reference;
    } * columns; // owned
    size_t column_count;
};

struct analysis_context {
    const struct catalog *old_catalog; // never NULL
    const struct catalog *new_catalog; // NULL: new has not been read; nothing is then mirrored
    const uint32_t *types;             // declared parameter types
    size_t type_count;
    char *const *safe_functions; // "schema.name"
    size_t safe_function_count;
    // The session's search_path on each side where it is known exactly ("$user" resolved), else NULL: a
    // name without a schema then means all of that name, and the catalogs' default path names the table.
    const char *old_search_path, *new_search_path;
    const struct rewrites *rewrites; // how reads are put to new; NULL: as they are
    // Nothing is to be proven by it: of what has no effects, fingerprint and query may be left out.
    bool is_for_deeds;
};

// One statement (not a list of them). Never NULL but without memory.
struct analysis *analysis_new(const char *sql, size_t length,
                              const struct analysis_context *context);
struct analysis *analysis_of_parsed(struct parsed *parsed,
                                    const struct analysis_context *context); // the same
void analysis_unref(struct analysis **analysis);
// What an analysing thread calls last. libpg_query frees a thread's memory at its end by itself.
void analysis_thread_end(void);

#endif
