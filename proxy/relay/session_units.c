// Units, from the bytes that pass: the request goes into the last unit, the reply into the first, since the
// server answers in order. A finished unit goes to the session's shadow thread; one that finds no room is
// booked here (session_shedding.c), and the shadow sees the gap in the sequence.
#include "proxy/canary/session_canary.h"

static const struct configuration_shadow *
shadow_settings(const struct session *session)
{
    return &session->settings->entry->shadow;
}

void
session_renew_settings(struct session *session)
{
    uint64_t epoch = atomic_load_explicit(&session->database->settings_epoch, memory_order_relaxed);
    if (epoch != session->settings_epoch) {
        database_settings_unref(&session->settings);
        session->settings = database_settings(session->database);
        session->settings_epoch = epoch;
    }
}

static bool
is_sampled(struct session *session)
{
    unsigned percent =
        atomic_load_explicit(&session->database->shadow_percent, memory_order_relaxed);
    return percent >= 10000 || (percent > 0 && worker_random(session->worker) % 10000 < percent);
}

struct unit *
session_unit_begin(struct session *session, uint64_t now)
{
    session_renew_settings(session);
    struct unit *unit =
        unit_new(session->id, ++session->sequence, session->pairing.transaction_status, now);
    if (!unit) {
        session_close(session, "out of memory");
        return NULL;
    }
    unit->is_unsampled = !session->next_is_wanted && !is_sampled(session);
    unit->route = session->next_route;
    unit->is_harmless = session->next_is_harmless;
    unit->move = session->next_move;
    unit->may_be_read_only = session->next_may_be_read_only;
    session->next_route = UNIT_ROUTE_OLD;
    session->next_is_harmless = false;
    session->next_move = UNIT_MOVES_NOTHING;
    session->next_is_wanted = false;
    if (session->last_unit) {
        session->last_unit->next = unit;
    } else {
        session->first_unit = unit;
        atomic_store_explicit(&session->registered.state, CLIENT_ACTIVE, memory_order_relaxed);
    }
    session->last_unit = unit;
    session->filling = unit;
    return unit;
}

// Messages that would go over shadow.max_request are cut before they come here; many small ones may go on up to twice as
// much. Without memory the capture is given up, not the session.
static void
append_request(const struct session *session, struct unit *unit, struct chunk *chunk, size_t offset,
               size_t length)
{
    if (length == 0 || unit->is_request_ended) {
        return;
    }
    if (unit->request.length + length > 2 * shadow_settings(session)->max_request ||
        !capture_append(&unit->request, chunk, offset, length)) {
        session_unit_end_request(unit);
    }
}

void
session_unit_end_request(struct unit *unit)
{
    unit->is_request_cut = unit->is_request_ended = true;
}

void
session_unit_request(struct session *session, struct chunk *chunk, const uint8_t *from,
                     const uint8_t *to)
{
    if (session->filling && to > from) {
        append_request(session, session->filling, chunk, (size_t)(from - chunk->bytes),
                       (size_t)(to - from));
    }
}

void
session_unit_reply(struct session *session, struct chunk *chunk, const uint8_t *from,
                   const uint8_t *to)
{
    struct unit *unit = session->first_unit;
    size_t length = (size_t)(to - from);
    if (!unit || length == 0 || unit->is_reply_cut) {
        return;
    }
    if (unit->reply.length + length > shadow_settings(session)->max_result ||
        !capture_append(&unit->reply, chunk, (size_t)(from - chunk->bytes), length)) {
        capture_fini(&unit->reply);
        unit->is_reply_cut = true;
    }
}

static void
join_next(struct session *session, struct unit *unit)
{
    struct unit *next = unit->next;
    unit->next = next->next;
    if (session->last_unit == next) {
        session->last_unit = unit;
    }
    if (session->filling == next) {
        session->filling = unit;
    }
    for (size_t i = 0; i < next->request.count; i++) {
        const struct slice *slice = &next->request.slices[i];
        append_request(session, unit, slice->chunk, slice->offset, slice->length);
    }
    unit->is_request_cut = unit->is_request_cut || next->is_request_cut;
    unit->is_request_ended = unit->is_request_ended || next->is_request_ended;
    unit_free(&next);
    // Its number is no gap that the shadow would have to ask about.
    for (struct unit *at = unit->next; at; at = at->next) {
        at->sequence--;
    }
    session->sequence--;
}

void
session_unit_join(struct session *session, unsigned units, bool reopens)
{
    struct unit *unit = session->first_unit;
    while (unit && units > 0 && unit->next) {
        join_next(session, unit);
        units--;
    }
    if (reopens && unit && session->last_unit == unit) {
        session->filling = unit;
    }
}

// To the shadow, or into the books at once.
static void
hand_over(struct session *session, struct unit *unit)
{
    struct feed_event event = {.kind = FEED_UNIT, .session = session->id, .unit = unit};
    bool is_urgent = !unit->is_unsampled;
    unit->passed_over = session->passed_over;
    if (!session->is_unfed && feed_push(session->feed, &event, shadow_settings(session)->memory)) {
        session->passed_over = 0;
        worker_note_feed(session->worker, session->feed, is_urgent);
        return;
    }
    session_unit_book(session, unit);
    unit_free(&unit);
}

static struct unit *
take_first(struct session *session)
{
    struct unit *unit = session->first_unit;
    session->first_unit = unit->next;
    unit->next = NULL;
    if (session->last_unit == unit) {
        session->last_unit = NULL;
    }
    if (session->filling == unit) {
        session->filling = NULL;
    }
    return unit;
}

void
session_unit_settle(struct session *session, struct unit *unit)
{
    struct registry_client *registered = &session->registered;
    uint64_t units = atomic_load_explicit(&registered->units, memory_order_relaxed);
    atomic_store_explicit(&registered->units, units + 1, memory_order_relaxed);
    atomic_store_explicit(&registered->route, (int)unit->route, memory_order_relaxed);
    if (!session->first_unit) {
        atomic_store_explicit(&registered->state,
                              unit->status_after == 'T' || unit->status_after == 'E'
                                  ? CLIENT_IN_TRANSACTION
                                  : CLIENT_IDLE,
                              memory_order_relaxed);
    }
    bool is_shed = session_unit_shed(session, unit);
    unit->is_harmless = unit->is_harmless || is_shed;
    session_transaction_follow(session, unit);
    if (!unit->is_harmless) {
        if (unit->request.length > 0 || unit->is_request_cut) {
            session_canary_note_write(session, unit);
        }
        session->stateful_sequence = unit->sequence;
    }
    session_statements_follow(session, unit);
    if (is_shed) {
        unit_free(&unit);
    } else {
        hand_over(session, unit);
    }
}

void
session_unit_end(struct session *session, uint64_t now)
{
    if (!session->first_unit) {
        return;
    }
    struct unit *unit = take_first(session);
    unit->ended = now;
    unit->status_after = session->pairing.transaction_status;
    if (session->first_unit) {
        // It was sent ahead; the status before it is known only now.
        session->first_unit->status_before = unit->status_after;
    }
    session_canary_blame(session, unit);
    session_unit_settle(session, unit);
}

void
session_unit_stray(struct session *session, const uint8_t *bytes, size_t length)
{
    uint64_t now = uv_hrtime();
    struct unit *unit =
        unit_new(session->id, ++session->sequence, session->pairing.transaction_status, now);
    if (unit) {
        unit->has_reports = true;
        unit->is_reply_cut = !bytes || !capture_copy(&unit->reply, bytes, length);
        unit->answered = unit->ended = now;
        unit->status_after = session->pairing.transaction_status;
        session_unit_settle(session, unit);
    }
}

void
session_units_lose(struct session *session)
{
    while (session->first_unit) {
        struct unit *unit = take_first(session);
        unit->is_lost = true;
        unit->ended = uv_hrtime();
        hand_over(session, unit);
    }
}

bool
session_is_between_units(const struct session *session)
{
    return !session->first_unit && !session->pairing.unit_is_open && !session->canary;
}
