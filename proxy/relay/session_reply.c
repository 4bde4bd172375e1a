// The relay from old to the client. Each chunk is framed, its messages are paired with what they answer, its
// slices are captured into the unit at hand, and it is passed on whole, by reference.
//
// What makes no sense is passed as it is, since old's bytes are the truth: the session then goes on as bytes
// alone, and the shadow is told nothing more of it.
#include "proxy/log.h"
#include "proxy/relay/session_pass.h"

static void
capture(struct pass *pass, const uint8_t *to)
{
    session_unit_reply(pass->session, pass->chunk, pass->captured, to);
    pass->captured = to;
}

static void
become_opaque(struct session *session, const char *why)
{
    if (session->phase == SESSION_RELAY) {
        log_event(LOG_WARNING_LEVEL, "session_opaque", "session=%llu reason=\"%s\"",
                  (unsigned long long)session->id, why);
        session_move(session, SESSION_OPAQUE);
        if (!session->client_frame.is_inside) { // what was kept back
            session_to_old(session, session->client_frame.header, session->client_frame.seen);
        }
    }
}

static bool
is_uncaptured(const struct session *session, char type)
{
    return type == MESSAGE_SERVER_COPY_DATA ||
           (type == MESSAGE_SERVER_DATA_ROW && session->first_unit &&
            session->first_unit->is_unsampled);
}

// A ParameterStatus between units, at a reload of the server: a unit of its own, without a request.
static void
begin_stray(struct pass *pass)
{
    struct session *session = pass->session;
    struct unit *filling = session->filling;
    pass->captured = pass->message;
    if (session_unit_begin(session, pass->now)) {
        session->is_stray = true;
        session->filling = filling;
    }
}

static void
end_unit(struct pass *pass, const uint8_t *at)
{
    capture(pass, at);
    session_unit_end(pass->session, pass->now);
    pass->has_ended_unit = true;
}

// Pairs a message; `status` is ReadyForQuery's byte, else 0. False: it makes no sense.
static bool
pair(struct pass *pass, char type, char status, struct pairing_answer *answer)
{
    struct session *session = pass->session;
    if (pairing_reply(&session->pairing, type, status, answer) != PAIRING_OK) {
        return false;
    }
    if (answer->joined_units > 0 || answer->reopens_unit) {
        session_unit_join(session, answer->joined_units, answer->reopens_unit);
    }
    return true;
}

static void
note_copy(struct session *session, char type)
{
    if (session->first_unit &&
        (type == MESSAGE_SERVER_COPY_IN_RESPONSE || type == MESSAGE_SERVER_COPY_OUT_RESPONSE ||
         type == MESSAGE_SERVER_COPY_BOTH_RESPONSE)) {
        session->first_unit->is_copy = true;
    }
}

// The header is whole. False: it makes no sense.
static bool
begin_message(struct pass *pass, const struct frame_piece *piece)
{
    struct session *session = pass->session;
    char type = piece->type;
    struct pairing_answer answer = {0};
    session->last_from_old = type;
    if (type == MESSAGE_SERVER_PARAMETER_STATUS && !session->first_unit) {
        begin_stray(pass);
    }
    struct unit *unit = session->first_unit;
    if (unit && type == MESSAGE_SERVER_PARAMETER_STATUS) {
        unit->has_reports = true;
    }
    if (is_uncaptured(session, type)) {
        capture(pass, pass->message);
    } else if (unit && !unit->is_reply_cut && !pass_capture_carried(pass, &unit->reply)) {
        unit->is_reply_cut = true;
    }
    // Rows come by the million and change nothing; ReadyForQuery waits for its byte.
    bool is_paired = type != MESSAGE_SERVER_DATA_ROW && type != MESSAGE_SERVER_COPY_DATA &&
                     type != MESSAGE_SERVER_READY_FOR_QUERY;
    if (is_paired) {
        if (!pair(pass, type, 0, &answer)) {
            return false;
        }
        note_copy(session, type);
    }
    if (unit && unit->answered == 0 && !answer.is_asynchronous) {
        unit->answered = pass->now;
    }
    return type != MESSAGE_SERVER_READY_FOR_QUERY || piece->body_total == 1;
}

static bool
take_ready(struct pass *pass, const struct frame_piece *piece, const uint8_t *at)
{
    struct pairing_answer answer;
    if (piece->body_length == 0) {
        return true; // in the next chunk
    }
    if (!pair(pass, piece->type, (char)piece->body[0], &answer)) {
        return false;
    }
    if (answer.ends_unit) {
        end_unit(pass, at);
    }
    return true;
}

// False: from here on the bytes make no sense.
static bool
take_piece(struct pass *pass, const struct frame_piece *piece, const uint8_t *at)
{
    struct session *session = pass->session;
    if (piece->first && !begin_message(pass, piece)) {
        return false;
    }
    if (is_uncaptured(session, piece->type)) {
        pass->captured = at;
    }
    if (piece->type == MESSAGE_SERVER_READY_FOR_QUERY) {
        return take_ready(pass, piece, at);
    }
    if (piece->last && session->is_stray) {
        session->is_stray = false;
        end_unit(pass, at);
    }
    return true;
}

static const uint8_t *
scan(struct pass *pass)
{
    struct session *session = pass->session;
    struct frame *frame = &session->old_frame;
    const uint8_t *at = pass->begin;
    struct frame_piece piece;
    while (at < pass->end) {
        if (!frame->is_inside) {
            pass->message = at;
        }
        enum frame_status status = frame_next(frame, &at, pass->end, &piece);
        if (status == FRAME_MORE) {
            break;
        }
        if (status == FRAME_JUNK || !take_piece(pass, &piece, at)) {
            become_opaque(session, "old sent what the protocol does not allow here");
            return pass->end;
        }
        if (session->pairing.is_copying_both) {
            become_opaque(session, "COPY in both directions");
            return pass->end;
        }
    }
    return pass_limit(pass, frame);
}

void
session_relay_from_old(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    struct pass pass;
    pass_init(&pass, session, &session->old_frame, chunk, offset, length);
    const uint8_t *to = scan(&pass);
    if (session_is_closing(session)) {
        return;
    }
    capture(&pass, to);
    if (!pass_forward(&pass, session->client, to)) {
        session_old_pause(session, PAUSE_OTHER_IS_FULL);
    }
    if (pass.has_ended_unit || session->held.chunk) {
        session_relay_after_unit(session);
    }
}

void
session_relay_after_unit(struct session *session)
{
    if (session->phase == SESSION_OPAQUE && session->held.chunk) {
        session_unhold(session);
        return;
    }
    if (session->phase != SESSION_RELAY) {
        return;
    }
    if (session->is_shutting_down && session_is_between_units(session)) {
        session_refuse(session,
                       &(struct reply_error_text){
                           .severity = "FATAL",
                           .sqlstate = "57P01",
                           .message = "terminating connection due to administrator command",
                           .detail = "The proxy is shutting down."});
        return;
    }
    if (session->refusal[0] != '\0' && session_is_between_units(session)) {
        session_refuse_junk(session);
        return;
    }
    const struct pairing *pairing = &session->pairing;
    bool is_full = pairing->next - pairing->first >= PAIRING_LIMIT;
    if (session->held.chunk && !is_full &&
        !(session->is_held_by_pause && session_must_hold(session))) {
        session_unhold(session);
    }
}
