// What the reporter reads back from the store at start: operators' settings and decisions, events.
#include "proxy/report/store_file.h"

bool
store_read_settings(struct store *store,
                    void (*each)(void *context, const char *database, const char *name,
                                 const char *value),
                    void *context)
{
    sqlite3_stmt *row = store_bind(store, STORE_SETTINGS_READ, "");
    bool ok = true;

    while (store_step(row, &ok))
        each(context, store_text(row, 0), store_text(row, 1), store_text(row, 2));
    return ok;
}

bool
store_read_events(struct store *store, int64_t since, unsigned limit,
                  void (*each)(void *context, const struct store_event *event), void *context)
{
    sqlite3_stmt *row = store_bind(store, STORE_EVENTS_READ, "ii", since, (int64_t)limit);
    bool ok = true;

    while (store_step(row, &ok)) {
        struct store_event event = {
            .at = sqlite3_column_int64(row, 0),
            .database = store_text(row, 1),
            .kind = store_text(row, 2),
            .actor = store_text(row, 3),
            .detail = store_text(row, 4),
        };

        each(context, &event);
    }
    return ok;
}

bool
store_read_decisions(struct store *store,
                     void (*each)(void *context, const char *database, const char *fingerprint,
                                  bool is_quarantined, const char *because),
                     void *context)
{
    sqlite3_stmt *row = store_bind(store, STORE_DECISIONS_READ, "");
    bool ok = true;

    while (store_step(row, &ok))
        each(context, store_text(row, 0), store_text(row, 1), sqlite3_column_int(row, 2) != 0,
             (const char *)sqlite3_column_text(row, 3));
    return ok;
}

uint64_t
store_last_mismatch(struct store *store)
{
    sqlite3_stmt *row = store_bind(store, STORE_MISMATCH_LAST, "");
    bool ok = true;
    int64_t last = 0;

    while (store_step(row, &ok))
        last = sqlite3_column_int64(row, 0);
    return last < 0 ? 0 : (uint64_t)last;
}
