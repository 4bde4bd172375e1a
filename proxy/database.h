// One entry of `databases:` at work: its settings, books, figures, canary, catalogs and lag. Made when
// it is first used (or at start, when named), lives as long as the process. Shared by all threads;
// every field says how.
#ifndef PROXY_DATABASE_H
#define PROXY_DATABASE_H

#include "compare/sql/catalog.h"
#include "compare/sql/rewrite.h"
#include "config/configuration.h"
#include "proxy/guard/guard_counts.h"
#include "proxy/report/books.h"
#include "proxy/transport/target.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct figures;
struct control;
struct guarded;
struct fair_share;
struct shapes;
struct tls_context;

enum side { SIDE_OLD, SIDE_NEW };

enum canary_state { CANARY_ARMED, CANARY_LATCHED };

// What follows the configuration: immutable, replaced whole by RELOAD.
struct database_settings {
    atomic_uint references;
    const struct configuration *configuration; // keeps what `entry` points to
    const struct configuration_database *entry;
    struct target *targets[2];  // by side
    struct tls_context *tls[2]; // NULL: no TLS
    struct rewrites *rewrites;  // of `entry`
};

struct database_catalogs { // immutable, replaced whole
    atomic_uint references;
    uint64_t epoch;
    struct catalog *catalogs[2]; // by side; NULL: not read yet
    uint64_t old_as_of; // uv_hrtime: old's has what was committed there before; 0: not read yet
};

enum { DATABASE_TROUBLE = 1024 };
#define WRITES_UNTOLD UINT64_MAX

struct database {
    char *name;
    pthread_mutex_t lock; // for `settings` and `catalogs`, held for a ref at most
    struct database_settings *settings;
    struct database_catalogs *catalogs;
    char rewrite_trouble
        [DATABASE_TROUBLE]; // what of the rewrites leads to nothing on new; behind the lock
    atomic_uint_fast64_t settings_epoch; // goes up with each replacement: threads cache a reference
    atomic_uint_fast64_t catalogs_epoch;
    // What the shadow waits for after DDL: statements are not analysed by catalogs of an older epoch.
    atomic_uint_fast64_t catalogs_wanted;
    // Operators' settings; relaxed atomics, read for every read. The canary's are changed by canary_switch.h.
    atomic_uint canary_percent; // hundredths
    atomic_uint shadow_percent; // hundredths
    atomic_int canary_state;    // enum canary_state
    atomic_bool has_included;   // canary.include names somebody, who is in at 0 % too
    // Canary reads that failed on new, in a row; after CANARY_FAILURES of them new is tried once a second.
    atomic_uint canary_failures;
    atomic_uint_fast64_t canary_probe_at; // uv_hrtime of the next try
    atomic_bool is_paused;
    atomic_uint_fast64_t rechecks_until; // the shadow threads' limit of rechecks (throttle.h)
    struct books books;
    struct guard_counts guard_counts; // beside the books: what the guardrail's window is fed with
    struct guarded *guarded;          // guardrail and ramp; NULL: nobody looks (tools, tests)
    struct figures *figures;
    struct fair_share *mirrored;           // shadow.max_per_second, by fingerprint
    struct shapes *shapes;                 // analyses by shape key, published to the workers
    struct control *control;               // catalogs and lag
    struct key_writes *_Atomic key_writes; // last writes by cohort key; NULL: nobody asked for them
    // Replication, as the control thread last saw it.
    // uv_hrtime: new has every write that old acknowledged before. 0: not known; WRITES_UNTOLD: no probe tells.
    atomic_uint_fast64_t writes_replayed;
    atomic_int_fast64_t lag_us; // -1: unknown
    // uv_hrtime: since when both sides answer, and the probe can't tell the lag all the same; 0: not so.
    atomic_uint_fast64_t lag_hidden_since;
    atomic_int lag_probe; // enum lag_probe in force (auto resolved)
    atomic_bool sides_up[2];
    // Connections now open.
    atomic_uint_fast64_t clients, old_sessions; // sessions of clients
    atomic_uint own_sessions[2];                // of our own, against max_connections
    atomic_uint own_missing[2];                 // for which there is no room, while others are idle
    // Logins of our own: sessions that were let in, and refusals since the last that was.
    atomic_uint own_admitted[2], own_refused[2];
};

struct database_settings *database_settings(struct database *database); // a reference
void database_settings_unref(struct database_settings **settings);
struct database_catalogs *database_catalogs(struct database *database); // a reference
void database_catalogs_unref(struct database_catalogs **catalogs);
// Takes both references.
void database_set_catalogs(struct database *database, struct catalog *old_catalog,
                           struct catalog *new_catalog, uint64_t old_as_of);

// What of the rewrites leads to nothing on new, "": all is well.
void database_set_rewrite_trouble(struct database *database, const char *trouble);
void database_rewrite_trouble(struct database *database, char trouble[DATABASE_TROUBLE]);
// Is nothing mirrored, and nothing served by new?
bool database_is_idle(const struct database *database);
// Nothing is analysed any more by catalogs of an older epoch. Any thread.
void database_want_catalogs(struct database *database, uint64_t epoch);

// For databases.c. The settings of an entry; NULL: `error` says why.
struct database_settings *database_settings_new(const struct configuration *configuration,
                                                const char *name, char *error, size_t error_size);
// Takes the reference. A configured percentage that differs from the one before replaces the percentage in force.
void database_set_settings(struct database *database, struct database_settings *settings);
// `database` is zeroed, and still is nothing that needs _fini if this fails.
bool database_init(struct database *database, const struct configuration *configuration,
                   const char *name, char *error, size_t error_size);
void database_fini(struct database *database);

#endif
