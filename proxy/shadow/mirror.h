// One client session as its shadow thread follows it, unit by unit: prepared statements, portals,
// settings, whether the transaction has written; and the reads that come out of it.
#ifndef PROXY_SHADOW_MIRROR_H
#define PROXY_SHADOW_MIRROR_H

#include "compare/sql/state.h"
#include "proxy/shadow/shadow_thread.h"

struct mirror {
    uint64_t id; // the session's
    struct shadow *shadow;
    struct shadow_database *at; // its database
    struct session_facts *facts;
    unsigned references; // one of the session's, one of each read
    struct state *state;
    void *statements;         // struct statement by name (tsearch)
    void *portals;            // struct portal by name (tsearch)
    uint64_t sequence;        // of the last unit taken in
    const char *lost_because; // not NULL: a unit was lost; nothing of the session's state is known
    bool has_written;         // in the transaction that is open
    bool has_ddl;             // the same
    bool has_made_keepers; // the same; DDL on what may leave something in the sessions that use it
    bool is_stale; // the catalogs lack DDL that may have come before the unit which is taken in
    // While catalogs are read again, or the user's secret is looked up, units wait here.
    struct mirror *next_parked;
    struct unit *waiting, **waiting_end;
    uint64_t waits_for_epoch, waits_until; // of catalogs; ns
    uint64_t secret_until;                 // ns; 0: no secret is awaited
    bool is_parked;
    bool is_ended; // the session is over; goes when nothing waits
};

struct mirror *mirror_new(struct shadow *shadow, struct session_facts **facts);
void mirror_unref(struct mirror **mirror);
// From here on nothing of the session's state is known.
void mirror_lose(struct mirror *mirror, const char *because);
// A DISCARD ALL has left nothing of what was not seen.
void mirror_regain(struct mirror *mirror);
// Takes the unit: reads it now, or lets it wait behind others.
void mirror_take(struct mirror *mirror, struct unit **unit);
void mirror_end(struct mirror *mirror);
// What opens further sessions as the user, when it was awaited; takes it, NULL: it did not become known.
void mirror_secret(struct mirror *mirror, struct secret **secret);
// Tries again what waits; `by_force`: whatever it waits for.
void mirror_unpark(struct mirror *mirror, bool by_force);

#endif
