// The declared schema: every key of the file with its kind, place, default and limits, once. Reading,
// checking, showing and freeing a configuration all walk these tables.
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

enum setting_kind {
    SETTING_STRING,       // char *
    SETTING_SWITCH,       // bool
    SETTING_COUNT,        // an unsigned integer of `width` bytes, `minimum` to `maximum`
    SETTING_NUMBER,       // double, `minimum` to `maximum`
    SETTING_PERCENT,      // unsigned, hundredths
    SETTING_SIZE,         // size_t
    SETTING_DURATION,     // uint64_t, ns
    SETTING_CHOICE,       // an enum or bool of `width` bytes: the index in `choices`
    SETTING_COHORT_KEY,   // enum cohort_key, and its NAME as a char * at `other`
    SETTING_CONNECTION,   // char *, a libpq connection string
    SETTING_STRINGS,      // char **, and a size_t count at `other`
    SETTING_GROUP,        // a mapping: `group` in place
    SETTING_GROUPS,       // a sequence of mappings: array of `group`, and a size_t count at `other`
    SETTING_NAMED_GROUPS, // a mapping whose keys are names: the same
    SETTING_PAIRS,        // a mapping of strings: array of configuration_pair, count at `other`
    SETTING_KIND_COUNT
};

struct settings_group;

struct setting {
    const char *key;
    enum setting_kind kind;
    bool is_required, is_secret;
    bool may_connect;     // a string that names a file, or is a connection string
    size_t offset, other; // in the group's structure
    size_t width;
    const char *initial; // the default, as the file would say it; NULL: not set (NULL, -1, empty)
    double minimum, maximum;
    const char *const *choices; // ends with NULL; an empty name cannot be given in the file
    const struct settings_group *group;
};

struct settings_group {
    const struct setting *settings;
    size_t count;
    size_t size;        // of the structure
    size_t name_offset; // SETTING_NAMED_GROUPS: a char *
};

extern const struct settings_group settings; // the whole file
extern const char *const settings_auth_types[];
extern const char *const settings_lag_probes[];
extern const char *const settings_cohort_keys[]; // by enum cohort_key; NAME follows on a colon

void *setting_field(const struct setting *setting, void *structure);
const void *setting_field_const(const struct setting *setting, const void *structure);
void *setting_other(const struct setting *setting, void *structure);
const void *setting_other_const(const struct setting *setting, const void *structure);

#endif
