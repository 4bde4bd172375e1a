// libcyaml's schema made from the tables of settings.h, and the file loaded by it in its raw form: one
// slot a setting, scalars as text. libcyaml 1.3 has no mapping with free keys, so the names under
// `databases:`, `tables:` and `columns:` are taken from the document first.
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/document.h"
#include "config/settings.h"
#include <stdint.h>

// The raw form of one setting, in the order of its group. NULL: not in the file.
//   scalars, connections: char *
//   strings:              char *[count]
//   group:                struct slot[settings of the group]
//   groups:               struct slot *[count], an entry may be NULL
//   named groups:         struct slot[schema's names], each with a group as its value
//   pairs:                struct slot[schema's pair names], each with a char *
struct slot {
    void *value;
    uint64_t count;
};

struct schema;

// NULL: `error` says what and where.
struct schema *schema_load(struct document *document, char *error, size_t error_size);
void schema_free(struct schema **schema);
const struct slot *schema_slots(const struct schema *schema); // of the whole file
// The slot of a name in a mapping with free keys; NULL if it has no value.
const struct slot *schema_named(const struct schema *schema, const struct setting *setting,
                                const struct slot *slots, const char *name);

#endif
