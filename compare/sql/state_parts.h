// What the files about a session's state share: state.c follows what statements do, state_report.c what old
// reports and what cannot be replayed, state_replay.c writes what brings another session there
// and state_value.c reads a value out of that.
#ifndef COMPARE_SQL_STATE_PARTS_H
#define COMPARE_SQL_STATE_PARTS_H

#include "compare/sql/settings.h"
#include "compare/sql/state.h"

struct level {
    char *name;              // of a savepoint; NULL: the transaction; owned
    struct settings *before; // reference
};

// Reported settings that change results (manual, 55.2.7 lists what is reported).
enum { REPORTED = 5, REPORTED_ENCODING = 0, REPORTED_STRINGS = 3 };
extern const char *const state_reported_names[REPORTED];

struct reported {
    char *value; // owned; NULL: not reported
    char *first; // at login: what RESET goes back to; owned
    char *under; // what the session had set when it was the value; owned, NULL: nothing
};

#define STATE_UNKNOWN "?" // in place of a statement that sets a value

struct state {
    struct settings *settings; // never NULL
    struct level *levels;      // owned, outermost first
    size_t level_count;
    bool is_aborted; // the block has failed: its COMMIT is a rollback
    struct reported reported[REPORTED];
    char *application_name; // as reported last; NULL: not known; owned
    // The present snapshot and what it was made of; NULL: to be made.
    struct state_snapshot *snapshot;
    struct settings *made_of;
};

// What is set for the session and the transaction by now: a statement, "" for what RESET goes back to,
// STATE_UNKNOWN, or NULL: nothing.
const char *state_effective(const struct state *state, const char *name);
// Nothing was set since it was reported.
bool state_is_current(const struct state *state, size_t reported);
// What was reported last is the value of what is set by now.
void state_settle_reports(struct state *state);

#endif
