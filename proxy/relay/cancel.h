// A CancelRequest from a client. It goes to the worker of the session that the key belongs to, which sends
// it to the side that is serving the session; one that the registry does not know goes to every distinct
// old (another proxy of a fleet gave it out, or nobody did): 32 at once and 16 a second; more of them wait.
//
// The client's connection is closed only when the server has closed its own, as libpq waits for that
// (manual 55.2.8).
#ifndef PROXY_RELAY_CANCEL_H
#define PROXY_RELAY_CANCEL_H

#include "protocol/startup.h"
#include "proxy/transport/stream.h"

struct cancel;
struct worker;

// Takes the client's stream. Counted in worker->session_count until it has gone.
void cancel_start(struct worker *worker, struct stream *client, const struct startup *startup);
void cancel_errand_done(struct worker *worker, uint64_t cancel); // MAIL_CANCEL_DONE
void cancel_tick(struct cancel *cancel, uint64_t now);           // ends it when it takes too long
void cancel_shut_down(struct cancel *cancel); // ends it if nothing was sent for it yet
void cancel_abort(struct cancel *cancel);
struct cancel *cancel_next(const struct cancel *cancel);

#endif
