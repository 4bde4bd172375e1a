// The control of the comparison: old against old. It begins when a read has come to its mirrored comparison and goes on
// beside it: the verdict neither waits for it nor knows of it, and the read's books are closed without it. One job on
// the proxy's own session on old, as a recheck's; its result is held against the one that was served, by the rules of
// the comparison with old's types on both sides. A difference that the statement leaves open is none.
//
// Whatever keeps old from answering (no session, a time-out, a passing error, shutdown) makes it no sample. A read over
// shadow.max_result is none either. Runs on the shadow thread; the read's memory is held until both are done.

#include "proxy/shadow/noise.h"
#include "compare/rounds.h"
#include "proxy/report/figures.h"

bool
noise_is_due(unsigned begun, double share, uint64_t random)
{
    if (share <= 0)
        return false;
    return begun < NOISE_FIRST || (double)(random >> 11) * 0x1p-53 < share;
}

// False: it is not known whether they differ.
static bool
compare(const struct read *read, const struct result *again, bool *differs)
{
    struct result served = read->results[SIDE_OLD]; // borrowed
    struct difference_rules rules = read->rules.difference;
    struct difference difference;
    if (served.kind == RESULT_OPEN)
        return false; // it was let go: the read became a large one
    if (again->kind == RESULT_ERROR && rounds_is_circumstance(again->sqlstate))
        return false;
    // The served one's may be new's, where no client ever asked for them.
    if (again->has_columns && again->column_count == served.column_count)
        served.columns = again->columns;
    rules.new_types = rules.old_types;
    if (!difference_find(&served, again, &read->shape->analysis->determinacy, &rules, &difference))
        return false;
    *differs = difference.class != DIFFERENCE_NONE && !difference.is_open;
    return true;
}

static void
noise_done(struct own_job *job)
{
    struct read *read = job->context;
    struct result again;
    bool differs;
    if (job->outcome == OWN_DONE && read_result_of(job, &again)) {
        if (compare(read, &again, &differs))
            figures_noise(read->mirror->at->database->figures, read->shape->analysis, differs);
        result_fini(&again);
    }
    own_job_free(&job);
    read->mirror->shadow->noise_running--;
    read_repeated(read);
}

void
noise_begin(struct read *read)
{
    struct shadow *shadow = read->mirror->shadow;
    double share = read->settings->entry->shadow.noise;
    if (read->served_side != SIDE_OLD || shadow->is_stopping ||
        shadow->noise_running >= NOISE_AT_ONCE ||
        !noise_is_due(atomic_load(&read->shape->noise_begun), share, shadow_random(shadow)))
        return;
    struct own_job *job = read_job(read, SIDE_OLD, NULL);
    if (!job)
        return;
    job->done = noise_done;
    job->context = read;
    read->is_repeated = true;
    shadow->noise_running++;
    atomic_fetch_add(&read->shape->noise_begun, 1);
    own_pool_run(shadow->pool, job);
}
