// What a statement does to its session, for those that do: settings, roles, transactions, prepared
// statements, temporary objects. Values matter here, so this reads the text itself, not a shape.
#ifndef COMPARE_SQL_EFFECT_H
#define COMPARE_SQL_EFFECT_H

#include "compare/sql/parsed.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum effect_kind {
    EFFECT_NONE,
    EFFECT_SET, // name; sql: a statement that sets it so, for the session; NULL: to what is not known
    EFFECT_SET_LOCAL, // the same until the transaction's end
    EFFECT_RESET,     // name
    EFFECT_RESET_ALL,
    EFFECT_DISCARD_ALL,
    EFFECT_DISCARD_TEMP,
    EFFECT_DISCARD_PLANS,
    EFFECT_SET_ROLE, // name "role" or "session_authorization"; sql
    EFFECT_BEGIN,
    EFFECT_COMMIT,
    EFFECT_ROLLBACK,
    EFFECT_SAVEPOINT,   // name
    EFFECT_RELEASE,     // name
    EFFECT_ROLLBACK_TO, // name
    EFFECT_PREPARE,     // name; sql: the statement within; types
    EFFECT_EXECUTE,     // name
    EFFECT_DEALLOCATE,  // name
    EFFECT_DEALLOCATE_ALL,
    EFFECT_TEMPORARY,      // name of a temporary relation made
    EFFECT_TEMPORARY_TYPE, // name of a temporary type made
    EFFECT_ALTER,          // name of a relation that DDL changes and that may be a temporary one
    EFFECT_RENAME,         // the same; sql: its new name
    EFFECT_DROP,           // the same, and it is gone
    EFFECT_TAINT,          // leaves state that can't be replayed; name says what, e.g. "load"
};

struct effect {
    enum effect_kind kind;
    bool is_local;   // SET LOCAL, set_config(…, true), ON COMMIT DROP
    bool is_chained; // AND CHAIN
    char *name;      // owned, or NULL
    char *sql;       // owned, or NULL
    // Of PREPARE's parameters, where all of them are built-in types.
    uint32_t *types; // owned
    size_t type_count;
    bool has_unknown_type;
};

struct effect_value { // text; borrowed
    const char *bytes;
    size_t length;
    bool is_null;
    bool is_known;
};

// What is known of an execution beside its text: the parameters that it was given, and the last row of
// its answer, for set_config shows there what it has set.
struct effect_facts {
    const struct effect_value *parameters;
    size_t parameter_count;
    const struct effect_value *row;
    size_t row_width;
    size_t row_count; // of the answer; 0 with `has_answer` false: not known
    bool has_answer;
};

// The effects of one statement in order; *effects is owned (effects_free). `facts` may be NULL. False: no
// memory.
bool effects_of(const char *sql, size_t length, const struct effect_facts *facts,
                struct effect **effects, size_t *count);
bool effects_of_parsed(struct parsed *parsed, const struct effect_facts *facts,
                       struct effect **effects, size_t *count); // the same
bool effect_is_temporary_schema(const char *schema);            // a name as the catalogs have it
// Does the body of a function or of DO seem to leave settings or temporary objects behind?
bool effect_body_leaves(const char *body);
void effects_free(struct effect **effects, size_t count);

#endif
