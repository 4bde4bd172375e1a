// May this unit be served by new? The cheap questions first: most sessions are in no cohort. Everything that
// is not known for certain sends the unit to old.
//
// A read that old serves is still looked up where its session is in the cohort, or a later read may be: what is
// known to be harmless neither begins an after_write window nor makes the shadow's view of the state stale.
#include "proxy/canary/session_canary.h"
#include "compare/sql/shape.h"
#include "proxy/canary/canary_rewrite.h"
#include "proxy/report/figures.h"
#include <stdlib.h>
#include <string.h>

static const struct configuration_canary *
canary_settings(const struct session *session)
{
    return &session->settings->entry->canary;
}

// Nothing but this unit is under way.
static bool
stands_alone(const struct session *session)
{
    return session->phase == SESSION_RELAY && !session->canary &&
           session_is_between_units(session) && frame_is_between_messages(&session->client_frame) &&
           !session->held.chunk && !session->is_shutting_down && !session->is_unfed &&
           session->view;
}

bool
session_canary_is_open(const struct session *session)
{
    struct database *database = session->database;
    return (atomic_load_explicit(&database->canary_percent, memory_order_relaxed) > 0 ||
            atomic_load_explicit(&database->has_included, memory_order_relaxed)) &&
           atomic_load_explicit(&database->canary_state, memory_order_relaxed) == CANARY_ARMED;
}

void
session_canary_key(const struct session *session, const struct state_snapshot *state,
                   const char *sql, size_t sql_length, char key[CANARY_KEY_MAX])
{
    const struct configuration_canary *canary = canary_settings(session);
    struct canary_subject subject = {
        .session = session->cohort_key,
        .user = session->user,
        .client_address = session->address,
        .state = state,
        .sql = sql,
        .sql_length = sql_length,
    };
    canary_key_of(canary, &subject, key);
}

static bool
is_in_cohort(const struct session *session, const struct state_snapshot *state,
             const struct canary_read *read)
{
    const struct configuration_canary *canary = canary_settings(session);
    unsigned percent =
        atomic_load_explicit(&session->database->canary_percent, memory_order_relaxed);
    char key[CANARY_KEY_MAX];
    session_canary_key(session, state, read ? read->text : NULL, read ? strlen(read->text) : 0,
                       key);
    return canary_key_place(canary, key, percent).is_in;
}

// All of its reads are; a key of the session's own is not asked for again.
static bool
are_in_cohort(const struct session *session, const struct state_snapshot *state,
              const struct canary_unit *unit)
{
    bool are = true;
    for (size_t i = 0; i < unit->read_count && are; i++) {
        are = canary_key_is_sessions(canary_settings(session)) ||
              is_in_cohort(session, state, &unit->reads[i]);
    }
    return are;
}

struct shape *
session_canary_shape(const struct session *session, const struct canary_read *read,
                     const struct state_snapshot *state)
{
    struct shape_context context = {
        .types = read->types,
        .type_count = read->type_count,
        .state = state->names_digest ^ session->settings->rewrites->digest,
        .epoch = atomic_load_explicit(&session->database->catalogs_epoch, memory_order_acquire),
    };
    struct shape_key key;
    return read->sql_length <= ANALYSIS_MAX_SQL &&
                   shape_key_of(read->sql, read->sql_length, &context, &key)
               ? shapes_find(session->database->shapes, &key)
               : NULL;
}

static bool
is_servable(const struct session *session, const struct shape *shape)
{
    const struct analysis *analysis = shape->analysis;
    struct database *database = session->database;
    return analysis->is_read && analysis->is_harmless && !analysis->has_effects &&
           analysis->skip == SKIP_NONE && !atomic_load(&shape->is_unproven) &&
           atomic_load(&database->catalogs_wanted) <= atomic_load(&database->catalogs_epoch) &&
           !(canary_settings(session)->quarantine &&
             figures_is_quarantined(database->figures, analysis->fingerprint));
}

static int16_t
format_of(const struct canary_read *read, size_t column)
{
    const struct bind_request *bind = &read->bind;
    size_t index = bind->result_format_count == 1 ? 0 : column;
    return index < bind->result_format_count ? bind->result_formats[index] : 0;
}

// What new answered before could be presented as old's; nothing was learnt: it is tried.
static bool
can_present(const struct session *session, struct shape *shape, const struct canary_read *read,
            const struct shape_columns *old_columns, const struct canary_types *types,
            bool *is_sure)
{
    struct shape_columns *new_columns = shape_columns(session->database->shapes, shape, SIDE_NEW);
    bool can = !new_columns || new_columns->count == old_columns->count;
    *is_sure = new_columns != NULL;
    for (size_t i = 0; new_columns && can && i < new_columns->count; i++) {
        struct reply_column column = new_columns->columns[i];
        column.format = format_of(read, i);
        struct canary_column presented;
        canary_column_init(&presented, types, &old_columns->columns[i], &column);
        can = presented.outcome != RECODE_IMPOSSIBLE;
        *is_sure = *is_sure && presented.outcome <= RECODE_SURE;
        canary_column_fini(&presented);
    }
    shape_columns_unref(&new_columns);
    return can;
}

// ---- a unit on its way to the decision ----

struct candidate {
    struct session *session;
    struct chunk *chunk;
    struct canary_unit *unit;
    struct shape **shapes;          // references, one a read
    struct shape_columns **columns; // old's; references, one a read
    struct canary_types types;      // of both sides, once they are needed
    bool may_stream;
};

static void
candidate_fini(struct candidate *candidate)
{
    for (size_t i = 0; i < candidate->unit->read_count; i++) {
        if (candidate->shapes) {
            shape_unref(&candidate->shapes[i]);
        }
        if (candidate->columns) {
            shape_columns_unref(&candidate->columns[i]);
        }
    }
    free(candidate->shapes);
    free(candidate->columns);
    canary_types_fini(&candidate->types);
}

// False: one of them is not known, or no memory.
static bool
find_shapes(struct candidate *candidate, const struct state_snapshot *state)
{
    size_t count = candidate->unit->read_count;
    candidate->shapes = calloc(count, sizeof(struct shape *));
    candidate->columns = calloc(count, sizeof(struct shape_columns *));
    bool is_fine = candidate->shapes && candidate->columns;
    for (size_t i = 0; i < count && is_fine; i++) {
        candidate->shapes[i] =
            session_canary_shape(candidate->session, &candidate->unit->reads[i], state);
        is_fine = candidate->shapes[i] != NULL;
    }
    return is_fine;
}

static bool
are_harmless(const struct candidate *candidate)
{
    bool are = true;
    for (size_t i = 0; i < candidate->unit->read_count && are; i++) {
        const struct analysis *analysis = candidate->shapes[i]->analysis;
        are = analysis->is_harmless && !analysis->has_effects;
    }
    return are;
}

// How it is put to new is learnt when it is mirrored.
static bool
put_rewritten(struct session *session, struct shape *shape, struct canary_read *read)
{
    if (!shape->analysis->is_rewritten) {
        return true;
    }
    struct shape_rewrite *known = shape_rewrite(session->database->shapes, shape);
    session->next_is_wanted = session->next_is_wanted || !known;
    bool is_put = known && canary_rewrite(read, known);
    shape_rewrite_unref(&known);
    return is_put;
}

static bool
are_servable(const struct candidate *candidate)
{
    struct session *session = candidate->session;
    bool are = true;
    for (size_t i = 0; i < candidate->unit->read_count && are; i++) {
        are = is_servable(session, candidate->shapes[i]) &&
              put_rewritten(session, candidate->shapes[i], &candidate->unit->reads[i]);
    }
    return are;
}

// Without old's columns new's answer can't be presented: they are to be learnt then.
static bool
are_presentable(struct candidate *candidate, const struct state_snapshot *state)
{
    struct session *session = candidate->session;
    bool are = true, is_sure = false;
    canary_types_init(&candidate->types, session->database, state);
    candidate->may_stream = true;
    for (size_t i = 0; i < candidate->unit->read_count; i++) {
        struct shape *shape = candidate->shapes[i];
        struct shape_columns *columns = shape_columns(session->database->shapes, shape, SIDE_OLD);
        candidate->columns[i] = columns;
        session->next_is_wanted = session->next_is_wanted || !columns;
        are = are && columns &&
              can_present(session, shape, &candidate->unit->reads[i], columns, &candidate->types,
                          &is_sure);
        candidate->may_stream = candidate->may_stream && are && is_sure;
    }
    // A single read's own description tells before its rows.
    candidate->may_stream = candidate->may_stream || candidate->unit->read_count == 1;
    return are;
}

// A guess: old is asked for the truth.
static bool
defaults_to_read_only(const struct session *session)
{
    char set[16];
    struct state_snapshot *state = session_view_latest(session->view);
    bool is_set = state && state_value(state, "default_transaction_read_only", set, sizeof(set));
    bool does =
        is_set ? !strchr("f0n", *set) && strcmp(set, "off") != 0 : session->defaults_to_read_only;
    state_snapshot_unref(&state);
    return does;
}

static bool
may_be_read_only(const struct session *session, const struct canary_unit *unit)
{
    const struct canary_modes *modes = &unit->modes;
    if (modes->read_write || modes->keeps_snapshot) {
        return false;
    }
    bool begins = unit->has_begin || unit->kind == CANARY_UNIT_BEGIN;
    return modes->read_only || session->transaction.may_be_read_only ||
           (begins && defaults_to_read_only(session));
}

// Portals outlive the unit in a transaction: only those that nobody asks for again are new's.
static bool
may_serve_here(const struct session *session, const struct canary_unit *unit)
{
    bool is_alone = session->pairing.transaction_status == 'I' && !unit->has_begin;
    return (is_alone || !unit->has_named_portal) &&
           session_transaction_may_serve(session, unit->has_begin, may_be_read_only(session, unit));
}

// Each by its own key: a comment may be another one.
static bool
have_key_writes(const struct candidate *candidate, const struct state_snapshot *state, uint64_t now)
{
    bool have = true;
    for (size_t i = 0; i < candidate->unit->read_count && have; i++) {
        const struct canary_read *read = &candidate->unit->reads[i];
        have = session_canary_has_key_writes(candidate->session, state, read->text,
                                             strlen(read->text), now);
    }
    return have;
}

// By the state that the unit runs in, which may be a later one than its shapes were proven for.
static bool
is_still_so(const struct candidate *candidate, const struct state_snapshot *proven,
            const struct state_snapshot *state)
{
    return state == proven || (state->names_digest == proven->names_digest &&
                               are_in_cohort(candidate->session, state, candidate->unit));
}

// What new lacks nobody knows: a table is still copied, say, or a subscription has broken.
static bool
is_lag_hidden(const struct database *database)
{
    return atomic_load_explicit(&database->lag_hidden_since, memory_order_relaxed) != 0;
}

static bool
try_new(struct candidate *candidate, const struct state_snapshot *proven)
{
    struct session *session = candidate->session;
    uint64_t now = uv_hrtime();
    if (!may_serve_here(session, candidate->unit) || is_lag_hidden(session->database) ||
        !are_servable(candidate) || !session_canary_has_own_writes(session, now)) {
        return false;
    }
    struct state_snapshot *state = session_view_at(session->view, session->stateful_sequence);
    bool is_begun =
        state && is_still_so(candidate, proven, state) && have_key_writes(candidate, state, now) &&
        are_presentable(candidate, state) && session_canary_may_try(session->database, now) &&
        session_canary_begin(session, candidate->chunk, candidate->unit, candidate->columns,
                             &candidate->types, candidate->may_stream, &state);
    state_snapshot_unref(&state);
    return is_begun;
}

static bool
route(struct session *session, struct chunk *chunk, struct canary_unit *unit,
      struct state_snapshot *state)
{
    struct candidate candidate = {.session = session, .chunk = chunk, .unit = unit};
    bool is_taken = false;
    if (find_shapes(&candidate, state)) {
        // For the unit that begins now, if old is to serve it; not for the one behind a canary read.
        bool are = are_harmless(&candidate);
        is_taken = are_in_cohort(session, state, unit) && try_new(&candidate, state);
        session->next_is_harmless = !is_taken && are;
    }
    candidate_fini(&candidate);
    return is_taken;
}

// What the unit is, for whom old serves it.
static void
note(struct session *session, const struct canary_unit *unit)
{
    static const enum unit_move moves[] = {
        [CANARY_UNIT_OTHER] = UNIT_MOVES_NOTHING,
        [CANARY_UNIT_READS] = UNIT_MOVES_NOTHING,
        [CANARY_UNIT_STATEMENTS] = UNIT_MOVES_NOTHING,
        [CANARY_UNIT_BEGIN] = UNIT_BEGINS,
        [CANARY_UNIT_SET] = UNIT_SETS,
        [CANARY_UNIT_END] = UNIT_ENDS,
    };
    session->next_move = unit->has_begin ? UNIT_BEGINS : moves[unit->kind];
    session->next_may_be_read_only = may_be_read_only(session, unit);
    // An end is, if all was that it ends.
    session->next_is_harmless = session->next_is_harmless || unit->kind == CANARY_UNIT_BEGIN ||
                                unit->kind == CANARY_UNIT_SET ||
                                unit->kind == CANARY_UNIT_STATEMENTS;
}

bool
session_canary_take(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    struct canary_unit unit;
    if (!session_canary_is_open(session) || !stands_alone(session)) {
        return false;
    }
    session_renew_settings(session);
    const struct configuration_database *entry = session->settings->entry;
    if (entry->identity == IDENTITY_SERVICE ||
        (canary_key_is_sessions(&entry->canary) && !is_in_cohort(session, NULL, NULL)) ||
        session_must_hold(session)) {
        return false;
    }
    bool is_taken = false;
    if (canary_unit_read(&unit, chunk->bytes + offset, length, &session->statements) ==
        CANARY_UNIT_READS) {
        struct state_snapshot *state = session_view_latest(session->view);
        is_taken = state && route(session, chunk, &unit, state);
        state_snapshot_unref(&state);
    }
    if (!is_taken) {
        if (unit.kind != CANARY_UNIT_OTHER) {
            note(session, &unit);
        }
        canary_unit_fini(&unit);
    }
    return is_taken;
}
