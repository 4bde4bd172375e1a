// Units: made and filled by the session's worker, handed to its shadow thread whole. There is no
// lock: one thread owns a unit at a time, and the feed orders the hand-over.
#include "proxy/relay/unit.h"
#include <stdlib.h>

struct unit *
unit_new(uint64_t session, uint64_t sequence, char status_before, uint64_t now)
{
    struct unit *unit = calloc(1, sizeof(*unit));
    if (!unit) {
        return NULL;
    }
    unit->session = session;
    unit->sequence = sequence;
    unit->status_before = status_before;
    unit->begun = now;
    capture_init(&unit->request);
    capture_init(&unit->reply);
    return unit;
}

void
unit_free(struct unit **unit)
{
    if (!*unit) {
        return;
    }
    capture_fini(&(*unit)->request);
    capture_fini(&(*unit)->reply);
    free(*unit);
    *unit = NULL;
}

size_t
unit_memory(const struct unit *unit)
{
    return sizeof(*unit) + unit->request.pinned + unit->reply.pinned;
}
