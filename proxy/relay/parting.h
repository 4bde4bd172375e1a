// Sessions that have ended while their user's secret was still looked up: what they read waits in the shadow for the
// secret, so the shadow is told of the secret first, and of the end then. The worker's thread.
#ifndef PROXY_RELAY_PARTING_H
#define PROXY_RELAY_PARTING_H

#include "proxy/control/credentials.h"
#include <stdbool.h>
#include <stdint.h>

struct session;
struct worker;

// The session ends, and its feed is not told yet. False: nothing is looked up (or no memory): it has to be told.
bool parting_begin(struct session *session);
// What was looked up for a session that has ended; none that waits for it is fine.
void parting_answered(struct worker *worker, uint64_t session, enum credentials_status status,
                      const char *kept);
void partings_free(struct worker *worker); // wipes

#endif
