// How many different things were seen, estimated (HyperLogLog, 1024 registers: 3 % typical error, exact to a
// few for small numbers). Plain data; the owner locks.
#ifndef PROXY_REPORT_DISTINCT_H
#define PROXY_REPORT_DISTINCT_H

#include <stdint.h>

enum { DISTINCT_REGISTERS = 1024 };

struct distinct {
    uint8_t registers[DISTINCT_REGISTERS];
};

void distinct_add(struct distinct *distinct, uint64_t digest); // a good 64-bit hash
uint64_t distinct_estimate(const struct distinct *distinct);

#endif
