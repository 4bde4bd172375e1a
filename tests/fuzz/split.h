// Cuts an input into pieces of lengths that a seed decides: from a byte at a time to all at once.
#ifndef TESTS_FUZZ_SPLIT_H
#define TESTS_FUZZ_SPLIT_H

#include <stddef.h>
#include <stdint.h>

// The length of the next piece of `left` bytes, which are not none.
static inline size_t
split_next(uint32_t *seed, size_t left)
{
    *seed = *seed * 1664525u + 1013904223u;
    size_t most = (size_t)1 << (*seed >> 28);
    size_t length = 1 + (*seed >> 8) % most;
    return length < left ? length : left;
}

#endif
