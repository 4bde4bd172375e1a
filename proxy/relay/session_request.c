// The relay from the client to old. Each chunk that was read is framed and paired, its slices are captured
// into units, and it is passed on whole, by reference. It stops before a message that may not pass now
// (PAUSE; too much unanswered); the rest is held. Junk ends the session, behind the answers to what came
// before it.
#include "protocol/request.h"
#include "proxy/canary/session_canary.h"
#include "proxy/relay/session_pass.h"
#include <stdio.h>
#include <string.h>

enum { CUT_KEPT = 512 }; // bytes of a message's body: its names, and how its statement begins

void
session_refuse_junk(struct session *session)
{
    session_refuse(session,
                   &(struct reply_error_text){
                       .severity = "FATAL",
                       .sqlstate = "08P01",
                       .message = session->refusal,
                       .hint = "The client does not speak PostgreSQL's protocol correctly."});
}

// A server answers what stands before the junk, and then ends the session. So old gets it, and a Terminate in
// place of the junk; the client is told when the answers are out. Into a COPY IN nothing can be said that
// old would not take for an error of its own: there the end comes at once.
static void
refuse(struct session *session)
{
    if (session_is_between_units(session) || session->pairing.is_copying_in) {
        session_refuse_junk(session);
        return;
    }
    struct writer writer;
    writer_init(&writer);
    request_write_terminate(&writer);
    session_to_old(session, writer.bytes, writer.failed ? 0 : writer.length);
    writer_fini(&writer);
    session_client_pause(session, PAUSE_REFUSED);
}

// COPY's data is passed, not kept; a Terminate is no request.
static bool
is_uncaptured(char type)
{
    return type == MESSAGE_CLIENT_COPY_DATA || type == MESSAGE_CLIENT_TERMINATE;
}

static bool
ends_copy(char type)
{
    return type == MESSAGE_CLIENT_COPY_DONE || type == MESSAGE_CLIENT_COPY_FAIL;
}

static void
capture(struct pass *pass, const uint8_t *to)
{
    session_unit_request(pass->session, pass->chunk, pass->captured, to);
    pass->captured = to;
}

// Too many requests are unanswered, or PAUSE holds what would begin a unit.
static bool
must_stop_before(struct pass *pass, const uint8_t *at)
{
    struct session *session = pass->session;
    const struct pairing *pairing = &session->pairing;
    char type = at == pass->begin && pass->carried_length > 0 ? (char)pass->carried[0] : (char)*at;
    if (pass->is_sent) {
        return false;
    }
    if (pairing->next - pairing->first >= PAIRING_LIMIT) {
        return true;
    }
    if (pairing->unit_is_open || pairing->is_copying_in || is_uncaptured(type) || ends_copy(type) ||
        !session_must_hold(session)) {
        return false;
    }
    session_hold_for_pause(session);
    return true;
}

// Prepares by name, or closes. A name that is not in this chunk counts as one.
static bool
names_statement(const struct frame_piece *piece)
{
    return piece->type == MESSAGE_CLIENT_CLOSE ||
           (piece->type == MESSAGE_CLIENT_PARSE &&
            (piece->body_length == 0 || piece->body[0] != '\0'));
}

static bool
is_too_large(const struct pass *pass, const struct frame_piece *piece)
{
    const struct session *session = pass->session;
    size_t before = session->filling->request.length + (size_t)(pass->message - pass->captured);
    return piece->body_total > CUT_KEPT &&
           before + 5 + piece->body_total > session->settings->entry->shadow.max_request;
}

// Are the names whole that a message begins with?
static bool
has_names(char type, const uint8_t *body, size_t length)
{
    const uint8_t *end = body + length;
    unsigned names = type == MESSAGE_CLIENT_BIND ? 2 : type == MESSAGE_CLIENT_PARSE ? 1 : 0;
    for (; names > 0 && body < end; body++) {
        names -= *body == '\0';
    }
    return names == 0;
}

// Of a message that is too large its beginning is kept, so that the rest of the unit is understood.
static void
capture_beginning(struct pass *pass, const struct frame_piece *piece)
{
    struct session *session = pass->session;
    struct unit *unit = session->filling;
    uint8_t bytes[5 + CUT_KEPT] = {(uint8_t)(piece->type | UNIT_CUT)};
    size_t kept = piece->body_length < CUT_KEPT ? piece->body_length : CUT_KEPT;
    capture(pass, pass->message);
    bytes[3] = (uint8_t)((kept + 4) >> 8);
    bytes[4] = (uint8_t)(kept + 4);
    if (kept > 0) {
        memcpy(bytes + 5, piece->body, kept);
    }
    session->message_is_cut = true;
    unit->is_request_cut = true;
    if (unit->is_request_ended || !has_names(piece->type, bytes + 5, kept) ||
        !capture_copy(&unit->request, bytes, 5 + kept)) {
        session_unit_end_request(unit);
    }
}

// False: the session is closing, or it will: the type is junk.
static bool
begin_message(struct pass *pass, const struct frame_piece *piece)
{
    char type = piece->type;
    struct session *session = pass->session;
    struct pairing_place place;
    enum pairing_status status = pairing_request(&session->pairing, type, &place);
    if (status == PAIRING_NO_MEMORY) {
        session_close(session, "out of memory");
        return false;
    }
    if (status != PAIRING_OK) {
        snprintf(session->refusal, sizeof(session->refusal), "invalid frontend message type %d",
                 (unsigned char)type);
        return false;
    }
    if (place.begins_unit) {
        if (!session_unit_begin(session, pass->now)) {
            return false;
        }
        pass->captured = pass->message; // a Flush before it is of no unit
    }
    session->message_ends_unit = place.ends_unit;
    session->message_is_cut = false;
    // It tells which Syncs the server has read inside the COPY: kept, also behind a Query, or behind a Sync that
    // was sent ahead.
    if (ends_copy(type) && !session->filling && session->last_unit) {
        session->filling = session->last_unit;
        session->message_ends_unit = true;
        pass->captured = pass->message;
    }
    if (type == MESSAGE_CLIENT_TERMINATE) {
        session->client_has_terminated = true;
    }
    if (session->filling && names_statement(piece)) {
        session->filling->has_statements = true;
    }
    if (is_uncaptured(type)) {
        capture(pass, pass->message);
    } else if (session->filling && is_too_large(pass, piece)) {
        capture_beginning(pass, piece);
    } else if (session->filling && !session->filling->is_request_ended &&
               !pass_capture_carried(pass, &session->filling->request)) {
        session_unit_end_request(session->filling);
    }
    return true;
}

static void
end_message(struct pass *pass, const uint8_t *at)
{
    struct session *session = pass->session;
    if (session->message_ends_unit) {
        capture(pass, at);
        session->message_ends_unit = false;
        if (!session->pairing.unit_is_open) { // else an answer has taken its end back meanwhile
            session->filling = NULL;
        }
    }
}

// Frames and pairs what the chunk holds; says how far it may pass.
static const uint8_t *
scan(struct pass *pass)
{
    struct session *session = pass->session;
    struct frame *frame = &session->client_frame;
    const uint8_t *at = pass->begin;
    struct frame_piece piece;
    while (at < pass->end) {
        if (!frame->is_inside) {
            pass->message = at;
            if (must_stop_before(pass, at)) {
                pass->is_stopped = true;
                return at;
            }
        }
        enum frame_status status = frame_next(frame, &at, pass->end, &piece);
        if (status == FRAME_MORE) {
            break;
        }
        if (status == FRAME_JUNK) {
            snprintf(session->refusal, sizeof(session->refusal), "invalid message length");
            return pass->message;
        }
        if (piece.first && !begin_message(pass, &piece)) {
            return pass->message;
        }
        if (is_uncaptured(piece.type) || session->message_is_cut) {
            pass->captured = at;
        }
        if (piece.last) {
            end_message(pass, at);
        }
    }
    return pass_limit(pass, frame);
}

void
session_relay_from_client(struct session *session, struct chunk *chunk, size_t offset,
                          size_t length)
{
    if (!session_canary_take(session, chunk, offset, length)) {
        session_relay_to_old(session, chunk, offset, length);
    }
}

void
session_relay_was_sent(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    struct pass pass;
    pass_init(&pass, session, &session->client_frame, chunk, offset, length);
    pass.is_sent = true;
    capture(&pass, scan(&pass));
}

void
session_relay_to_old(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    struct pass pass;
    pass_init(&pass, session, &session->client_frame, chunk, offset, length);
    const uint8_t *to = scan(&pass);
    if (session_is_closing(session)) {
        return;
    }
    capture(&pass, to);
    session->old_asked_at = pass.now;
    if (!pass_forward(&pass, session->old, to)) {
        session_client_pause(session, PAUSE_OTHER_IS_FULL);
    }
    if (session->refusal[0] != '\0') {
        refuse(session);
    } else if (pass.is_stopped) {
        session_hold(session, chunk, to, pass.end);
    }
}
