// One read on its way through the shadow: served, then run on the other side, compared, and where
// the two differ, judged by rounds. It is in the books from read_begin until read_end… is said.
#ifndef PROXY_SHADOW_READ_H
#define PROXY_SHADOW_READ_H

#include "compare/difference.h"
#include "proxy/report/figures.h"
#include "proxy/shadow/mirror.h"
#include "proxy/shadow/rules.h"
#include "proxy/shadow/shapes.h"
#include "proxy/shadow/statement.h"

struct judge;
struct large;

struct read_facts { // what mirror knows of an execution; borrowed, but `result` is moved
    const struct unit *unit;
    const char *sql; // one statement's, UTF-8
    size_t sql_length;
    const char *prepare;         // `sql` is an EXECUTE of what this PREPARE made, else NULL
    const char *executed;        // what that EXECUTE runs, else NULL
    struct statement *statement; // extended protocol, else NULL
    const uint8_t *bind;         // Bind's body, else NULL
    size_t bind_length;
    struct shape *shape;   // NULL: there are no catalogs to analyse it by
    struct result *result; // NULL: the reply was cut away (over shadow.max_result)
    enum skip_reason skip; // what the session's state says; SKIP_NONE: nothing against it
};

struct read_messages {
    uint8_t *bytes; // owned
    size_t length;
    size_t begin_length;                     // of the first one, BEGIN
    bool keeps_statements, drops_statements; // as own_job has them
};

struct read {
    struct read *next, **link;          // of the shadow's list
    struct mirror *mirror;              // a reference
    struct shape *shape;                // a reference
    struct database_settings *settings; // a reference
    struct database_catalogs *catalogs; // a reference
    struct state_snapshot *state;       // a reference
    enum served served;
    enum side served_side;
    int64_t served_at; // microseconds since 1970: when its request was sent on
    uint64_t served_ns;
    uint64_t mirrored_ns; // 0: not run
    // What is sent to run it once more, READ ONLY, and to new, where it is rewritten (without bytes: the same).
    struct read_messages messages, new_messages;
    char *sql;     // owned
    uint8_t *bind; // owned, NULL for the simple protocol
    size_t bind_length;
    uint64_t parameters_digest;
    struct result results[2]; // the first pair, by side
    struct read_rules rules;
    bool has_type_change;
    bool is_accepted;    // the mismatch is a known one
    bool is_repeated;    // it runs on old once more (noise.h)
    bool is_over;        // it has ended and stays for that alone
    size_t held;         // bytes that it keeps, in the shadow's held_bytes
    struct judge *judge; // while a suspicion is being settled
    struct large *large; // while a result over shadow.max_result is compared
};

enum { READ_UNITS = 3 /* BEGIN, the read, ROLLBACK */, READ_IN_FLIGHT_LIMIT = 8192 /* a thread */ };

// Books the read and either ends it at once (skipped, dropped) or starts its mirrored run.
void read_begin(struct mirror *mirror, const struct read_facts *facts);
// Starts it, on the side that did not serve. False: no memory.
bool read_run_mirrored(struct read *read);
// Writes read->messages and, of a read that is rewritten, read->new_messages. False: no memory. *refused: this one
// cannot be put to new.
bool read_write_messages(struct read *read, const struct read_facts *facts, bool *refused);
// A job that runs the read once more on `side`; NULL without memory. With `tail` a further Query.
struct own_job *read_job(struct read *read, enum side side, const char *tail);
// The same, with a further Query behind BEGIN.
struct own_job *read_job_after(struct read *read, enum side side, const char *first,
                               const char *tail);
// The result of the read within a finished job. False: the reply is no answer to it.
bool read_result_of(const struct own_job *job, struct result *result);
// Is `difference` between the results, old's and new's? False: no memory.
bool read_differs(const struct read *read, const struct result *old_result,
                  const struct result *new_result, struct difference *difference);
// The ends; each frees the read.
void read_end_compared(struct read **read, enum verdict verdict, enum difference_class class);
void read_end_skipped(struct read **read, enum skip_reason reason);
void read_end_dropped(struct read **read, enum drop_reason reason);
// From noise.c: the repetition is over. Frees a read that has ended.
void read_repeated(struct read *read);
// Why a job brought no reading, in a few words; NULL: it may have.
const char *read_trouble(const struct own_job *job);
// What a job that brought no answer means for its read: skipped, dropped, or SKIP_NONE and
// DROP_NONE, which is unverified.
void read_outcome(const struct own_job *job, enum skip_reason *skip, enum drop_reason *drop);
int64_t read_wall_clock(uint64_t then); // an uv_hrtime as microseconds since 1970

#endif
