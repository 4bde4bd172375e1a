// May this unit be served by new? The cheap questions first: most sessions are in no cohort. Everything that
// is not known for certain sends the unit to old.
//
// A read that old serves although its session is in the cohort is still looked up: what is known to be
// harmless neither begins an after_write window nor makes the shadow's view of the state stale.
#include "proxy/canary/session_canary.h"
#include "compare/sql/shape.h"
#include "proxy/report/figures.h"
#include "proxy/shadow/shapes.h"
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
           session_is_between_units(session) && session->pairing.transaction_status == 'I' &&
           frame_is_between_messages(&session->client_frame) && !session->held.chunk &&
           !session->is_shutting_down && !session->is_unfed && session->view;
}

static bool
is_open(const struct session *session)
{
    struct database *database = session->database;
    return (atomic_load_explicit(&database->canary_percent, memory_order_relaxed) > 0 ||
            canary_settings(session)->include_count > 0) &&
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
        .application_name = startup_parameter(&session->startup, "application_name"),
        .client_address = session->address,
        .parameter = canary->key == COHORT_PARAMETER
                         ? startup_parameter(&session->startup, canary->key_name)
                         : NULL,
        .state = state,
        .sql = sql,
        .sql_length = sql_length,
    };
    canary_key_of(canary, &subject, key);
}

static bool
is_in_cohort(const struct session *session, const struct state_snapshot *state,
             const struct canary_unit *unit)
{
    const struct configuration_canary *canary = canary_settings(session);
    unsigned percent =
        atomic_load_explicit(&session->database->canary_percent, memory_order_relaxed);
    char key[CANARY_KEY_MAX];
    session_canary_key(session, state, unit ? unit->sql : NULL, unit ? unit->sql_length : 0, key);
    return canary_key_is_in(canary, key, percent);
}

static struct shape *
find_shape(const struct session *session, const struct canary_unit *unit,
           const struct state_snapshot *state)
{
    struct shape_context context = {
        .types = unit->types,
        .type_count = unit->type_count,
        .state = state->names_digest ^ session->settings->rewrites->digest,
        .epoch = atomic_load_explicit(&session->database->catalogs_epoch, memory_order_acquire),
    };
    struct shape_key key;
    return unit->sql_length <= ANALYSIS_MAX_SQL &&
                   shape_key_of(unit->sql, unit->sql_length, &context, &key)
               ? shapes_find(session->database->shapes, &key)
               : NULL;
}

static bool
is_servable(const struct session *session, const struct shape *shape)
{
    const struct analysis *analysis = shape->analysis;
    struct database *database = session->database;
    return analysis->is_read && analysis->is_harmless && !analysis->has_effects &&
           analysis->skip == SKIP_NONE && !analysis->is_rewritten &&
           !atomic_load(&shape->is_unproven) &&
           atomic_load(&database->catalogs_wanted) <= atomic_load(&database->catalogs_epoch) &&
           !(canary_settings(session)->quarantine &&
             figures_is_quarantined(database->figures, analysis->fingerprint));
}

static int16_t
format_of(const struct canary_unit *unit, size_t column)
{
    const struct bind_request *bind = &unit->bind;
    if (unit->is_simple || bind->result_format_count == 0) {
        return 0;
    }
    size_t index = bind->result_format_count == 1 ? 0 : column;
    return index < bind->result_format_count ? bind->result_formats[index] : 0;
}

// What new answered before could be presented as old's; nothing was learnt: it is tried.
static bool
can_present(const struct session *session, struct shape *shape, const struct canary_unit *unit,
            const struct shape_columns *old_columns)
{
    struct shape_columns *new_columns = shape_columns(session->database->shapes, shape, SIDE_NEW);
    bool can = !new_columns || new_columns->count == old_columns->count;
    for (size_t i = 0; new_columns && can && i < new_columns->count; i++) {
        struct reply_column column = new_columns->columns[i];
        column.format = format_of(unit, i);
        can = canary_column_conversion(&old_columns->columns[i], &column) != CANARY_NO_CONVERSION;
    }
    shape_columns_unref(&new_columns);
    return can;
}

// Takes the unit and the state.
static bool
try_new(struct session *session, struct chunk *chunk, struct canary_unit *unit, struct shape *shape,
        uint64_t names_digest)
{
    uint64_t now = uv_hrtime();
    if (!is_servable(session, shape) || !session_canary_has_own_writes(session, now)) {
        return false;
    }
    struct state_snapshot *state = session_view_at(session->view, session->stateful_sequence);
    // The shape was proven for these names; the state may have moved since it was looked up.
    bool is_same = state && state->names_digest == names_digest &&
                   session_canary_has_key_writes(session, state, unit->sql, unit->sql_length, now);
    struct shape_columns *columns =
        is_same ? shape_columns(session->database->shapes, shape, SIDE_OLD) : NULL;
    session->next_is_wanted = is_same && !columns; // without them new's answer can't be presented
    bool is_begun = columns && can_present(session, shape, unit, columns) &&
                    session_canary_may_try(session->database, now) &&
                    session_canary_begin(session, chunk, unit, &columns, &state);
    shape_columns_unref(&columns);
    state_snapshot_unref(&state);
    return is_begun;
}

static bool
route(struct session *session, struct chunk *chunk, struct canary_unit *unit,
      struct state_snapshot *state)
{
    if (canary_settings(session)->key >= COHORT_PARAMETER && !is_in_cohort(session, state, unit)) {
        return false;
    }
    struct shape *shape = find_shape(session, unit, state);
    if (!shape) {
        return false;
    }
    bool is_taken = try_new(session, chunk, unit, shape, state->names_digest);
    // For the unit that begins now, if old is to serve it; not for the one behind a canary read.
    session->next_is_harmless =
        !is_taken && shape->analysis->is_harmless && !shape->analysis->has_effects;
    shape_unref(&shape);
    return is_taken;
}

bool
session_canary_take(struct session *session, struct chunk *chunk, size_t offset, size_t length)
{
    struct canary_unit unit;
    if (!is_open(session) || !stands_alone(session)) {
        return false;
    }
    session_renew_settings(session);
    const struct configuration_database *entry = session->settings->entry;
    // Keys that are the session's own need neither its state nor the statement.
    if (entry->identity == IDENTITY_SERVICE ||
        (entry->canary.key < COHORT_PARAMETER && !is_in_cohort(session, NULL, NULL)) ||
        session_must_hold(session) ||
        !canary_unit_read(&unit, chunk->bytes + offset, length, &session->statements)) {
        return false;
    }
    struct state_snapshot *state = session_view_latest(session->view);
    bool is_taken = state && route(session, chunk, &unit, state);
    state_snapshot_unref(&state);
    if (!is_taken) {
        canary_unit_fini(&unit);
    }
    return is_taken;
}
