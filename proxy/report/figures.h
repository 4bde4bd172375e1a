// What is known of each fingerprint of one database: counts by verdict and reason, latencies on each
// side, hazards, quarantine; and the confirmed mismatches with their evidence. Fed by the shadow
// threads, read by console, HTTP and reporter, behind one lock that is never held across I/O. In
// memory bounded: FIGURES_LIMIT fingerprints, then "other".
#ifndef PROXY_REPORT_FIGURES_H
#define PROXY_REPORT_FIGURES_H

#include "compare/difference.h"
#include "compare/sql/analysis.h"
#include "proxy/report/books.h"
#include "proxy/report/distinct.h"
#include "proxy/report/latency.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    FIGURES_LIMIT = 10000,
    FIGURES_EVIDENCE_PER_CLASS = 20, // a fingerprint and class; the newest are kept
    FIGURES_EVIDENCE_LIMIT = 5000,   // in all
    FIGURES_PLACES_PER_FINGERPRINT = 64,
    FIGURES_TEXT_LIMIT = 16384, // bytes that are kept of each string
};

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
    bool is_accepted;                 // a mismatch that a rule or ACCEPT names as known
    bool has_type_change;             // a hazard
};
void figures_add(struct figures *figures, const struct figures_read *read);
// A read was put to old twice: did it differ from itself? Beside the books.
void figures_noise(struct figures *figures, const struct analysis *analysis, bool differs);

// A confirmed mismatch, as evidence; every string is copied, masked by the caller as `samples` says.
struct figures_mismatch {
    uint64_t id; // from 1, unique in the store
    int64_t at;  // microseconds since 1970
    char fingerprint[17];
    enum difference_class difference;
    char *table, *column; // "" where unknown; "expression" as a column where the text tells no more
    uint64_t rows;
    char *old_value, *new_value; // of the first sample; NULL: SQL NULL or none
    char *samples; // JSON array: [{"old_row":…,"new_row":…,"column":…,"old":…,"new":…}]
    char *query;   // normalised SQL, or the SQL itself with samples: full
    char *parameters; // JSON array, masked
    enum served served;
    int64_t served_at, old_first_at, new_at, old_second_at; // microseconds since 1970
    double lag_seconds;
    unsigned rounds, attempts;
    char *detail; // error messages of both sides, and the like; "" if none
};
void figures_mismatch_add(struct figures *figures, const struct figures_mismatch *mismatch);

// Evidence of an earlier run: shown, and counted nowhere.
void figures_mismatch_restore(struct figures *figures, const struct figures_mismatch *mismatch);

// Quarantine (canary.quarantine) and ACCEPT, by fingerprint. `reason` NULL: accepted no longer.
bool figures_is_quarantined(struct figures *figures, const char *fingerprint);
void figures_quarantine(struct figures *figures, const char *fingerprint, bool on);
void figures_accept(struct figures *figures, const char *fingerprint, const char *reason);
bool figures_is_accepted(struct figures *figures, const char *fingerprint);
bool figures_is_known(struct figures *figures, const char *fingerprint);

// What readers get: copies, theirs to keep. Nothing is returned without memory, but the counts are 0.

struct figure { // one fingerprint; "other" is what came over FIGURES_LIMIT, "" what does not parse
    char fingerprint[17];
    char *query, *tables; // tables: "schema.table, …"; never NULL
    uint64_t reads;       // that have come to their end
    uint64_t verdicts[VERDICT_COUNT], skipped[SKIP_COUNT], dropped[DROP_COUNT],
        mismatches[DIFFERENCE_COUNT], accepted;
    uint64_t distinct;                         // estimate of the different parameter sets compared
    uint64_t noise_samples, noise_differences; // reads put to old twice; those that differed
    struct histogram
        *latency[2][LATENCY_RUN_COUNT]; // by side (0 old, 1 new); NULL: nothing measured
    bool has_type_change, is_quarantined;
    char *accepted_because;   // NULL: not accepted
    const char *open_because; // a hazard: what the statement leaves open; static, NULL: nothing
    // Why reads were skipped, as the analyses of this run say; NULL: they do not. Which function was not proven:
    char *unproven_function;
    const char *refused_because; // why rewrites do not hold; static
    struct figures_place {       // where its mismatches lie
        enum difference_class difference;
        char *table, *column;
        uint64_t mismatches;
        int64_t last_seen; // microseconds since 1970
    } * places;
    size_t place_count;
};

// Those changed after `since` (0: all), most reads first; *now is the `since` of the next call.
struct figure *figures_copy(struct figures *figures, uint64_t since, uint64_t *now, size_t *count);
void figures_copy_free(struct figure **copy, size_t count);
void figure_fini(struct figure *figure); // one of a copy
uint64_t figure_compared(const struct figure *figure);
// Those whose verdict counts into coverage; with none the shape has never been compared, whatever was tried.
uint64_t figure_covered(const struct figure *figure);
// The rate and bound that the books would give of these counts alone.
void figure_rate(const struct figure *figure, double *rate, double *upper_bound);

// Differences by noise sample; NaN without one.
double figure_noise_rate(const struct figure *figure);

// Evidence with an id over `after`, newest first.
struct figures_mismatch *figures_evidence(struct figures *figures, uint64_t after, size_t *count);
void figures_evidence_free(struct figures_mismatch **evidence, size_t count);
void figures_mismatch_fini(struct figures_mismatch *mismatch); // one of a copy

struct figures_totals { // over all fingerprints
    struct histogram latency[2][LATENCY_RUN_COUNT];
    uint64_t distinct; // (fingerprint, parameters) compared, estimated
    uint64_t fingerprints;
    uint64_t never_compared; // fingerprints that were read, and of which none is covered
};
void figures_totals(struct figures *figures, struct figures_totals *totals);

#endif
