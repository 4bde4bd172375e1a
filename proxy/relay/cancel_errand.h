// One connection to a server that brings a cancel key there and waits for its close.
#ifndef PROXY_RELAY_CANCEL_ERRAND_H
#define PROXY_RELAY_CANCEL_ERRAND_H

#include "proxy/transport/stream.h"
#include "proxy/transport/target.h"

struct cancel_errand;
struct worker;

struct cancel_key {
    uint32_t pid;
    const uint8_t *bytes;
    size_t length;
};

// Counted in worker->session_count until it has gone. `origin` (a worker's index) is mailed
// MAIL_CANCEL_DONE with `cancel` at its end, whatever came of it; false: it could not begin, and no mail
// comes. `beside`: a stream to the very server that is meant, NULL: the target's hosts.
bool cancel_errand_start(struct worker *worker, struct target *target, struct tls_context *tls,
                         const struct stream *beside, const struct cancel_key *key, unsigned origin,
                         uint64_t cancel);
void cancel_errand_abort(struct cancel_errand *errand);
struct cancel_errand *cancel_errand_next(const struct cancel_errand *errand);

#endif
