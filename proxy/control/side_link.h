// One libpq connection of our own to one side, for the control threads: never waits past its deadline,
// nor past a stop, and comes back with growing pauses when the side is away. One thread owns it.
#ifndef PROXY_CONTROL_SIDE_LINK_H
#define PROXY_CONTROL_SIDE_LINK_H

#include "proxy/database.h"
#include <libpq-fe.h>

struct side_link {
    PGconn *connection; // NULL: down
    int stop_fd;        // readable: give up at once; borrowed; -1: none
    uint64_t retry_at;  // ns, uv_hrtime: not before
    uint64_t pause;     // ns, before the try after next
    uint64_t made;      // connections so far: goes up with each
    uint64_t limit;     // ns, for a connection, and for each statement: two seconds unless changed
    char error[512];    // one line; why the link is down, or the last query failed
    char sqlstate[6];   // of the last query that failed; "": the link did
};

void side_link_init(struct side_link *link, int stop_fd);
void side_link_close(struct side_link *link); // may be used again
// Connects if there is no connection and it is time to try. False: down.
bool side_link_up(struct side_link *link, const struct target *target);
// Takes what the server said unasked, when its socket is readable between statements; its end closes the link.
void side_link_attend(struct side_link *link);
// Runs one statement, with one text parameter or none (NULL). NULL: it failed, `error` says why; the
// link is closed if it was the link's fault. A statement that returns no rows gives an empty result.
PGresult *side_link_query(struct side_link *link, const char *sql, const char *parameter);

// For those who send by libpq's own functions:

// The answer to one statement that was sent; as side_link_query.
PGresult *side_link_take(struct side_link *link);
// Until the connection is ready for some of `events` (poll). False: the deadline (uv_hrtime), or a stop; `error` says so.
bool side_link_wait(struct side_link *link, short events, uint64_t deadline);
void side_link_set_error(struct side_link *link, const char *said);

#endif
