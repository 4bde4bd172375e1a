// New's answer to a canary read on its way to the client: taken from the three units of the job, checked
// against what old would describe, presented as old's, and kept as new said it for the shadow. Pure; one
// thread.
#ifndef PROXY_CANARY_CANARY_ANSWER_H
#define PROXY_CANARY_CANARY_ANSWER_H

#include "protocol/capture.h"
#include "protocol/frame.h"
#include "protocol/writer.h"
#include "proxy/canary/canary_columns.h"
#include "proxy/shadow/shapes.h"

enum canary_progress {
    CANARY_COMING,   // nothing is wrong so far
    CANARY_COMPLETE, // the read's ReadyForQuery came
    CANARY_FAILED,   // new said an error; `sqlstate`
    CANARY_UNFIT,    // it can't be presented as old's
    CANARY_BROKEN,   // no memory, or no protocol
};

// What new has to say next. A Query's answer begins with the description, else with ParseComplete: the
// job always parses and describes.
enum canary_stage {
    CANARY_AWAITS_PARSED,
    CANARY_AWAITS_BOUND,
    CANARY_AWAITS_COLUMNS,
    CANARY_IN_ROWS,
    CANARY_HAS_ENDED,
};

struct canary_answer {
    struct frame frame;
    struct writer message;             // the message that is under way
    struct writer out;                 // for the client, and not yet given to it
    struct capture record;             // for the shadow
    struct shape_columns *old_columns; // a reference
    struct canary_types types;         // owned
    bool is_simple, has_describe;
    unsigned unit;                 // of the job: 0 BEGIN, 1 the read, 2 ROLLBACK
    enum canary_stage stage;       // of the read
    struct canary_column *columns; // what is done to values; owned, NULL: not described yet
    bool converts;                 // to some of them
    bool may_refuse;               // and some of those may not fit
    bool is_released;              // no way back: errors go to the client
    bool is_passing; // the row under way is a large one of a released answer, and passes in pieces
    bool is_record_cut;
    size_t max_record;
    enum canary_progress progress;
    char sqlstate[6];
};

// Takes the columns and the types.
void canary_answer_init(struct canary_answer *answer, struct shape_columns **old_columns,
                        struct canary_types *types, bool is_simple, bool has_describe,
                        size_t max_record);
void canary_answer_fini(struct canary_answer *answer);
// Takes bytes of the job's replies. `out` then holds more for the client.
enum canary_progress canary_answer_take(struct canary_answer *answer, const uint8_t *bytes,
                                        size_t length);

#endif
