// New's answer to a unit of reads on its way to the client: taken from the three units of the job, checked
// against what old would describe, presented as old's, and kept as new said it for the shadow. Pure; one
// thread.
//
// It goes through the unit's steps (canary_unit.h). What old says to the prefix is not in it, and neither is
// ReadyForQuery, whose status is old's to say; to a Parse or Close between the reads it says itself what old
// says when it agrees.
#ifndef PROXY_CANARY_CANARY_ANSWER_H
#define PROXY_CANARY_CANARY_ANSWER_H

#include "protocol/capture.h"
#include "protocol/frame.h"
#include "protocol/writer.h"
#include "proxy/canary/canary_columns.h"
#include "proxy/canary/canary_unit.h"
#include "proxy/shadow/shapes.h"

enum canary_progress {
    CANARY_COMING,   // nothing is wrong so far
    CANARY_COMPLETE, // the reads' ReadyForQuery came
    CANARY_FAILED,   // new said an error; `sqlstate`
    CANARY_UNFIT,    // it can't be presented as old's
    CANARY_BROKEN,   // no memory, or no protocol
};

// What new has to say next within a step. The job always describes; it parses what is not prepared yet.
enum canary_stage {
    CANARY_AWAITS_PARSED,
    CANARY_AWAITS_BOUND,
    CANARY_AWAITS_COLUMNS,
    CANARY_IN_ROWS,
    CANARY_AWAITS_CLOSED,
    CANARY_HAS_ENDED, // all steps, or an error that was passed
};

struct canary_part {                   // the answer to one read
    struct shape_columns *old_columns; // a reference
    struct canary_column *columns;     // what is done to values; owned, NULL: not described yet
    bool converts;                     // some of them
};

struct canary_mark { // where old's answer to a message between the reads stands
    size_t out, record;
};

struct canary_answer {
    const struct canary_unit *asked; // borrowed
    struct canary_types types;       // owned
    struct frame frame;
    struct writer message;     // the message that is under way
    struct writer out;         // for the client, and not yet given to it
    struct capture record;     // for the shadow
    struct canary_part *parts; // one a read; owned
    struct canary_mark *marks; // one each of old's steps behind the prefix; owned
    size_t mark_count;
    unsigned unit;           // of the job: 0 BEGIN, 1 the reads, 2 ROLLBACK
    size_t step;             // of the unit's
    enum canary_stage stage; // of the step
    bool converts;           // values of some read
    bool may_refuse;         // and some of those may not fit
    bool is_released;        // no way back: errors go to the client
    bool has_error;          // one has gone there
    bool is_passing; // the row under way is a large one of a released answer, and passes in pieces
    bool is_record_cut;
    size_t max_record;
    enum canary_progress progress;
    char sqlstate[6];
};

// Takes the columns, one a read, and the types. False: no memory; they are still the caller's.
bool canary_answer_init(struct canary_answer *answer, const struct canary_unit *asked,
                        struct shape_columns **old_columns, struct canary_types *types,
                        size_t max_record);
void canary_answer_fini(struct canary_answer *answer);
// Takes bytes of the job's replies. `out` then holds more for the client.
enum canary_progress canary_answer_take(struct canary_answer *answer, const uint8_t *bytes,
                                        size_t length);
// Of a complete answer: what stands behind old's n-th message between the reads is not said.
void canary_answer_cut(struct canary_answer *answer, size_t n);
// What we say ourselves goes into the record, too.
void canary_answer_record(struct canary_answer *answer, const uint8_t *bytes, size_t length);

#endif
