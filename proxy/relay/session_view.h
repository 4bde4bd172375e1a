// What a session's worker may know of the state that its shadow thread follows: published by the
// shadow, read by the worker when it routes a canary read. The worker notes the sequence of the last unit
// that was not known to be a plain read; the view is good when it covers that one.
#ifndef PROXY_RELAY_SESSION_VIEW_H
#define PROXY_RELAY_SESSION_VIEW_H

#include "compare/sql/state.h"
#include <pthread.h>

struct session_view {
    atomic_uint references;
    atomic_uint_fast64_t covers; // sequence of the last unit that the shadow has taken in
    atomic_bool is_plain;        // no object of the session alone hides another one
    atomic_bool is_usable;       // the state can be replayed
    pthread_mutex_t lock;        // for `snapshot`, held for a ref at most
    struct state_snapshot *snapshot;
};

struct session_view *session_view_new(void);
struct session_view *session_view_ref(struct session_view *view);
void session_view_unref(struct session_view **view);
void session_view_publish(struct session_view *view, uint64_t covers, struct state *state);
// A reference to the snapshot when the view covers `sequence` and is usable, else NULL.
// What is known now, for classifying alone: a later unit may have changed it. A reference, or NULL.
struct state_snapshot *session_view_latest(struct session_view *view);
struct state_snapshot *session_view_at(struct session_view *view, uint64_t sequence);

#endif
