// A table of lists by read. What is under way is bounded by recheck.max_per_second and by how long rounds take, so
// that the lists are short.

#include "proxy/shadow/rechecks.h"
#include <stdlib.h>

enum { BUCKETS = 256 };

struct rechecks {
    struct recheck *buckets[BUCKETS];
};

struct rechecks *
rechecks_new(void)
{
    return calloc(1, sizeof(struct rechecks));
}

void
rechecks_free(struct rechecks **rechecks)
{
    free(*rechecks);
    *rechecks = NULL;
}

bool
verdict_key_is_same(const struct verdict_key *one, const struct verdict_key *other)
{
    return one->read == other->read && one->sides[0] == other->sides[0] &&
           one->sides[1] == other->sides[1];
}

struct recheck *
rechecks_find(struct rechecks *rechecks, const struct verdict_key *key)
{
    struct recheck *found = rechecks->buckets[key->read % BUCKETS];
    while (found && found->key.read != key->read)
        found = found->next;
    return found;
}

void
rechecks_begin(struct rechecks *rechecks, struct recheck *recheck, const struct verdict_key *key)
{
    struct recheck **bucket = &rechecks->buckets[key->read % BUCKETS];
    *recheck = (struct recheck){.next = *bucket, .link = bucket, .key = *key};
    recheck->joined_end = &recheck->joined;
    if (recheck->next)
        recheck->next->link = &recheck->next;
    *bucket = recheck;
}

bool
recheck_join(struct recheck *recheck, struct read *read, const struct verdict_key *key)
{
    bool is_alike = verdict_key_is_same(&recheck->key, key);
    if (is_alike ? recheck->alike >= RECHECK_JOINED_LIMIT : recheck->others >= RECHECK_TURNS_LIMIT)
        return false;
    struct recheck_joined *joined = calloc(1, sizeof(*joined));
    if (!joined)
        return false;
    joined->read = read;
    joined->key = *key;
    joined->round = recheck->round;
    *recheck->joined_end = joined;
    recheck->joined_end = &joined->next;
    recheck->alike += is_alike;
    recheck->others += !is_alike;
    return true;
}

struct recheck_joined *
recheck_end(struct recheck *recheck)
{
    struct recheck_joined *joined = recheck->joined;
    *recheck->link = recheck->next;
    if (recheck->next)
        recheck->next->link = recheck->link;
    *recheck = (struct recheck){0};
    return joined;
}
