// The transaction block that is open on old, for canary reads (DESIGN 3.7): new may serve reads in it while it has done
// nothing that new can't know of. Old alone knows whether it is READ ONLY and how it is isolated, since defaults come
// from many places; it is asked when the first read is served.
//
// Only READ COMMITTED is served: there each statement has its own snapshot, and may be read on either side. Under
// REPEATABLE READ all reads must be of one snapshot, which two servers do not have.
#include "proxy/relay/session_parts.h"

static void
begin(struct session *session, const struct unit *unit)
{
    session->transaction = (struct session_transaction){
        .is_clean = unit->move == UNIT_BEGINS && unit->is_harmless,
        .may_be_read_only = unit->may_be_read_only,
    };
}

static void
go_on(struct session *session, const struct unit *unit)
{
    struct session_transaction *transaction = &session->transaction;
    transaction->is_clean = transaction->is_clean && unit->is_harmless;
    if (unit->move == UNIT_SETS) {
        transaction->may_be_read_only = unit->may_be_read_only;
        transaction->is_asked = false;
    }
}

// The end of a clean one, or of none, leaves nothing behind.
static void
end(struct session *session, struct unit *unit)
{
    bool was_clean = session->transaction.is_clean || unit->status_before == 'I';
    unit->is_harmless = unit->is_harmless || (unit->move == UNIT_ENDS && was_clean);
    session->transaction = (struct session_transaction){0};
}

void
session_transaction_follow(struct session *session, struct unit *unit)
{
    if (unit->request.length == 0 && !unit->is_request_cut) {
        return; // a report between units
    }
    if (unit->status_after != 'T' && unit->status_after != 'E') {
        end(session, unit);
    } else if (unit->status_before == 'I') {
        begin(session, unit);
    } else {
        go_on(session, unit);
    }
}

bool
session_transaction_may_serve(const struct session *session, bool begins, bool may_be_read_only)
{
    const struct session_transaction *transaction = &session->transaction;
    switch (session->pairing.transaction_status) {
    case 'I':
        return !begins || may_be_read_only;
    case 'T':
        return !begins && transaction->is_clean && transaction->may_be_read_only &&
               (!transaction->is_asked || transaction->is_servable);
    default:
        return false;
    }
}
