// The text of a single value to what its setting holds.
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/fill.h"

// Reads `text` into the setting's field of `structure`. False: fill's error says what is wrong with it.
bool value_read(struct fill *fill, const struct setting *setting, const char *text, size_t line,
                void *structure);

#endif
