// Rows without a key judged by themselves, beside others that move. Inside compare/ only: a part of rounds.c.
#ifndef COMPARE_ROUNDS_STANDING_H
#define COMPARE_ROUNDS_STANDING_H

#include "compare/rounds.h"

// Counts one round in. False: no memory.
bool standing_add(struct standing *standing, const struct rounds *rounds,
                  const struct result *old_first, const struct result *new_first,
                  const struct result *old_second, const struct result *new_second);
// The rows that stand, of old and of new, as results of their own. False: no memory.
bool standing_take(const struct standing *standing, const struct rounds *rounds,
                   const struct result *old_result, const struct result *new_result,
                   struct result taken[2]);
void standing_fini(struct standing *standing);

#endif
