// A session's state, followed from what old accepted. `settings` holds all that transactions can undo;
// each open level (an implicit or explicit transaction, then its savepoints) keeps the value that it
// began with.
//
// What old reports by ParameterStatus is the effective value: it holds for roles' and databases' defaults
// too. It comes at the end of a unit (before ReadyForQuery), so that what a statement of the unit has set
// since wins until then. A setting whose value could not be told is UNKNOWN; where old reports it, only
// until it does. One thread owns a state; snapshots are free to travel.
#include "compare/sql/state.h"

#include "compare/sql/lexer.h"
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

// Reported settings that change results (manual, 55.2.7 lists what is reported).
static const char *const reported_names[] = {"client_encoding", "DateStyle", "IntervalStyle",
                                             "standard_conforming_strings", "TimeZone"};
enum { REPORTED = sizeof(reported_names) / sizeof(reported_names[0]), REPORTED_STRINGS = 3 };

struct reported {
    char *value; // owned; NULL: not reported
    char *first; // at login: what RESET goes back to; owned
    char *under; // what the session had set when it was the value; owned, NULL: nothing
};

static const char UNKNOWN[] = "?"; // in place of a statement that sets a value

struct state {
    struct settings *settings; // never NULL
    struct level *levels;      // owned, outermost first
    size_t level_count;
    bool is_aborted; // the block has failed: its COMMIT is a rollback
    struct reported reported[REPORTED];
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
        return set(state, effect, ENTRY_SETTING, effect->sql == NULL ? UNKNOWN : effect->sql);
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

// What is set for the session and the transaction by now: a statement, "" for what RESET goes back to, UNKNOWN,
// or NULL: nothing.
static const char *
effective(const struct state *state, const char *name)
{
    const struct entry *entry = settings_find(state->settings, ENTRY_SETTING, name);
    return entry == NULL ? NULL : entry->local != NULL ? entry->local : entry->session;
}

static bool
is_same(const char *left, const char *right)
{
    return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

// Nothing was set since it was reported.
static bool
is_current(const struct state *state, size_t reported)
{
    return state->reported[reported].value != NULL &&
           is_same(state->reported[reported].under, effective(state, reported_names[reported]));
}

static bool
replace(char **string, const char *with)
{
    char *copy = with == NULL ? NULL : strdup(with);
    if (with != NULL && copy == NULL)
        return false;
    free(*string);
    *string = copy;
    return true;
}

// What was reported last is the value of what is set by now. Without memory it is not taken for that.
static void
settle_reports(struct state *state)
{
    for (size_t i = 0; i < REPORTED; i++)
        if (state->reported[i].value != NULL && !is_current(state, i) &&
            replace(&state->reported[i].under, effective(state, reported_names[i])))
            forget_snapshot(state);
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
        settle_reports(state);
    return is_done;
}

bool
state_reported(struct state *state, const char *name, const char *value)
{
    for (size_t i = 0; i < REPORTED; i++) {
        struct reported *reported = &state->reported[i];
        if (strcmp(name, reported_names[i]) != 0)
            continue;
        forget_snapshot(state);
        return (reported->first != NULL || replace(&reported->first, value)) &&
               replace(&reported->value, value) &&
               replace(&reported->under, effective(state, name));
    }
    return true;
}

const char *
state_client_encoding(const struct state *state)
{
    return state->reported[0].value;
}

// Strings with escapes are not what the lexer takes them for.
static bool
may_have_escapes(const struct state *state)
{
    const struct reported *reported = &state->reported[REPORTED_STRINGS];
    if (is_current(state, REPORTED_STRINGS))
        return strcmp(reported->value, "off") == 0;
    return effective(state, reported_names[REPORTED_STRINGS]) != NULL;
}

static bool
is_reported(const struct state *state, const char *name)
{
    for (size_t i = 0; i < REPORTED; i++)
        if (strcasecmp(reported_names[i], name) == 0)
            return is_current(state, i);
    return false;
}

bool
state_is_tainted(const struct state *state, const char **what)
{
    if (may_have_escapes(state)) {
        *what = "standard_conforming_strings";
        return true;
    }
    for (size_t i = 0; i < state->settings->count; i++) {
        const struct entry *entry = state->settings->entries[i];
        const char *sql = entry->local != NULL ? entry->local : entry->session;
        bool is_unknown = entry->kind == ENTRY_SETTING && sql != NULL &&
                          strcmp(sql, UNKNOWN) == 0 && !is_reported(state, entry->name);
        if (entry->kind == ENTRY_TAINT || is_unknown) {
            *what = entry->name;
            return true;
        }
    }
    return false;
}

bool
state_has_temporaries(const struct state *state)
{
    for (size_t i = 0; i < state->settings->count; i++)
        if (state->settings->entries[i]->kind == ENTRY_TEMPORARY ||
            state->settings->entries[i]->kind == ENTRY_TEMPORARY_TYPE)
            return true;
    return false;
}

bool
state_has_temporary(const struct state *state, const char *name)
{
    return settings_find(state->settings, ENTRY_TEMPORARY, name) != NULL;
}

static bool
is_word(const struct lexer_token *token, const char *name)
{
    bool is_quoted = token->kind == LEXER_QUOTED_WORD && token->length >= 2;
    size_t edge = is_quoted ? 1 : 0, length = token->length - 2 * edge;
    if ((!is_quoted && token->kind != LEXER_WORD) || strlen(name) != length)
        return false;
    return is_quoted ? memcmp(token->text + edge, name, length) == 0
                     : strncasecmp(token->text, name, length) == 0;
}

bool
state_names_temporary_type(const struct state *state, const char *sql, size_t length)
{
    for (size_t i = 0; i < state->settings->count; i++) {
        const struct entry *entry = state->settings->entries[i];
        if (entry->kind != ENTRY_TEMPORARY_TYPE)
            continue;
        struct lexer lexer;
        struct lexer_token token;
        lexer_init(&lexer, sql, length);
        for (lexer_next(&lexer, &token); token.kind != LEXER_END && token.kind != LEXER_JUNK;
             lexer_next(&lexer, &token))
            if (is_word(&token, entry->name))
                return true;
    }
    return false;
}

static void
add_statement(struct text *text, const char *sql)
{
    if (sql == NULL || sql[0] == '\0' || strcmp(sql, UNKNOWN) == 0)
        return;
    text_add(text, text->length > 0 ? "; " : "");
    text_add(text, sql);
}

// A reported setting: its value; set since, that; reset since, what it was at login.
static void
write_reported(const struct state *state, size_t i, struct text *replay)
{
    const char *sql = effective(state, reported_names[i]);
    bool is_value = is_current(state, i);
    const char *value = is_value                        ? state->reported[i].value
                        : sql == NULL || sql[0] == '\0' ? state->reported[i].first
                                                        : NULL;
    if (value == NULL) {
        add_statement(replay, sql);
        return;
    }
    text_add(replay, replay->length > 0 ? "; SET " : "SET ");
    text_add(replay, reported_names[i]);
    text_add(replay, " TO ");
    text_add_literal(replay, value);
}

static bool
is_written_first(const char *name)
{
    for (size_t i = 0; i < REPORTED; i++)
        if (strcasecmp(reported_names[i], name) == 0)
            return true;
    return strcasecmp(name, "role") == 0 || strcasecmp(name, "session_authorization") == 0 ||
           strcasecmp(name, "search_path") == 0;
}

// Session authorization first, since it resets the role; then the role, so that what only the role may set
// is set as the role; and the search path before what is looked up by it.
static void
write_replay(const struct state *state, struct text *replay)
{
    add_statement(replay, effective(state, "session_authorization"));
    add_statement(replay, effective(state, "role"));
    for (size_t i = 0; i < REPORTED; i++)
        write_reported(state, i, replay);
    add_statement(replay, effective(state, "search_path"));
    for (size_t i = 0; i < state->settings->count; i++) {
        const struct entry *entry = state->settings->entries[i];
        if (entry->kind == ENTRY_SETTING && !is_written_first(entry->name))
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
