// Logins take turns: each worker has at most its share of auth.max_in_progress under way, and who comes then waits
// in order, so that a storm of clients that reconnect does not become one of backends that old has to start at
// once. A turn ends with the login, or with the session. auth.timeout counts while a session waits, too.
#include "proxy/relay/session_parts.h"
#include "proxy/relay/workers.h"

static unsigned
share_of(const struct worker *worker)
{
    const struct configuration *configuration = instance_configuration(worker->instance);
    unsigned share = configuration->auth.max_in_progress / workers_count(worker->workers);
    configuration_unref(&configuration);
    return share > 0 ? share : 1;
}

void
session_admission_ask(struct session *session)
{
    struct worker *worker = session->worker;
    session_client_pause(session, PAUSE_NOT_YET);
    if (!worker->first_waiting && worker->logins < share_of(worker)) {
        session->has_turn = true;
        worker->logins++;
        session_connect(session);
        return;
    }
    session_move(session, SESSION_WAITING);
    session->is_waiting = true;
    session->next_waiting = NULL;
    if (worker->first_waiting) {
        worker->last_waiting->next_waiting = session;
    } else {
        worker->first_waiting = session;
    }
    worker->last_waiting = session;
}

static void
stop_waiting(struct session *session)
{
    struct worker *worker = session->worker;
    struct session *before = NULL;
    for (struct session *at = worker->first_waiting; at != session; at = at->next_waiting) {
        before = at;
    }
    if (before) {
        before->next_waiting = session->next_waiting;
    } else {
        worker->first_waiting = session->next_waiting;
    }
    if (worker->last_waiting == session) {
        worker->last_waiting = before;
    }
    session->is_waiting = false;
}

static void
call_next(struct worker *worker)
{
    while (worker->first_waiting && worker->logins < share_of(worker)) {
        struct session *next = worker->first_waiting;
        stop_waiting(next);
        next->has_turn = true;
        worker->logins++;
        session_connect(next);
    }
}

void
session_admission_leave(struct session *session)
{
    if (session->is_waiting) {
        stop_waiting(session);
    }
    if (session->has_turn) {
        session->has_turn = false;
        session->worker->logins--;
        call_next(session->worker);
    }
}
