// Which refused logins were told lately, so that each is told once a minute at most, and how many there are does
// not matter: beyond what has room, they are told when a place is free again.
#ifndef PROXY_REPORT_REFUSALS_H
#define PROXY_REPORT_REFUSALS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { REFUSALS_ROOM = 1024, REFUSALS_WAYS = 8 };

struct refusals {
    pthread_mutex_t lock; // held for a few comparisons
    struct refusal_told {
        uint64_t key;
        uint64_t until; // ns; 0: free
    } told[REFUSALS_ROOM];
};

void refusals_init(struct refusals *refusals);
void refusals_fini(struct refusals *refusals);
// Is this one to be told now (ns)? Then it counts as told. Any thread.
bool refusals_are_due(struct refusals *refusals, const void *database, int side, const char *user,
                      uint64_t now);

#endif
