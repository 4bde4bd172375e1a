// A statement that is glanced at (glance.h) and parsed when that is first asked for, and not again: what it is and what it
// does to its session are both read out of one tree. Only for threads with a stack of ANALYSIS_STACK bytes.
#ifndef COMPARE_SQL_PARSED_H
#define COMPARE_SQL_PARSED_H

#include <stddef.h>

struct parsed;

// `sql` is borrowed until parsed_free; it need not end in NUL. NULL: no memory.
struct parsed *parsed_new(const char *sql, size_t length);
const char *parsed_text(const struct parsed *parsed, size_t *length);
void parsed_free(struct parsed **parsed); // *parsed may be NULL

#endif
