// Cohort keys. A setting's value is found in the state's replay, which is SQL that this program wrote or old
// accepted; a comment's in the statement, as sqlcommenter writes it: /*key='value',other='…'*/ with
// values percent-encoded.
#include "proxy/canary/canary_key.h"
#include "compare/cohort.h"
#include "compare/sql/lexer.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
copy(char key[CANARY_KEY_MAX], const char *text, size_t length)
{
    if (length >= CANARY_KEY_MAX) {
        length = 0; // a key that is cut would be another one
    }
    memcpy(key, text, length);
    key[length] = '\0';
}

// 'it''s' without its quotes.
static void
copy_literal(char key[CANARY_KEY_MAX], const char *text, size_t length)
{
    size_t used = 0;
    for (size_t i = 1; i + 1 < length && used + 1 < CANARY_KEY_MAX; i++) {
        if (text[i] == '\'' && i + 2 < length) {
            i++;
        }
        key[used++] = text[i];
    }
    key[used] = '\0';
}

static void
copy_token(char key[CANARY_KEY_MAX], const struct lexer_token *token)
{
    if (token->kind == LEXER_STRING && token->text[0] == '\'') {
        copy_literal(key, token->text, token->length);
    } else if (token->kind == LEXER_WORD || token->kind == LEXER_NUMBER) {
        copy(key, token->text, token->length);
    }
}

// The name of a setting, which may have dots; leaves the token behind it.
static bool
reads_name(struct lexer *lexer, struct lexer_token *token, const char *name)
{
    char read[CANARY_KEY_MAX] = "";
    size_t length = 0;
    while ((token->kind == LEXER_WORD || token->kind == LEXER_QUOTED_WORD ||
            (token->kind == LEXER_PUNCTUATION && token->text[0] == '.')) &&
           !lexer_token_is(token, "to") && length + token->length < sizeof(read)) {
        bool is_quoted = token->kind == LEXER_QUOTED_WORD && token->length >= 2;
        size_t part = is_quoted ? token->length - 2 : token->length;
        memcpy(read + length, token->text + is_quoted, part);
        length += part;
        lexer_next(lexer, token);
    }
    read[length] = '\0';
    return strcasecmp(read, name) == 0;
}

// The last `SET name TO value` of the replay.
static void
find_setting(const char *replay, const char *name, char key[CANARY_KEY_MAX])
{
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, replay, strlen(replay));
    lexer_next(&lexer, &token);
    while (token.kind != LEXER_END && token.kind != LEXER_JUNK) {
        if (!lexer_token_is(&token, "set")) {
            lexer_next(&lexer, &token);
            continue;
        }
        lexer_next(&lexer, &token);
        if (lexer_token_is(&token, "session") || lexer_token_is(&token, "local")) {
            lexer_next(&lexer, &token);
        }
        if (reads_name(&lexer, &token, name)) {
            lexer_next(&lexer, &token); // past TO or =
            copy_token(key, &token);
        }
    }
}

void
canary_setting_of(const struct state_snapshot *state, const char *name, char value[CANARY_KEY_MAX])
{
    find_setting(state->replay, name, value);
}

static int
hex(char digit)
{
    return isdigit((unsigned char)digit) ? digit - '0' : (tolower((unsigned char)digit) - 'a') + 10;
}

static void
copy_decoded(char key[CANARY_KEY_MAX], const char *text, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < CANARY_KEY_MAX; i++) {
        if (text[i] == '%' && i + 2 < length && isxdigit((unsigned char)text[i + 1]) &&
            isxdigit((unsigned char)text[i + 2])) {
            key[used++] = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else if (text[i] != '\\') {
            key[used++] = text[i];
        }
    }
    key[used] = '\0';
}

// name='value' within one comment.
static bool
find_in_comment(const char *text, size_t length, const char *name, char key[CANARY_KEY_MAX])
{
    size_t name_length = strlen(name);
    for (size_t i = 2; i + name_length + 2 < length; i++) {
        bool begins = text[i - 1] == '*' || text[i - 1] == ',' || text[i - 1] == ' ';
        if (!begins || memcmp(text + i, name, name_length) != 0 ||
            memcmp(text + i + name_length, "='", 2) != 0) {
            continue;
        }
        const char *value = text + i + name_length + 2;
        const char *end = memchr(value, '\'', (size_t)(text + length - value));
        if (end) {
            copy_decoded(key, value, (size_t)(end - value));
            return true;
        }
    }
    return false;
}

static void
find_comment(const char *sql, size_t length, const char *name, char key[CANARY_KEY_MAX])
{
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, sql, length);
    do {
        lexer_next(&lexer, &token);
        if (token.kind == LEXER_COMMENT && token.length > 4 && token.text[0] == '/' &&
            find_in_comment(token.text, token.length, name, key)) {
            return;
        }
    } while (token.kind != LEXER_END && token.kind != LEXER_JUNK);
}

static void
copy_or_none(char key[CANARY_KEY_MAX], const char *text)
{
    if (text) {
        copy(key, text, strlen(text));
    }
}

void
canary_key_of(const struct configuration_canary *canary, const struct canary_subject *subject,
              char key[CANARY_KEY_MAX])
{
    key[0] = '\0';
    switch (canary->key) {
    case COHORT_SESSION:
        copy_or_none(key, subject->session);
        break;
    case COHORT_USER:
        copy_or_none(key, subject->user);
        break;
    case COHORT_APPLICATION_NAME:
        copy_or_none(key, subject->application_name);
        break;
    case COHORT_CLIENT_ADDR:
        copy_or_none(key, subject->client_address);
        break;
    case COHORT_PARAMETER:
        copy_or_none(key, subject->parameter);
        if (subject->state) {
            canary_setting_of(subject->state, canary->key_name, key);
        }
        break;
    case COHORT_COMMENT:
        if (subject->sql) {
            find_comment(subject->sql, subject->sql_length, canary->key_name, key);
        }
        break;
    }
}

static bool
is_listed(char *const *list, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], key) == 0) {
            return true;
        }
    }
    return false;
}

bool
canary_key_is_in(const struct configuration_canary *canary, const char *key, unsigned percent)
{
    if (key[0] == '\0' || is_listed(canary->exclude, canary->exclude_count, key)) {
        return false;
    }
    return is_listed(canary->include, canary->include_count, key) ||
           cohort_holds(cohort_place(canary->salt, key, strlen(key)), percent);
}
