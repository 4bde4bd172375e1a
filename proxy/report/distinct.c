// HyperLogLog (Flajolet and others, 2007) with linear counting where registers are still empty.
#include "proxy/report/distinct.h"
#include <math.h>

void
distinct_add(struct distinct *distinct, uint64_t digest)
{
    uint64_t place = digest >> 54; // the upper 10 bits
    uint64_t rest = (digest << 10) | (1u << 9);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);

    if (distinct->registers[place] < rank)
        distinct->registers[place] = rank;
}

uint64_t
distinct_estimate(const struct distinct *distinct)
{
    const double m = DISTINCT_REGISTERS;
    double sum = 0;
    int empty = 0;

    for (int i = 0; i < DISTINCT_REGISTERS; i++) {
        sum += ldexp(1, -distinct->registers[i]);
        empty += distinct->registers[i] == 0;
    }

    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;

    if (estimate <= 2.5 * m && empty > 0)
        estimate = m * log(m / empty);
    return (uint64_t)llround(estimate);
}
