// The listening sockets. TCP: each worker has its own for each address, with SO_REUSEPORT, so that the
// kernel spreads the clients. The Unix socket is the first worker's, which hands its clients round.
#ifndef PROXY_RELAY_LISTENER_H
#define PROXY_RELAY_LISTENER_H

#include "config/configuration.h"
#include <stdbool.h>
#include <uv.h>

struct listener;
struct worker;

// Refuses what another process listens on, this program included; before any listener is opened.
bool listener_probe(const struct configuration_listen *settings, char *error, size_t error_size);
// Binds and listens. NULL: `error` says which address and why.
struct listener *listener_open(const struct configuration_listen *settings, bool with_unix_socket,
                               char *error, size_t error_size);
bool listener_start(struct listener *listener, struct worker *worker); // on the worker's loop
// Closes the sockets, removes the Unix socket's file and frees; the handles go with the loop's turn.
void listener_close(struct listener **listener);

#endif
