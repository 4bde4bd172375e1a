// A setting's value as a session has it, read back from a snapshot's replay. A replay is this program's own SQL:
//
//   SET "app"."tenant" TO 'a', 'b'      SET "x" TO -3      SET TimeZone TO 'UTC'
//   SELECT pg_catalog.set_config('app.tenant', 'a', false)
//   SET ROLE 'bob'      SET ROLE NONE      SET SESSION AUTHORIZATION 'bob'      SET TIME ZONE INTERVAL …
//
// with literals as quote.c writes them. A list's elements have ", " between, as SHOW puts them. What the replay does
// not have is at a default that only the server knows, and so is not known here.
#include "compare/sql/lexer.h"
#include "compare/sql/state.h"
#include "compare/type_family.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct value {
    char *bytes;
    size_t size, length;
    bool does_not_fit;
};

struct reading {
    struct lexer lexer;
    struct lexer_token token;
};

static void
advance(struct reading *reading)
{
    lexer_next(&reading->lexer, &reading->token);
}

static bool
is_at_end(const struct reading *reading)
{
    return reading->token.kind == LEXER_END || reading->token.kind == LEXER_JUNK ||
           lexer_token_is(&reading->token, ";");
}

static void
put(struct value *value, const char *bytes, size_t length)
{
    if (length >= value->size - value->length) {
        value->does_not_fit = true;
        return;
    }
    memcpy(value->bytes + value->length, bytes, length);
    value->length += length;
}

// Behind a backslash: itself doubled, uXXXX or UXXXXXXXX. How many bytes it takes.
static size_t
put_escape(struct value *value, const char *at, const char *end)
{
    size_t digits = *at == 'u' ? 4 : *at == 'U' ? 8 : 0;
    char number[9] = "";
    if (digits == 0 || (size_t)(end - at) <= digits) {
        put(value, at, 1);
        return 1;
    }
    struct writer character;
    memcpy(number, at + 1, digits);
    writer_init(&character);
    type_write_utf8((uint32_t)strtoul(number, NULL, 16), &character);
    if (character.failed)
        value->does_not_fit = true;
    else
        put(value, (const char *)character.bytes, character.length);
    writer_fini(&character);
    return 1 + digits;
}

// 'it''s', E'back\\slash'.
static void
put_literal(struct value *value, const struct lexer_token *token)
{
    bool has_escapes = token->text[0] != '\'';
    const char *at = token->text + (has_escapes ? 2 : 1);
    const char *end = token->text + token->length - 1;
    while (at < end) {
        if (*at == '\\' && has_escapes && end - at > 1) {
            at += 1 + put_escape(value, at + 1, end);
        } else {
            put(value, at, 1);
            at += *at == '\'' ? 2 : 1;
        }
    }
}

static void
put_token(struct value *value, const struct lexer_token *token)
{
    if (token->kind == LEXER_STRING)
        put_literal(value, token);
    else
        put(value, token->text, token->length);
}

// Up to TO: "app"."tenant", TimeZone.
static bool
reads_name(struct reading *reading, const char *name)
{
    char bytes[128];
    struct value read = {.bytes = bytes, .size = sizeof(bytes)};
    while (!is_at_end(reading) && !lexer_token_is(&reading->token, "to")) {
        const struct lexer_token *token = &reading->token;
        bool is_quoted = token->kind == LEXER_QUOTED_WORD && token->length >= 2;
        put(&read, token->text + is_quoted, token->length - (is_quoted ? 2 : 0));
        advance(reading);
    }
    return !is_at_end(reading) && !read.does_not_fit && strlen(name) == read.length &&
           strncasecmp(name, bytes, read.length) == 0;
}

static void
read_list(struct reading *reading, struct value *value)
{
    for (; !is_at_end(reading); advance(reading)) {
        if (lexer_token_is(&reading->token, ","))
            put(value, ", ", 2);
        else
            put_token(value, &reading->token);
    }
}

// Behind SET. Does it set that name? Then the value is read.
static bool
reads_set(struct reading *reading, const char *name, struct value *value)
{
    bool is_role = lexer_token_is(&reading->token, "role");
    if (is_role ? strcasecmp(name, "role") != 0 : !reads_name(reading, name))
        return false;
    advance(reading);
    value->length = 0;
    value->does_not_fit = false;
    if (is_role && lexer_token_is(&reading->token, "none"))
        put(value, "none", 4);
    else
        read_list(reading, value);
    return true;
}

// Behind SELECT: … set_config('name', 'value', false).
static bool
reads_config(struct reading *reading, const char *name, struct value *value)
{
    char bytes[128];
    struct value read = {.bytes = bytes, .size = sizeof(bytes)};
    while (!is_at_end(reading) && reading->token.kind != LEXER_STRING)
        advance(reading);
    if (is_at_end(reading))
        return false;
    put_literal(&read, &reading->token);
    if (read.does_not_fit || strlen(name) != read.length ||
        strncasecmp(name, bytes, read.length) != 0)
        return false;
    advance(reading); // the comma
    advance(reading);
    value->length = 0;
    value->does_not_fit = false;
    put_token(value, &reading->token);
    return true;
}

bool
state_value(const struct state_snapshot *snapshot, const char *name, char *bytes, size_t size)
{
    struct value value = {.bytes = bytes, .size = size};
    struct reading reading;
    bool is_set = false;
    lexer_init(&reading.lexer, snapshot->replay, strlen(snapshot->replay));
    for (advance(&reading); reading.token.kind != LEXER_END && reading.token.kind != LEXER_JUNK;
         advance(&reading)) {
        if (lexer_token_is(&reading.token, "set")) {
            advance(&reading);
            is_set = reads_set(&reading, name, &value) || is_set;
        } else if (lexer_token_is(&reading.token, "select")) {
            advance(&reading);
            is_set = reads_config(&reading, name, &value) || is_set;
        }
        while (!is_at_end(&reading))
            advance(&reading);
    }
    bytes[is_set && !value.does_not_fit ? value.length : 0] = '\0';
    return is_set && !value.does_not_fit;
}
