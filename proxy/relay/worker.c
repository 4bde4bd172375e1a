// A worker's loop and what hangs on it. Other threads reach it by the mailbox alone. It ends when it was
// told to stop and nothing that it counts is left; then the loop's own handles are closed and the
// thread returns.
#include "proxy/relay/worker.h"
#include "proxy/canary/session_canary.h"
#include "proxy/log.h"
#include "proxy/own/own_session.h"
#include "proxy/relay/cancel.h"
#include "proxy/relay/cancel_errand.h"
#include "proxy/relay/parting.h"
#include "proxy/relay/session.h"
#include "proxy/relay/session_auth.h"
#include "proxy/relay/workers.h"
#include "proxy/report/reporter.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 1000, FAST_TICK_MS = 20, FLUSH_MS = 20, URGENT_FLUSH_MS = 2 };

static void
each_session(struct worker *worker, void (*act)(struct session *session))
{
    struct session *next;
    for (struct session *at = worker->sessions; at; at = next) {
        next = session_next(at);
        act(at);
    }
}

static void end_if_idle(struct worker *worker);

static void
on_pool_stopped(void *context)
{
    struct worker *worker = context;
    own_pool_free(&worker->pool);
    end_if_idle(worker);
}

struct own_pool *
worker_pool(struct worker *worker)
{
    if (!worker->pool && !worker->is_pool_stopping) {
        worker->pool = own_pool_new(&worker->loop);
        if (worker->pool) {
            own_pool_on_refusal(worker->pool, reporter_refusal, worker->instance);
        }
    }
    return worker->pool;
}

static void
end_if_idle(struct worker *worker)
{
    if (!worker->is_stopping || worker->is_closing || worker->session_count > 0) {
        return;
    }
    if (worker->pool) {
        if (!worker->is_pool_stopping) {
            worker->is_pool_stopping = true;
            own_pool_stop(worker->pool, on_pool_stopped, worker);
        }
        return;
    }
    worker->is_closing = true;
    listener_close(&worker->listener);
    pthread_mutex_lock(&worker->mail_lock);
    worker->is_mailbox_closed = true; // what comes from now on is thrown away unread
    pthread_mutex_unlock(&worker->mail_lock);
    uv_close((uv_handle_t *)&worker->mailbox, NULL);
    uv_close((uv_handle_t *)&worker->turn_end, NULL);
    uv_close((uv_handle_t *)&worker->flush, NULL);
    uv_close((uv_handle_t *)&worker->tick, NULL);
    uv_close((uv_handle_t *)&worker->patience, NULL);
    uv_close((uv_handle_t *)&worker->cancel_turn, NULL);
}

void
worker_released(struct worker *worker)
{
    assert(worker->session_count > 0);
    worker->session_count--;
    end_if_idle(worker);
}

static void
each_cancel(struct worker *worker, void (*act)(struct cancel *cancel))
{
    struct cancel *next;
    for (struct cancel *at = worker->cancels; at; at = next) {
        next = cancel_next(at);
        act(at);
    }
}

static void
abort_cancels(struct worker *worker)
{
    each_cancel(worker, cancel_abort);
    struct cancel_errand *next_errand;
    for (struct cancel_errand *at = worker->errands; at; at = next_errand) {
        next_errand = cancel_errand_next(at);
        cancel_errand_abort(at);
    }
}

static void
stop(struct worker *worker, enum mail_kind how)
{
    worker->is_stopping = true;
    worker->stopped_at = worker->stopped_at == 0 ? uv_hrtime() : worker->stopped_at;
    listener_close(&worker->listener);
    if (how == MAIL_SHUT_DOWN) {
        each_session(worker, session_shut_down);
        each_cancel(worker, cancel_shut_down);
    } else if (how == MAIL_ABORT) {
        each_session(worker, session_abort);
    }
    if (how == MAIL_ABORT) {
        abort_cancels(worker);
    }
    end_if_idle(worker);
}

static void
take_client(struct worker *worker, int fd)
{
    if (worker->is_stopping) {
        close(fd);
        return;
    }
    session_start(worker, fd);
}

static struct session *
find_session(const struct worker *worker, uint64_t id)
{
    struct session *session = worker->sessions;
    while (session && session_id(session) != id) {
        session = session_next(session);
    }
    return session;
}

static void
tell_secret(struct worker *worker, const struct mail *mail)
{
    struct session *session = find_session(worker, mail->session);
    enum credentials_status status = (enum credentials_status)mail->status;
    if (session) {
        session_auth_answered(session, status, mail->secret);
    } else {
        parting_answered(worker, mail->session, status, mail->secret);
    }
}

static void
cancel_session(struct worker *worker, const struct mail *mail)
{
    struct session *session = find_session(worker, mail->session);
    if (!session || !session_cancel(session, mail->origin, mail->cancel)) {
        worker_mail(workers_at(worker->workers, mail->origin),
                    &(struct mail){.kind = MAIL_CANCEL_DONE, .cancel = mail->cancel});
    }
}

static void
open_mail(struct worker *worker, const struct mail *mail)
{
    switch (mail->kind) {
    case MAIL_CLIENT:
        take_client(worker, mail->fd);
        break;
    case MAIL_SHUT_DOWN:
    case MAIL_WAIT:
    case MAIL_ABORT:
        stop(worker, mail->kind);
        break;
    case MAIL_CANCEL:
        cancel_session(worker, mail);
        break;
    case MAIL_CANCEL_DONE:
        cancel_errand_done(worker, mail->cancel);
        session_canary_errand_done(worker, mail->cancel);
        break;
    case MAIL_SECRET:
        tell_secret(worker, mail);
        break;
    }
}

static void
mail_free(struct mail *mail)
{
    if (mail->secret) {
        explicit_bzero(mail->secret, strlen(mail->secret));
        free(mail->secret);
    }
    free(mail);
}

static struct mail *
take_mail(struct worker *worker)
{
    pthread_mutex_lock(&worker->mail_lock);
    struct mail *mail = worker->mail;
    worker->mail = NULL;
    pthread_mutex_unlock(&worker->mail_lock);
    struct mail *in_order = NULL;
    while (mail) {
        struct mail *next = mail->next;
        mail->next = in_order;
        in_order = mail;
        mail = next;
    }
    return in_order;
}

static void
on_mail(uv_async_t *async)
{
    struct worker *worker = async->data;
    struct mail *mail = take_mail(worker);
    while (mail) {
        struct mail *next = mail->next;
        open_mail(worker, mail);
        mail_free(mail);
        mail = next;
    }
}

bool
worker_mail(struct worker *worker, const struct mail *letter)
{
    struct mail *mail = malloc(sizeof(*mail));
    if (!mail) {
        return false;
    }
    *mail = *letter;
    pthread_mutex_lock(&worker->mail_lock);
    mail->next = worker->mail;
    worker->mail = mail;
    if (!worker->is_mailbox_closed) {
        uv_async_send(&worker->mailbox);
    }
    pthread_mutex_unlock(&worker->mail_lock);
    return true;
}

void
worker_accepted(struct worker *worker, int fd, bool is_local)
{
    struct worker *whose = is_local ? workers_next(worker->workers) : worker;
    if (whose == worker) {
        take_client(worker, fd);
    } else if (!worker_mail(whose, &(struct mail){.kind = MAIL_CLIENT, .fd = fd})) {
        close(fd);
    }
}

static void
wake_shadows(struct worker *worker, bool is_urgent)
{
    for (unsigned i = 0; i < worker->dirty_count; i++) {
        feed_flush(worker->dirty[i], is_urgent);
    }
    if (is_urgent) {
        worker->dirty_count = 0;
        worker->is_dirty_urgent = false;
    }
}

static void
on_flush(uv_timer_t *timer)
{
    wake_shadows(timer->data, true);
}

// Once a turn, after the sockets were served. A wake is a system call, here and there: it is sent for many
// units at once, soon if something in them is to be mirrored, or at once when much waits.
static void
on_turn_end(uv_check_t *check)
{
    struct worker *worker = check->data;
    if (worker->dirty_count == 0) {
        return;
    }
    wake_shadows(worker, false);
    bool is_active = uv_is_active((uv_handle_t *)&worker->flush);
    if (!is_active || (worker->is_dirty_urgent && !worker->is_flush_urgent)) {
        worker->is_flush_urgent = worker->is_dirty_urgent;
        uv_timer_start(&worker->flush, on_flush,
                       worker->is_flush_urgent ? URGENT_FLUSH_MS : FLUSH_MS, 0);
    }
}

void
worker_note_feed(struct worker *worker, struct feed *feed, bool is_urgent)
{
    worker->is_dirty_urgent = worker->is_dirty_urgent || is_urgent;
    for (unsigned i = 0; i < worker->dirty_count; i++) {
        if (worker->dirty[i] == feed) {
            return;
        }
    }
    assert(worker->dirty_count < WORKER_FEEDS);
    worker->dirty[worker->dirty_count++] = feed;
}

static bool
tell_end(struct worker *worker, struct feed *feed, uint64_t session)
{
    struct feed_event event = {.kind = FEED_SESSION_ENDED, .session = session};
    if (!feed_push(feed, &event, SIZE_MAX / 4)) {
        return false;
    }
    worker_note_feed(worker, feed, true);
    return true;
}

void
worker_end_session(struct worker *worker, struct feed *feed, uint64_t session)
{
    if (tell_end(worker, feed, session)) {
        return;
    }
    struct ending *ending = calloc(1, sizeof(*ending));
    if (ending) {
        *ending = (struct ending){worker->endings, feed, session};
        worker->endings = ending;
    }
}

void
worker_tell_secret(struct worker *worker, struct feed *feed, uint64_t session,
                   struct secret **secret)
{
    struct feed_event event = {.kind = FEED_SECRET, .session = session, .secret = *secret};
    *secret = NULL;
    if (feed_push(feed, &event, SIZE_MAX / 4)) {
        worker_note_feed(worker, feed, true);
    } else {
        secret_unref(&event.secret);
    }
}

static void
retry_endings(struct worker *worker)
{
    while (worker->endings && tell_end(worker, worker->endings->feed, worker->endings->session)) {
        struct ending *told = worker->endings;
        worker->endings = told->next;
        free(told);
    }
}

static void
on_tick(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    uint64_t now = uv_hrtime();
    struct session *next_session;
    for (struct session *at = worker->sessions; at; at = next_session) {
        next_session = session_next(at);
        session_tick(at, now);
    }
    struct cancel *next_cancel;
    for (struct cancel *at = worker->cancels; at; at = next_cancel) {
        next_cancel = cancel_next(at);
        cancel_tick(at, now);
    }
    retry_endings(worker);
}

void
worker_hold(struct worker *worker, int change)
{
    worker->held_count = (unsigned)((int)worker->held_count + change);
    bool should_be_fast = worker->held_count > 0;
    if (should_be_fast != worker->is_ticking_fast && !worker->is_closing) {
        unsigned period = should_be_fast ? FAST_TICK_MS : TICK_MS;
        worker->is_ticking_fast = should_be_fast;
        uv_timer_start(&worker->tick, on_tick, period, period);
    }
}

uint32_t
worker_random(struct worker *worker)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return (uint32_t)(worker->random >> 32);
}

bool
worker_init(struct worker *worker, struct workers *workers, unsigned index)
{
    worker->workers = workers;
    worker->index = index;
    worker->random = uv_hrtime() ^ (0x9e3779b97f4a7c15u * (index + 1));
    if (pthread_mutex_init(&worker->mail_lock, NULL) != 0) {
        return false;
    }
    if (uv_loop_init(&worker->loop) != 0) {
        pthread_mutex_destroy(&worker->mail_lock);
        return false;
    }
    if (uv_async_init(&worker->loop, &worker->mailbox, on_mail) != 0) {
        uv_loop_close(&worker->loop);
        pthread_mutex_destroy(&worker->mail_lock);
        return false;
    }
    uv_check_init(&worker->loop, &worker->turn_end);
    uv_timer_init(&worker->loop, &worker->flush);
    uv_timer_init(&worker->loop, &worker->tick);
    uv_timer_init(&worker->loop, &worker->patience);
    uv_timer_init(&worker->loop, &worker->cancel_turn);
    worker->mailbox.data = worker;
    worker->turn_end.data = worker;
    worker->flush.data = worker;
    worker->tick.data = worker;
    worker->patience.data = worker;
    worker->cancel_turn.data = worker;
    uv_check_start(&worker->turn_end, on_turn_end);
    uv_timer_start(&worker->tick, on_tick, TICK_MS, TICK_MS);
    return true;
}

static void *
run(void *context)
{
    struct worker *worker = context;
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", worker->index % 1000);
    pthread_setname_np(pthread_self(), name);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    wake_shadows(worker, true);
    workers_ended(worker->workers);
    return NULL;
}

bool
worker_start(struct worker *worker)
{
    worker->has_thread = pthread_create(&worker->thread, NULL, run, worker) == 0;
    return worker->has_thread;
}

void
worker_join(struct worker *worker)
{
    if (worker->has_thread) {
        pthread_join(worker->thread, NULL);
        worker->has_thread = false;
    }
}

void
worker_fini(struct worker *worker)
{
    if (!worker->is_closing) { // its thread never ran
        worker->is_stopping = true;
        end_if_idle(worker);
        uv_run(&worker->loop, UV_RUN_DEFAULT);
    }
    uv_loop_close(&worker->loop);
    struct mail *mail = take_mail(worker);
    while (mail) {
        struct mail *next = mail->next;
        if (mail->kind == MAIL_CLIENT) {
            close(mail->fd);
        }
        mail_free(mail);
        mail = next;
    }
    partings_free(worker);
    while (worker->endings) {
        struct ending *next = worker->endings->next;
        free(worker->endings);
        worker->endings = next;
    }
    pthread_mutex_destroy(&worker->mail_lock);
}
