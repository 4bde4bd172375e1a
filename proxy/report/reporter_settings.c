// Settings on their way to the store and from it. kept.c says what is in force; here is what the store is told and asked,
// on its thread, and what of it is told in the audit log.
//
// Raising is a comparison and a change in one statement: it is written only while the store has no newer setting than
// those known here, so that nobody raises what he has not seen rolled back. Lowering is written whatever the store has.
#include "config/units.h"
#include "proxy/guard/guarded.h"
#include "proxy/log.h"
#include "proxy/report/reporter_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 5 };

// What another proxy has set, as the audit log tells it. In the store it stands already, told by that one.

enum telling { TELL_PERCENT, TELL_STATE, TELL_QUARANTINE, TELL_ACCEPT };

static const struct told {
    const char *name; // one that ends in ':' is followed by a fingerprint
    const char *kind;
    enum telling telling;
} tolds[] = {
    {"canary_percent", "canary", TELL_PERCENT}, {"shadow_percent", "shadow", TELL_PERCENT},
    {"canary_state", "rollback", TELL_STATE},   {"quarantine:", "quarantine", TELL_QUARANTINE},
    {"accept:", "accept", TELL_ACCEPT},
};

static const struct told *
told_of(const char *name)
{
    for (size_t i = 0; i < sizeof tolds / sizeof *tolds; i++) {
        size_t length = strlen(tolds[i].name);

        if (tolds[i].name[length - 1] == ':' ? strncmp(name, tolds[i].name, length) == 0
                                             : strcmp(name, tolds[i].name) == 0)
            return &tolds[i];
    }
    return NULL;
}

static void
describe(const struct told *told, const struct store_setting *setting, const char *before,
         char *text, size_t size)
{
    const char *rest = setting->name + strlen(told->name);
    char from[16], to[16];

    switch (told->telling) {
    case TELL_PERCENT:
        units_write_percent((unsigned)strtoul(before, NULL, 10), from);
        units_write_percent((unsigned)strtoul(setting->value, NULL, 10), to);
        snprintf(text, size, "%s from %s to %s", setting->name, from, to);
        break;
    case TELL_STATE:
        snprintf(text, size, "%s",
                 strcmp(setting->value, "latched") == 0 ? "ROLLBACK CANARY"
                                                        : "canary_percent may be raised again");
        break;
    case TELL_QUARANTINE:
        snprintf(text, size, "%s%s", rest,
                 strcmp(setting->value, "on") == 0 ? " is served by old until it is released"
                                                   : " is released");
        break;
    case TELL_ACCEPT:
        snprintf(text, size, "%s", rest);
        break;
    }
}

static void
tell(struct reporter *reporter, const struct store_setting *setting, const char *before)
{
    const struct told *told = told_of(setting->name);
    bool is_latch =
        told != NULL && told->telling == TELL_STATE && strcmp(setting->value, "latched") == 0;
    struct database *database = databases_find(reporter->instance->databases, setting->database);
    char what[256], detail[1024];

    if (told == NULL || database == NULL)
        return;
    describe(told, setting, before, what, sizeof what);
    snprintf(detail, sizeof detail, "%s, on proxy %s%s%s", what, setting->member,
             setting->reason[0] == '\0' ? "" : ": ", setting->reason);

    struct store_event event = {
        .at = store_now(),
        .database = setting->database,
        .kind = told->telling == TELL_STATE && !is_latch ? "arm" : told->kind,
        .actor = setting->actor,
        .detail = detail,
    };

    if (is_latch)
        books_rolled_back(&database->books, ROLLBACK_FLEET);
    log_event(LOG_INFO_LEVEL, "audit", "database=%s kind=%s actor=%s detail=\"%s\"", event.database,
              event.kind, event.actor, detail);
    audit_add(reporter->audit, &event, true);
    if (is_latch)
        guarded_was_rolled_back(database->guarded, setting->actor);
    else if (strcmp(setting->name, "canary_percent") == 0 && strcmp(setting->actor, "ramp") != 0)
        guarded_percent_was_set(database->guarded, setting->actor);
}

// A ramp goes on where it was started, and follows elsewhere.
static void
restore_ramp(struct reporter *reporter, const struct store_setting *setting)
{
    struct database *database = databases_find(reporter->instance->databases, setting->database);

    if (database != NULL && database->guarded != NULL && strcmp(setting->name, "ramp") == 0 &&
        (!store_is_shared(reporter->store) || strcmp(setting->member, reporter->member.name) == 0))
        guarded_restore_ramp(database->guarded, setting->value);
}

static void
take_theirs(void *context, const struct store_setting *setting)
{
    struct reporter *reporter = context;
    char before[KEPT_BEFORE];

    if (setting->database[0] == '\0')
        return;

    bool is_new = kept_take(reporter->kept, setting, false, before);

    if (!reporter->is_restored)
        restore_ramp(reporter, setting);
    if (!reporter->is_restored || !is_new)
        return;
    tell(reporter, setting, before);
    pthread_mutex_lock(&reporter->lock);

    void (*changed)(void *, const struct store_setting *) = reporter->changed;
    void *changed_context = reporter->changed_context;

    pthread_mutex_unlock(&reporter->lock);
    if (changed != NULL)
        changed(changed_context, setting);
}

static void
take_ours(void *context, const struct store_setting *setting)
{
    struct reporter *reporter = context;
    char before[KEPT_BEFORE];

    (void)kept_take(reporter->kept, setting, true, before);
}

// Moves those that were said with the first one to the front: how many. They are written together, as a latch and its
// percentage must be.
static size_t
bring_together(struct store_setting *settings, size_t count)
{
    size_t together = 1;

    for (size_t i = 1; i < count; i++) {
        struct store_setting one = settings[i];

        if (strcmp(one.actor, settings[0].actor) != 0 ||
            strcmp(one.reason, settings[0].reason) != 0)
            continue;
        settings[i] = settings[together];
        settings[together++] = one;
    }
    return together;
}

bool
reporter_write_waiting(struct reporter *reporter)
{
    size_t count;
    struct store_setting *waiting = kept_waiting(reporter->kept, &count);
    bool ok = !store_is_away(reporter->store);

    if (count == 0)
        return ok;
    for (size_t i = 0; ok && i < count;) {
        size_t together = bring_together(&waiting[i], count - i);

        ok = store_keep(reporter->store, STORE_LOWERS, 0, &waiting[i], together, take_ours,
                        reporter) == STORE_KEPT;
        i += together;
    }
    kept_waiting_free(&waiting, count);
    return reporter_store_said(reporter, ok);
}

bool
reporter_read_news(struct reporter *reporter)
{
    return reporter_store_said(
        reporter,
        store_read_settings(reporter->store, kept_version(reporter->kept), take_theirs, reporter));
}

bool
reporter_exchange(struct reporter *reporter)
{
    int64_t version;

    if (!store_settings_version(reporter->store, &version))
        return reporter_store_said(reporter, false);
    if (version < kept_version(reporter->kept)) {
        log_event(LOG_WARNING_LEVEL, "store_is_older",
                  "hint=\"it is another one, or was restored from a backup: what is latched or "
                  "lower here is written again\"");
        kept_start_over(reporter->kept, reporter->member.name);
    }
    if (!reporter_write_waiting(reporter) ||
        !reporter_store_said(reporter,
                             store_read_settings(reporter->store, -1, take_theirs, reporter)))
        return false;
    kept_reach(reporter->kept, version);
    return true;
}

// Would it raise a percentage over a latch? What arms in the same breath may.
static bool
is_latched(struct reporter *reporter, const struct store_setting *settings, size_t count,
           const char **database)
{
    for (size_t i = 0; i < count; i++) {
        char state[16];
        bool is_armed = false;

        if (strcmp(settings[i].name, "canary_percent") != 0 || strcmp(settings[i].value, "0") == 0)
            continue;
        for (size_t j = 0; j < count; j++)
            is_armed |= strcmp(settings[j].name, "canary_state") == 0 &&
                        strcmp(settings[j].database, settings[i].database) == 0;
        *database = settings[i].database;
        if (!is_armed &&
            kept_value(reporter->kept, *database, "canary_state", state, sizeof state) &&
            strcmp(state, "latched") == 0)
            return true;
    }
    return false;
}

static bool
raise(struct reporter *reporter, const struct store_setting *settings, size_t count, char *error,
      size_t error_size)
{
    const char *database;

    for (int i = 0; i < TRIES && reporter_write_waiting(reporter); i++) {
        if (is_latched(reporter, settings, count, &database)) {
            snprintf(error, error_size,
                     "the canary of database \"%s\" was rolled back and is latched", database);
            return false;
        }

        enum store_kept kept =
            store_keep(reporter->store, STORE_RAISES, kept_version(reporter->kept), settings, count,
                       take_ours, reporter);

        if (!reporter_store_said(reporter, kept != STORE_NOT_KEPT))
            break;
        if (kept == STORE_KEPT)
            return true;
        if (!reporter_read_news(reporter))
            break;
    }

    struct reporter_store_state state;

    reporter_store_state(reporter, &state);
    snprintf(error, error_size, "%s",
             state.trouble[0] != '\0' ? state.trouble
                                      : "other proxies change settings all the time: try again");
    return false;
}

static bool
refuse_while_away(struct reporter *reporter, char *error, size_t error_size)
{
    struct reporter_store_state state;

    if (reporter_can_wait_for_store(reporter))
        return false;
    reporter_store_state(reporter, &state);
    snprintf(error, error_size, "the store is %s: %s", reporter_store_name(state.store),
             state.trouble);
    return true;
}

static void
fill_in(struct store_setting *to, const struct reporter_setting *setting, struct reporter *reporter,
        const char *actor, const char *reason)
{
    *to = (struct store_setting){.database = setting->database,
                                 .name = setting->name,
                                 .value = setting->value,
                                 .actor = actor,
                                 .reason = reason,
                                 .member = reporter->member.name};
}

struct raising {
    struct reporter *reporter;
    struct store_setting *settings;
    size_t count;
    char *error;
    size_t error_size;
    bool ok;
};

static void
run_raising(void *context)
{
    struct raising *raising = context;

    raising->ok = raise(raising->reporter, raising->settings, raising->count, raising->error,
                        raising->error_size);
}

bool
reporter_keep(struct reporter *reporter, const struct reporter_setting *settings, size_t count,
              const char *actor, char *error, size_t error_size)
{
    struct store_setting *list = calloc(count + 1, sizeof *list);
    struct raising raising = {reporter, list, count, error, error_size, .ok = false};

    if (list == NULL) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    for (size_t i = 0; i < count; i++)
        fill_in(&list[i], &settings[i], reporter, actor, "");
    if (count == 0)
        raising.ok = true;
    else if (!refuse_while_away(reporter, error, error_size))
        reporter_wait_for_store(reporter, run_raising, &raising);
    free(list);
    return raising.ok;
}

void
reporter_lower(struct reporter *reporter, const struct reporter_setting *settings, size_t count,
               const char *actor, const char *reason)
{
    for (size_t i = 0; i < count; i++) {
        // A latch with its percentage stay together: the list is put in force as it grows, the latch first.
        struct store_setting one;

        fill_in(&one, &settings[i], reporter, actor, reason == NULL ? "" : reason);
        kept_lower(reporter->kept, &one, 1);
    }
    reporter_store_wake(reporter);
}

bool
reporter_settle(struct reporter *reporter, char *error, size_t error_size)
{
    if (refuse_while_away(reporter, error, error_size))
        return !kept_is_waiting(reporter->kept);
    if (reporter_is_store_thread())
        (void)reporter_write_waiting(reporter);
    if (!kept_is_waiting(reporter->kept))
        return true;

    struct reporter_store_state state;

    reporter_store_state(reporter, &state);
    snprintf(error, error_size, "%s", state.trouble);
    return false;
}

bool
reporter_setting(struct reporter *reporter, const char *database, const char *name, char *value,
                 size_t size)
{
    return kept_value(reporter->kept, database, name, value, size);
}

void
reporter_on_setting(struct reporter *reporter,
                    void (*changed)(void *context, const struct store_setting *setting),
                    void *context)
{
    pthread_mutex_lock(&reporter->lock);
    reporter->changed = changed;
    reporter->changed_context = context;
    pthread_mutex_unlock(&reporter->lock);
}
