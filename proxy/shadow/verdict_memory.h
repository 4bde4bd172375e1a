// What suspicions came to in the last minute, by read and pair of results: over the limit of rechecks,
// the same suspicion takes the same verdict. Bounded; the owner's thread.
#ifndef PROXY_SHADOW_VERDICT_MEMORY_H
#define PROXY_SHADOW_VERDICT_MEMORY_H

#include "compare/verdict.h"
#include <stdbool.h>
#include <stdint.h>

struct verdict_memory;

struct verdict_key {
    uint64_t read;     // of shape and parameters
    uint64_t sides[2]; // digests of the results
};

struct verdict_remembered {
    enum verdict verdict;
    enum difference_class class;
    bool is_accepted; // of a mismatch
};

struct verdict_memory *verdict_memory_new(void);
void verdict_memory_free(struct verdict_memory **memory);
void verdict_memory_put(struct verdict_memory *memory, const struct verdict_key *key,
                        const struct verdict_remembered *what, uint64_t now);
bool verdict_memory_find(const struct verdict_memory *memory, const struct verdict_key *key,
                         uint64_t now, struct verdict_remembered *what);

#endif
