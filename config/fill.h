// From raw slots to a configuration: defaults, values, limits. Errors name file, line and key.
#ifndef CONFIG_FILL_H
#define CONFIG_FILL_H

#include "config/configuration.h"
#include "config/document.h"
#include "config/schema.h"

// Where reading stands in the file, for the errors.
struct fill {
    struct document *document;
    const struct schema *schema;
    char trail[512]; // the key path so far
    char *error;
    size_t error_size;
};

// Fills a zeroed structure. False: fill->error is set, and what was filled is for settings_free.
bool fill_group(struct fill *fill, const struct settings_group *group, const struct slot *slots,
                yaml_node_t *node, void *structure);
// Frees everything that the settings of a group own.
void fill_free(const struct settings_group *group, void *structure);
// Steps into a key, [index] or name and back; `step_out` takes what `step_in` gave.
size_t fill_step_in(struct fill *fill, const char *key);
size_t fill_step_in_entry(struct fill *fill, size_t index);
void fill_step_out(struct fill *fill, size_t mark);
// Sets the error for a line of the file. Always false.
bool fill_fail(struct fill *fill, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool fill_out_of_memory(struct fill *fill);

#endif
