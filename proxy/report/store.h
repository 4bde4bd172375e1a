// The store (`store:` in the configuration): an SQLite file in WAL mode that outlives the process. Written by the
// reporter alone; others may read it at the same time. One thread a handle. Whatever fails says so by
// false, and store_error has SQLite's words.
#ifndef PROXY_REPORT_STORE_H
#define PROXY_REPORT_STORE_H

#include "proxy/report/picture.h"

struct store;

// The reporter's: makes the file where there is none, brings its schema up to date, and begins a run.
struct store *store_open(const char *location, char *error, size_t error_size);
// A reader's: the file must be there.
struct store *store_open_to_read(const char *location, char *error, size_t error_size);
void store_close(struct store **store); // a run that was begun is ended
const char *store_error(const struct store *store);

// Everything below that writes is to be between these. `durable`: store_commit comes back when the disk has it.
bool store_begin(struct store *store, bool durable);
bool store_commit(struct store *store);
void store_roll_back(struct store *store);

// Operators' settings: canary_percent, shadow_percent (hundredths), canary_state; database "" for the
// store's own.
bool store_write_setting(struct store *store, const char *database, const char *name,
                         const char *value, const char *actor);
bool store_read_settings(struct store *store,
                         void (*each)(void *context, const char *database, const char *name,
                                      const char *value),
                         void *context);

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
// What was decided of fingerprints: quarantined, or accepted (`because` not NULL).
bool store_read_decisions(struct store *store,
                          void (*each)(void *context, const char *database, const char *fingerprint,
                                       bool is_quarantined, const char *because),
                          void *context);
uint64_t store_last_mismatch(struct store *store); // its id, 0: none
// Drops what is too old to be kept minute by minute.
bool store_thin(struct store *store, int64_t now);

// One picture a database out of what was written since `since` (0: all), of `database` alone unless it
// is NULL, its evidence too.
bool store_read_pictures(struct store *store, int64_t since, const char *database,
                         struct pictures *pictures);

int64_t store_now(void); // microseconds since 1970

#endif
