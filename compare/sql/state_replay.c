// Writes the SQL that brings a session at its defaults to this state, and keeps it as a snapshot for as long as
// nothing changes.
#include "compare/sql/quote.h"
#include "compare/sql/state_parts.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static void
add_statement(struct text *text, const char *sql)
{
    if (sql == NULL || sql[0] == '\0' || strcmp(sql, STATE_UNKNOWN) == 0)
        return;
    text_add(text, text->length > 0 ? "; " : "");
    text_add(text, sql);
}

// A reported setting: its value; set since, that; reset since, what it was at login.
static void
write_reported(const struct state *state, size_t i, struct text *replay)
{
    const char *sql = state_effective(state, state_reported_names[i]);
    bool is_value = state_is_current(state, i);
    const char *value = is_value                        ? state->reported[i].value
                        : sql == NULL || sql[0] == '\0' ? state->reported[i].first
                                                        : NULL;
    if (value == NULL) {
        add_statement(replay, sql);
        return;
    }
    text_add(replay, replay->length > 0 ? "; SET " : "SET ");
    text_add(replay, state_reported_names[i]);
    text_add(replay, " TO ");
    text_add_literal(replay, value);
}

static bool
is_written_first(const char *name)
{
    for (size_t i = 0; i < REPORTED; i++)
        if (strcasecmp(state_reported_names[i], name) == 0)
            return true;
    return strcasecmp(name, "role") == 0 || strcasecmp(name, "session_authorization") == 0 ||
           strcasecmp(name, "search_path") == 0;
}

// Session authorization first, since it resets the role; then the role, so that what only the role may set
// is set as the role; and the search path before what is looked up by it.
static void
write_replay(const struct state *state, struct text *replay)
{
    add_statement(replay, state_effective(state, "session_authorization"));
    add_statement(replay, state_effective(state, "role"));
    for (size_t i = 0; i < REPORTED; i++)
        write_reported(state, i, replay);
    add_statement(replay, state_effective(state, "search_path"));
    for (size_t i = 0; i < state->settings->count; i++) {
        const struct entry *entry = state->settings->entries[i];
        if (entry->kind == ENTRY_SETTING && !is_written_first(entry->name))
            add_statement(replay, entry->local != NULL ? entry->local : entry->session);
    }
}

static void
write_names(const struct state *state, struct text *names)
{
    add_statement(names, state_effective(state, "session_authorization"));
    add_statement(names, state_effective(state, "role"));
    add_statement(names, state_effective(state, "search_path"));
}

static struct state_snapshot *
snapshot_new(const struct state *state)
{
    struct text replay = {0}, names = {0};
    write_replay(state, &replay);
    write_names(state, &names);
    struct state_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    char *replay_text = text_take(&replay), *names_text = text_take(&names);
    char *application = state->application_name ? strdup(state->application_name) : NULL;
    if (snapshot == NULL || replay_text == NULL || names_text == NULL ||
        (state->application_name != NULL && application == NULL)) {
        free(snapshot);
        free(replay_text);
        free(names_text);
        free(application);
        return NULL;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->replay = replay_text;
    snapshot->search_path_key = names_text;
    snapshot->application_name = application;
    snapshot->digest = XXH3_64bits(replay_text, strlen(replay_text));
    snapshot->names_digest = XXH3_64bits(names_text, strlen(names_text));
    return snapshot;
}

static bool
is_same(const struct state_snapshot *left, const struct state_snapshot *right)
{
    const char *one = left->application_name, *other = right->application_name;
    return left->digest == right->digest && left->names_digest == right->names_digest &&
           (one == other || (one != NULL && other != NULL && strcmp(one, other) == 0));
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
    if (state->snapshot != NULL && is_same(state->snapshot, made)) {
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
    free(last->application_name);
    free(last);
}
