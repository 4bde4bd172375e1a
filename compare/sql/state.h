// A session's state as old has it, followed from what old accepted: settings with transactions,
// savepoints and SET LOCAL respected, role, temporary objects and what can't be replayed. Gives immutable snapshots that own sessions replay. Pure.
#ifndef COMPARE_SQL_STATE_H
#define COMPARE_SQL_STATE_H

#include "compare/sql/effect.h"
#include <stdatomic.h>
#include <stdint.h>

struct state;

struct state_snapshot {
    atomic_uint references;
    uint64_t digest; // equal digests, equal replays
    char *replay;    // SQL that brings a session at its defaults to this state; "" for none; owned
    char *
        search_path_key; // what decides names: search_path and role settings, for shape keys; owned
    uint64_t names_digest;  // of search_path_key
    char *application_name; // as old reports it; NULL: not known; owned
};

// `parameters`: startup parameters as name, value pairs that are settings (options' -c included).
struct state *state_new(const char *const *parameters, size_t pair_count);
void state_free(struct state **state);
// A statement that old accepted. `in_transaction`: a transaction block was open or it opened one.
bool state_apply(struct state *state, const struct effect *effect);
// ReadyForQuery's status after a unit: 'I' ends the transaction, by a rollback when something in it `failed`.
// `is_told`: what old reported in the unit was taken in by state_reported. False: no memory.
bool state_end_unit(struct state *state, char status, bool failed, bool is_told);
// ParameterStatus: the effective value of a reported setting, which holds until a statement sets it. The first
// one is what RESET goes back to.
bool state_reported(struct state *state, const char *name, const char *value);
void state_reports_lost(struct state *state); // old has reported something, and what is not known
const char *state_client_encoding(const struct state *state); // as reported last; NULL: never
bool state_is_tainted(const struct state *state, const char **what);   // can't be replayed
bool state_has_temporaries(const struct state *state);                 // any at all
bool state_has_temporary(const struct state *state, const char *name); // a relation
// Does a statement use a word that is a temporary type's name?
bool state_names_temporary_type(const struct state *state, const char *sql, size_t length);
// The present state; the caller owns a reference. The same object while nothing changes.
struct state_snapshot *state_snapshot(struct state *state);
struct state_snapshot *state_snapshot_ref(struct state_snapshot *snapshot);
void state_snapshot_unref(struct state_snapshot **snapshot);
// What the session has a setting set to, with its NUL. False, and "": it is at a default that only the server
// knows, or does not fit. Settings without quote_is_replayed are never known. Any thread.
bool state_value(const struct state_snapshot *snapshot, const char *name, char *value, size_t size);

#endif
