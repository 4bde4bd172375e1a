// Confidence bounds of a proportion (Clopper-Pearson, exact).
#ifndef COMPARE_BOUND_H
#define COMPARE_BOUND_H

#include <stdint.h>

// One-sided bounds at `confidence` (0.95) for `hits` of `trials`; 1 and 0 where trials is 0.
double bound_upper(uint64_t hits, uint64_t trials, double confidence);
double bound_lower(uint64_t hits, uint64_t trials, double confidence);

#endif
