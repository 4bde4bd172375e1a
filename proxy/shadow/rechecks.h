// Which suspicions are being settled: one at a time for one read (shape, parameters, user, database). A further suspicion
// of the same read joins the one under way; at its end it takes the verdict if its own pair of results was the same, or if a
// round that began after it found both sides equal; else it is the next. Bounded; the shadow thread's.
#ifndef PROXY_SHADOW_RECHECKS_H
#define PROXY_SHADOW_RECHECKS_H

#include "proxy/shadow/verdict_memory.h"
#include <stdbool.h>
#include <stddef.h>

struct read;
struct rechecks;

enum {
    RECHECK_JOINED_LIMIT = 1024, // that wait for one with the same results
    RECHECK_TURNS_LIMIT = 256    // with other results, which wait for their turn
};

struct recheck_joined {
    struct recheck_joined *next;
    struct read *read;
    struct verdict_key key;
    unsigned round; // the one it came in
};

struct recheck { // a part of who settles it
    struct recheck *next, **link;
    struct verdict_key key;
    unsigned round;                              // the one under way, from 0; the owner counts
    struct recheck_joined *joined, **joined_end; // in the order of their coming
    unsigned alike, others; // of them with the same results, and with other ones
};

struct rechecks *rechecks_new(void);
void rechecks_free(struct rechecks **rechecks);
void rechecks_begin(struct rechecks *rechecks, struct recheck *recheck,
                    const struct verdict_key *key);
// The one under way for the same read; NULL: none.
struct recheck *rechecks_find(struct rechecks *rechecks, const struct verdict_key *key);
// False: too many wait, or there is no memory.
bool recheck_join(struct recheck *recheck, struct read *read, const struct verdict_key *key);
// It is under way no longer. Those that joined: the caller's, each to be freed.
struct recheck_joined *recheck_end(struct recheck *recheck);
bool verdict_key_is_same(const struct verdict_key *one, const struct verdict_key *other);

#endif
