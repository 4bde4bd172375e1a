// Values for reports, as compare.samples allows: in full; masked (NULL and '' shown, else type, length and a
// keyed hash that is equal for equal values within this process); or nothing.
#ifndef PROXY_SHADOW_MASKING_H
#define PROXY_SHADOW_MASKING_H

#include "compare/type.h"
#include "config/configuration.h"

enum { MASKING_MAX_VALUE = 1024 /* bytes of a value that are shown in full */ };

// Draws the key; once, before threads start. False: no randomness.
bool masking_init(void);
// The caller frees; NULL for SQL NULL, for samples: none, and without memory.
char *masking_show(const struct cell *cell, enum samples samples, const char *type);

#endif
