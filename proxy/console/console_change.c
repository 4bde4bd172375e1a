// What changes the canary and what is decided of fingerprints. On the reporter thread.
//
// A raised percentage takes effect when the store has it durably. Whatever lowers the risk (ROLLBACK
// CANARY) takes effect first; when the store fails then, the operator is told that a restart would forget it.
#include "config/units.h"
#include "proxy/console/console_commands.h"
#include "proxy/guard/canary_switch.h"
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

static bool
keep(struct console_run *run, const struct change *change, char error[ERROR_SIZE])
{
    struct reporter_setting settings[CHANGED_MAX];

    for (size_t i = 0; i < change->count; i++)
        settings[i] =
            (struct reporter_setting){change->databases[i]->name, change->name, change->text};
    return reporter_keep(run->instance->reporter, settings, change->count, run->actor, error,
                         ERROR_SIZE);
}

// What SET can set.
static const struct settable {
    const char *name;
    size_t offset; // in struct database
    bool is_canary;
} settables[] = {
    {"canary_percent", offsetof(struct database, canary_percent), true},
    {"shadow_percent", offsetof(struct database, shadow_percent), false},
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

// A canary that was latched meanwhile stays at zero; the guard has that kept.
static unsigned
put_percent(struct console_run *run, const struct settable *settable, struct database *database,
            unsigned hundredths)
{
    unsigned before;

    if (!settable->is_canary)
        return atomic_exchange((atomic_uint *)((char *)database + settable->offset), hundredths);
    (void)canary_switch_set(database, hundredths, &before);
    guarded_percent_was_set(database->guarded, run->actor);
    return before;
}

static void
set_percent(struct console_run *run, const struct settable *settable, unsigned hundredths)
{
    struct change change = {.name = settable->name};
    char error[ERROR_SIZE];
    char shown[16];

    if (!console_each_database(run, collect, &change) ||
        (settable->is_canary && hundredths > 0 && is_latched(run, &change)))
        return;
    snprintf(change.text, sizeof change.text, "%u", hundredths);
    if (!keep(run, &change, error)) {
        console_fail(&run->error, "58030", "Nothing was changed.",
                     "the store could not keep %s: %s", settable->name, error);
        return;
    }
    units_write_percent(hundredths, shown);
    for (size_t i = 0; i < change.count; i++) {
        char before[16];

        units_write_percent(put_percent(run, settable, change.databases[i], hundredths), before);
        reporter_event(run->instance->reporter, change.databases[i],
                       settable->is_canary ? "canary" : "shadow", run->actor, "%s from %s to %s",
                       settable->name, before, shown);
    }
}

void
console_set(struct console_run *run)
{
    const char *name = run->call->slots[CONSOLE_NAME];
    const char *value = run->call->slots[CONSOLE_VALUE];
    const struct settable *settable = name == NULL ? NULL : settable_of(name);
    bool is_altering = run->call->slots[CONSOLE_DATABASE] != NULL;
    unsigned hundredths;

    snprintf(run->tag, sizeof run->tag, is_altering ? "ALTER DATABASE" : "SET");
    if (settable == NULL && !is_altering) {
        console_set_ignored(run);
    } else if (settable == NULL) {
        console_fail(&run->error, "42704", "canary_percent and shadow_percent can be set.",
                     "unrecognized setting \"%s\"", name == NULL ? "" : name);
    } else if (value == NULL || !read_percent(value, &hundredths)) {
        console_fail(&run->error, "22023", "A percentage is from 0 to 100, in steps of 0.01.",
                     "invalid value for \"%s\": \"%s\"", name, value == NULL ? "NULL" : value);
    } else {
        set_percent(run, settable, hundredths);
    }
}

static void
roll_back(struct console_run *run, struct database *database)
{
    bool is_http = strcmp(run->actor, "http") == 0;

    (void)canary_switch_latch(database, NULL);
    books_rolled_back(&database->books, is_http ? ROLLBACK_HTTP : ROLLBACK_CONSOLE);
}

// The latch and the percentage of all, in one transaction.
static bool
keep_state(struct console_run *run, const struct change *change, const char *state,
           char error[ERROR_SIZE])
{
    struct reporter_setting settings[2 * CHANGED_MAX];
    size_t count = 0;

    for (size_t i = 0; i < change->count; i++) {
        settings[count++] =
            (struct reporter_setting){change->databases[i]->name, "canary_state", state};
        settings[count++] =
            (struct reporter_setting){change->databases[i]->name, "canary_percent", "0"};
    }
    return reporter_keep(run->instance->reporter, settings, count, run->actor, error, ERROR_SIZE);
}

void
console_rollback(struct console_run *run)
{
    const char *reason = run->call->slots[CONSOLE_REASON];
    struct change change = {0};
    char error[ERROR_SIZE];

    if (!console_each_database(run, collect, &change))
        return;
    for (size_t i = 0; i < change.count; i++) {
        roll_back(run, change.databases[i]);
        reporter_event(run->instance->reporter, change.databases[i], "rollback", run->actor, "%s",
                       reason == NULL ? "ROLLBACK CANARY" : reason);
        guarded_was_rolled_back(change.databases[i]->guarded, run->actor);
    }
    if (!keep_state(run, &change, "latched", error))
        console_fail(&run->error, "58030", "Make room for the store and say ROLLBACK CANARY again.",
                     "the canary is at 0 and latched, but the store could not keep it, and a "
                     "restart would forget it: %s",
                     error);
}

void
console_arm(struct console_run *run)
{
    struct change change = {0};
    struct change latched = {0};
    char error[ERROR_SIZE];

    if (!console_each_database(run, collect, &change))
        return;
    for (size_t i = 0; i < change.count; i++)
        if (atomic_load(&change.databases[i]->canary_state) == CANARY_LATCHED)
            latched.databases[latched.count++] = change.databases[i];
    if (!keep_state(run, &latched, "armed", error)) {
        console_fail(&run->error, "58030", "The canary is still latched.",
                     "the store could not keep it: %s", error);
        return;
    }
    for (size_t i = 0; i < latched.count; i++) {
        atomic_store(&latched.databases[i]->canary_state, CANARY_ARMED);
        reporter_event(run->instance->reporter, latched.databases[i], "arm", run->actor,
                       "canary_percent may be raised again");
    }
}

struct decision { // RELEASE or ACCEPT
    const char *fingerprint;
    const char *reason; // of ACCEPT
    unsigned found;
};

static void
decide(struct console_run *run, struct database *database, void *context)
{
    struct decision *decision = context;

    if (!figures_is_known(database->figures, decision->fingerprint))
        return;
    decision->found++;
    if (decision->reason != NULL) {
        figures_accept(database->figures, decision->fingerprint, decision->reason);
        reporter_event(run->instance->reporter, database, "accept", run->actor, "%s: %s",
                       decision->fingerprint, decision->reason);
    }
    if (figures_is_quarantined(database->figures, decision->fingerprint)) {
        figures_quarantine(database->figures, decision->fingerprint, false);
        reporter_event(run->instance->reporter, database, "release", run->actor, "%s",
                       decision->fingerprint);
    }
}

static void
decide_all(struct console_run *run, const char *reason)
{
    struct decision decision = {.fingerprint = run->call->slots[CONSOLE_FINGERPRINT],
                                .reason = reason};
    char error[ERROR_SIZE];

    if (decision.fingerprint == NULL)
        decision.fingerprint = "";
    (void)console_each_database(run, decide, &decision);
    if (decision.found == 0)
        console_fail(&run->error, "42704", "SHOW QUERIES lists the fingerprints.",
                     "no query has the fingerprint \"%s\"", decision.fingerprint);
    else if (!reporter_flush(run->instance->reporter, error, sizeof error))
        console_fail(&run->error, "58030", "It is in force, and a restart would forget it.",
                     "the store could not keep it: %s", error);
}

void
console_release(struct console_run *run)
{
    decide_all(run, NULL);
}

void
console_accept(struct console_run *run)
{
    const char *reason = run->call->slots[CONSOLE_REASON];

    if (reason == NULL || reason[0] == '\0')
        console_fail(&run->error, "22023", "Say why: ACCEPT fingerprint REASON 'text'",
                     "a reason is needed");
    else
        decide_all(run, reason);
}
