// What single values cannot say: settings that need, exclude or limit each other.
#ifndef CONFIG_CONSISTENCY_H
#define CONFIG_CONSISTENCY_H

#include "config/configuration.h"
#include "config/fill.h"

// False: fill->error says which setting contradicts which.
bool consistency_check(struct fill *fill, const struct configuration *configuration);

#endif
