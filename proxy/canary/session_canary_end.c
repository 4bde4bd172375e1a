// How a canary read ends: the session goes on, and the shadow is told what the client was served.
#include "proxy/canary/session_canary.h"

void
session_canary_detach(struct canary *canary)
{
    session_canary_stop_waiting(canary);
    canary->session->canary = NULL;
    canary->session = NULL;
    if (!canary->job) {
        session_canary_free(&canary);
    } else if (canary->is_job_paused) {
        canary->is_job_paused = false;
        own_job_resume(canary->job);
    }
}

void
session_canary_go_on(struct session *session)
{
    session_old_resume(session, PAUSE_CANARY);
    if (!session->canary) {
        session_client_resume(session, PAUSE_CANARY);
    }
    session_relay_after_unit(session);
}

struct unit *
session_canary_unit(struct canary *canary, enum unit_route route)
{
    struct session *session = canary->session;
    struct unit *unit =
        unit_new(session->id, ++session->sequence, canary->status_before, canary->begun);
    if (!unit) {
        return NULL; // the shadow sees the gap
    }
    unit->route = route;
    unit->answered = canary->answered;
    unit->ended = uv_hrtime();
    unit->status_after = session->pairing.transaction_status;
    unit->has_statements = canary->unit.has_statements;
    unit->is_harmless = true;
    if (canary->unit.has_begin && canary->status_before == 'I') {
        unit->move = UNIT_BEGINS;
        unit->may_be_read_only = true; // else it would not be here
    }
    return unit;
}

void
session_canary_settle(struct canary *canary, struct unit *unit)
{
    struct session *session = canary->session;
    session_unit_settle(session, unit);
    if (canary->asks_transaction && canary->question_rows > 0) {
        session->transaction.is_asked = true;
        session->transaction.is_servable = canary->is_read_only && canary->is_read_committed;
    }
}

void
session_canary_record(struct canary *canary, struct unit *unit)
{
    struct capture *record = &canary->answer.record;
    unit->is_request_cut = !canary_unit_capture(&canary->unit, &unit->request);
    unit->is_reply_cut =
        canary->answer.is_record_cut ||
        !capture_copy(&unit->reply, canary->prefix_reply.bytes, canary->prefix_end);
    for (size_t i = 0; i < record->count && !unit->is_reply_cut; i++) {
        const struct slice *slice = &record->slices[i];
        unit->is_reply_cut =
            !capture_append(&unit->reply, slice->chunk, slice->offset, slice->length);
    }
    if (unit->is_reply_cut) {
        capture_fini(&unit->reply);
        unit->dropped = DROP_MEMORY;
    }
}

void
session_canary_finish(struct canary *canary, enum unit_route route)
{
    struct session *session = canary->session;
    struct unit *unit = session_canary_unit(canary, route);
    if (route == UNIT_ROUTE_NEW) {
        guard_count(&session->database->guard_counts, GUARD_SERVED);
    }
    if (unit) {
        session_canary_record(canary, unit);
        session_canary_settle(canary, unit);
    }
    struct held rest = canary->old_rest;
    canary->old_rest.chunk = NULL;
    bool is_over = !session_canary_drain(canary);
    if (is_over) {
        session_canary_detach(canary);
    } else {
        session_old_resume(session, PAUSE_CANARY);
    }
    if (rest.chunk) {
        session_old_callbacks.on_bytes(session, rest.chunk, rest.offset, rest.length);
        chunk_unref(&rest.chunk);
    }
    if (is_over) {
        session_canary_go_on(session);
    }
}

void
session_canary_fini(struct session *session)
{
    struct canary *canary = session->canary;
    if (!canary) {
        return;
    }
    bool is_served = canary->phase == CANARY_DRAINING;
    struct unit *unit = is_served ? NULL : session_canary_unit(canary, UNIT_ROUTE_OLD);
    if (unit) {
        unit->is_lost = true;
        unit->status_after = 0;
        unit->has_statements = false;
        unit->is_request_cut =
            !capture_copy(&unit->request, canary->unit.bytes, canary->unit.length);
        session_unit_settle(session, unit);
    }
    if (canary->job) {
        own_pool_abandon(canary->worker->pool, &canary->job);
    }
    canary->is_job_paused = false;
    session_canary_detach(canary);
}
