// What is known of each fingerprint of one database: counts by verdict and reason, latencies on each
// side, hazards, quarantine; and the confirmed mismatches with their evidence. Fed by the shadow
// threads, read by console, HTTP and reporter, behind one lock that is never held across I/O. In
// memory bounded: FIGURES_LIMIT fingerprints, then "other".
#ifndef PROXY_FIGURES_H
#define PROXY_FIGURES_H

#include "compare/difference.h"
#include "compare/sql/analysis.h"
#include "proxy/books.h"
#include <stdbool.h>
#include <stdint.h>

enum { FIGURES_LIMIT = 10000, FIGURES_EVIDENCE_PER_CLASS = 20 /* a fingerprint and class */ };

struct figures;

struct figures *figures_new(void);
void figures_free(struct figures **figures);

struct figures_read { // one read that has come to its end
    const struct analysis *analysis;
    enum served served;
    uint64_t served_ns, mirrored_ns; // 0: not measured
    bool served_is_new;
    uint64_t parameters_digest; // of the parameters, for distinct counts
    // Exactly one of the following holds.
    bool is_compared;
    enum verdict verdict;
    enum skip_reason skipped;
    enum drop_reason dropped;
    enum difference_class difference; // of a mismatch
    bool has_type_change;             // a hazard
};
void figures_add(struct figures *figures, const struct figures_read *read);

// A confirmed mismatch, as evidence; every string is copied, masked by the caller as `samples` says.
struct figures_mismatch {
    uint64_t id; // from 1, unique in the store
    int64_t at;  // microseconds since 1970
    char fingerprint[17];
    enum difference_class difference;
    char *table, *column; // "" where unknown; "expression" as a column where the text tells no more
    uint64_t rows;
    char *old_value, *new_value; // of the first sample; NULL: SQL NULL or none
    char *samples;    // JSON array: [{"old_row":…,"new_row":…,"column":…,"old":…,"new":…}]
    char *query;      // normalised SQL, or the SQL itself with samples: full
    char *parameters; // JSON array, masked
    enum served served;
    int64_t served_at, old_first_at, new_at, old_second_at; // microseconds since 1970
    double lag_seconds;
    unsigned rounds, attempts;
    char *detail; // error messages of both sides, and the like; "" if none
};
void figures_mismatch_add(struct figures *figures, const struct figures_mismatch *mismatch);

// Quarantine (canary.quarantine) and ACCEPT, by fingerprint.
bool figures_is_quarantined(struct figures *figures, const char *fingerprint);
void figures_quarantine(struct figures *figures, const char *fingerprint, bool on);
void figures_accept(struct figures *figures, const char *fingerprint, const char *reason);

#endif
