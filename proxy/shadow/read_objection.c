// What speaks against mirroring a read: first what the read is (skipped, for a reason that its user may want to know),
// then what the proxy has no room for (dropped). Asked once a read, as it begins, in this order. The
// session's shadow thread.

#include "proxy/shadow/read_objection.h"
#include "compare/rounds.h"
#include "proxy/shadow/fair_share.h"
#include <string.h>
#include <xxhash.h>

static bool
is_aborted(const struct read_facts *facts)
{
    if (facts->unit->is_lost && !facts->result)
        return true;
    const struct result *result = facts->result;
    if (!result)
        return false;
    if (result->kind == RESULT_OPEN)
        return true;
    // 25P02: the transaction had failed before; this statement was not run at all.
    return result->kind == RESULT_ERROR &&
           (rounds_is_circumstance(result->sqlstate) || strcmp(result->sqlstate, "25P02") == 0);
}

// What was never analysed has no fingerprint: it will be dropped, and takes nothing.
static bool
is_in_budget(const struct mirror *mirror, const struct read_facts *facts)
{
    if (!facts->shape)
        return true;
    const char *fingerprint = facts->shape->analysis->fingerprint;
    return fair_share_pass(mirror->at->database->mirrored,
                           XXH3_64bits(fingerprint, strlen(fingerprint)),
                           mirror->at->settings->entry->shadow.max_per_second, uv_hrtime());
}

enum skip_reason
read_skip_of(struct mirror *mirror, const struct read_facts *facts)
{
    const struct configuration_database *entry = mirror->at->settings->entry;
    bool is_canary = facts->unit->route == UNIT_ROUTE_NEW;
    if (facts->unit->is_request_cut)
        return SKIP_REQUEST_SIZE;
    if (facts->shape && facts->shape->analysis->skip != SKIP_NONE)
        return facts->shape->analysis->skip;
    if (facts->shape && atomic_load(&facts->shape->is_unproven))
        return SKIP_VOLATILE_FUNCTION;
    if (facts->skip != SKIP_NONE)
        return facts->skip;
    if (is_aborted(facts))
        return SKIP_ABORTED;
    if (facts->result && facts->result->kind == RESULT_PARTIAL)
        return SKIP_ROW_LIMIT;
    if (facts->shape && rules_exclude(&entry->compare, facts->shape->analysis))
        return SKIP_EXCLUDED;
    if (is_canary)
        return SKIP_NONE;
    if (facts->unit->is_unsampled)
        return SKIP_SAMPLED_OUT;
    if (!is_in_budget(mirror, facts))
        return SKIP_RATE_LIMITED;
    return SKIP_NONE;
}

enum drop_reason
read_drop_of(struct mirror *mirror, const struct read_facts *facts)
{
    struct shadow *shadow = mirror->shadow;
    if (facts->unit->dropped != DROP_NONE)
        return facts->unit->dropped;
    if (shadow->is_stopping)
        return DROP_SHUTDOWN;
    if (!facts->shape) // never analysed: one side's catalogs have not been read
        return mirror->at->catalogs->catalogs[SIDE_OLD] ? DROP_NEW_UNAVAILABLE
                                                        : DROP_OLD_UNAVAILABLE;
    if (!facts->result && !facts->unit->is_reply_cut)
        return DROP_MEMORY;
    if (atomic_load(&shadow->held_reads) >= READ_IN_FLIGHT_LIMIT)
        return DROP_QUEUE_FULL;
    size_t limit = mirror->at->settings->entry->shadow.memory / shadow->count;
    size_t result = facts->result ? result_memory(facts->result) : 0;
    if (atomic_load(&shadow->held_bytes) + result > limit)
        return DROP_MEMORY;
    return DROP_NONE;
}
