// One client connection, from its first byte to its last: startup, login, relay. Lives and dies on one
// worker. See session_parts.h for what it is made of and for its states.
#ifndef PROXY_RELAY_SESSION_H
#define PROXY_RELAY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

struct session;
struct worker;

// Takes over an accepted socket (closed on failure, which is logged).
void session_start(struct worker *worker, int fd);
// Called by the worker about once a second: deadlines; and, more often, while sessions are held.
void session_tick(struct session *session, uint64_t now);
// The proxy stops: between units the client is told (FATAL 57P01) at once, else when its unit ends.
void session_shut_down(struct session *session);
// Closes without a word.
void session_abort(struct session *session);
// Cancels what it is running, on the side that serves it. False: there is nothing to do; true:
// MAIL_CANCEL_DONE will come to `origin`.
bool session_cancel(struct session *session, unsigned origin, uint64_t cancel);
// Next in the worker's list.
struct session *session_next(const struct session *session);
uint64_t session_id(const struct session *session);

#endif
