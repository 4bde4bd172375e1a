// A client of the admin console (the database `pgrehearse`): authenticated against admin.users, simple and
// extended protocol. Takes the stream over after the startup packet; everything after is its own.
#ifndef PROXY_CONSOLE_CONSOLE_SESSION_H
#define PROXY_CONSOLE_CONSOLE_SESSION_H

#include "protocol/startup.h"
#include "proxy/instance.h"
#include "proxy/transport/stream.h"

// `behind`: bytes that came behind the startup packet. `closed` is said when stream and session are gone (for the worker's count).
void console_session_start(struct instance *instance, uv_loop_t *loop, struct stream *stream,
                           const struct startup *startup, const uint8_t *behind,
                           size_t behind_length, void (*closed)(void *context), void *context);

#endif
