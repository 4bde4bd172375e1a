// When sessions of each cohort key wrote last, for canary.after_write_scope: key. One of a database; any thread, no
// lock, bounded. Keys share slots: a read may stay on old for another key's write, and never misses its own.
#ifndef PROXY_CANARY_KEY_WRITES_H
#define PROXY_CANARY_KEY_WRITES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_WRITES_SLOTS = 16384 };

struct key_writes;

// Made by the first who needs it; by then any key may have been written, so it says so of all. NULL: no memory.
struct key_writes *key_writes_of(struct key_writes *_Atomic *place, uint64_t now);
void key_writes_free(struct key_writes *_Atomic *place);
size_t key_writes_slot(const char *key, size_t length);
void key_writes_note(struct key_writes *writes, size_t slot, uint64_t at);
void key_writes_note_all(struct key_writes *writes, uint64_t at); // whose write it was is not known
uint64_t key_writes_last(struct key_writes *writes, size_t slot); // 0: never

#endif
