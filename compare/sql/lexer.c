// PostgreSQL's tokens as chapter 4.1 of its manual and its scan.l have them, with
// standard_conforming_strings on (a session that turns it off is not looked at, DESIGN 3.1).
//
// Every call looks at its own piece of the text alone and allocates nothing, so that workers can use
// it on the hot path. Key words are words like others. What scan.l refuses inside a string (a bad
// escape, say) is not noticed: the server will say it.
#include "compare/sql/lexer.h"

#include <string.h>

enum { SPACE = 1, DIGIT = 2, LETTER = 4, OPERATOR = 8, PUNCTUATION = 16, LONG_OPERATOR = 32 };

static const unsigned char classes[256] = {
    [' '] = SPACE,
    ['\t' ... '\r'] = SPACE, // with \n, \v, \f
    ['0' ... '9'] = DIGIT,
    ['a' ... 'z'] = LETTER,
    ['A' ... 'Z'] = LETTER,
    ['_'] = LETTER,
    [128 ... 255] = LETTER,
    ['+'] = OPERATOR,
    ['-'] = OPERATOR,
    ['*'] = OPERATOR,
    ['/'] = OPERATOR,
    ['<'] = OPERATOR,
    ['>'] = OPERATOR,
    ['='] = OPERATOR,
    // One of several characters with one of these may end in a sign.
    ['~'] = OPERATOR | LONG_OPERATOR,
    ['!'] = OPERATOR | LONG_OPERATOR,
    ['@'] = OPERATOR | LONG_OPERATOR,
    ['#'] = OPERATOR | LONG_OPERATOR,
    ['%'] = OPERATOR | LONG_OPERATOR,
    ['^'] = OPERATOR | LONG_OPERATOR,
    ['&'] = OPERATOR | LONG_OPERATOR,
    ['|'] = OPERATOR | LONG_OPERATOR,
    ['`'] = OPERATOR | LONG_OPERATOR,
    ['?'] = OPERATOR | LONG_OPERATOR,
    ['('] = PUNCTUATION,
    [')'] = PUNCTUATION,
    ['['] = PUNCTUATION,
    [']'] = PUNCTUATION,
    [','] = PUNCTUATION,
    [';'] = PUNCTUATION,
    ['.'] = PUNCTUATION,
    [':'] = PUNCTUATION,
};

static bool
is(char c, unsigned class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

static bool
is_digit(char c)
{
    return is(c, DIGIT);
}

static bool
is_word_start(char c)
{
    return is(c, LETTER);
}

static bool
is_word(char c)
{
    return is(c, LETTER | DIGIT) || c == '$';
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void
lexer_init(struct lexer *lexer, const char *sql, size_t length)
{
    lexer->sql = sql;
    lexer->length = length;
    lexer->at = 0;
}

static char
peek(const struct lexer *lexer, size_t ahead)
{
    return lexer->length - lexer->at > ahead ? lexer->sql[lexer->at + ahead] : '\0';
}

// At the opening quote; leaves the lexer past the closing one.
static bool
skip_quoted(struct lexer *lexer, char quote, bool has_escapes)
{
    lexer->at++;
    while (lexer->at < lexer->length) {
        char c = lexer->sql[lexer->at++];
        if (c == '\\' && has_escapes && lexer->at < lexer->length)
            lexer->at++;
        else if (c == quote && peek(lexer, 0) == quote)
            lexer->at++;
        else if (c == quote)
            return true;
    }
    return false;
}

static bool
skip_block_comment(struct lexer *lexer)
{
    size_t depth = 0;
    while (lexer->at < lexer->length) {
        if (peek(lexer, 0) == '/' && peek(lexer, 1) == '*') {
            depth++;
            lexer->at += 2;
        } else if (peek(lexer, 0) == '*' && peek(lexer, 1) == '/') {
            depth--;
            lexer->at += 2;
            if (depth == 0)
                return true;
        } else {
            lexer->at++;
        }
    }
    return false;
}

// At a '$' that is not in a word: $1, $tag$ … $tag$, or a stray sign.
static enum lexer_kind
skip_dollar(struct lexer *lexer)
{
    if (is_digit(peek(lexer, 1))) {
        lexer->at++;
        while (is_digit(peek(lexer, 0)))
            lexer->at++;
        return LEXER_PARAMETER;
    }
    size_t tag = 1;
    if (is_word_start(peek(lexer, 1)))
        while (is_word(peek(lexer, tag)) && peek(lexer, tag) != '$')
            tag++;
    if (peek(lexer, tag) != '$') {
        lexer->at++;
        return LEXER_JUNK;
    }
    tag++;
    const char *mark = lexer->sql + lexer->at;
    const char *body = mark + tag;
    const char *end = lexer->sql + lexer->length;
    const char *found = memmem(body, (size_t)(end - body), mark, tag);
    lexer->at = found == NULL ? lexer->length : (size_t)(found - lexer->sql) + tag;
    return found == NULL ? LEXER_JUNK : LEXER_STRING;
}

static void
skip_number(struct lexer *lexer)
{
    while (is_digit(peek(lexer, 0)))
        lexer->at++;
    if (peek(lexer, 0) == '.' && peek(lexer, 1) != '.') {
        lexer->at++;
        while (is_digit(peek(lexer, 0)))
            lexer->at++;
    }
    if (lower(peek(lexer, 0)) == 'e') {
        size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-' ? 1 : 0;
        if (is_digit(peek(lexer, 1 + sign))) {
            lexer->at += 1 + sign;
            while (is_digit(peek(lexer, 0)))
                lexer->at++;
        }
    }
}

// scan.l: an operator stops where a comment starts, and one of several characters ends in + or - only
// when it holds one of ~!@#%^&|`?.
static void
skip_operator(struct lexer *lexer)
{
    size_t start = lexer->at;
    bool may_end_in_sign = false;
    while (is(peek(lexer, 0), OPERATOR)) {
        char c = peek(lexer, 0), next = peek(lexer, 1);
        if ((c == '-' && next == '-') || (c == '/' && next == '*'))
            break;
        may_end_in_sign = may_end_in_sign || is(c, LONG_OPERATOR);
        lexer->at++;
    }
    while (!may_end_in_sign && lexer->at - start > 1 &&
           (lexer->sql[lexer->at - 1] == '+' || lexer->sql[lexer->at - 1] == '-'))
        lexer->at--;
}

// At a letter: a word, or the prefix of E'', B'', X'', N'', U&'' and U&"".
static enum lexer_kind
skip_word(struct lexer *lexer)
{
    char first = lower(peek(lexer, 0));
    if (peek(lexer, 1) == '\'' && strchr("ebxn", first) != NULL) {
        lexer->at++;
        return skip_quoted(lexer, '\'', first == 'e') ? LEXER_STRING : LEXER_JUNK;
    }
    if (first == 'u' && peek(lexer, 1) == '&' &&
        (peek(lexer, 2) == '\'' || peek(lexer, 2) == '"')) {
        char quote = peek(lexer, 2);
        lexer->at += 2;
        if (!skip_quoted(lexer, quote, false))
            return LEXER_JUNK;
        return quote == '"' ? LEXER_QUOTED_WORD : LEXER_STRING;
    }
    while (is_word(peek(lexer, 0)))
        lexer->at++;
    return LEXER_WORD;
}

static enum lexer_kind
skip_token(struct lexer *lexer)
{
    char c = peek(lexer, 0), next = peek(lexer, 1);
    if (is_word_start(c))
        return skip_word(lexer);
    if (c == '\'')
        return skip_quoted(lexer, c, false) ? LEXER_STRING : LEXER_JUNK;
    if (c == '"')
        return skip_quoted(lexer, c, false) ? LEXER_QUOTED_WORD : LEXER_JUNK;
    if (c == '$')
        return skip_dollar(lexer);
    if (is_digit(c) || (c == '.' && is_digit(next))) {
        skip_number(lexer);
        return LEXER_NUMBER;
    }
    if (c == '-' && next == '-') {
        while (lexer->at < lexer->length && peek(lexer, 0) != '\n' && peek(lexer, 0) != '\r')
            lexer->at++;
        return LEXER_COMMENT;
    }
    if (c == '/' && next == '*')
        return skip_block_comment(lexer) ? LEXER_COMMENT : LEXER_JUNK;
    if (is(c, OPERATOR)) {
        skip_operator(lexer);
        return LEXER_OPERATOR;
    }
    lexer->at++;
    if (c == ':' && (next == ':' || next == '=')) {
        lexer->at++;
        return LEXER_PUNCTUATION;
    }
    return is(c, PUNCTUATION) ? LEXER_PUNCTUATION : LEXER_JUNK;
}

void
lexer_next(struct lexer *lexer, struct lexer_token *token)
{
    while (lexer->at < lexer->length && is(lexer->sql[lexer->at], SPACE))
        lexer->at++;
    size_t start = lexer->at;
    token->text = lexer->sql + start;
    token->kind = start < lexer->length ? skip_token(lexer) : LEXER_END;
    if (lexer->at > lexer->length) // an escape at the very end
        lexer->at = lexer->length;
    token->length = lexer->at - start;
}

bool
lexer_token_is(const struct lexer_token *token, const char *word)
{
    if ((token->kind != LEXER_WORD && token->kind != LEXER_PUNCTUATION) ||
        lower(token->text[0]) != lower(word[0]))
        return false;
    for (size_t i = 0; i < token->length; i++)
        if (word[i] == '\0' || lower(token->text[i]) != lower(word[i]))
            return false;
    return word[token->length] == '\0';
}

// What a split knows of the statement that it is in.
struct piece {
    const char *start; // NULL: nothing but blanks and comments so far
    const char *end;   // past the last token
    bool was_begin;    // the last token was BEGIN
};

static bool
piece_give(struct piece *piece, bool (*each)(void *, const char *, size_t), void *context)
{
    bool goes_on =
        piece->start == NULL || each(context, piece->start, (size_t)(piece->end - piece->start));
    *piece = (struct piece){NULL, NULL, false};
    return goes_on;
}

bool
lexer_split(const char *sql, size_t length,
            bool (*each)(void *context, const char *statement, size_t statement_length),
            void *context)
{
    struct lexer lexer;
    struct lexer_token token;
    struct piece piece = {NULL, NULL, false};
    size_t depth = 0;
    lexer_init(&lexer, sql, length);
    for (;;) {
        lexer_next(&lexer, &token);
        if (token.kind == LEXER_JUNK)
            return false;
        if (token.kind == LEXER_END)
            return piece_give(&piece, each, context);
        if (piece.start == NULL && token.kind == LEXER_COMMENT)
            continue;
        if (lexer_token_is(&token, "("))
            depth++;
        if (lexer_token_is(&token, ")") && depth > 0)
            depth--;
        if (lexer_token_is(&token, ";") && depth == 0) {
            if (!piece_give(&piece, each, context))
                return false;
            continue;
        }
        if (piece.was_begin && lexer_token_is(&token, "atomic"))
            return false;
        if (token.kind != LEXER_COMMENT)
            piece.was_begin = lexer_token_is(&token, "begin");
        if (piece.start == NULL)
            piece.start = token.text;
        piece.end = token.text + token.length;
    }
}

void
lexer_first_word(const char *sql, size_t length, char word[32])
{
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, sql, length);
    do
        lexer_next(&lexer, &token);
    while (token.kind == LEXER_COMMENT || lexer_token_is(&token, "("));
    size_t count = 0;
    if (token.kind == LEXER_WORD)
        for (; count < token.length && count < 31; count++)
            word[count] = lower(token.text[count]);
    word[count] = '\0';
}
