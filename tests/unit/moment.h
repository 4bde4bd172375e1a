// A loop's turns in a test: uv_run in UV_RUN_ONCE may serve the last timer there is and then wait for ever, though what the
// test waits for has come.
#ifndef UNIT_MOMENT_H
#define UNIT_MOMENT_H

#include <poll.h>
#include <uv.h>

enum { MOMENT_MS = 20 };

// Waits until there is something to do in the loop, and no longer than a moment.
static inline void
moment_wait(uv_loop_t *loop)
{
    struct pollfd ready = {.fd = uv_backend_fd(loop), .events = POLLIN};
    int timeout = uv_backend_timeout(loop);
    if (timeout != 0) {
        (void)poll(&ready, 1, timeout < 0 || timeout > MOMENT_MS ? MOMENT_MS : timeout);
    }
}

#define WAIT_FOR(condition)                                                                        \
    for (int turn = 0; !(condition); turn++) {                                                     \
        cr_assert_lt(turn, 100000, #condition);                                                    \
        uv_run(&loop, UV_RUN_NOWAIT);                                                              \
        if (condition) {                                                                           \
            break;                                                                                 \
        }                                                                                          \
        moment_wait(&loop);                                                                        \
    }

#endif
