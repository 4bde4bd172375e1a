// A list of settings and, under the same lock, their effect on the databases, so that of a rollback and a raise that come
// from two threads neither slips between the other's steps.
#include "proxy/report/kept.h"
#include "proxy/guard/canary_switch.h"
#include "proxy/report/figures.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *database, *name, *value, *actor, *reason, *member;
    int64_t version; // -1: the store never had it
    uint64_t ticket; // goes up with each lowering; 0: does not wait
    uint64_t asked;  // the ticket that kept_waiting gave last
};

struct kept {
    pthread_mutex_t lock;
    struct databases *databases;
    struct entry *entries;
    size_t count, capacity;
    uint64_t tickets;
    int64_t version;
};

struct kept *
kept_new(struct databases *databases)
{
    struct kept *kept = calloc(1, sizeof *kept);

    if (kept == NULL)
        return NULL;
    pthread_mutex_init(&kept->lock, NULL);
    kept->databases = databases;
    kept->version = -1;
    return kept;
}

static void
entry_fini(struct entry *entry)
{
    free(entry->database);
    free(entry->name);
    free(entry->value);
    free(entry->actor);
    free(entry->reason);
    free(entry->member);
}

void
kept_free(struct kept **kept)
{
    struct kept *gone = *kept;

    *kept = NULL;
    if (gone == NULL)
        return;
    for (size_t i = 0; i < gone->count; i++)
        entry_fini(&gone->entries[i]);
    free(gone->entries);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

static struct entry *
find(struct kept *kept, const char *database, const char *name)
{
    for (size_t i = 0; i < kept->count; i++)
        if (strcmp(kept->entries[i].name, name) == 0 &&
            strcmp(kept->entries[i].database, database) == 0)
            return &kept->entries[i];
    return NULL;
}

// Memory for what keeps users off new must be there.
static char *
copy_of(const char *text)
{
    char *copy = strdup(text == NULL ? "" : text);

    if (copy == NULL)
        abort();
    return copy;
}

static struct entry *
find_or_add(struct kept *kept, const char *database, const char *name)
{
    struct entry *entry = find(kept, database, name);

    if (entry != NULL)
        return entry;
    if (kept->count == kept->capacity) {
        kept->capacity = 2 * kept->capacity + 16;
        kept->entries = realloc(kept->entries, kept->capacity * sizeof *kept->entries);
        if (kept->entries == NULL)
            abort();
    }
    entry = &kept->entries[kept->count++];
    *entry = (struct entry){.database = copy_of(database),
                            .name = copy_of(name),
                            .value = copy_of(""),
                            .actor = copy_of(""),
                            .reason = copy_of(""),
                            .member = copy_of(""),
                            .version = -1};
    return entry;
}

static void
set_text(char **to, const char *text)
{
    char *copy = copy_of(text);

    free(*to);
    *to = copy;
}

static void
set_entry(struct entry *entry, const struct store_setting *setting)
{
    set_text(&entry->value, setting->value);
    set_text(&entry->actor, setting->actor);
    set_text(&entry->reason, setting->reason);
    set_text(&entry->member, setting->member);
}

// How settings take effect.

static bool
percent_of(const struct entry *entry, unsigned *hundredths)
{
    unsigned long number = entry == NULL ? 0 : strtoul(entry->value, NULL, 10);

    *hundredths = number <= 10000 ? (unsigned)number : 0;
    return entry != NULL;
}

static bool
is_latched(struct kept *kept, const struct database *database)
{
    const struct entry *state = find(kept, database->name, "canary_state");

    return state != NULL && strcmp(state->value, "latched") == 0;
}

static void
apply_percent(struct kept *kept, struct database *database, const char *rest, const char *value)
{
    unsigned hundredths;

    (void)rest;
    (void)value;
    if (percent_of(find(kept, database->name, "canary_percent"), &hundredths) &&
        !is_latched(kept, database))
        (void)canary_switch_set(database, hundredths, NULL);
}

static void
apply_state(struct kept *kept, struct database *database, const char *rest, const char *value)
{
    if (is_latched(kept, database)) {
        (void)canary_switch_latch(database, NULL);
    } else {
        canary_switch_arm(database);
        apply_percent(kept, database, rest, value);
    }
}

static void
apply_shadow(struct kept *kept, struct database *database, const char *rest, const char *value)
{
    unsigned hundredths;

    (void)rest;
    (void)value;
    if (percent_of(find(kept, database->name, "shadow_percent"), &hundredths))
        atomic_store(&database->shadow_percent, hundredths);
}

static void
apply_quarantine(struct kept *kept, struct database *database, const char *fingerprint,
                 const char *value)
{
    (void)kept;
    figures_quarantine(database->figures, fingerprint, strcmp(value, "on") == 0);
}

static void
apply_accept(struct kept *kept, struct database *database, const char *fingerprint,
             const char *value)
{
    (void)kept;
    figures_accept(database->figures, fingerprint, value[0] == '\0' ? NULL : value);
}

static const struct effect {
    const char *name; // one that ends in ':' is followed by a fingerprint
    void (*apply)(struct kept *kept, struct database *database, const char *rest,
                  const char *value);
} effects[] = {
    {"canary_percent", apply_percent}, {"canary_state", apply_state},
    {"shadow_percent", apply_shadow},  {"quarantine:", apply_quarantine},
    {"accept:", apply_accept},
};

// Other settings have no effect here: who watches for them knows what they mean.
static void
apply(struct kept *kept, const struct entry *entry)
{
    struct database *database =
        entry->database[0] == '\0' ? NULL : databases_find(kept->databases, entry->database);

    for (size_t i = 0; database != NULL && i < sizeof effects / sizeof *effects; i++) {
        size_t length = strlen(effects[i].name);

        if (effects[i].name[length - 1] == ':' ? strncmp(entry->name, effects[i].name, length) == 0
                                               : strcmp(entry->name, effects[i].name) == 0)
            effects[i].apply(kept, database, entry->name + length, entry->value);
    }
}

void
kept_lower(struct kept *kept, const struct store_setting *settings, size_t count)
{
    pthread_mutex_lock(&kept->lock);
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = find_or_add(kept, settings[i].database, settings[i].name);

        set_entry(entry, &settings[i]);
        entry->ticket = ++kept->tickets;
    }
    // When all are known: a latch keeps a percentage down that stands behind it in the list.
    for (size_t i = 0; i < count; i++)
        apply(kept, find(kept, settings[i].database, settings[i].name));
    pthread_mutex_unlock(&kept->lock);
}

struct store_setting *
kept_waiting(struct kept *kept, size_t *count)
{
    struct store_setting *waiting = NULL;

    *count = 0;
    pthread_mutex_lock(&kept->lock);
    for (size_t i = 0; i < kept->count; i++) {
        struct entry *entry = &kept->entries[i];

        if (entry->ticket == 0)
            continue;
        if (waiting == NULL)
            waiting = calloc(kept->count, sizeof *waiting);
        if (waiting == NULL)
            break;
        entry->asked = entry->ticket;
        waiting[(*count)++] = (struct store_setting){.database = copy_of(entry->database),
                                                     .name = copy_of(entry->name),
                                                     .value = copy_of(entry->value),
                                                     .actor = copy_of(entry->actor),
                                                     .reason = copy_of(entry->reason),
                                                     .member = copy_of(entry->member)};
    }
    pthread_mutex_unlock(&kept->lock);
    return waiting;
}

void
kept_waiting_free(struct store_setting **settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)(*settings)[i].database);
        free((char *)(*settings)[i].name);
        free((char *)(*settings)[i].value);
        free((char *)(*settings)[i].actor);
        free((char *)(*settings)[i].reason);
        free((char *)(*settings)[i].member);
    }
    free(*settings);
    *settings = NULL;
}

bool
kept_is_waiting(struct kept *kept)
{
    bool is_waiting = false;

    pthread_mutex_lock(&kept->lock);
    for (size_t i = 0; i < kept->count; i++)
        is_waiting |= kept->entries[i].ticket != 0;
    pthread_mutex_unlock(&kept->lock);
    return is_waiting;
}

// What is in force of it before it is taken.
static void
describe(struct kept *kept, const struct store_setting *setting, char before[KEPT_BEFORE])
{
    const struct entry *entry = find(kept, setting->database, setting->name);
    struct database *database =
        setting->database[0] == '\0' ? NULL : databases_find(kept->databases, setting->database);

    snprintf(before, KEPT_BEFORE, "%s", entry == NULL ? "" : entry->value);
    if (database == NULL)
        return;
    if (strcmp(setting->name, "canary_percent") == 0)
        snprintf(before, KEPT_BEFORE, "%u", atomic_load(&database->canary_percent));
    else if (strcmp(setting->name, "shadow_percent") == 0)
        snprintf(before, KEPT_BEFORE, "%u", atomic_load(&database->shadow_percent));
}

bool
kept_take(struct kept *kept, const struct store_setting *setting, bool is_ours,
          char before[KEPT_BEFORE])
{
    bool is_new = false;

    before[0] = '\0';
    pthread_mutex_lock(&kept->lock);
    describe(kept, setting, before);

    struct entry *entry = find_or_add(kept, setting->database, setting->name);

    if (is_ours && entry->ticket == entry->asked)
        entry->ticket = entry->asked = 0;
    entry->version = setting->version;
    // Of ours there may be others' before it that were not read yet.
    if (setting->version > kept->version && (!is_ours || setting->version == kept->version + 1))
        kept->version = setting->version;
    if (entry->ticket == 0) {
        is_new = strcmp(before, setting->value) != 0;
        set_entry(entry, setting);
        apply(kept, entry);
    }
    pthread_mutex_unlock(&kept->lock);
    return is_new;
}

int64_t
kept_version(struct kept *kept)
{
    pthread_mutex_lock(&kept->lock);

    int64_t version = kept->version;

    pthread_mutex_unlock(&kept->lock);
    return version;
}

void
kept_reach(struct kept *kept, int64_t version)
{
    pthread_mutex_lock(&kept->lock);
    if (kept->version < version)
        kept->version = version;
    pthread_mutex_unlock(&kept->lock);
}

void
kept_start_over(struct kept *kept, const char *member)
{
    pthread_mutex_lock(&kept->lock);
    kept->version = -1;
    for (size_t i = 0; i < kept->count; i++) {
        struct entry *entry = &kept->entries[i];
        bool is_latch =
            strcmp(entry->name, "canary_state") == 0 && strcmp(entry->value, "latched") == 0;

        if (!is_latch && strcmp(entry->name, "canary_percent") != 0)
            continue;
        entry->ticket = ++kept->tickets;
        set_text(&entry->member, member);
    }
    pthread_mutex_unlock(&kept->lock);
}

void
kept_follow_configuration(struct kept *kept, struct database *database)
{
    struct database_settings *settings = database_settings(database);
    unsigned configured = settings->entry->canary.percent;

    database_settings_unref(&settings);
    pthread_mutex_lock(&kept->lock);
    if (!is_latched(kept, database)) {
        canary_switch_arm(database);
        if (find(kept, database->name, "canary_percent") == NULL)
            (void)canary_switch_move(database, 0, configured);
    }
    pthread_mutex_unlock(&kept->lock);
}

bool
kept_value(struct kept *kept, const char *database, const char *name, char *value, size_t size)
{
    pthread_mutex_lock(&kept->lock);

    const struct entry *entry = find(kept, database, name);

    snprintf(value, size, "%s", entry == NULL ? "" : entry->value);
    pthread_mutex_unlock(&kept->lock);
    return entry != NULL;
}
