// A copy of exactly the bytes given, on the heap, so that AddressSanitizer sees a read behind them.
#ifndef TESTS_UNIT_EXACT_H
#define TESTS_UNIT_EXACT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint8_t *
exact(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length);
    if (length > 0) {
        memcpy(copy, bytes, length);
    }
    return copy;
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#endif
