// A comment is sqlcommenter's when all of it is pairs, KEY='VALUE' with commas between; any other one, a hint to
// the planner say, is passed over. Keys and values are percent-encoded; what then still is a quote has a
// backslash before it. The specification puts the comment at the end of the statement, libraries also at its
// beginning, so all of them are read; where several have the key, the last one is the library's.
#include "compare/sql/sqlcommenter.h"
#include "compare/sql/lexer.h"
#include <string.h>

struct text { // what is decoded so far
    char *bytes;
    size_t size, length;
    bool is_bad; // it does not fit, or holds a NUL
};

static void
put(struct text *text, char byte)
{
    if (byte == '\0' || text->length + 1 >= text->size)
        text->is_bad = true;
    else
        text->bytes[text->length++] = byte;
}

// -1: it is none.
static int
hex(char digit)
{
    static const char digits[] = "0123456789abcdef";
    char small = digit >= 'A' && digit <= 'F' ? (char)(digit - 'A' + 'a') : digit;
    const char *at = small == '\0' ? NULL : strchr(digits, small);
    return at == NULL ? -1 : (int)(at - digits);
}

// Without the escapes, then without the percents.
static void
decode(struct text *text, const char *at, const char *end)
{
    while (at < end) {
        if (*at == '\\' && end - at > 1 && (at[1] == '\'' || at[1] == '\\'))
            at++;
        if (*at == '%' && end - at > 2 && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
            put(text, (char)(hex(at[1]) * 16 + hex(at[2])));
            at += 3;
        } else {
            put(text, *at++);
        }
    }
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static const char *
skip_spaces(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

struct pair { // as it is written; the value without its quotes
    const char *key, *key_end;
    const char *value, *value_end;
};

// Leaves *at behind the pair. False: there is none.
static bool
next_pair(const char **at, const char *end, struct pair *pair)
{
    pair->key = skip_spaces(*at, end);
    const char *c = pair->key;
    while (c < end && *c != '=' && *c != ',' && *c != '\'' && !is_space(*c))
        c++;
    pair->key_end = c;
    if (c == pair->key || end - c < 3 || c[0] != '=' || c[1] != '\'')
        return false;
    pair->value = c += 2;
    while (c < end && *c != '\'')
        c += *c == '\\' && end - c > 1 && (c[1] == '\'' || c[1] == '\\') ? 2 : 1;
    if (c >= end)
        return false;
    pair->value_end = c;
    *at = skip_spaces(c + 1, end);
    return true;
}

static bool
is_key(const struct pair *pair, const char *name)
{
    char bytes[256];
    struct text key = {.bytes = bytes, .size = sizeof(bytes)};
    decode(&key, pair->key, pair->key_end);
    return !key.is_bad && strlen(name) == key.length && memcmp(name, bytes, key.length) == 0;
}

// The pair of that key in a comment that is pairs all through; without its slashes and asterisks.
static bool
find(const char *at, const char *end, const char *name, struct pair *found)
{
    bool has_found = false;
    for (;;) {
        struct pair pair;
        if (!next_pair(&at, end, &pair))
            return false;
        if (!has_found && is_key(&pair, name)) {
            *found = pair;
            has_found = true;
        }
        if (at == end)
            return has_found;
        if (*at++ != ',')
            return false;
    }
}

bool
sqlcommenter_value(const char *sql, size_t length, const char *name, char *value, size_t size)
{
    struct lexer lexer;
    struct lexer_token token;
    struct pair pair = {0};
    bool is_there = false;
    value[0] = '\0';
    if (memmem(sql, length, "/*", 2) == NULL)
        return false;
    lexer_init(&lexer, sql, length);
    for (lexer_next(&lexer, &token); token.kind != LEXER_END && token.kind != LEXER_JUNK;
         lexer_next(&lexer, &token)) {
        if (token.kind == LEXER_COMMENT && token.length > 4 && token.text[0] == '/' &&
            find(token.text + 2, token.text + token.length - 2, name, &pair))
            is_there = true;
    }
    if (!is_there || token.kind == LEXER_JUNK)
        return false;
    struct text text = {.bytes = value, .size = size};
    decode(&text, pair.value, pair.value_end);
    value[text.is_bad ? 0 : text.length] = '\0';
    return !text.is_bad;
}
