// A first pair of results differs: who finds out what it is. One recheck at a time for one read; the others join it.
#ifndef PROXY_SHADOW_SUSPICION_H
#define PROXY_SHADOW_SUSPICION_H

#include "proxy/shadow/read.h"
#include "proxy/shadow/rechecks.h"

// The read is ended sooner or later, whatever happens.
void suspicion_begin(struct read *read, const struct difference *first);
// What the same suspicion came to in the last minute, else `unverified`; sets read->is_accepted accordingly.
struct verdict_remembered suspicion_recall(struct read *read, const struct verdict_key *key);
// Of which read a verdict is: shape, parameters, user and database. For verdict_key.read.
uint64_t suspicion_read_of(const struct read *read);
// A recheck with the results of `key` has come to an end: those that joined it, taken, end likewise if their results
// are the same, or if it found both sides equal in a `round` that began after them, else one of them is the next.
void suspicion_settle_joined(struct recheck_joined *joined, const struct verdict_key *key,
                             unsigned round, enum verdict verdict, enum difference_class class,
                             bool is_accepted);
// The thread stops.
void suspicion_drop_joined(struct recheck_joined *joined);

#endif
