// What a statement does to its session, for those that do: settings, roles, transactions, prepared
// statements, temporary objects. Values matter here, so this reads the text itself, not a shape.
#ifndef COMPARE_SQL_EFFECT_H
#define COMPARE_SQL_EFFECT_H

#include <stdbool.h>
#include <stddef.h>

enum effect_kind {
    EFFECT_NONE,
    EFFECT_SET,       // name; sql: a statement that sets it so, for the session
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
    EFFECT_PREPARE,     // name; sql: the statement within
    EFFECT_EXECUTE,     // name
    EFFECT_DEALLOCATE,  // name
    EFFECT_DEALLOCATE_ALL,
    EFFECT_TEMPORARY, // name of a temporary object made
    EFFECT_TAINT,     // leaves state that can't be replayed; name says what, e.g. "listen"
};

struct effect {
    enum effect_kind kind;
    bool is_local;   // SET LOCAL, set_config(…, true)
    bool is_chained; // AND CHAIN
    char *name;      // owned, or NULL
    char *sql;       // owned, or NULL
};

// The effects of one statement in order; *effects is owned (effects_free). False: no memory.
bool effects_of(const char *sql, size_t length, struct effect **effects, size_t *count);
void effects_free(struct effect **effects, size_t count);

#endif
