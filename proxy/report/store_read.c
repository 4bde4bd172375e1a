// What is read back from the store: operators' settings and events.
#include "proxy/report/store_backend.h"

bool
store_read_settings(struct store *store, int64_t after,
                    void (*each)(void *context, const struct store_setting *setting), void *context)
{
    struct store_rows rows = store_ask(store, STORE_SETTINGS_NEWS, "i", after);

    while (store_step(&rows)) {
        struct store_setting setting;

        store_setting_of(&rows, &setting);
        each(context, &setting);
    }
    return rows.ok;
}

bool
store_settings_version(struct store *store, int64_t *version)
{
    *version = 0;
    return !store_is_shared(store) || store_ask_integer(store, version, STORE_SETTINGS_VERSION, "");
}

bool
store_read_events(struct store *store, int64_t since, unsigned limit,
                  void (*each)(void *context, const struct store_event *event), void *context)
{
    struct store_rows rows = store_ask(store, STORE_EVENTS_READ, "ii", since, (int64_t)limit);

    while (store_step(&rows)) {
        struct store_event event = {
            .at = store_integer(&rows, 0),
            .database = store_text(&rows, 1),
            .kind = store_text(&rows, 2),
            .actor = store_text(&rows, 3),
            .detail = store_text(&rows, 4),
        };

        each(context, &event);
    }
    return rows.ok;
}
