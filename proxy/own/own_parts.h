// The inside of a pool of own sessions, for the files that make it up: own_pool.c (who gets which
// session, limits, failures), own_group.c (queues), own_session.c (one session's life and its jobs),
// own_reply.c (what servers send), own_login.c (logging in), own_admission.c (who was let in),
// own_state.c (bringing a session to the wanted state), own_cancel.c (cancel requests), own_job.c.
#ifndef PROXY_OWN_OWN_PARTS_H
#define PROXY_OWN_OWN_PARTS_H

#include "protocol/frame.h"
#include "protocol/login.h"
#include "protocol/writer.h"
#include "proxy/own/own_session.h"
#include "proxy/transport/connector.h"
#include "proxy/transport/stream.h"

enum { OWN_TEXT_SIZE = 256, OWN_BODY_LIMIT = 64 * 1024 };

// Why something failed, in the words of who refused.
struct own_trouble {
    char sqlstate[6];
    char text[OWN_TEXT_SIZE];
    const char *hint; // what to configure; NULL: nothing
};

// One side of one database, as this pool knows it.
struct own_place {
    struct own_place *next;
    struct database *database;
    enum side side;
    struct database_settings *settings; // a reference, renewed when the epoch moves
    uint64_t settings_epoch;
    unsigned connecting;  // sessions on their way
    unsigned failures;    // in a row
    uint64_t answered_at; // ns: the last job that was answered in full; 0: none was
    uint64_t next_try;    // ns; no connection before, while failures > 0
    struct own_trouble trouble;
    bool refuses_options;    // a pooler: settings are SET after login
    bool forgets_statements; // a pooler, too: none are kept
};

// The sessions and waiting jobs of one user on one side.
struct own_group {
    struct own_group *next;
    struct own_pool *pool;
    struct own_place *place;
    char *user;
    struct secret *secret;        // as last shown or yielded; NULL: never; a reference
    uint64_t login_refused_until; // ns; 0: not refused
    uint64_t refused_epoch;       // of the settings that it was refused by
    struct own_trouble refusal;
    struct own_job *first, *last; // waiting, FIFO
    unsigned waiting;
    struct own_session *sessions;
    unsigned session_count;
};

enum own_phase { OWN_CONNECTING, OWN_LOGGING_IN, OWN_IDLE, OWN_BUSY, OWN_CLOSING };

struct own_session {
    struct own_session *next, *previous; // in the group
    struct own_group *group;
    enum own_phase phase;
    struct database_settings *settings; // a reference: what it was opened with
    uint64_t settings_epoch;
    struct connector *connector;
    struct stream *stream;
    uint64_t deadline;          // ns: of the connection, the login, the job
    uint64_t opened_at;         // ns; 0: not logged in yet
    uint64_t idle_since;        // ns
    struct own_trouble trouble; // what the server said last, or why it broke

    // Login.
    struct login *login;
    char *user;            // whom it logs in as
    struct secret *secret; // NULL: none known; dropped after the login
    unsigned char channel_binding[64];
    bool is_authenticated;
    bool was_asked;      // an Authentication message has come
    bool went_other_way; // the server has refused the first channel (sslmode=allow, prefer)
    bool is_admitted;    // with set_role, to the role as well: it counts in own_admitted
    bool has_options;    // they went into the startup packet

    // What the server sends.
    struct frame frame;
    struct writer body; // of the message under way, if it is one that is looked into
    uint32_t pid;
    uint8_t key[256];
    size_t key_length;
    char status; // ReadyForQuery's

    // The state that it is in.
    bool is_fresh;       // as the login left it
    bool state_is_known; // `state_digest` holds
    uint64_t state_digest;

    // The job that runs.
    struct own_job *job;
    uint64_t coming_digest; // of the state that was sent in front of the job
    unsigned to_swallow;    // ReadyForQuery's that are not the job's
    unsigned to_come;       // ReadyForQuery's of the job
    bool state_has_failed;  // one of the Queries that bring the state
    bool query_has_failed;  // the one that is being answered
    bool role_has_failed;   // the first of two, which is set_role's
    bool is_spent;          // a cancel is on its way, which must not hit another job

    struct own_statements statements; // that are prepared
    bool has_stale_statement;         // the job was told so
};

struct own_pool {
    uv_loop_t *loop;
    struct own_place *places;
    struct own_group *groups;
    struct own_job *finished, *last_finished; // `done` is to be called
    uv_timer_t finisher;                      // calls `done`
    uv_timer_t ticker;                        // time-outs
    uint64_t tick_ms;                         // the ticker's present period; 0: it rests
    unsigned sessions, cancels;               // alive
    unsigned open_timers;
    bool is_stopping;
    void (*closed)(void *context);
    void *closed_context;
    void (*refused)(void *context, const struct own_refusal *refusal); // NULL: nobody asked
    void *refused_context;
};

// own_pool.c: what a session tells.
void own_pool_is_ready(struct own_session *session);
void own_pool_has_failed(struct own_session *session, enum own_outcome outcome);
void own_pool_finish(struct own_pool *pool, struct own_job *job, enum own_outcome outcome,
                     const struct own_trouble *trouble);
void own_pool_is_gone(struct own_pool *pool, struct own_group *group); // after it was freed

// own_group.c
struct own_group *own_group_find(struct own_pool *pool, const struct own_identity *identity,
                                 enum side side); // makes it; NULL: no memory
void own_group_free(struct own_group **at);       // takes it out of the list that `at` is in
void own_group_learn_secret(struct own_group *group, struct secret *secret);
void own_group_renew_settings(const struct own_group *group);
unsigned own_group_count(const struct own_group *group, enum own_phase phase);
void own_group_enqueue(struct own_group *group, struct own_job *job);
// Takes `job`, which follows `before` (NULL: is the first), out of the queue.
void own_group_unqueue(struct own_group *group, struct own_job *before, struct own_job *job);
void own_group_fail_all(struct own_group *group, enum own_outcome outcome,
                        const struct own_trouble *trouble);
void own_group_fail_overdue(struct own_group *group, uint64_t now);

// own_session.c
bool own_session_start(struct own_group *group);
void own_session_run(struct own_session *session, struct own_job *job);
// `cancels`: the server is asked to stop what it does. A job that runs must be taken off before.
void own_session_close(struct own_session *session, bool cancels);
void own_session_tick(struct own_session *session, uint64_t now);
void own_session_go_other_way(struct own_session *session); // connects anew
void own_session_is_logged_in(struct own_session *session);
void own_session_has_broken(struct own_session *session, enum own_outcome outcome);

// own_login.c
bool own_login_begin(struct own_session *session);
enum own_login_result {
    OWN_LOGIN_GOES_ON,
    OWN_LOGIN_READY,
    OWN_LOGIN_FAILED,
    OWN_LOGIN_OTHER_WAY, // refused for its channel, and there is another
};
// A message of the login; for FAILED, *outcome and the session's trouble say why.
enum own_login_result own_login_message(struct own_session *session, char type, const uint8_t *body,
                                        size_t length, enum own_outcome *outcome);
void own_login_end(struct own_session *session); // wipes

// own_reply.c: a part of a message. OWN_DONE: all is well; OWN_STOPPED: the login has failed, and the
// session was closed; else the session is to be.
enum own_outcome own_reply_take(struct own_session *session, const struct frame_piece *piece);

// own_state.c: the SQL that brings a session to `snapshot` (NULL: the defaults). The caller frees it;
// NULL: no memory.
char *own_state_sql(const struct own_session *session, const struct state_snapshot *snapshot);
// The SQL that goes before it with set_role: back to the defaults, and the role.
char *own_state_role_sql(const struct own_session *session);
// Must something be sent to bring the session there?
bool own_state_differs(const struct own_session *session, const struct state_snapshot *snapshot);
// " -c statement_timeout=… …" for the startup packet; the target's own options come first.
char *own_state_options(const struct own_session *session);

// own_admission.c: who was let in and who was not, for STATUS and the event log.
void own_admission_is_given(struct own_session *session);
void own_admission_is_refused(struct own_session *session); // the trouble says why
void own_admission_ends(struct own_session *session);       // it closes
// What to configure after such an ErrorResponse to a login, or to a SET ROLE.
const char *own_admission_hint(const char *sqlstate, bool is_role);

// own_cancel.c: asks the server on a connection of its own, and forgets about it.
void own_cancel_send(struct own_session *session);

void own_trouble_say(struct own_trouble *trouble, const char *sqlstate, const char *text);
void own_free_secret(char **secret);

#endif
