// A fixed table, one entry a slot: a newer suspicion with the same slot takes it over. Losing one costs
// no more than an `unverified`.

#include "proxy/shadow/verdict_memory.h"
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4096 };
static const uint64_t FRESH_NS = UINT64_C(60000000000);

struct verdict_memory {
    struct slot {
        struct verdict_key key;
        uint64_t at; // ns; 0: empty
        struct verdict_remembered what;
    } slots[SLOTS];
};

struct verdict_memory *
verdict_memory_new(void)
{
    return calloc(1, sizeof(struct verdict_memory));
}

void
verdict_memory_free(struct verdict_memory **memory)
{
    free(*memory);
    *memory = NULL;
}

static size_t
slot_of(const struct verdict_key *key)
{
    return (key->read ^ key->sides[0] ^ (key->sides[1] << 1)) % SLOTS;
}

void
verdict_memory_put(struct verdict_memory *memory, const struct verdict_key *key,
                   const struct verdict_remembered *what, uint64_t now)
{
    memory->slots[slot_of(key)] = (struct slot){*key, now, *what};
}

bool
verdict_memory_find(const struct verdict_memory *memory, const struct verdict_key *key,
                    uint64_t now, struct verdict_remembered *what)
{
    const struct slot *slot = &memory->slots[slot_of(key)];
    if (slot->at == 0 || now - slot->at > FRESH_NS || slot->key.read != key->read ||
        slot->key.sides[0] != key->sides[0] || slot->key.sides[1] != key->sides[1])
        return false;
    *what = slot->what;
    return true;
}
