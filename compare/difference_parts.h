// Digests of rows, parted by their upper bits, so that what is looked up for one another stays in the
// processor's cache however many they are. Inside compare/ only: difference_match_bytes.c.
#ifndef COMPARE_DIFFERENCE_PARTS_H
#define COMPARE_DIFFERENCE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parts_digest {
    uint64_t hash;
    size_t row;
};

enum { PARTS_BLOCK = 31 };

struct parts_block {
    struct parts_digest digests[PARTS_BLOCK];
    struct parts_block *next; // NULL: the part's last
};

struct part {
    struct parts_block *first, *last;
    size_t count;
    size_t room; // in the last block
};

struct parts { // of one side's rows
    unsigned bits;
    struct part *parts; // 2^bits; owned
    struct parts_block *blocks;
    size_t block_count; // that are in use
};

// With room for `most` digests; memory is used as they come. False: no memory; parts_fini in any case.
bool parts_init(struct parts *parts, size_t most, unsigned bits);
void parts_fini(struct parts *parts);
unsigned parts_bits_for(size_t count);
// At the end of its part.
void parts_add(struct parts *parts, uint64_t hash, size_t row);
// One digest of a part after another, in the order in which they were added; NULL at the end.
struct parts_walk {
    const struct parts_block *block;
    size_t at, left;
};
struct parts_walk parts_walk_over(const struct part *part);
const struct parts_digest *parts_next(struct parts_walk *walk);

#endif
