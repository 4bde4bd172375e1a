// What is known of a session's state, for the worker that routes its canary reads. Writer: the worker as the session
// begins, then the session's shadow thread. Reader: the worker. The lock is held for taking a reference at most.
//
// What it covers, whether it is usable and the snapshot change together, behind the lock, so that a reader
// never sees a snapshot with another one's sequence.
#include "proxy/relay/session_view.h"
#include <stdlib.h>

struct session_view *
session_view_new(void)
{
    struct session_view *view = calloc(1, sizeof(*view));
    if (!view) {
        return NULL;
    }
    if (pthread_mutex_init(&view->lock, NULL) != 0) {
        free(view);
        return NULL;
    }
    atomic_init(&view->references, 1);
    return view;
}

struct session_view *
session_view_ref(struct session_view *view)
{
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    return view;
}

void
session_view_unref(struct session_view **view)
{
    struct session_view *gone = *view;
    *view = NULL;
    if (!gone || atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    state_snapshot_unref(&gone->snapshot);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

void
session_view_publish(struct session_view *view, uint64_t covers, struct state *state)
{
    const char *what;
    bool is_usable = !state_is_tainted(state, &what);
    struct state_snapshot *snapshot = is_usable ? state_snapshot(state) : NULL;
    pthread_mutex_lock(&view->lock);
    struct state_snapshot *before = view->snapshot;
    view->snapshot = snapshot;
    atomic_store_explicit(&view->is_plain, !state_has_temporaries(state), memory_order_relaxed);
    atomic_store_explicit(&view->covers, covers, memory_order_relaxed);
    atomic_store_explicit(&view->is_usable, snapshot != NULL, memory_order_relaxed);
    pthread_mutex_unlock(&view->lock);
    state_snapshot_unref(&before);
}

static struct state_snapshot *
snapshot_of(struct session_view *view, uint64_t sequence, bool must_be_plain)
{
    struct state_snapshot *snapshot = NULL;
    pthread_mutex_lock(&view->lock);
    if (view->snapshot && atomic_load_explicit(&view->is_usable, memory_order_relaxed) &&
        (!must_be_plain || atomic_load_explicit(&view->is_plain, memory_order_relaxed)) &&
        atomic_load_explicit(&view->covers, memory_order_relaxed) >= sequence) {
        snapshot = state_snapshot_ref(view->snapshot);
    }
    pthread_mutex_unlock(&view->lock);
    return snapshot;
}

struct state_snapshot *
session_view_latest(struct session_view *view)
{
    return snapshot_of(view, 0, false);
}

struct state_snapshot *
session_view_at(struct session_view *view, uint64_t sequence)
{
    return snapshot_of(view, sequence, true);
}
