// A session's state, followed from what old accepted. `settings` holds all that transactions can undo;
// each open level (an implicit or explicit transaction, then its savepoints) keeps the value that it
// began with. SQL-level prepared statements outlive a rollback (manual, PREPARE), so they are beside it.
//
// What old reports by ParameterStatus is the effective value and wins over what was set: it holds for
// roles' and databases' defaults too. One thread owns a state; snapshots are free to travel.
#include "compare/sql/state.h"

#include "compare/sql/quote.h"
#include "compare/sql/settings.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct level {
    char *name;              // of a savepoint; NULL: the transaction; owned
    struct settings *before; // reference
};

struct prepared {
    char *name, *sql; // owned
};

// Reported settings that change results (manual, 55.2.7 lists what is reported).
static const char *const reported_names[] = {"client_encoding", "DateStyle", "IntervalStyle",
                                             "TimeZone"};
enum { REPORTED = sizeof(reported_names) / sizeof(reported_names[0]) };

struct state {
    struct settings *settings; // never NULL
    struct level *levels;      // owned, outermost first
    size_t level_count;
    bool is_aborted;           // the block has failed: its COMMIT is a rollback
    struct prepared *prepared; // owned
    size_t prepared_count;
    char *reported[REPORTED]; // owned; NULL: not reported
    bool has_escapes;         // standard_conforming_strings is off
    // The present snapshot and what it was made of; NULL: to be made.
    struct state_snapshot *snapshot;
    struct settings *made_of;
};

static void
forget_snapshot(struct state *state)
{
    settings_unref(&state->made_of);
}

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
        if (strcasecmp(name, "standard_conforming_strings") == 0)
            state->has_escapes = strcasecmp(value, "off") == 0;
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

static void
drop_prepared(struct state *state, const char *name) // NULL: all
{
    size_t left = 0;
    for (size_t i = 0; i < state->prepared_count; i++) {
        struct prepared prepared = state->prepared[i];
        if (name == NULL || strcmp(prepared.name, name) == 0) {
            free(prepared.name);
            free(prepared.sql);
        } else {
            state->prepared[left++] = prepared;
        }
    }
    state->prepared_count = left;
}

void
state_free(struct state **state)
{
    struct state *last = *state;
    *state = NULL;
    if (last == NULL)
        return;
    drop_levels(last, 0);
    drop_prepared(last, NULL);
    free(last->levels);
    free(last->prepared);
    for (size_t i = 0; i < REPORTED; i++)
        free(last->reported[i]);
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

static bool
set(struct state *state, const struct effect *effect, enum entry_kind kind, const char *sql)
{
    const struct entry *entry = settings_find(state->settings, kind, effect->name);
    const char *base = entry == NULL ? NULL : entry->base;
    const char *session = entry == NULL ? NULL : entry->session;
    if (effect->is_local || effect->kind == EFFECT_SET_LOCAL)
        return put(state, settings_with(state->settings, kind, effect->name, base, session,
                                        sql != NULL    ? sql
                                        : base != NULL ? base
                                                       : ""));
    if (kind == ENTRY_SETTING && strcasecmp(effect->name, "session_authorization") == 0 &&
        !put(state, settings_with(state->settings, kind, "role", NULL, NULL, NULL)))
        return false;
    return put(state, settings_with(state->settings, kind, effect->name, base,
                                    sql == NULL ? base : sql, NULL));
}

static bool
prepare(struct state *state, const struct effect *effect)
{
    struct prepared *larger =
        reallocarray(state->prepared, state->prepared_count + 1, sizeof(*state->prepared));
    if (larger == NULL)
        return false;
    state->prepared = larger;
    struct prepared made = {strdup(effect->name), strdup(effect->sql)};
    if (made.name == NULL || made.sql == NULL) {
        free(made.name);
        free(made.sql);
        return false;
    }
    larger[state->prepared_count++] = made;
    return true;
}

static bool
discard_all(struct state *state)
{
    drop_prepared(state, NULL);
    return put(state, settings_reset(state->settings, false)) &&
           put(state, settings_without_kind(state->settings, ENTRY_TEMPORARY));
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
        return set(state, effect, ENTRY_SETTING, effect->sql);
    case EFFECT_RESET:
        return set(state, effect, ENTRY_SETTING, NULL);
    case EFFECT_RESET_ALL:
        return put(state, settings_reset(state->settings, true));
    case EFFECT_DISCARD_ALL:
        return discard_all(state);
    case EFFECT_DISCARD_TEMP:
        return put(state, settings_without_kind(state->settings, ENTRY_TEMPORARY));
    case EFFECT_TEMPORARY:
        return set(state, effect, ENTRY_TEMPORARY, "");
    case EFFECT_TAINT:
        return set(state, effect, ENTRY_TAINT, "");
    case EFFECT_PREPARE:
        drop_prepared(state, effect->name);
        return prepare(state, effect);
    case EFFECT_DEALLOCATE:
    case EFFECT_DEALLOCATE_ALL:
        drop_prepared(state, effect->kind == EFFECT_DEALLOCATE ? effect->name : NULL);
        return true;
    default:
        return true;
    }
}

void
state_end_unit(struct state *state, char status, bool failed)
{
    // Without memory the settings stay as they are; the caller's next apply fails as well.
    if (status == 'I')
        (void)end_transaction(state, !failed);
    else if (state->level_count == 0)
        (void)begin(state);
    if (status != 'I')
        state->is_aborted = status == 'E';
}

bool
state_reported(struct state *state, const char *name, const char *value)
{
    if (strcmp(name, "standard_conforming_strings") == 0)
        state->has_escapes = strcmp(value, "off") == 0;
    for (size_t i = 0; i < REPORTED; i++) {
        if (strcmp(name, reported_names[i]) != 0)
            continue;
        if (state->reported[i] != NULL && strcmp(state->reported[i], value) == 0)
            return true;
        char *copy = strdup(value);
        if (copy == NULL)
            return false;
        free(state->reported[i]);
        state->reported[i] = copy;
        forget_snapshot(state);
    }
    return true;
}

bool
state_is_tainted(const struct state *state, const char **what)
{
    if (state->has_escapes) {
        *what = "standard_conforming_strings";
        return true;
    }
    for (size_t i = 0; i < state->settings->count; i++)
        if (state->settings->entries[i]->kind == ENTRY_TAINT) {
            *what = state->settings->entries[i]->name;
            return true;
        }
    return false;
}

bool
state_has_temporaries(const struct state *state)
{
    for (size_t i = 0; i < state->settings->count; i++)
        if (state->settings->entries[i]->kind == ENTRY_TEMPORARY)
            return true;
    return false;
}

bool
state_has_temporary(const struct state *state, const char *name)
{
    return settings_find(state->settings, ENTRY_TEMPORARY, name) != NULL;
}

const char *
state_prepared(const struct state *state, const char *name)
{
    for (size_t i = 0; i < state->prepared_count; i++)
        if (strcmp(state->prepared[i].name, name) == 0)
            return state->prepared[i].sql;
    return NULL;
}

static bool
is_reported(const struct state *state, const char *name)
{
    for (size_t i = 0; i < REPORTED; i++)
        if (strcasecmp(reported_names[i], name) == 0)
            return state->reported[i] != NULL;
    return false;
}

static void
add_statement(struct text *text, const char *sql)
{
    if (sql == NULL || sql[0] == '\0')
        return;
    text_add(text, text->length > 0 ? "; " : "");
    text_add(text, sql);
}

static const char *
effective(const struct state *state, const char *name)
{
    const struct entry *entry = settings_find(state->settings, ENTRY_SETTING, name);
    return entry == NULL ? NULL : entry->local != NULL ? entry->local : entry->session;
}

// Session authorization first, since it resets the role; then the role; settings last, so that what
// only the role may set is set as the role.
static void
write_replay(const struct state *state, struct text *replay)
{
    add_statement(replay, effective(state, "session_authorization"));
    add_statement(replay, effective(state, "role"));
    for (size_t i = 0; i < REPORTED; i++)
        if (state->reported[i] != NULL) {
            text_add(replay, replay->length > 0 ? "; SET " : "SET ");
            text_add(replay, reported_names[i]);
            text_add(replay, " TO ");
            text_add_literal(replay, state->reported[i]);
        }
    for (size_t i = 0; i < state->settings->count; i++) {
        const struct entry *entry = state->settings->entries[i];
        if (entry->kind == ENTRY_SETTING && strcasecmp(entry->name, "role") != 0 &&
            strcasecmp(entry->name, "session_authorization") != 0 &&
            !is_reported(state, entry->name))
            add_statement(replay, entry->local != NULL ? entry->local : entry->session);
    }
}

static void
write_names(const struct state *state, struct text *names)
{
    add_statement(names, effective(state, "session_authorization"));
    add_statement(names, effective(state, "role"));
    add_statement(names, effective(state, "search_path"));
}

static struct state_snapshot *
snapshot_new(const struct state *state)
{
    struct text replay = {0}, names = {0};
    write_replay(state, &replay);
    write_names(state, &names);
    struct state_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    char *replay_text = text_take(&replay), *names_text = text_take(&names);
    if (snapshot == NULL || replay_text == NULL || names_text == NULL) {
        free(snapshot);
        free(replay_text);
        free(names_text);
        return NULL;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->replay = replay_text;
    snapshot->search_path_key = names_text;
    snapshot->digest = XXH3_64bits(replay_text, strlen(replay_text));
    snapshot->names_digest = XXH3_64bits(names_text, strlen(names_text));
    return snapshot;
}

struct state_snapshot *
state_snapshot(struct state *state)
{
    if (state->snapshot != NULL && state->made_of == state->settings)
        return state_snapshot_ref(state->snapshot);
    struct state_snapshot *made = snapshot_new(state);
    if (made == NULL)
        return NULL;
    settings_unref(&state->made_of);
    state->made_of = settings_ref(state->settings);
    if (state->snapshot != NULL && state->snapshot->digest == made->digest &&
        state->snapshot->names_digest == made->names_digest) {
        state_snapshot_unref(&made);
        return state_snapshot_ref(state->snapshot);
    }
    state_snapshot_unref(&state->snapshot);
    state->snapshot = made;
    return state_snapshot_ref(made);
}

struct state_snapshot *
state_snapshot_ref(struct state_snapshot *snapshot)
{
    (void)atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void
state_snapshot_unref(struct state_snapshot **snapshot)
{
    struct state_snapshot *last = *snapshot;
    *snapshot = NULL;
    if (last == NULL || atomic_fetch_sub_explicit(&last->references, 1, memory_order_acq_rel) != 1)
        return;
    free(last->replay);
    free(last->search_path_key);
    free(last);
}
