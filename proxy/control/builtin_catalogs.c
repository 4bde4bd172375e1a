// A handful of clusters at most is what a proxy has to do with, so that a list is searched from end to end, behind one
// lock. More than one a cluster is kept where databases differ in what initdb made, and after an upgrade.
#include "proxy/control/builtin_catalogs.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char name[BUILTIN_CATALOGS_NAME];
    struct catalog *catalog; // NULL: empty
    uint64_t asked;          // `clock` of the last time
};

struct builtin_catalogs {
    pthread_mutex_t lock; // for all that follows
    uint64_t clock;
    struct entry entries[BUILTIN_CATALOGS_KEPT];
};

struct builtin_catalogs *
builtin_catalogs_new(void)
{
    struct builtin_catalogs *kept = calloc(1, sizeof *kept);

    if (kept)
        pthread_mutex_init(&kept->lock, NULL);
    return kept;
}

void
builtin_catalogs_free(struct builtin_catalogs **kept)
{
    struct builtin_catalogs *gone = *kept;

    *kept = NULL;
    if (!gone)
        return;
    for (size_t i = 0; i < BUILTIN_CATALOGS_KEPT; i++)
        catalog_unref(&gone->entries[i].catalog);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

// Under the lock: the entry of that name, or else the one to be used for it.
static struct entry *
entry_for(struct builtin_catalogs *kept, const char *name)
{
    struct entry *oldest = &kept->entries[0];

    for (size_t i = 0; i < BUILTIN_CATALOGS_KEPT; i++) {
        struct entry *entry = &kept->entries[i];

        if (entry->catalog && strcmp(entry->name, name) == 0)
            return entry;
        if (entry->asked < oldest->asked)
            oldest = entry;
    }
    return oldest;
}

struct catalog *
builtin_catalogs_find(struct builtin_catalogs *kept, const char *name)
{
    struct catalog *found = NULL;

    pthread_mutex_lock(&kept->lock);

    struct entry *entry = entry_for(kept, name);

    if (entry->catalog && strcmp(entry->name, name) == 0) {
        entry->asked = ++kept->clock;
        found = catalog_ref(entry->catalog);
    }
    pthread_mutex_unlock(&kept->lock);
    return found;
}

void
builtin_catalogs_keep(struct builtin_catalogs *kept, const char *name, struct catalog *catalog)
{
    if (strlen(name) >= BUILTIN_CATALOGS_NAME)
        return;
    pthread_mutex_lock(&kept->lock);

    struct entry *entry = entry_for(kept, name);
    struct catalog *before = entry->catalog;

    entry->catalog = catalog_ref(catalog);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->asked = ++kept->clock;
    pthread_mutex_unlock(&kept->lock);
    catalog_unref(&before);
}
