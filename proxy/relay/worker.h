// One worker: a thread with one uv loop, its listening sockets, and the sessions that it accepted or was
// handed. Everything in it belongs to its thread, but for the mailbox.
#ifndef PROXY_RELAY_WORKER_H
#define PROXY_RELAY_WORKER_H

#include "proxy/instance.h"
#include "proxy/relay/feed.h"
#include "proxy/relay/listener.h"
#include <pthread.h>
#include <uv.h>

struct workers;
struct session;
struct cancel;
struct cancel_errand;
struct canary;
struct own_pool;
struct parting;
struct secret;

enum { WORKER_FEEDS = 16 }; // more shadow threads than this there are never

enum mail_kind {
    MAIL_CLIENT,    // a connection that another worker accepted
    MAIL_SHUT_DOWN, // close what is between units, and end
    MAIL_WAIT,      // stop listening; end when the last session has gone
    MAIL_ABORT,     // close everything, and end
    MAIL_CANCEL,    // cancel what this session is running; `origin` waits for MAIL_CANCEL_DONE
    MAIL_CANCEL_DONE,
    MAIL_SECRET, // what is kept of the user of this session
};

struct mail {
    struct mail *next;
    enum mail_kind kind;
    int fd;           // MAIL_CLIENT
    uint64_t session; // MAIL_CANCEL, MAIL_SECRET
    unsigned origin;  // MAIL_CANCEL: the worker that has the cancel
    uint64_t cancel;  // MAIL_CANCEL, MAIL_CANCEL_DONE
    int status;       // MAIL_SECRET: enum credentials_status
    char *secret;     // the same; owned by the letter, wiped when it was read; NULL: none
};

struct worker {
    struct instance *instance;
    struct workers *workers;
    unsigned index;
    pthread_t thread;
    bool has_thread;
    uv_loop_t loop;
    uv_async_t mailbox;
    pthread_mutex_t mail_lock; // for `mail` and `is_mailbox_closed`
    struct mail *mail;         // newest first
    bool is_mailbox_closed;
    uv_check_t turn_end; // wakes the shadows once a turn of the loop
    uv_timer_t flush;    // wakes them later, for what could wait
    uv_timer_t tick;
    bool is_ticking_fast;      // sessions are held by PAUSE
    struct listener *listener; // NULL once it is closed
    struct session *sessions;
    struct parting *partings; // sessions that have ended before their secret was looked up
    struct session *first_waiting, *last_waiting; // for their turn to log in
    unsigned logins;                              // that have their turn
    struct cancel *cancels;
    struct cancel *first_waiting_cancel, *last_waiting_cancel; // for a token
    uv_timer_t cancel_turn;                                    // runs while one waits
    struct cancel_errand *errands;
    uint64_t last_cancel;  // ids of cancels
    struct own_pool *pool; // for reads on new; NULL until the first
    bool is_pool_stopping;
    struct canary *canaries; // reads on new whose patience counts
    uv_timer_t patience;
    unsigned session_count; // sessions, console sessions and cancels
    unsigned held_count;    // sessions held by PAUSE
    bool is_stopping;
    uint64_t stopped_at; // uv_hrtime; 0: it is not stopping
    bool is_closing;     // the loop's own handles are closing, no session is left
    uint64_t random;
    struct feed *dirty[WORKER_FEEDS]; // pushed to since the last wake
    unsigned dirty_count;
    bool is_dirty_urgent, is_flush_urgent;
    // Ends of sessions that found their feed full; tried again every tick.
    struct ending {
        struct ending *next;
        struct feed *feed;
        uint64_t session;
    } * endings;
};

bool worker_init(struct worker *worker, struct workers *workers, unsigned index);
bool worker_start(struct worker *worker); // the thread
void worker_join(struct worker *worker);
void worker_fini(struct worker *worker);
bool worker_mail(struct worker *worker, const struct mail *mail); // a copy; any thread
// A connection that the listener accepted; `is_local`: on the Unix socket, to be spread among all.
void worker_accepted(struct worker *worker, int fd, bool is_local);
// Something was pushed into a session's feed; the wake follows within 2 ms, or, if it is not urgent,
// within 20 ms.
void worker_note_feed(struct worker *worker, struct feed *feed, bool is_urgent);
// What opens further sessions as the session's user; takes it, NULL: it did not become known. A feed without
// room is not told: the session's mirrored reads stay without a login.
void worker_tell_secret(struct worker *worker, struct feed *feed, uint64_t session,
                        struct secret **secret);
// The session has ended; its feed is told, now or as soon as there is room.
void worker_end_session(struct worker *worker, struct feed *feed, uint64_t session);
struct own_pool *worker_pool(struct worker *worker); // NULL: no memory
void worker_hold(struct worker *worker, int change); // sessions held by PAUSE: +1, -1
// One of session_count has gone.
void worker_released(struct worker *worker);
uint32_t worker_random(struct worker *worker);

#endif
