// Sessions that the proxy opens itself, on new for mirrored and canary reads, on old for rechecks and
// mirrored canary reads. A pool on one uv loop: logs in as the client's user by the identity of DESIGN 3.8,
// brings a session to the wanted state, runs jobs, one at a time a session, and hands their replies back. Every
// session is named `pgrehearse` and has shadow.timeout as statement_timeout.
#ifndef PROXY_OWN_OWN_SESSION_H
#define PROXY_OWN_OWN_SESSION_H

#include "compare/sql/state.h"
#include "protocol/capture.h"
#include "proxy/database.h"
#include "proxy/own/own_statements.h"
#include "proxy/transport/secret.h"
#include <uv.h>

struct own_pool;

// Who the session must be. Sessions are kept and reused per (database, side, user).
struct own_identity {
    struct database *database;
    const char *user;
    struct secret *secret; // what the login showed or yielded, or NULL
};

enum own_outcome {
    OWN_DONE,        // every ReadyForQuery came; `reply` holds all messages of the job
    OWN_UNAVAILABLE, // no connection, or it broke; `sqlstate` where the server said one
    OWN_LOGIN,       // the server does not let this user in, or we lack the secret
    OWN_STATE,       // the state could not be replayed (an error in it)
    OWN_TIMEOUT,     // no complete answer in time; the session was closed and cancelled
    OWN_TOO_BIG,     // the reply is over max_reply; what came is in `reply`
    OWN_JUNK,        // the server sent what is no protocol
    OWN_OVERDUE,     // it waited for queue_timeout while others were answered: too much was asked
    OWN_STOPPED,     // the pool is stopping
};

struct own_job;
// Said once. The job and what it holds is the caller's again (own_job_free). On the pool's loop.
typedef void (*own_job_done)(struct own_job *job);

struct own_job {
    // Set by the caller before own_pool_run; all borrowed until `done` except `messages`.
    struct own_identity identity;
    enum side side;
    struct state_snapshot *state; // to be replayed before; a reference, owned by the job
    uint8_t *messages;            // whole messages in wire format; owned by the job
    size_t messages_length;
    unsigned units;        // ReadyForQuery's that they bring
    bool keeps_statements; // the messages name some OWN_KEPT (own_statements.h)
    bool drops_statements; // they DEALLOCATE ALL
    size_t max_reply;
    uint64_t timeout;         // ns, from when it is run on a session
    bool is_timed_by_silence; // or from the last bytes, while on_bytes takes them
    uint64_t
        queue_timeout; // ns that it may wait for a session (OWN_OVERDUE or, if none is answered, OWN_UNAVAILABLE)
    own_job_done done;
    void *context;
    // For reads that are served as they come (canary): called with whole or partial messages instead of
    // capturing; NULL: captured. Returning false pauses reading until own_job_resume.
    bool (*on_bytes)(struct own_job *job, struct chunk *chunk, size_t offset, size_t length);
    // Filled in before `done`.
    enum own_outcome outcome;
    char sqlstate[6];
    char error[256];
    struct capture reply;
    uint64_t sent, answered, ended; // ns, uv_hrtime; `sent` 0: it never had a session
    uint32_t backend_pid;
    // The pool's.
    bool is_rerun; // a statement that was kept was of no use any more
    struct own_job *next;
    void *session;
    uint64_t queued; // ns
};

struct own_job *own_job_new(void);
void own_job_free(struct own_job **job);

// A login that was refused, or could not be tried. Borrowed for the call.
struct own_refusal {
    const struct database *database;
    enum side side;
    const char *user;  // the client's
    const char *login; // whom the session logs in as: another one with set_role and service
    const char *sqlstate, *text;
    const char *hint; // what to configure; never NULL
};

// Limits, from the database's settings: shadow.connections per user and side of one pool;
// shadow.max_connections per side over all loops of the process, through database->own_sessions.
// While a side is known to be down, jobs end with OWN_UNAVAILABLE at once; they never wait for a probe.
// `done` is called from the loop, never from within these.
struct own_pool *own_pool_new(uv_loop_t *loop);
// `refused` is called for every login that is refused, on the loop, from within anything.
void own_pool_on_refusal(struct own_pool *pool,
                         void (*refused)(void *context, const struct own_refusal *refusal),
                         void *context);
void own_pool_run(struct own_pool *pool, struct own_job *job);
// Gives the job up: `done` is not called; its session is cancelled and closed. Frees the job.
void own_pool_abandon(struct own_pool *pool, struct own_job **job);
void own_job_resume(struct own_job *job);
// Asks the server to cancel what the job runs; the job goes on, and its answer says what came of it.
void own_job_cancel(struct own_job *job);
// Closes all sessions; jobs end with OWN_STOPPED. `closed` is called when the loop holds nothing of
// the pool any more; then own_pool_free.
void own_pool_stop(struct own_pool *pool, void (*closed)(void *context), void *context);
void own_pool_free(struct own_pool **pool);
void own_pool_counts(const struct own_pool *pool, unsigned *busy, unsigned *idle,
                     unsigned *waiting);

#endif
