// One control thread a database, blocking, with libpq connections of its own as the connection
// strings' users: reads both sides' catalogs (at start, on reload, when a name was unknown or a
// read comes behind DDL), probes the lag, and knows whether the sides are up. The shadow asks and waits by callback,
// never by blocking.
#ifndef PROXY_CONTROL_CONTROL_H
#define PROXY_CONTROL_CONTROL_H

#include "proxy/control/builtin_catalogs.h"
#include "proxy/database.h"
#include <uv.h>

// Sets database->control; `builtin` outlives it. NULL: no thread.
struct control *control_start(struct database *database, struct builtin_catalogs *builtin);
// Joins the thread. Who still waits is answered LAG_UNKNOWN before; later waits are so at once, on the
// caller's thread, until the control itself is gone: stop the shadow first.
void control_stop(struct control **control);
// How long a read waits for catalogs that are read again; then it is dropped.
#define CONTROL_CATALOGS_PATIENCE_NS UINT64_C(10000000000)
// Have the catalogs read again; database->catalogs_epoch goes up when it is done, whatever came of it.
// At most every 100 ms; requests in between are joined. Gives the epoch that will hold all that was
// committed before this call: not one that is being read already.
uint64_t control_request_catalogs(struct control *control);
// The same epoch, but they are not read again before somebody needs them: who does calls control_ensure_catalogs, and who
// only likes to have them, when DDL has ended, control_settle_catalogs.
uint64_t control_distrust_catalogs(struct control *control);
void control_settle_catalogs(struct control *control, uint64_t epoch);
void control_ensure_catalogs(struct control *control, uint64_t epoch);
// Reads still wait for catalogs: a database that has no client any more is not left alone yet. Any thread.
void control_call(struct control *control);
// One poll serves all waiters. `done` is called on the control thread when new has replayed `position`
// (LSN), or after lag.max_wait: it is to hand over to its own loop (uv_async_send) at once.
enum lag_wait { LAG_CLOSED, LAG_OPEN /* max_wait passed */, LAG_UNKNOWN };
typedef void (*control_lag_done)(void *context, enum lag_wait result, double lag_seconds);
void control_wait_for_lag(struct control *control, uint64_t position, control_lag_done done,
                          void *context);
// Reads are kept on old until new has their session's writes: old's position is to be asked for anew, soon. Any
// thread; costs a load while it was said already.
void control_await_writes(struct control *control);
// SQL that gives old's position as text (pg_lsn) right after a reading, also while no probe is chosen
// yet; NULL when no position is needed (none). A static string.
const char *control_position_sql(const struct database *database);
// Why the lag is unknown, for STATUS and events; "" when it is known. Copied into `text`.
void control_lag_trouble(struct control *control, char text[256]);

#endif
