// All databases of the process. One is made from its entry, at start, by RELOAD or when a client first names it, and
// lives as long as the process: whoever has found it keeps the pointer. Only what no client has been admitted to yet
// goes with the clients that asked for it. The lock of all is held also while one is made, which reads certificates:
// connecting clients wait for that.
#include "proxy/databases.h"
#include "proxy/guard/canary_switch.h"
#include "proxy/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct member {
    struct database database; // first: a database that was found is its member
    atomic_bool is_admitted;  // and stays so; set behind the lock of all
    bool is_gone;             // its entry is no longer configured; behind the lock of all
    struct member *next;
};

struct databases {
    pthread_mutex_t lock;
    const struct configuration *configuration;
    struct member *members; // in the order of making
    size_t count;
    bool is_held; // see databases_hold
    void (*made)(void *context, struct database *database);
    void *context;
};

static void
member_free(struct member *member)
{
    database_fini(&member->database);
    free(member);
}

static struct member *
member_new(const struct configuration *configuration, const char *name, char *error,
           size_t error_size)
{
    struct member *member = calloc(1, sizeof *member);

    if (!member) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    if (!database_init(&member->database, configuration, name, error, error_size)) {
        free(member);
        return NULL;
    }
    return member;
}

static void
databases_add(struct databases *databases, struct member *member)
{
    struct member **end = &databases->members;

    while (*end)
        end = &(*end)->next;
    *end = member;
    databases->count++;
}

static void
databases_drop(struct databases *databases, struct member *member)
{
    struct member **link = &databases->members;

    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    databases->count--;
    member_free(member);
}

// The lock of all is held.
static void
member_admit(struct databases *databases, struct member *member)
{
    if (atomic_load(&member->is_admitted))
        return;
    if (databases->is_held)
        (void)canary_switch_latch(&member->database, NULL);
    if (databases->made)
        databases->made(databases->context, &member->database);
    atomic_store(&member->is_admitted, true);
}

static struct member *
databases_member(const struct databases *databases, const char *name)
{
    for (struct member *member = databases->members; member; member = member->next) {
        if (strcmp(member->database.name, name) == 0)
            return member;
    }
    return NULL;
}

struct databases *
databases_new(const struct configuration *configuration, char *error, size_t error_size)
{
    struct databases *databases = calloc(1, sizeof *databases);

    if (!databases) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&databases->lock, NULL);
    databases->configuration = configuration_ref(configuration);
    for (size_t i = 0; i < configuration->database_count; i++) {
        const char *name = configuration->databases[i].name;

        if (strcmp(name, "*") == 0)
            continue;

        struct member *member = member_new(configuration, name, error, error_size);

        if (!member) {
            databases_free(&databases);
            return NULL;
        }
        databases_add(databases, member);
        member_admit(databases, member);
    }
    return databases;
}

void
databases_free(struct databases **databases)
{
    struct databases *gone = *databases;

    *databases = NULL;
    if (!gone)
        return;
    for (struct member *member = gone->members, *next; member; member = next) {
        next = member->next;
        member_free(member);
    }
    configuration_unref(&gone->configuration);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

void
databases_on_made(struct databases *databases,
                  void (*made)(void *context, struct database *database), void *context)
{
    pthread_mutex_lock(&databases->lock);
    databases->made = made;
    databases->context = context;
    for (struct member *member = databases->members; member; member = member->next) {
        if (atomic_load(&member->is_admitted))
            made(context, &member->database);
    }
    pthread_mutex_unlock(&databases->lock);
}

void
databases_hold(struct databases *databases, bool is_held)
{
    pthread_mutex_lock(&databases->lock);
    databases->is_held = is_held;
    pthread_mutex_unlock(&databases->lock);
}

// The lock of all is held. NULL: there is no such entry, or no room.
static struct member *
find_or_make(struct databases *databases, const char *name)
{
    char error[1024];
    struct member *member = databases_member(databases, name);

    if (!member && databases->count < DATABASES_LIMIT && *name && strcmp(name, "*") != 0 &&
        configuration_database(databases->configuration, name)) {
        member = member_new(databases->configuration, name, error, sizeof error);
        if (member)
            databases_add(databases, member);
        else
            log_event(LOG_ERROR_LEVEL, "database_failed", "database=%s error=\"%s\"", name, error);
    }

    return member && !member->is_gone ? member : NULL;
}

struct database *
databases_find(struct databases *databases, const char *name)
{
    pthread_mutex_lock(&databases->lock);

    struct member *member = find_or_make(databases, name);

    if (member)
        member_admit(databases, member);
    pthread_mutex_unlock(&databases->lock);
    return member ? &member->database : NULL;
}

struct database *
databases_enter(struct databases *databases, const char *name)
{
    pthread_mutex_lock(&databases->lock);

    struct member *member = find_or_make(databases, name);

    if (member)
        atomic_fetch_add(&member->database.clients, 1);
    pthread_mutex_unlock(&databases->lock);
    return member ? &member->database : NULL;
}

bool
databases_is_admitted(const struct database *database)
{
    return atomic_load(&((const struct member *)database)->is_admitted);
}

void
databases_admit(struct databases *databases, struct database *database)
{
    if (databases_is_admitted(database))
        return;
    pthread_mutex_lock(&databases->lock);
    member_admit(databases, (struct member *)database);
    pthread_mutex_unlock(&databases->lock);
}

void
databases_leave(struct databases *databases, struct database **database)
{
    struct member *member = (struct member *)*database;

    *database = NULL;
    if (atomic_load(&member->is_admitted)) {
        atomic_fetch_sub(&member->database.clients, 1);
        return;
    }
    pthread_mutex_lock(&databases->lock);
    if (atomic_fetch_sub(&member->database.clients, 1) == 1 && !atomic_load(&member->is_admitted))
        databases_drop(databases, member);
    pthread_mutex_unlock(&databases->lock);
}

// What a reload is about to put in force; nothing of it is seen until all of it is made.
struct plan {
    struct database_settings **settings; // by member; NULL: its entry is gone
    struct member *members;              // new ones
};

static void
plan_drop(struct plan *plan, size_t count)
{
    for (size_t i = 0; plan->settings && i < count; i++)
        database_settings_unref(&plan->settings[i]);
    free(plan->settings);
    for (struct member *member = plan->members, *next; member; member = next) {
        next = member->next;
        member_free(member);
    }
}

static bool
plan_make(struct plan *plan, const struct databases *databases,
          const struct configuration *configuration, char *error, size_t error_size)
{
    size_t i = 0;

    plan->settings = calloc(databases->count + 1, sizeof *plan->settings);
    if (!plan->settings) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    for (struct member *member = databases->members; member; member = member->next, i++) {
        if (!configuration_database(configuration, member->database.name))
            continue;
        plan->settings[i] =
            database_settings_new(configuration, member->database.name, error, error_size);
        if (!plan->settings[i])
            return false;
    }
    for (i = configuration->database_count; i-- > 0;) {
        const char *name = configuration->databases[i].name;

        if (strcmp(name, "*") == 0 || databases_member(databases, name))
            continue;

        struct member *member = member_new(configuration, name, error, error_size);

        if (!member)
            return false;
        member->next = plan->members;
        plan->members = member;
    }
    return true;
}

bool
databases_reload(struct databases *databases, const struct configuration *configuration,
                 char *error, size_t error_size)
{
    struct plan plan = {0};
    size_t i = 0;

    pthread_mutex_lock(&databases->lock);
    if (!plan_make(&plan, databases, configuration, error, error_size)) {
        plan_drop(&plan, databases->count);
        pthread_mutex_unlock(&databases->lock);
        return false;
    }
    for (struct member *member = databases->members; member; member = member->next, i++) {
        member->is_gone = !plan.settings[i];
        if (!plan.settings[i])
            continue;

        bool is_named = strcmp(plan.settings[i]->entry->name, "*") != 0;

        database_set_settings(&member->database, plan.settings[i]);
        if (is_named)
            member_admit(databases, member);
    }
    free(plan.settings);
    for (struct member *member = plan.members, *next; member; member = next) {
        next = member->next;
        member->next = NULL;
        databases_add(databases, member);
        member_admit(databases, member);
    }
    configuration_unref(&databases->configuration);
    databases->configuration = configuration_ref(configuration);
    pthread_mutex_unlock(&databases->lock);
    return true;
}

static struct member *
first_admitted(struct member *member)
{
    while (member && !atomic_load(&member->is_admitted))
        member = member->next;
    return member;
}

void
databases_each(struct databases *databases, void (*each)(void *context, struct database *database),
               void *context)
{
    // Members are only ever added at the end, each is whole before it is, and what was admitted stays: the walk needs the
    // lock for the links alone, so that `each` may take its time and call back.
    pthread_mutex_lock(&databases->lock);
    for (struct member *member = first_admitted(databases->members); member;
         member = first_admitted(member->next)) {
        pthread_mutex_unlock(&databases->lock);
        each(context, &member->database);
        pthread_mutex_lock(&databases->lock);
    }
    pthread_mutex_unlock(&databases->lock);
}
