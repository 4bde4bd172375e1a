// What old reports of a session by ParameterStatus, and what of its state cannot be replayed.
//
// A report is the effective value: it holds for roles' and databases' defaults too. It comes at the end of a
// unit (before ReadyForQuery), so that what a statement of the unit has set since wins until then. A
// setting whose value could not be told is unknown; where old reports it, only until it does.
#include "compare/sql/lexer.h"
#include "compare/sql/state_parts.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const state_reported_names[REPORTED] = {"client_encoding", "DateStyle", "IntervalStyle",
                                                    "standard_conforming_strings", "TimeZone"};

static void
forget_snapshot(struct state *state)
{
    settings_unref(&state->made_of);
}

const char *
state_effective(const struct state *state, const char *name)
{
    const struct entry *entry = settings_find(state->settings, ENTRY_SETTING, name);
    return entry == NULL ? NULL : entry->local != NULL ? entry->local : entry->session;
}

static bool
is_same(const char *left, const char *right)
{
    return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

bool
state_is_current(const struct state *state, size_t reported)
{
    return state->reported[reported].value != NULL &&
           is_same(state->reported[reported].under,
                   state_effective(state, state_reported_names[reported]));
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
void
state_settle_reports(struct state *state)
{
    for (size_t i = 0; i < REPORTED; i++)
        if (state->reported[i].value != NULL && !state_is_current(state, i) &&
            replace(&state->reported[i].under, state_effective(state, state_reported_names[i])))
            forget_snapshot(state);
}

void
state_reports_lost(struct state *state)
{
    forget_snapshot(state);
    (void)replace(&state->application_name, NULL);
}

bool
state_reported(struct state *state, const char *name, const char *value)
{
    if (strcmp(name, "application_name") == 0) { // known, and not replayed
        state_reports_lost(state);
        return replace(&state->application_name, value);
    }
    for (size_t i = 0; i < REPORTED; i++) {
        struct reported *reported = &state->reported[i];
        if (strcmp(name, state_reported_names[i]) != 0)
            continue;
        forget_snapshot(state);
        return (reported->first != NULL || replace(&reported->first, value)) &&
               replace(&reported->value, value) &&
               replace(&reported->under, state_effective(state, name));
    }
    return true;
}

const char *
state_client_encoding(const struct state *state)
{
    return state->reported[REPORTED_ENCODING].value;
}

// Strings with escapes are not what the lexer takes them for.
static bool
may_have_escapes(const struct state *state)
{
    const struct reported *reported = &state->reported[REPORTED_STRINGS];
    if (state_is_current(state, REPORTED_STRINGS))
        return strcmp(reported->value, "off") == 0;
    return state_effective(state, state_reported_names[REPORTED_STRINGS]) != NULL;
}

static bool
is_reported(const struct state *state, const char *name)
{
    for (size_t i = 0; i < REPORTED; i++)
        if (strcasecmp(state_reported_names[i], name) == 0)
            return state_is_current(state, i);
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
                          strcmp(sql, STATE_UNKNOWN) == 0 && !is_reported(state, entry->name);
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
