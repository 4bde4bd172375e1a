// The store (`store:` in the configuration): what outlives the process. An SQLite file in WAL mode that one proxy has for
// itself, or a schema of a PostgreSQL database that a fleet of proxies shares (store_is_shared); the same tables, and
// nearly the same statements, in store.tbl. Others may read it at the same time. One thread a handle. Whatever fails says
// so by false, and store_error has the words. A shared store may be away at any time: then everything fails at once or
// after STORE_PATIENCE, and store_connect tries again.
#ifndef PROXY_REPORT_STORE_H
#define PROXY_REPORT_STORE_H

#include "proxy/report/picture.h"

struct store;

enum store_outcome {
    STORE_WORKS,
    STORE_IS_AWAY, // out of reach: try again
    STORE_REFUSES, // not ours, of a later version, or of a fleet with other cohorts
};

// One proxy, as the others of its fleet see it.
struct store_member {
    char instance[17]; // of this life of the process; 16 hex digits
    char name[288];    // for people: HOST:PORT
    struct store_cohort {
        char *database, *key;
        char salt[17]; // a digest of it
    } * cohorts;       // what decides who is in the cohort, by database
    size_t cohort_count;
};

// No I/O yet. NULL: no memory, or a location that names no store.
struct store *store_new(const char *location, char *error, size_t error_size);
// Makes the schema where there is none, brings it up to date, begins a run or goes on with the one begun. A shared
// store is joined as `member`, who is refused where another one has other cohorts; to be called again when the store
// is away, or the member has changed.
enum store_outcome store_connect(struct store *store, const struct store_member *member,
                                 char *error, size_t error_size);
// Both, where nothing but STORE_WORKS will do.
struct store *store_open(const char *location, char *error, size_t error_size);
// A reader's: the store must be there.
struct store *store_open_to_read(const char *location, char *error, size_t error_size);
void store_close(struct store **store); // a run that was begun is ended
const char *store_error(const struct store *store);
bool store_is_shared(const struct store *store);
bool store_is_away(const struct store *store); // the last thing failed because it is out of reach
int64_t store_run_id(const struct store *store);
// Fit for messages: without secrets. The caller frees.
char *store_shown(const char *location);

// What others say. The descriptor becomes readable when there is something, or the store goes away; -1: never.
int store_descriptor(const struct store *store);
bool store_heard(struct store *store); // takes what is there; true: others have changed settings
// Tells that we live. False: away, or forgotten by the others, and to be connected anew.
bool store_beat(struct store *store);

// Everything below that writes (store_keep aside) is to be between these. `durable`: store_commit comes back when the
// disk has it. Where the batch is full, what is still to be written is better written in another one.
bool store_begin(struct store *store, bool durable);
bool store_commit(struct store *store);
void store_roll_back(struct store *store);
bool store_batch_is_full(const struct store *store);

// Operators' settings: see store.tbl for what can be one; database "" for the store's own.
struct store_setting {
    const char *database, *name, *value;
    int64_t version;
    const char *actor, *reason, *member;
};
enum store_kept {
    STORE_KEPT,
    STORE_OUTDATED, // the store has newer settings than `known`; nothing was written
    STORE_NOT_KEPT, // it failed, or nobody knows
};
enum store_keeping { STORE_RAISES, STORE_LOWERS };
// Writes database, name and value of all or none, durably, in a transaction of its own. What raises is not written
// where the store has a version over `known`; what lowers is, whatever the store has, and percentages only go down by
// it. `each` gets what stands there now.
enum store_kept store_keep(struct store *store, enum store_keeping keeping, int64_t known,
                           const struct store_setting *settings, size_t count,
                           void (*each)(void *context, const struct store_setting *setting),
                           void *context);
// Those with a version over `after` (-1: all), in the order of their versions.
bool store_read_settings(struct store *store, int64_t after,
                         void (*each)(void *context, const struct store_setting *setting),
                         void *context);
bool store_settings_version(struct store *store, int64_t *version); // a shared store's newest

struct store_event {
    int64_t at; // microseconds since 1970
    const char *database, *kind, *actor, *detail;
};
bool store_write_event(struct store *store, const struct store_event *event);
// Newest first, those at `since` or later, at most `limit`.
bool store_read_events(struct store *store, int64_t since, unsigned limit,
                       void (*each)(void *context, const struct store_event *event), void *context);

// The books as they stand at `at`; those of one minute replace each other.
bool store_write_books(struct store *store, int64_t at, const char *database,
                       const struct books_page *page, const struct figures_totals *totals);
bool store_write_figure(struct store *store, int64_t at, const char *database,
                        const struct figure *figure);
bool store_write_mismatch(struct store *store, const char *database,
                          const struct figures_mismatch *mismatch);
// `count` ids for mismatches that nobody else gets; outside a batch. Given back at an orderly end: those from `next` to
// before `end`.
bool store_reserve_ids(struct store *store, uint64_t count, uint64_t *first);
bool store_return_ids(struct store *store, uint64_t next, uint64_t end);
// Drops what is too old to be kept minute by minute; in a batch of its own.
bool store_thin(struct store *store, int64_t now);

// One picture a database out of what was written since `since` (0: all), of `database` alone unless it
// is NULL, its evidence too.
bool store_read_pictures(struct store *store, int64_t since, const char *database,
                         struct pictures *pictures);
// Their names and evidence alone.
bool store_read_evidence(struct store *store, struct pictures *pictures);

int64_t store_now(void); // microseconds since 1970

#endif
