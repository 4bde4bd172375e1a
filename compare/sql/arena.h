// Memory that dies together: pieces are given from large blocks and freed all at once.
#ifndef COMPARE_SQL_ARENA_H
#define COMPARE_SQL_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; // newest first; owned
};

// Zeroed and aligned for any type; NULL: no memory.
void *arena_take(struct arena *arena, size_t size);
// NULL for NULL, and without memory.
char *arena_string(struct arena *arena, const char *string);
char *arena_bytes(struct arena *arena, const char *bytes, size_t length); // with a NUL behind
void arena_fini(struct arena *arena);

#endif
