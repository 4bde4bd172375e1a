// The inside of struct figures, for figures.c, figures_copy.c and figures_evidence.c alone.
#ifndef PROXY_REPORT_FIGURES_ENTRY_H
#define PROXY_REPORT_FIGURES_ENTRY_H

#include "proxy/report/figures.h"
#include <pthread.h>

struct entry {
    struct figure figure; // query and tables may still be NULL here
    struct distinct *distinct;
    struct {
        struct figures_mismatch *list; // oldest first
        size_t count;
    } evidence[DIFFERENCE_COUNT];
    uint64_t changed; // the sequence of its last change
};

struct figures {
    pthread_mutex_t lock; // for everything below
    struct entry **slots; // open addressing, by fingerprint
    size_t capacity;      // a power of two
    size_t count;
    size_t evidence_count;
    uint64_t sequence; // of the next change
    struct histogram latency[2][LATENCY_RUN_COUNT];
    uint64_t never_compared;
    struct distinct distinct;
};

// All with the lock held.
struct entry *figures_find(struct figures *figures, const char *fingerprint);  // or NULL
struct entry *figures_entry(struct figures *figures, const char *fingerprint); // NULL: no memory
void figures_touch(struct figures *figures, struct entry *entry);

#endif
