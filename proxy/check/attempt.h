// Attempts to log in as a client's user, over libpq: the only way to know what a side's pg_hba.conf makes of it.
#ifndef PROXY_CHECK_ATTEMPT_H
#define PROXY_CHECK_ATTEMPT_H

#include "proxy/transport/target.h"

enum attempt {
    ATTEMPT_OPEN,         // it is in
    ATTEMPT_NEEDS_SECRET, // the server asks for a password, and none was given
    ATTEMPT_REFUSED,      // a wrong password, or no line of pg_hba.conf lets it in
    ATTEMPT_UNKNOWN,      // the server could not take anybody
};

enum { ATTEMPT_ERROR = 256 };

// `password` NULL: none, whatever the connection string, the passfile and the environment have. Blocks for some
// seconds at most. `error` is libpq's first line.
enum attempt attempt_login(const struct target *target, const char *user, const char *password,
                           char error[ATTEMPT_ERROR]);

#endif
