// Numbers for mismatches. They are reserved at the store in blocks, so that a crash makes a gap and never the same id
// twice, and that proxies which share a store never give the same; an orderly end gives back what is left. Without a store
// to ask, a proxy goes on from a random number far above, one in 2^32 times a million, for the rest of its life: numbers
// go up, because what the store still lacks is known by them.
#include "proxy/report/reporter_state.h"
#include <openssl/rand.h>

enum { BLOCK = 10000 };

static const uint64_t far_above = (uint64_t)1 << 40, each_has = (uint64_t)1 << 20;

void
ids_init(struct ids *ids)
{
    *ids = (struct ids){.next = 0};
    pthread_mutex_init(&ids->lock, NULL);
}

void
ids_fini(struct ids *ids)
{
    pthread_mutex_destroy(&ids->lock);
}

static void
go_far_above(struct ids *ids)
{
    uint32_t random = 0;

    (void)RAND_bytes((unsigned char *)&random, sizeof random);
    ids->next = far_above + random * each_has;
    ids->end = UINT64_MAX;
}

uint64_t
ids_take(struct ids *ids)
{
    pthread_mutex_lock(&ids->lock);
    if (ids->next == ids->end) {
        ids->next = ids->spare;
        ids->end = ids->spare_end;
        ids->spare = ids->spare_end = 0;
    }
    if (ids->next == ids->end)
        go_far_above(ids);

    uint64_t id = ids->next++;

    pthread_mutex_unlock(&ids->lock);
    return id;
}

bool
ids_reserve(struct ids *ids, struct store *store)
{
    uint64_t first;

    pthread_mutex_lock(&ids->lock);

    bool has_enough = ids->end - ids->next > BLOCK / 2 || ids->spare != ids->spare_end;

    pthread_mutex_unlock(&ids->lock);
    if (has_enough)
        return true;
    if (!store_reserve_ids(store, BLOCK, &first))
        return false;
    pthread_mutex_lock(&ids->lock);
    if (ids->end == UINT64_MAX) {
        // Meanwhile it had to go far above: a gap.
    } else if (ids->end == first || ids->next == ids->end) {
        ids->next = ids->end == first ? ids->next : first;
        ids->end = first + BLOCK;
    } else {
        ids->spare = first;
        ids->spare_end = first + BLOCK;
    }
    pthread_mutex_unlock(&ids->lock);
    return true;
}

void
ids_return(struct ids *ids, struct store *store)
{
    pthread_mutex_lock(&ids->lock);

    uint64_t next = ids->next, end = ids->end;
    bool is_one_block = ids->spare == ids->spare_end && end != UINT64_MAX && next < end;

    pthread_mutex_unlock(&ids->lock);
    if (is_one_block)
        (void)store_return_ids(store, next, end);
}
