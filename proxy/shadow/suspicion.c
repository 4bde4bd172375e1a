// Where a suspicion goes: to the recheck of the same read that is under way, else to one of its own while
// recheck.max_per_second allows, which all shadow threads share, else to what the same suspicion came to in the last
// minute. Those that joined a recheck come back here at its end. Runs on the shadow thread.

#include "proxy/shadow/suspicion.h"
#include "proxy/report/figures.h"
#include "proxy/shadow/judge.h"
#include "proxy/shadow/throttle.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct verdict_remembered
suspicion_recall(struct read *read, const struct verdict_key *key)
{
    struct verdict_remembered what = {.verdict = VERDICT_UNVERIFIED};
    verdict_memory_find(read->mirror->shadow->verdicts, key, uv_hrtime(), &what);
    // Accepted by a rule then, or by ACCEPT since.
    read->is_accepted =
        what.is_accepted || (what.verdict == VERDICT_MISMATCH &&
                             figures_is_accepted(read->mirror->at->database->figures,
                                                 read->shape->analysis->fingerprint));
    return what;
}

// Too many suspicions: what the same one came to before, else unverified.
static void
end_by_memory(struct read *read, const struct verdict_key *key)
{
    struct verdict_remembered what = suspicion_recall(read, key);
    read_end_compared(&read, what.verdict, what.class);
}

static void
suspicion_take(struct read *read, const struct verdict_key *key)
{
    struct mirror *mirror = read->mirror;
    uint32_t most = read->settings->entry->shadow.recheck.max_per_second;
    struct recheck *under_way = rechecks_find(mirror->shadow->rechecks, key);
    if (under_way) {
        if (!recheck_join(under_way, read, key))
            end_by_memory(read, key);
        return;
    }
    if (!throttle_pass(&mirror->at->database->rechecks_until, most, uv_hrtime()) ||
        !judge_start(read, key))
        end_by_memory(read, key);
}

uint64_t
suspicion_read_of(const struct read *read)
{
    const struct mirror *mirror = read->mirror;
    const char *user = mirror->facts->user;
    uint64_t whose = XXH3_64bits_withSeed(user, strlen(user), (uintptr_t)mirror->at->database);
    return read->parameters_digest ^ read->shape->key.low ^ whose;
}

static struct verdict_key
key_of(const struct read *read)
{
    struct verdict_key key = {.read = suspicion_read_of(read)};
    for (enum side side = SIDE_OLD; side <= SIDE_NEW; side++) {
        uint64_t digest[2];
        result_digest(&read->results[side], digest);
        key.sides[side] = digest[0];
    }
    return key;
}

void
suspicion_begin(struct read *read, const struct difference *first)
{
    if (first->is_open) {
        read_end_compared(&read, VERDICT_UNSTABLE, DIFFERENCE_NONE);
        return;
    }
    struct verdict_key key = key_of(read);
    suspicion_take(read, &key);
}

// --- those that joined ------------------------------------------------------------------------

// Who joined: the same results, the same verdict; the others are taken up anew.
void
suspicion_settle_joined(struct recheck_joined *joined, const struct verdict_key *key,
                        unsigned round, enum verdict verdict, enum difference_class class,
                        bool is_accepted)
{
    while (joined) {
        struct recheck_joined *gone = joined;
        struct read *read = gone->read;
        joined = gone->next;
        bool is_answered = verdict == VERDICT_LAGGING && gone->round < round;
        if (is_answered || verdict_key_is_same(&gone->key, key)) {
            read->is_accepted = is_accepted;
            read_end_compared(&read, verdict, class);
        } else if (read->mirror->shadow->is_stopping) {
            read_end_dropped(&read, DROP_SHUTDOWN);
        } else {
            suspicion_take(read, &gone->key);
        }
        free(gone);
    }
}

void
suspicion_drop_joined(struct recheck_joined *joined)
{
    while (joined) {
        struct recheck_joined *gone = joined;
        joined = gone->next;
        read_end_dropped(&gone->read, DROP_SHUTDOWN);
        free(gone);
    }
}
