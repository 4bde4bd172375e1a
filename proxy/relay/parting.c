// Sessions that have ended before their user's secret was known. Each look-up has its limit (session_secret.c), so none
// stays for longer than that.
#include "proxy/relay/parting.h"
#include "proxy/relay/session_auth.h"
#include "proxy/relay/session_parts.h"
#include "proxy/relay/session_secret.h"
#include <stdlib.h>

struct parting {
    struct parting *next;
    uint64_t session;
    struct feed *feed;
    struct session_secret secret; // as far as it is known
};

static void
parting_free(struct parting *parting)
{
    session_secret_fini(&parting->secret);
    free(parting);
}

bool
parting_begin(struct session *session)
{
    struct parting *parting = calloc(1, sizeof(*parting));
    if (!parting || !session_auth_give_secret(session, &parting->secret)) {
        free(parting);
        return false;
    }
    parting->session = session->id;
    parting->feed = session->feed;
    parting->next = session->worker->partings;
    session->worker->partings = parting;
    return true;
}

void
parting_answered(struct worker *worker, uint64_t session, enum credentials_status status,
                 const char *kept)
{
    struct parting **link = &worker->partings;
    while (*link && (*link)->session != session) {
        link = &(*link)->next;
    }
    struct parting *parting = *link;
    if (!parting) {
        return;
    }
    *link = parting->next;
    session_secret_answered(&parting->secret, status, kept);
    struct secret *secret = session_secret_make(&parting->secret, NULL);
    worker_tell_secret(worker, parting->feed, session, &secret);
    worker_end_session(worker, parting->feed, session);
    parting_free(parting);
}

void
partings_free(struct worker *worker)
{
    while (worker->partings) {
        struct parting *gone = worker->partings;
        worker->partings = gone->next;
        parting_free(gone);
    }
}
