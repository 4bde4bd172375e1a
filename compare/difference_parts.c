// See difference_parts.h. A part is a list of blocks, and blocks are taken from one piece of memory in
// turn, so that digests are written once, where they stay, without knowing beforehand how many each
// part will have. Pure, any thread.
#include "compare/difference_parts.h"
#include "compare/difference_rows.h"
#include <stdlib.h>

enum { PART_ROWS = 1024, MOST_BITS = 11 };

unsigned
parts_bits_for(size_t count)
{
    unsigned bits = 1;
    while (bits < MOST_BITS && count >> bits > PART_ROWS)
        bits++;
    return bits;
}

bool
parts_init(struct parts *parts, size_t most, unsigned bits)
{
    size_t count = (size_t)1 << bits;
    *parts = (struct parts){.bits = bits};
    parts->parts = calloc(count, sizeof *parts->parts);
    parts->blocks = rows_memory((most / PARTS_BLOCK + count) * sizeof *parts->blocks);
    return parts->parts != NULL && parts->blocks != NULL;
}

void
parts_fini(struct parts *parts)
{
    free(parts->parts);
    free(parts->blocks);
}

void
parts_add(struct parts *parts, uint64_t hash, size_t row)
{
    struct part *part = &parts->parts[hash >> (64 - parts->bits)];
    if (part->room == 0) {
        struct parts_block *block = &parts->blocks[parts->block_count++];
        block->next = NULL;
        if (part->first == NULL)
            part->first = block;
        else
            part->last->next = block;
        part->last = block;
        part->room = PARTS_BLOCK;
    }
    part->last->digests[PARTS_BLOCK - part->room--] = (struct parts_digest){hash, row};
    part->count++;
}

struct parts_walk
parts_walk_over(const struct part *part)
{
    return (struct parts_walk){.block = part->first, .left = part->count};
}

const struct parts_digest *
parts_next(struct parts_walk *walk)
{
    if (walk->left == 0)
        return NULL;
    if (walk->at == PARTS_BLOCK) {
        walk->block = walk->block->next;
        walk->at = 0;
    }
    walk->left--;
    return &walk->block->digests[walk->at++];
}
