// What a session has set, as an immutable value: every change makes a new one that shares its entries
// with the old one. A transaction keeps the one that it began with, and a rollback goes back to it.
#ifndef COMPARE_SQL_SETTINGS_H
#define COMPARE_SQL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

enum entry_kind { ENTRY_SETTING, ENTRY_TEMPORARY, ENTRY_TEMPORARY_TYPE, ENTRY_TAINT };

// The statement that sets it for the session, and the one until the transaction's end; NULL: none. Of
// a temporary object or a taint only whether there is one counts.
struct entry {
    unsigned references; // one thread owns all of them
    enum entry_kind kind;
    char *name;            // owned
    char *base;            // what RESET goes back to: a startup parameter's; owned
    char *session, *local; // owned
};

struct settings {
    unsigned references;
    struct entry **entries; // sorted by kind and name; each is a reference
    size_t count;
};

struct settings *settings_new(void);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings **settings);
const struct entry *settings_find(const struct settings *settings, enum entry_kind kind,
                                  const char *name);
// Each gives a new value, or the same with a reference more where nothing changes; NULL: no memory.
struct settings *settings_with(struct settings *settings, enum entry_kind kind, const char *name,
                               const char *base, const char *session, const char *local);
// What is left at a transaction's end: no entry has `local`.
struct settings *settings_without_local(struct settings *settings);
// Only base values are left, of settings but those that RESET ALL leaves alone when `keeps_roles`.
struct settings *settings_reset(struct settings *settings, bool keeps_roles);
struct settings *settings_without_kind(struct settings *settings, enum entry_kind kind);

#endif
