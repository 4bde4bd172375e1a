// What is known of one database at one moment: its books, its figures by fingerprint and its evidence, either
// of the running proxy or out of the store. Console, HTTP and report show pictures and nothing else, so
// that they cannot disagree.
#ifndef PROXY_REPORT_PICTURE_H
#define PROXY_REPORT_PICTURE_H

#include "proxy/instance.h"
#include "proxy/report/figures.h"

// Of a percentage that nobody has SET, in a picture out of the store: the configuration says it.
enum { PICTURE_UNSET = 10001 };

struct picture {
    char *database; // its name; owned
    struct books_page books;
    struct figures_totals totals;
    struct figure *figures; // most reads first; owned
    size_t figure_count;
    struct figures_mismatch *evidence; // newest first; owned
    size_t evidence_count;
    unsigned canary_percent, shadow_percent; // hundredths, or PICTURE_UNSET
    enum canary_state canary_state;
    const char *guardrail; // its state's name; NULL: nobody looks
    // Of the running proxy alone; else NaN, false and 0.
    bool is_live, is_paused, is_up[2];
    double lag_seconds; // NaN: unknown
    const char *lag_probe;
    char lag_trouble[256];
    char rewrite_trouble[DATABASE_TROUBLE];
    uint64_t clients, old_sessions;
    unsigned own_sessions[2];
    // Refused logins of our own since the last that was let in; 0 while any session is.
    unsigned refused_logins[2];
};

enum picture_depth { PICTURE_BOOKS, PICTURE_FIGURES, PICTURE_EVIDENCE };

struct pictures {
    struct picture *list; // by name; owned
    size_t count;
    uint64_t queue_reads, queue_bytes; // over all databases
    // The store, of the running proxy alone; see reporter_store_state.
    char store[600]; // "works", or what is wrong; "": not known
    bool store_works;
    uint64_t store_lost_events, store_lost_minutes;
    bool failed; // no memory
};

// Of the running proxy; down to `depth`. Any thread.
void pictures_take(struct instance *instance, enum picture_depth depth, struct pictures *pictures);
void pictures_fini(struct pictures *pictures);
// One more at the end, empty but for its name; NULL: no memory.
struct picture *pictures_add(struct pictures *pictures, const char *database);

#endif
