// What changes the canary and what is decided of fingerprints.
//
// What raises (a higher percentage, ARM, RELEASE, ACCEPT) takes effect when the store has it durably: all of that is done
// on the store's thread. Whatever lowers the risk (ROLLBACK CANARY, a lower percentage) takes effect first, on the
// reporter's own thread, whatever the store is doing; the reply waits for the store, unless that is known to be away, and
// says so when it has not got it.
#include "config/units.h"
#include "proxy/console/console_commands.h"
#include "proxy/guard/guarded.h"
#include "proxy/report/figures.h"
#include "proxy/report/reporter.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_SIZE = 256 };

struct each { // of console_each_database
    struct console_run *run;
    void (*each)(struct console_run *run, struct database *database, void *context);
    void *context;
};

static void
call_each(void *context, struct database *database)
{
    struct each *each = context;

    each->each(each->run, database, each->context);
}

bool
console_each_database(struct console_run *run,
                      void (*each)(struct console_run *run, struct database *database,
                                   void *context),
                      void *context)
{
    struct each all = {run, each, context};
    const char *name = run->call->slots[CONSOLE_DATABASE];

    if (name == NULL) {
        databases_each(run->instance->databases, call_each, &all);
        return true;
    }

    struct database *database = databases_find(run->instance->databases, name);

    if (database == NULL) {
        console_fail(&run->error, "3D000", "SHOW STATUS lists the databases.",
                     "database \"%s\" does not exist", name);
        return false;
    }
    each(run, database, context);
    return true;
}

enum { CHANGED_MAX = 256 };

struct change { // of one setting, in some databases
    const char *name;
    char text[16]; // what the store keeps
    struct database *databases[CHANGED_MAX];
    size_t count;
};

static void
collect(struct console_run *run, struct database *database, void *context)
{
    struct change *change = context;

    (void)run;
    if (change->count < CHANGED_MAX)
        change->databases[change->count++] = database;
}

// What was lowered is in force: does the store have it?
void
console_settle(struct console_run *run)
{
    struct reporter_store_state state;
    char error[ERROR_SIZE] = "";

    if (reporter_settle(run->instance->reporter, error, sizeof error))
        return;
    reporter_store_state(run->instance->reporter, &state);
    if (state.is_shared)
        console_fail(&run->notice, "01000",
                     "It is written when the store is back. Say it at the other proxies, too.",
                     "it is in force on this proxy, and the store does not have it yet: %s", error);
    else
        console_fail(&run->error, "58030", "Make room for the store; it is tried again meanwhile.",
                     "it is in force, but the store could not keep it, and a restart would forget "
                     "it: %s",
                     error);
}

// What SET can set.
static const struct settable {
    const char *name;
    size_t offset; // in struct database
} settables[] = {
    {"canary_percent", offsetof(struct database, canary_percent)},
    {"shadow_percent", offsetof(struct database, shadow_percent)},
};

static const struct settable *
settable_of(const char *name)
{
    for (size_t i = 0; i < sizeof settables / sizeof settables[0]; i++)
        if (strcmp(settables[i].name, name) == 0)
            return &settables[i];
    return NULL;
}

// "5", "0.25", but also what PostgreSQL would take for such a number: "5.00", "05".
static bool
read_percent(const char *text, unsigned *hundredths)
{
    char trimmed[32];
    size_t length = strlen(text);

    while (length > 2 && text[1] != '.' && text[0] == '0') {
        text++;
        length--;
    }
    if (strchr(text, '.') != NULL)
        while (length > 1 && (text[length - 1] == '0' || text[length - 1] == '.'))
            if (text[--length] == '.')
                break;
    if (length == 0 || length >= sizeof trimmed)
        return false;
    memcpy(trimmed, text, length);
    trimmed[length] = '\0';
    return units_read_percent(trimmed, hundredths) && *hundredths <= 10000;
}

static bool
is_latched(struct console_run *run, const struct change *change)
{
    for (size_t i = 0; i < change->count; i++)
        if (atomic_load(&change->databases[i]->canary_state) == CANARY_LATCHED) {
            char hint[128];

            snprintf(hint, sizeof hint, "ARM CANARY %s allows it again.",
                     change->databases[i]->name);
            console_fail(&run->error, "55000", hint,
                         "the canary of database \"%s\" was rolled back and is latched",
                         change->databases[i]->name);
            return true;
        }
    return false;
}

// identity: service reads as another user than the client: nothing of it may reach a client.
static bool
cannot_serve(struct console_run *run, const struct change *change)
{
    for (size_t i = 0; i < change->count; i++) {
        struct database_settings *settings = database_settings(change->databases[i]);
        bool is_service = settings->entry->identity == IDENTITY_SERVICE;

        database_settings_unref(&settings);
        if (is_service) {
            console_fail(&run->error, "55000",
                         "Set identity: same or set_role in the configuration, and RELOAD.",
                         "new cannot serve database \"%s\": with identity: service it is read as "
                         "another user than the client",
                         change->databases[i]->name);
            return true;
        }
    }
    return false;
}

static atomic_uint *
value_of(struct database *database, const struct settable *settable)
{
    return (atomic_uint *)((char *)database + settable->offset);
}

static void
tell_percent(struct console_run *run, const struct settable *settable, struct database *database,
             unsigned before, unsigned hundredths)
{
    char from[16], to[16];

    units_write_percent(before, from);
    units_write_percent(hundredths, to);
    reporter_event(run->instance->reporter, database,
                   strcmp(settable->name, "canary_percent") == 0 ? "canary" : "shadow", run->actor,
                   "%s from %s to %s", settable->name, from, to);
    if (strcmp(settable->name, "canary_percent") == 0)
        guarded_percent_was_set(database->guarded, run->actor);
}

static void
read_before(const struct change *change, const struct settable *settable,
            unsigned before[CHANGED_MAX])
{
    for (size_t i = 0; i < change->count; i++)
        before[i] = atomic_load(value_of(change->databases[i], settable));
}

static void
lower_percent(struct console_run *run, const struct settable *settable, const struct change *change,
              unsigned hundredths)
{
    unsigned before[CHANGED_MAX];

    read_before(change, settable, before);
    for (size_t i = 0; i < change->count; i++) {
        struct reporter_setting one = {change->databases[i]->name, change->name, change->text};

        reporter_lower(run->instance->reporter, &one, 1, run->actor, NULL);
        tell_percent(run, settable, change->databases[i], before[i], hundredths);
    }
    run->then = console_settle;
}

// All or none of them.
static void
raise_percent(struct console_run *run, const struct settable *settable, const struct change *change,
              unsigned hundredths)
{
    struct reporter_setting settings[CHANGED_MAX];
    unsigned before[CHANGED_MAX];
    char error[ERROR_SIZE] = "";

    read_before(change, settable, before);
    for (size_t i = 0; i < change->count; i++)
        settings[i] =
            (struct reporter_setting){change->databases[i]->name, change->name, change->text};
    if (!reporter_keep(run->instance->reporter, settings, change->count, run->actor, error,
                       sizeof error)) {
        if (strcmp(settable->name, "canary_percent") != 0 || !is_latched(run, change))
            console_fail(&run->error, "58030", "Nothing was changed here.",
                         "the store could not keep %s: %s", settable->name, error);
        return;
    }
    for (size_t i = 0; i < change->count; i++)
        tell_percent(run, settable, change->databases[i], before[i], hundredths);
}

// What the statement says, checked. False: run->error.
static bool
read_set(struct console_run *run, const struct settable **settable, unsigned *hundredths,
         struct change *change)
{
    const char *name = run->call->slots[CONSOLE_NAME];
    const char *value = run->call->slots[CONSOLE_VALUE];

    *settable = name == NULL ? NULL : settable_of(name);
    if (*settable == NULL) {
        console_fail(&run->error, "42704", "canary_percent and shadow_percent can be set.",
                     "unrecognized setting \"%s\"", name == NULL ? "" : name);
        return false;
    }
    if (value == NULL || !read_percent(value, hundredths)) {
        console_fail(&run->error, "22023", "A percentage is from 0 to 100, in steps of 0.01.",
                     "invalid value for \"%s\": \"%s\"", name, value == NULL ? "NULL" : value);
        return false;
    }
    change->name = (*settable)->name;
    snprintf(change->text, sizeof change->text, "%u", *hundredths);
    return console_each_database(run, collect, change) &&
           (strcmp(change->name, "canary_percent") != 0 || *hundredths == 0 ||
            (!cannot_serve(run, change) && !is_latched(run, change)));
}

// On the store's thread; meanwhile another may have changed what this was decided by.
static void
set_with_store(struct console_run *run)
{
    const struct settable *settable;
    struct change change = {0};
    unsigned hundredths;

    if (read_set(run, &settable, &hundredths, &change))
        raise_percent(run, settable, &change, hundredths);
}

static void
set_percent(struct console_run *run)
{
    const struct settable *settable;
    struct change change = {0};
    unsigned hundredths;
    bool raises = false;

    if (!read_set(run, &settable, &hundredths, &change))
        return;
    for (size_t i = 0; i < change.count; i++)
        raises |= hundredths > atomic_load(value_of(change.databases[i], settable));
    if (raises)
        run->then = set_with_store;
    else
        lower_percent(run, settable, &change, hundredths);
}

void
console_set(struct console_run *run)
{
    const char *name = run->call->slots[CONSOLE_NAME];
    bool is_altering = run->call->slots[CONSOLE_DATABASE] != NULL;

    snprintf(run->tag, sizeof run->tag, is_altering ? "ALTER DATABASE" : "SET");
    if (!is_altering && (name == NULL || settable_of(name) == NULL))
        console_set_ignored(run);
    else
        set_percent(run);
}

void
console_rollback(struct console_run *run)
{
    const char *reason = run->call->slots[CONSOLE_REASON];
    struct change change = {0};

    if (!console_each_database(run, collect, &change))
        return;
    for (size_t i = 0; i < change.count; i++) {
        struct database *database = change.databases[i];
        // The latch first: no reader of both finds a percentage that may still be raised.
        struct reporter_setting settings[] = {{database->name, "canary_state", "latched"},
                                              {database->name, "canary_percent", "0"}};

        reporter_lower(run->instance->reporter, settings, 2, run->actor, reason);
        books_rolled_back(&database->books,
                          strcmp(run->actor, "http") == 0 ? ROLLBACK_HTTP : ROLLBACK_CONSOLE);
        reporter_event(run->instance->reporter, database, "rollback", run->actor, "%s",
                       reason == NULL ? "ROLLBACK CANARY" : reason);
        guarded_was_rolled_back(database->guarded, run->actor);
    }
    run->then = console_settle;
}

// On the store's thread. The latch and the percentage of all, in one transaction.
static void
arm_with_store(struct console_run *run)
{
    struct change change = {0};
    struct reporter_setting settings[2 * CHANGED_MAX];
    struct database *armed[CHANGED_MAX];
    size_t count = 0;
    char error[ERROR_SIZE] = "";

    if (!console_each_database(run, collect, &change))
        return;
    for (size_t i = 0; i < change.count; i++) {
        const char *name = change.databases[i]->name;

        if (atomic_load(&change.databases[i]->canary_state) != CANARY_LATCHED)
            continue;
        settings[2 * count] = (struct reporter_setting){name, "canary_state", "armed"};
        settings[2 * count + 1] = (struct reporter_setting){name, "canary_percent", "0"};
        armed[count++] = change.databases[i];
    }
    if (!reporter_keep(run->instance->reporter, settings, 2 * count, run->actor, error,
                       sizeof error)) {
        console_fail(&run->error, "58030", "The canary is still latched.",
                     "the store could not keep it: %s", error);
        return;
    }
    for (size_t i = 0; i < count; i++)
        reporter_event(run->instance->reporter, armed[i], "arm", run->actor,
                       "canary_percent may be raised again");
}

void
console_arm(struct console_run *run)
{
    run->then = arm_with_store;
}

// RELEASE and ACCEPT: let new serve a fingerprint again, and so need the store.

struct decision {
    const char *fingerprint;
    struct database *databases[CHANGED_MAX];
    size_t count;
};

static void
find_known(struct console_run *run, struct database *database, void *context)
{
    struct decision *decision = context;

    (void)run;
    if (decision->count < CHANGED_MAX && figures_is_known(database->figures, decision->fingerprint))
        decision->databases[decision->count++] = database;
}

static void
tell_decision(struct console_run *run, struct database *database, const char *fingerprint,
              const char *reason, bool was_quarantined)
{
    if (reason != NULL)
        reporter_event(run->instance->reporter, database, "accept", run->actor, "%s: %s",
                       fingerprint, reason);
    if (was_quarantined)
        reporter_event(run->instance->reporter, database, "release", run->actor, "%s", fingerprint);
}

static void
decide(struct console_run *run, const char *reason)
{
    const char *fingerprint = run->call->slots[CONSOLE_FINGERPRINT];
    struct decision decision = {.fingerprint = fingerprint == NULL ? "" : fingerprint};
    struct reporter_setting settings[2 * CHANGED_MAX];
    bool was_quarantined[CHANGED_MAX];
    char quarantine[64], accept[64], error[ERROR_SIZE] = "";
    size_t count = 0;

    (void)console_each_database(run, find_known, &decision);
    if (decision.count == 0) {
        console_fail(&run->error, "42704", "SHOW QUERIES lists the fingerprints.",
                     "no query has the fingerprint \"%s\"", decision.fingerprint);
        return;
    }
    snprintf(quarantine, sizeof quarantine, "quarantine:%s", decision.fingerprint);
    snprintf(accept, sizeof accept, "accept:%s", decision.fingerprint);
    for (size_t i = 0; i < decision.count; i++) {
        struct database *database = decision.databases[i];

        was_quarantined[i] = figures_is_quarantined(database->figures, decision.fingerprint);
        settings[count++] = (struct reporter_setting){database->name, quarantine, "off"};
        if (reason != NULL)
            settings[count++] = (struct reporter_setting){database->name, accept, reason};
    }
    if (!reporter_keep(run->instance->reporter, settings, count, run->actor, error, sizeof error)) {
        console_fail(&run->error, "58030", "Nothing was changed here.",
                     "the store could not keep it: %s", error);
        return;
    }
    for (size_t i = 0; i < decision.count; i++)
        tell_decision(run, decision.databases[i], decision.fingerprint, reason, was_quarantined[i]);
}

static void
release_with_store(struct console_run *run)
{
    decide(run, NULL);
}

static void
accept_with_store(struct console_run *run)
{
    decide(run, run->call->slots[CONSOLE_REASON]);
}

void
console_release(struct console_run *run)
{
    run->then = release_with_store;
}

void
console_accept(struct console_run *run)
{
    const char *reason = run->call->slots[CONSOLE_REASON];

    if (reason == NULL || reason[0] == '\0')
        console_fail(&run->error, "22023", "Say why: ACCEPT fingerprint REASON 'text'",
                     "a reason is needed");
    else
        run->then = accept_with_store;
}
