// The inside of a large read, for the files that make it up: large.c (the queue, the stages of a pass, the
// end), large_reading.c (one reading of one side), large_judge.c (what the readings of a pass say).
#ifndef PROXY_SHADOW_LARGE_PARTS_H
#define PROXY_SHADOW_LARGE_PARTS_H

#include "compare/digest.h"
#include "compare/rounds.h"
#include "protocol/frame.h"
#include "proxy/shadow/evidence.h"
#include "proxy/shadow/fence.h"
#include "proxy/shadow/large.h"
#include "proxy/shadow/verdict_memory.h"

enum large_pass {
    LARGE_SURVEY, // old, new: the digests of all rows
    LARGE_CHECK,  // old, new: the rows whose inexact columns differ, against their tolerance
    LARGE_ROUND,  // old, (fence), new, old, and new where these differ: the rows that differ
};

enum large_stage {
    LARGE_OLD_FIRST,
    LARGE_NEW_FIRST,
    LARGE_OLD_SECOND,
    LARGE_NEW_SECOND,
    LARGE_READINGS, // so many stages read
    LARGE_FENCE = LARGE_READINGS,
    LARGE_GAP,
    LARGE_QUEUED,
};

struct large_reading {
    struct digest *digest; // NULL: no rows came
    struct result result;  // its columns and its end, and the rows that were selected
    uint64_t position;     // old's behind it; 0: not told
    // While it runs.
    struct frame frame;
    unsigned unit;         // ReadyForQuery's that were seen
    struct writer message; // that is looked into whole
    const char *trouble;   // why it is worth nothing, NULL: it is well
};

struct large {
    struct read *read;
    struct large *next; // of those that wait
    enum large_pass pass;
    enum large_stage stage;
    struct large_reading readings[LARGE_READINGS]; // of this pass, by stage
    struct result heads[2];                        // each side's columns as last described
    bool is_described[2];                          // else assumed to be the other's
    struct digest_plan *plan;                      // of these columns; NULL: none were seen yet
    bool must_restart;                             // the plan has changed within a pass
    unsigned restarts;
    bool was_judged; // it is over the survey, and counted against recheck.max_per_second
    bool has_selection;
    struct digest_selection selection;
    struct rounds rounds;
    struct evidence_times times;
    struct verdict_key key;
    struct fence *fence; // while stage is LARGE_FENCE
    uv_timer_t timer;
};

// large_reading.c: a job that fills in the reading; NULL: no memory. The caller sets `done`, whose job's context
// is the large read.
struct own_job *large_reading_job(struct large *large, struct large_reading *reading,
                                  enum side side, const char *tail);
// The job has ended: NULL, or why the reading is worth nothing.
const char *large_reading_end(struct large_reading *reading, const struct own_job *job);
void large_reading_init(struct large_reading *reading);
void large_reading_fini(struct large_reading *reading);

// large.c: a side has described its columns in the reading that runs. NULL: no memory.
struct digest_plan *large_plan(struct large *large, enum side side, const struct result *described);
struct large_reading *large_reading_running(struct large *large);
void large_pass_begin(struct large *large, enum large_pass pass); // after a gap, if it is a round
void
large_read_new_again(struct large *large); // the last reading of a round; then it is judged anew
void large_settle(struct large *large, enum verdict verdict); // ends it
void large_settle_as(struct large *large, enum verdict verdict, enum difference_class class);
void large_mismatch(struct large *large); // rounds say so, and there is evidence; ends it

// large_judge.c: the pass is complete.
void large_judge(struct large *large);

#endif
