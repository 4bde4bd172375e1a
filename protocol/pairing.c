// Which request does a reply answer? A ring of the unanswered requests, two bytes each, and two
// tables: what a message from the client is, and which requests a reply may answer and completes.
// The way of almost every reply is one look-up and two bit tests; errors, ReadyForQuery and COPY
// have functions of their own. Allocates only to grow the ring, never in a steady state.
//
// The ring also holds CopyDone and CopyFail where they pass before the CopyInResponse that they
// answer, since they tell which Syncs the server reads inside the COPY. They get no reply, and are
// dropped when they become the oldest. CopyData takes no place: a COPY has millions.
//
// Known compromise: after a COPY IN that failed, with further requests sent ahead behind a Sync that
// the server had not read yet, replies may be paired with a later unit (see pairing.h).
#include "protocol/pairing.h"

#include <stdlib.h>
#include <string.h>

enum { TYPES = 128, FIRST_CAPACITY = 16 };

// What a message from the client is. Each request has a bit, for the sets in `rules`.
enum kind {
    UNKNOWN = 0,
    PARSE = 1 << 0,
    BIND = 1 << 1,
    DESCRIBE = 1 << 2,
    EXECUTE = 1 << 3,
    CLOSE = 1 << 4,
    QUERY = 1 << 5,
    FUNCTION_CALL = 1 << 6,
    SYNC = 1 << 7,
    COPY_END = 1 << 8, // in the ring, but without an answer
    SILENT = 1 << 9,   // not in the ring

    SIMPLE = QUERY | FUNCTION_CALL,
    RUNS = EXECUTE | QUERY,
};

static const uint16_t kinds[TYPES] = {
    ['B'] = BIND,   ['C'] = CLOSE,         ['D'] = DESCRIBE, ['E'] = EXECUTE,  ['P'] = PARSE,
    ['Q'] = QUERY,  ['F'] = FUNCTION_CALL, ['S'] = SYNC,     ['c'] = COPY_END, ['f'] = COPY_END,
    ['d'] = SILENT, ['H'] = SILENT,        ['X'] = SILENT,
};

enum effect {
    NOTHING,
    ASYNCHRONOUS,
    ERROR,
    READY,
    COPY_IN,
    COPY_OUT,
    COPY_BOTH,
    OUT_DATA,
    OUT_END,
    END
};

struct rule {
    uint16_t answers;   // the requests that this reply may answer
    uint16_t completes; // those of them that get no further reply
    uint16_t effect;
};

static const struct rule rules[TYPES] = {
    ['1'] = {PARSE, PARSE, NOTHING},
    ['2'] = {BIND, BIND, NOTHING},
    ['3'] = {CLOSE, CLOSE, NOTHING},
    ['t'] = {DESCRIBE, 0, NOTHING},
    ['T'] = {DESCRIBE | RUNS, DESCRIBE, NOTHING},
    ['n'] = {DESCRIBE, DESCRIBE, NOTHING},
    ['D'] = {RUNS, 0, NOTHING},
    ['C'] = {RUNS, EXECUTE, END},
    ['I'] = {RUNS, EXECUTE, END},
    ['s'] = {EXECUTE, EXECUTE, END},
    ['V'] = {FUNCTION_CALL, 0, NOTHING},
    ['G'] = {RUNS, 0, COPY_IN},
    ['H'] = {RUNS, 0, COPY_OUT},
    ['W'] = {RUNS, 0, COPY_BOTH},
    ['d'] = {RUNS, 0, OUT_DATA},
    ['c'] = {RUNS, 0, OUT_END},
    ['E'] = {0, 0, ERROR},
    ['Z'] = {0, 0, READY},
    ['N'] = {0, 0, ASYNCHRONOUS},
    ['S'] = {0, 0, ASYNCHRONOUS},
    ['A'] = {0, 0, ASYNCHRONOUS},
};

static unsigned
kind_of(char type)
{
    unsigned char index = (unsigned char)type;
    return index < TYPES ? kinds[index] : UNKNOWN;
}

static struct pairing_request *
entry(const struct pairing *pairing, uint64_t number)
{
    return &pairing->ring[number & (pairing->capacity - 1)];
}

static bool
is_empty(const struct pairing *pairing)
{
    return pairing->first == pairing->next;
}

// Gets no reply by itself: it is dropped when it becomes the oldest.
static bool
is_silent(const struct pairing_request *request)
{
    return request->is_ignored || kind_of(request->type) == COPY_END;
}

static void
drop_silent(struct pairing *pairing)
{
    while (!is_empty(pairing) && is_silent(entry(pairing, pairing->first))) {
        pairing->first++;
    }
}

static void
drop_first(struct pairing *pairing)
{
    pairing->first++;
    pairing->has_answer = false;
    drop_silent(pairing);
}

void
pairing_init(struct pairing *pairing)
{
    *pairing = (struct pairing){.transaction_status = 'I'};
}

void
pairing_fini(struct pairing *pairing)
{
    free(pairing->ring);
    pairing_init(pairing);
}

bool
pairing_is_idle(const struct pairing *pairing)
{
    return is_empty(pairing) && !pairing->unit_is_open && !pairing->is_copying_both;
}

// The capacity is a power of two; entries keep their numbers.
static enum pairing_status
grow(struct pairing *pairing)
{
    if (pairing->capacity >= PAIRING_LIMIT) {
        return PAIRING_TOO_MANY;
    }
    size_t capacity = pairing->capacity > 0 ? pairing->capacity * 2 : FIRST_CAPACITY;
    struct pairing_request *ring = malloc(capacity * sizeof(*ring));
    if (ring == NULL) {
        return PAIRING_NO_MEMORY;
    }
    for (uint64_t i = pairing->first; i != pairing->next; i++) {
        ring[i & (capacity - 1)] = *entry(pairing, i);
    }
    free(pairing->ring);
    pairing->ring = ring;
    pairing->capacity = capacity;
    return PAIRING_OK;
}

static enum pairing_status
push(struct pairing *pairing, char type)
{
    if (pairing->next - pairing->first >= pairing->capacity) {
        enum pairing_status status = grow(pairing);
        if (status != PAIRING_OK) {
            return status;
        }
    }
    *entry(pairing, pairing->next++) = (struct pairing_request){.type = type};
    return PAIRING_OK;
}

// CopyDone or CopyFail. In a COPY IN that we know of it is used up at once; with nothing unanswered,
// or while the server skips, it reaches the server outside any COPY and is dropped there.
static enum pairing_status
pass_copy_end(struct pairing *pairing, char type)
{
    if (pairing->is_copying_in) {
        pairing->is_copying_in = false;
        return PAIRING_OK;
    }
    return is_empty(pairing) ? PAIRING_OK : push(pairing, type);
}

// The client sends a request into a COPY IN that it has not ended. The server would take that as the
// end of the session, so if it goes on, the COPY had failed before a Sync in the ring was read.
static void
give_back_syncs(struct pairing *pairing)
{
    if (entry(pairing, pairing->first)->type != 'E') {
        return;
    }
    for (uint64_t i = pairing->first; i != pairing->next; i++) {
        struct pairing_request *request = entry(pairing, i);
        if (request->is_ignored && request->type == 'S') {
            request->is_ignored = false;
            pairing->copy_syncs--;
            pairing->unit_is_open = false;
        }
    }
}

static enum pairing_status
pass_request(struct pairing *pairing, char type, unsigned kind, struct pairing_place *place)
{
    // Skipping, and no Sync has passed: the server skips this one too. It gets a number all the same.
    bool is_skipped = pairing->is_skipping && is_empty(pairing) && kind != SYNC;
    if (is_skipped) {
        pairing->first = ++pairing->next;
    } else {
        enum pairing_status status = push(pairing, type);
        if (status != PAIRING_OK) {
            return status;
        }
    }
    if (pairing->is_copying_in) {
        pairing->is_copying_in = false;
        give_back_syncs(pairing);
    }
    place->is_answered = !is_skipped;
    place->begins_unit = !pairing->unit_is_open;
    place->ends_unit = !is_skipped && (kind & (SIMPLE | SYNC)) != 0;
    pairing->units_begun += place->begins_unit;
    pairing->unit_is_open = !place->ends_unit;
    return PAIRING_OK;
}

enum pairing_status
pairing_request(struct pairing *pairing, char type, struct pairing_place *place)
{
    unsigned kind = kind_of(type);
    *place = (struct pairing_place){.request = pairing->next};
    if (kind == UNKNOWN) {
        return PAIRING_JUNK;
    }
    if (kind == SILENT || pairing->is_copying_both) {
        return PAIRING_OK;
    }
    if (kind == COPY_END) {
        return pass_copy_end(pairing, type);
    }
    if (kind == SYNC && pairing->is_copying_in) {
        pairing->copy_syncs++;
        return PAIRING_OK;
    }
    return pass_request(pairing, type, kind, place);
}

// `ends` ends of units have turned out to be none. `is_followed`: a unit has begun behind the last.
static void
take_back(struct pairing *pairing, unsigned ends, bool is_followed, struct pairing_answer *answer)
{
    if (ends == 0) {
        return;
    }
    answer->joined_units = is_followed ? ends : ends - 1;
    answer->reopens_unit = !is_followed;
    pairing->units_ended += answer->joined_units;
    pairing->unit_is_open = pairing->unit_is_open || !is_followed;
}

static bool
is_followed(const struct pairing *pairing, uint64_t number)
{
    while (number != pairing->next && is_silent(entry(pairing, number))) {
        number++;
    }
    return number != pairing->next;
}

// CopyInResponse: from here the server reads up to the first CopyDone or CopyFail, and ignores Sync.
// If another request has passed before either, the client does not know of this COPY, and its Syncs
// stand: the server reads them only if the COPY has failed.
static void
begin_copy_in(struct pairing *pairing, struct pairing_answer *answer)
{
    uint64_t from = pairing->first + 1;
    if (from < pairing->copy_ends_from) {
        from = pairing->copy_ends_from;
    }
    uint64_t end = from;
    while (end != pairing->next && entry(pairing, end)->type == 'S') {
        end++;
    }
    bool is_ended = end != pairing->next;
    if (is_ended && kind_of(entry(pairing, end)->type) != COPY_END) {
        return;
    }
    unsigned syncs = 0;
    for (uint64_t i = from; i != end; i++) {
        entry(pairing, i)->is_ignored = true;
        syncs++;
    }
    pairing->copy_syncs += syncs;
    pairing->copy_ends_from = is_ended ? end + 1 : end;
    pairing->is_copying_in = !is_ended;
    if (answer->request_type == 'E') {
        take_back(pairing, syncs, is_followed(pairing, pairing->copy_ends_from), answer);
    } else { // the Query ends its unit itself: what goes is units of one Sync
        take_back(pairing, syncs, true, answer);
    }
}

static void
end_copy(struct pairing *pairing)
{
    pairing->is_copying_in = false;
    pairing->is_copying_out = false;
    pairing->copy_syncs = 0;
}

// Drops what the server skips, up to the first Sync that it is not known to have ignored.
static void
skip_to_sync(struct pairing *pairing, struct pairing_answer *answer)
{
    unsigned ends = 0;
    drop_first(pairing);
    while (!is_empty(pairing) && kind_of(entry(pairing, pairing->first)->type) != SYNC) {
        ends += (kind_of(entry(pairing, pairing->first)->type) & SIMPLE) != 0;
        drop_first(pairing);
    }
    take_back(pairing, ends, !is_empty(pairing) || pairing->unit_is_open, answer);
    pairing->is_skipping = true;
}

static enum pairing_status
answer_error(struct pairing *pairing, struct pairing_answer *answer)
{
    if (is_empty(pairing)) {
        answer->is_asynchronous = true;
        return PAIRING_OK;
    }
    answer->request = pairing->first;
    answer->request_type = entry(pairing, pairing->first)->type;
    pairing->has_answer = true;
    pairing->is_copying_in = false;
    pairing->is_copying_out = false;
    if ((kind_of(answer->request_type) & (SIMPLE | SYNC)) != 0) {
        // ReadyForQuery follows. Syncs that the COPY did not read are answered after it.
        if (!pairing->is_skipping) {
            pairing->stray_readies = pairing->copy_syncs;
            pairing->copy_syncs = 0;
        }
        return PAIRING_OK;
    }
    answer->completes = true;
    skip_to_sync(pairing, answer);
    return PAIRING_OK;
}

// May ReadyForQuery answer the oldest request? Query and FunctionCall get something else first.
static bool
can_be_ready(const struct pairing *pairing)
{
    if (is_empty(pairing)) {
        return false;
    }
    unsigned kind = kind_of(entry(pairing, pairing->first)->type);
    bool is_due = pairing->has_answer || pairing->stray_readies == 0;
    return kind == SYNC || ((kind & SIMPLE) != 0 && is_due);
}

static enum pairing_status
answer_ready(struct pairing *pairing, char ready_status, struct pairing_answer *answer)
{
    if (can_be_ready(pairing)) {
        answer->request = pairing->first;
        answer->request_type = entry(pairing, pairing->first)->type;
        drop_first(pairing);
        if (pairing->is_skipping) {
            pairing->stray_readies = pairing->copy_syncs;
        }
    } else if (pairing->is_skipping && is_empty(pairing) && pairing->copy_syncs > 0) {
        // A Sync that was taken as ignored was not: the COPY had failed before it was read.
        answer->request = pairing->next - 1;
        answer->request_type = 'S';
        pairing->stray_readies = pairing->copy_syncs - 1;
        pairing->unit_is_open = false;
    } else if (pairing->stray_readies > 0) {
        pairing->stray_readies--;
        pairing->transaction_status = ready_status;
        answer->is_asynchronous = true;
        return PAIRING_OK;
    } else {
        return PAIRING_JUNK;
    }
    answer->completes = true;
    answer->ends_unit = true;
    pairing->units_ended++;
    pairing->is_skipping = false;
    pairing->copy_syncs = 0;
    pairing->transaction_status = ready_status;
    return PAIRING_OK;
}

// What a reply does beyond answering.
static enum pairing_status
take_effect(struct pairing *pairing, unsigned effect, struct pairing_answer *answer)
{
    switch (effect) {
    case COPY_IN:
        begin_copy_in(pairing, answer);
        break;
    case COPY_OUT:
        pairing->is_copying_out = true;
        break;
    case COPY_BOTH:
        pairing->is_copying_both = true;
        break;
    case OUT_DATA:
    case OUT_END:
        if (!pairing->is_copying_out) {
            return PAIRING_JUNK;
        }
        pairing->is_copying_out = effect == OUT_DATA;
        break;
    default:
        end_copy(pairing);
        break;
    }
    return PAIRING_OK;
}

enum pairing_status
pairing_reply(struct pairing *pairing, char type, char ready_status, struct pairing_answer *answer)
{
    static const struct rule none = {0, 0, NOTHING};
    unsigned char index = (unsigned char)type;
    const struct rule *rule = index < TYPES ? &rules[index] : &none;
    *answer = (struct pairing_answer){0};
    if (rule->effect == ASYNCHRONOUS || pairing->is_copying_both) {
        answer->is_asynchronous = true;
        return PAIRING_OK;
    }
    if (rule->effect == ERROR) {
        return answer_error(pairing, answer);
    }
    if (rule->effect == READY) {
        return answer_ready(pairing, ready_status, answer);
    }
    if (is_empty(pairing)) {
        return PAIRING_JUNK;
    }
    answer->request = pairing->first;
    answer->request_type = entry(pairing, pairing->first)->type;
    unsigned kind = kind_of(answer->request_type);
    if ((rule->answers & kind) == 0) {
        return PAIRING_JUNK;
    }
    pairing->has_answer = true;
    pairing->stray_readies = 0;
    if (rule->effect != NOTHING) {
        enum pairing_status status = take_effect(pairing, rule->effect, answer);
        if (status != PAIRING_OK) {
            return status;
        }
    }
    if ((rule->completes & kind) != 0) {
        answer->completes = true;
        drop_first(pairing);
    }
    return PAIRING_OK;
}
