// Rows judged one by one, each under the key that names it (struct determinacy). Inside compare/ only: a part of
// rounds.c.
#ifndef COMPARE_ROUNDS_KEYED_H
#define COMPARE_ROUNDS_KEYED_H

#include "compare/rounds.h"

// Counts one round in, and sets is_in_use. False: no memory.
bool keyed_add(struct keyed *keyed, const struct rounds *rounds, const struct result *old_first,
               const struct result *new_first, const struct result *old_second,
               const struct result *new_second);
// Has some row stood, and differed, in as many consecutive rounds as it takes?
bool keyed_is_settled(const struct keyed *keyed, const struct rounds *rounds);
// Those rows, of old and of new, as results of their own; of the last round's second readings. False: no memory.
bool keyed_take(const struct keyed *keyed, const struct rounds *rounds,
                const struct result *old_result, const struct result *new_result,
                struct result taken[2]);
void keyed_fini(struct keyed *keyed);

#endif
