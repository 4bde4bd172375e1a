// The books of one database (DESIGN 3.2): every read is accounted for. Counters only go up, are
// atomic, and may be read on any thread; a read is counted when the shadow takes it up, and stays in
// flight until one of the books_… endings is said of it.
#ifndef PROXY_BOOKS_H
#define PROXY_BOOKS_H

#include "compare/verdict.h"
#include <stdatomic.h>
#include <stdint.h>

enum served { SERVED_OLD, SERVED_NEW, SERVED_FALLBACK, SERVED_UNANSWERED };

struct books {
    atomic_uint_fast64_t reads, in_flight, other;
    atomic_uint_fast64_t served_old, served_new, unanswered, fallbacks; // a fallback is served_old too
    atomic_uint_fast64_t verdicts[VERDICT_COUNT];
    atomic_uint_fast64_t skipped[SKIP_COUNT];
    atomic_uint_fast64_t dropped[DROP_COUNT];
    atomic_uint_fast64_t mismatches[DIFFERENCE_COUNT]; // by class
};

// A consistent enough copy: taken until two readings in a row of `reads` agree.
struct books_page {
    uint64_t reads, in_flight, other, compared, skipped_total, dropped_total;
    uint64_t served_old, served_new, unanswered, fallbacks;
    uint64_t verdicts[VERDICT_COUNT], skipped[SKIP_COUNT], dropped[DROP_COUNT],
        mismatches[DIFFERENCE_COUNT];
    double mismatch_rate, mismatch_upper_bound, coverage;
};

void books_begin(struct books *books, enum served served); // a read: in flight from here
void books_compared(struct books *books, enum verdict verdict, enum difference_class difference);
void books_skipped(struct books *books, enum skip_reason reason);
void books_dropped(struct books *books, enum drop_reason reason);
void books_other(struct books *books); // an execution that is no read
void books_read(struct books *books, struct books_page *page);

#endif
