// Is a cohort key's reads' place new? Sticky, equal on every proxy with the same salt, monotone in
// the percentage (DESIGN 3.7). Pure.
#ifndef COMPARE_COHORT_H
#define COMPARE_COHORT_H

#include <stdbool.h>
#include <stddef.h>

// XXH3-64(salt, key) mod 10000, or -1 for an empty key, which is in no cohort.
int cohort_place(const char *salt, const char *key, size_t key_length);
// `percent` in hundredths (0 to 10000).
bool cohort_holds(int place, unsigned percent_hundredths);

#endif
