// A cancel by the client while new is asked. Before anything is released 57014 is the answer, and what runs is
// given up; while rows are streaming new is told, and says itself where they end. What old was asked as well is
// drained (session_canary_hedge.c). A client that has its answer is not waiting for anything: its cancel comes late,
// and hits nothing.
#include "proxy/canary/session_canary.h"

void
session_canary_answer_cancel(struct canary *canary)
{
    struct session *session = canary->session;
    struct writer error;
    writer_init(&error);
    reply_write_error(
        &error, MESSAGE_SERVER_ERROR_RESPONSE,
        &(struct reply_error_text){.severity = "ERROR",
                                   .sqlstate = "57014",
                                   .message = "canceling statement due to user request"});
    struct canary_answer *answer = &canary->answer;
    capture_fini(&answer->record);
    answer->is_record_cut = error.failed;
    canary_answer_record(answer, error.bytes, error.failed ? 0 : error.length);
    answer->has_error = true;
    answer->progress = CANARY_COMPLETE;
    session_to_client(session, error.bytes, error.failed ? 0 : error.length);
    writer_fini(&error);
    session_canary_end(canary);
}

bool
session_canary_cancel(struct session *session)
{
    struct canary *canary = session->canary;
    if (!canary || (session_canary_hears_old(session) && canary->phase != CANARY_HEDGED)) {
        return canary != NULL;
    }
    if (canary->phase == CANARY_RELEASED) { // rows are on their way: new says where they end
        if (canary->job) {
            own_job_cancel(canary->job);
        }
        return true;
    }
    if (canary->job) {
        own_pool_abandon(session->worker->pool, &canary->job);
    }
    canary->is_cancelled = true;
    if (canary->phase == CANARY_HEDGED) {
        session_canary_settle_hedge(canary);
    } else if (session->old_frame.is_inside) {
        session_canary_stop_waiting(canary);
        canary->phase = CANARY_IN_MESSAGE;
    } else {
        session_canary_answer_cancel(canary);
    }
    return true;
}
