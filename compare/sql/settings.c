// Sessions set little: entries are found by bisection and copied by pointer.
#include "compare/sql/settings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void
entry_unref(struct entry *entry)
{
    if (entry == NULL || --entry->references > 0)
        return;
    free(entry->name);
    free(entry->base);
    free(entry->session);
    free(entry->local);
    free(entry);
}

static struct entry *
entry_ref(struct entry *entry)
{
    entry->references++;
    return entry;
}

static bool
copy(const char *from, char **to)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

static struct entry *
entry_new(enum entry_kind kind, const char *name, const char *base, const char *session,
          const char *local)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->references = 1;
    entry->kind = kind;
    if (!copy(name, &entry->name) || !copy(base, &entry->base) || !copy(session, &entry->session) ||
        !copy(local, &entry->local)) {
        entry_unref(entry);
        return NULL;
    }
    return entry;
}

static struct settings *
settings_of(size_t capacity)
{
    struct settings *settings = calloc(1, sizeof(*settings));
    struct entry **entries = calloc(capacity + 1, sizeof(struct entry *));
    if (settings == NULL || entries == NULL) {
        free(settings);
        free(entries);
        return NULL;
    }
    settings->references = 1;
    settings->entries = entries;
    return settings;
}

struct settings *
settings_new(void)
{
    return settings_of(0);
}

struct settings *
settings_ref(struct settings *settings)
{
    settings->references++;
    return settings;
}

void
settings_unref(struct settings **settings)
{
    struct settings *last = *settings;
    *settings = NULL;
    if (last == NULL || --last->references > 0)
        return;
    for (size_t i = 0; i < last->count; i++)
        entry_unref(last->entries[i]);
    free(last->entries);
    free(last);
}

// Where it is or would be. Settings have no case (manual, 20.1.1).
static size_t
place(const struct settings *settings, enum entry_kind kind, const char *name, bool *is_there)
{
    size_t low = 0, high = settings->count;
    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *entry = settings->entries[middle];
        int order = (entry->kind > kind) - (entry->kind < kind);
        if (order == 0)
            order =
                kind == ENTRY_SETTING ? strcasecmp(entry->name, name) : strcmp(entry->name, name);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct entry *
settings_find(const struct settings *settings, enum entry_kind kind, const char *name)
{
    bool is_there;
    size_t at = place(settings, kind, name, &is_there);
    return is_there ? settings->entries[at] : NULL;
}

static bool
is_same(const char *left, const char *right)
{
    return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

struct settings *
settings_with(struct settings *settings, enum entry_kind kind, const char *name, const char *base,
              const char *session, const char *local)
{
    bool is_there;
    size_t at = place(settings, kind, name, &is_there);
    const struct entry *before = is_there ? settings->entries[at] : NULL;
    if (is_there ? is_same(before->base, base) && is_same(before->session, session) &&
                       is_same(before->local, local)
                 : base == NULL && session == NULL && local == NULL)
        return settings_ref(settings);
    struct settings *changed = settings_of(settings->count + 1);
    if (changed == NULL)
        return NULL;
    for (size_t i = 0; i < at; i++)
        changed->entries[changed->count++] = entry_ref(settings->entries[i]);
    if (base != NULL || session != NULL || local != NULL) {
        struct entry *entry = entry_new(kind, name, base, session, local);
        if (entry == NULL) {
            settings_unref(&changed);
            return NULL;
        }
        changed->entries[changed->count++] = entry;
    }
    for (size_t i = at + (is_there ? 1 : 0); i < settings->count; i++)
        changed->entries[changed->count++] = entry_ref(settings->entries[i]);
    return changed;
}

// Folds settings_with over the entries; `change` gives what is left of one.
static struct settings *
fold(struct settings *settings, bool (*change)(const struct entry *, const void *, struct entry *),
     const void *context)
{
    struct settings *result = settings_ref(settings);
    for (size_t i = 0; i < settings->count && result != NULL; i++) {
        const struct entry *entry = settings->entries[i];
        struct entry left = *entry;
        if (!change(entry, context, &left))
            continue;
        struct settings *next =
            settings_with(result, entry->kind, entry->name, left.base, left.session, left.local);
        settings_unref(&result);
        result = next;
    }
    return result;
}

static bool
drop_local(const struct entry *entry, const void *context, struct entry *left)
{
    (void)context;
    left->local = NULL;
    return entry->local != NULL;
}

struct settings *
settings_without_local(struct settings *settings)
{
    return fold(settings, drop_local, NULL);
}

static bool
drop_set(const struct entry *entry, const void *context, struct entry *left)
{
    bool is_role = strcasecmp(entry->name, "role") == 0 ||
                   strcasecmp(entry->name, "session_authorization") == 0;
    if (entry->kind != ENTRY_SETTING || (is_role && *(const bool *)context))
        return false;
    left->session = entry->base;
    left->local = NULL;
    return true;
}

struct settings *
settings_reset(struct settings *settings, bool keeps_roles)
{
    return fold(settings, drop_set, &keeps_roles);
}

static bool
drop_kind(const struct entry *entry, const void *context, struct entry *left)
{
    left->base = left->session = left->local = NULL;
    return entry->kind == *(const enum entry_kind *)context;
}

struct settings *
settings_without_kind(struct settings *settings, enum entry_kind kind)
{
    return fold(settings, drop_kind, &kind);
}
