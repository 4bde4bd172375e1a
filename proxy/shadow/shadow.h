// The shadow threads: each pulls its sessions' units from its feed, analyses the statements in them, follows
// the sessions' state, runs the mirrored reads on the other side, compares, and settles suspicions by
// rounds. A session belongs to one shadow thread for its life.
#ifndef PROXY_SHADOW_SHADOW_H
#define PROXY_SHADOW_SHADOW_H

#include "proxy/instance.h"
#include "proxy/relay/feed.h"

struct shadows;

struct shadows *shadows_start(struct instance *instance, unsigned count);
// The feed that a session's events go to, all of them.
struct feed *shadows_feed(struct shadows *shadows, uint64_t session);
// Stops: what is waiting is dropped as `shutdown`. Joins the threads.
void shadows_stop(struct shadows **shadows);
// Waiting reads and their bytes, and the own sessions, over all shadow threads; for STATUS and SERVERS.
struct shadow_load {
    uint64_t queue_reads, queue_bytes;
    unsigned own_busy[2], own_idle[2];
};
void shadows_load(struct shadows *shadows, struct shadow_load *load);

#endif
