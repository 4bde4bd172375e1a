// A thread a database that has both sides' catalogs read: at start, on request, and again after a
// failure. Apart from the control thread, since a reading may take long and must hold up no waiter.
#ifndef PROXY_CONTROL_CATALOG_READER_H
#define PROXY_CONTROL_CATALOG_READER_H

#include "proxy/control/builtin_catalogs.h"
#include "proxy/database.h"

struct catalog_reader;

// `builtin` outlives it. NULL: no thread.
struct catalog_reader *catalog_reader_start(struct database *database,
                                            struct builtin_catalogs *builtin);
void catalog_reader_stop(struct catalog_reader **reader); // joins
// Any thread. Gives the epoch of the first reading that begins after this call.
uint64_t catalog_reader_request(struct catalog_reader *reader);
// What was read is not to be relied on from now on, and no reading is asked for yet. Gives the epoch of the first reading
// that may begin after this call. Any thread.
uint64_t catalog_reader_distrust(struct catalog_reader *reader);
// Asks for the reading `epoch` when no distrust has come for ten seconds, or when the first is a minute ago. Any thread.
void catalog_reader_settle(struct catalog_reader *reader, uint64_t epoch);
// Has what that epoch promises been asked for? It is now. Any thread.
void catalog_reader_ensure(struct catalog_reader *reader, uint64_t epoch);
// Breaks off a reading that has taken too long; to be called now and then by another thread.
void catalog_reader_watch(struct catalog_reader *reader);

#endif
