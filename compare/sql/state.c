// A session's state, followed from what old accepted. `settings` holds all that transactions can undo;
// each open level (an implicit or explicit transaction, then its savepoints) keeps the value that it
// began with. One thread owns a state; snapshots are free to travel.
#include "compare/sql/state_parts.h"

#include "compare/sql/quote.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Takes `settings`, NULL being a lack of memory.
static bool
put(struct state *state, struct settings *settings)
{
    if (settings == NULL)
        return false;
    settings_unref(&state->settings);
    state->settings = settings;
    return true;
}

struct state *
state_new(const char *const *parameters, size_t pair_count)
{
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return NULL;
    state->settings = settings_new();
    bool is_made = state->settings != NULL;
    for (size_t i = 0; i < pair_count && is_made; i++) {
        const char *name = parameters[2 * i], *value = parameters[2 * i + 1];
        if (!quote_is_replayed(name))
            continue;
        char *sql = quote_setting(name, value);
        is_made = sql != NULL &&
                  put(state, settings_with(state->settings, ENTRY_SETTING, name, sql, sql, NULL));
        free(sql);
    }
    if (!is_made)
        state_free(&state);
    return state;
}

static void
drop_levels(struct state *state, size_t left)
{
    while (state->level_count > left) {
        struct level *level = &state->levels[--state->level_count];
        free(level->name);
        settings_unref(&level->before);
    }
}

void
state_free(struct state **state)
{
    struct state *last = *state;
    *state = NULL;
    if (last == NULL)
        return;
    drop_levels(last, 0);
    free(last->levels);
    for (size_t i = 0; i < REPORTED; i++) {
        free(last->reported[i].value);
        free(last->reported[i].first);
        free(last->reported[i].under);
    }
    free(last->application_name);
    settings_unref(&last->settings);
    settings_unref(&last->made_of);
    state_snapshot_unref(&last->snapshot);
    free(last);
}

static bool
push_level(struct state *state, const char *name)
{
    struct level *larger =
        reallocarray(state->levels, state->level_count + 1, sizeof(*state->levels));
    if (larger == NULL)
        return false;
    state->levels = larger;
    char *copy = name == NULL ? NULL : strdup(name);
    if (name != NULL && copy == NULL)
        return false;
    larger[state->level_count++] = (struct level){copy, settings_ref(state->settings)};
    return true;
}

static bool
end_transaction(struct state *state, bool is_committed)
{
    bool is_done = true;
    if (state->level_count > 0 && (!is_committed || state->is_aborted))
        is_done = put(state, settings_ref(state->levels[0].before));
    drop_levels(state, 0);
    state->is_aborted = false;
    return put(state, settings_without_local(state->settings)) && is_done;
}

static bool
begin(struct state *state)
{
    return state->level_count > 0 || push_level(state, NULL);
}

// The newest savepoint of that name; SIZE_MAX: none.
static size_t
savepoint(const struct state *state, const char *name)
{
    for (size_t i = state->level_count; i > 0; i--)
        if (state->levels[i - 1].name != NULL && name != NULL &&
            strcmp(state->levels[i - 1].name, name) == 0)
            return i - 1;
    return SIZE_MAX;
}

// SET SESSION AUTHORIZATION ends the role, RESET brings back the startup packet's; its own scope is theirs.
static bool
follow_authorization(struct state *state, const struct effect *effect, bool is_reset)
{
    const struct entry *role = settings_find(state->settings, ENTRY_SETTING, "role");
    const char *base = role == NULL ? NULL : role->base;
    const char *value = is_reset && base != NULL ? base : "";
    if (role == NULL)
        return true;
    return put(state, settings_with(state->settings, ENTRY_SETTING, "role", base,
                                    effect->is_local ? role->session
                                    : base == NULL   ? NULL
                                                     : value,
                                    effect->is_local ? value : NULL));
}

// sql NULL: RESET.
static bool
set(struct state *state, const struct effect *effect, enum entry_kind kind, const char *sql)
{
    const struct entry *entry = settings_find(state->settings, kind, effect->name);
    const char *base = entry == NULL ? NULL : entry->base;
    const char *session = entry == NULL ? NULL : entry->session;
    if (kind == ENTRY_SETTING && strcasecmp(effect->name, "session_authorization") == 0 &&
        !follow_authorization(state, effect, sql == NULL))
        return false;
    if (effect->is_local || effect->kind == EFFECT_SET_LOCAL)
        return put(state, settings_with(state->settings, kind, effect->name, base, session,
                                        sql != NULL    ? sql
                                        : base != NULL ? base
                                                       : ""));
    return put(state, settings_with(state->settings, kind, effect->name, base,
                                    sql == NULL ? base : sql, NULL));
}

static bool
discard_all(struct state *state)
{
    return put(state, settings_reset(state->settings, false)) &&
           put(state, settings_without_kind(state->settings, ENTRY_TEMPORARY)) &&
           put(state, settings_without_kind(state->settings, ENTRY_TEMPORARY_TYPE)) &&
           put(state, settings_without_kind(state->settings, ENTRY_TAINT));
}

// A temporary object that goes, or has another name; of another relation nothing is known here.
static bool
change_temporary(struct state *state, const struct effect *effect)
{
    if (!state_has_temporary(state, effect->name))
        return true;
    if (effect->kind == EFFECT_RENAME)
        return put(state,
                   settings_with(state->settings, ENTRY_TEMPORARY, effect->sql, NULL, "", NULL));
    return put(state,
               settings_with(state->settings, ENTRY_TEMPORARY, effect->name, NULL, NULL, NULL));
}

// Back to savepoint `at`, which stays open.
static bool
roll_back_to(struct state *state, size_t at)
{
    if (at == SIZE_MAX)
        return true;
    drop_levels(state, at + 1);
    state->is_aborted = false;
    return put(state, settings_ref(state->levels[at].before));
}

static bool
apply_transaction(struct state *state, const struct effect *effect)
{
    size_t at;
    switch (effect->kind) {
    case EFFECT_BEGIN:
        return begin(state);
    case EFFECT_COMMIT:
    case EFFECT_ROLLBACK:
        return end_transaction(state, effect->kind == EFFECT_COMMIT) &&
               (!effect->is_chained || begin(state));
    case EFFECT_SAVEPOINT:
        return push_level(state, effect->name);
    case EFFECT_RELEASE:
        at = savepoint(state, effect->name);
        if (at != SIZE_MAX)
            drop_levels(state, at);
        return true;
    default:
        return roll_back_to(state, savepoint(state, effect->name));
    }
}

bool
state_apply(struct state *state, const struct effect *effect)
{
    if (effect->kind >= EFFECT_BEGIN && effect->kind <= EFFECT_ROLLBACK_TO)
        return apply_transaction(state, effect);
    // Outside a block a unit is a transaction of its own.
    if (!begin(state))
        return false;
    switch (effect->kind) {
    case EFFECT_SET:
    case EFFECT_SET_LOCAL:
    case EFFECT_SET_ROLE:
        return set(state, effect, ENTRY_SETTING, effect->sql == NULL ? STATE_UNKNOWN : effect->sql);
    case EFFECT_RESET:
        return set(state, effect, ENTRY_SETTING, NULL);
    case EFFECT_RESET_ALL:
        return put(state, settings_reset(state->settings, true));
    case EFFECT_DISCARD_ALL:
        return discard_all(state);
    case EFFECT_DISCARD_TEMP:
        return put(state, settings_without_kind(state->settings, ENTRY_TEMPORARY)) &&
               put(state, settings_without_kind(state->settings, ENTRY_TEMPORARY_TYPE));
    case EFFECT_TEMPORARY:
        return set(state, effect, ENTRY_TEMPORARY, "");
    case EFFECT_TEMPORARY_TYPE:
        return set(state, effect, ENTRY_TEMPORARY_TYPE, "");
    case EFFECT_RENAME:
    case EFFECT_DROP:
        return change_temporary(state, effect);
    case EFFECT_TAINT:
        return set(state, effect, ENTRY_TAINT, "");
    default:
        return true;
    }
}

bool
state_end_unit(struct state *state, char status, bool failed, bool is_told)
{
    bool is_done = true;
    if (status == 'I')
        is_done = end_transaction(state, !failed);
    else if (state->level_count == 0)
        is_done = begin(state);
    if (status != 'I')
        state->is_aborted = status == 'E';
    if (is_told)
        state_settle_reports(state);
    return is_done;
}
