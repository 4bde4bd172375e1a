// Bytes of the client that wait. One range of one chunk at most: while it waits, the client is not read
// from. PAUSE holds what would begin a unit; the login holds what is no part of it.
#include "proxy/relay/session_parts.h"
#include <string.h>

// An open transaction is let finish: it may hold locks.
bool
session_must_hold(struct session *session)
{
    return atomic_load_explicit(&session->database->is_paused, memory_order_relaxed) &&
           (session->pairing.transaction_status == 'I' || !session_is_between_units(session));
}

// What comes behind bytes that wait already, waits behind them.
static struct chunk *
join(const struct held *held, const uint8_t *from, const uint8_t *to)
{
    size_t length = (size_t)(to - from);
    struct chunk *chunk = chunk_new(held->length + length);
    if (chunk) {
        memcpy(chunk->bytes, held->chunk->bytes + held->offset, held->length);
        memcpy(chunk->bytes + held->length, from, length);
        chunk->length = held->length + length;
    }
    return chunk;
}

void
session_hold(struct session *session, struct chunk *chunk, const uint8_t *from, const uint8_t *to)
{
    if (from == to) {
        return;
    }
    session_client_pause(session, PAUSE_HELD);
    if (!session->held.chunk) {
        session->held = (struct held){
            .chunk = chunk_ref(chunk),
            .offset = (size_t)(from - chunk->bytes),
            .length = (size_t)(to - from),
        };
        return;
    }
    struct chunk *both = join(&session->held, from, to);
    if (!both) {
        session_close(session, "out of memory");
        return;
    }
    chunk_unref(&session->held.chunk);
    session->held = (struct held){.chunk = both, .length = both->length};
}

void
session_hold_for_pause(struct session *session)
{
    if (!session->is_held_by_pause) {
        session->is_held_by_pause = true;
        atomic_store_explicit(&session->registered.state, CLIENT_PAUSED, memory_order_relaxed);
        worker_hold(session->worker, 1);
    }
}

static void
end_pause(struct session *session)
{
    if (session->is_held_by_pause) {
        session->is_held_by_pause = false;
        atomic_store_explicit(&session->registered.state, CLIENT_IDLE, memory_order_relaxed);
        worker_hold(session->worker, -1);
    }
}

void
session_unhold(struct session *session)
{
    struct held held = session->held;
    session->held = (struct held){0};
    end_pause(session);
    if (held.chunk) {
        session_client_callbacks.on_bytes(session, held.chunk, held.offset, held.length);
        chunk_unref(&held.chunk);
    }
    if (!session->held.chunk) {
        session_client_resume(session, PAUSE_HELD);
    }
}

void
session_held_fini(struct session *session)
{
    end_pause(session);
    chunk_unref(&session->held.chunk);
}
