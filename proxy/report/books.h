// The books of one database (DESIGN 3.2): every read is accounted for. Counters only go up, are
// atomic, and may be read on any thread; a read is counted when the shadow takes it up, and stays in
// flight until one of the books_… endings is said of it.
#ifndef PROXY_REPORT_BOOKS_H
#define PROXY_REPORT_BOOKS_H

#include "compare/verdict.h"
#include <stdatomic.h>
#include <stdint.h>

enum served { SERVED_OLD, SERVED_NEW, SERVED_FALLBACK, SERVED_UNANSWERED };

enum fallback_reason { // why old served what was routed to new
#define FALLBACK(NAME, name, help) FALLBACK_##NAME,
#define ROLLBACK(NAME, name, help)
#include "proxy/canary/canary_reasons.tbl"
    FALLBACK_COUNT
};

enum rollback_trigger { // who took a canary back
#define FALLBACK(NAME, name, help)
#define ROLLBACK(NAME, name, help) ROLLBACK_##NAME,
#include "proxy/canary/canary_reasons.tbl"
    ROLLBACK_COUNT
};

struct books {
    atomic_uint_fast64_t reads, in_flight, other;
    atomic_uint_fast64_t served_old, served_new, unanswered,
        fallbacks; // a fallback is served_old too
    atomic_uint_fast64_t verdicts[VERDICT_COUNT];
    atomic_uint_fast64_t skipped[SKIP_COUNT];
    atomic_uint_fast64_t dropped[DROP_COUNT];
    atomic_uint_fast64_t mismatches[DIFFERENCE_COUNT]; // by class
    atomic_uint_fast64_t accepted; // of verdicts[VERDICT_MISMATCH]: known, and not in the rate
    // Beside the books: a fallback's reason is known on the worker, before its read is counted.
    atomic_uint_fast64_t fallback_reasons[FALLBACK_COUNT];
    atomic_uint_fast64_t rollbacks[ROLLBACK_COUNT];
};

// A consistent enough copy: taken until it balances and two readings in a row of `reads` agree.
struct books_page {
    uint64_t reads, in_flight, other, compared, skipped_total, dropped_total;
    uint64_t served_old, served_new, unanswered, fallbacks;
    uint64_t verdicts[VERDICT_COUNT], skipped[SKIP_COUNT], dropped[DROP_COUNT],
        mismatches[DIFFERENCE_COUNT];
    uint64_t accepted;
    uint64_t fallback_reasons[FALLBACK_COUNT], rollbacks[ROLLBACK_COUNT];
    double mismatch_rate, mismatch_upper_bound, coverage;
};

void books_begin(struct books *books, enum served served); // a read: in flight from here
void books_compared(struct books *books, enum verdict verdict, enum difference_class difference);
void books_skipped(struct books *books, enum skip_reason reason);
void books_dropped(struct books *books, enum drop_reason reason);
void books_other(struct books *books); // an execution that is no read
// Of a mismatch that was said by books_compared: it was accepted, by a rule or by ACCEPT.
void books_accepted(struct books *books);
void books_fell_back(struct books *books, enum fallback_reason reason);
void books_rolled_back(struct books *books, enum rollback_trigger trigger);
void books_read(struct books *books, struct books_page *page);
// Fills in the sums, rates and bounds of a page whose counters are there.
void books_page_finish(struct books_page *page);

// Every counter of a page under its stable name ("reads", "verdict.match", "skipped.login", …), for
// the store. `each` may change the value.
void books_page_each(struct books_page *page,
                     void (*each)(void *context, const char *name, uint64_t *value), void *context);

const char *served_name(enum served served); // "old", "new", "fallback", "unanswered"
const char *fallback_reason_name(enum fallback_reason reason);
const char *rollback_trigger_name(enum rollback_trigger trigger);

#endif
