// PostgreSQL's tokens (manual, chapter 4.1), fast and without memory of its own: for shape keys, for
// splitting a Query into its statements, and for the comments in it. Not a parser: libpg_query is.
#ifndef COMPARE_SQL_LEXER_H
#define COMPARE_SQL_LEXER_H

#include <stdbool.h>
#include <stddef.h>

enum lexer_kind {
    LEXER_END,
    LEXER_WORD /* identifier or key word */,
    LEXER_QUOTED_WORD,
    LEXER_STRING,
    LEXER_NUMBER,
    LEXER_PARAMETER /* $1 */,
    LEXER_OPERATOR,
    LEXER_PUNCTUATION /* ( ) [ ] , ; . : */,
    LEXER_COMMENT,
    LEXER_JUNK /* an unterminated quote and the like */,
};

struct lexer {
    const char *sql;
    size_t length;
    size_t at;
};

struct lexer_token {
    enum lexer_kind kind;
    const char *text; // borrowed
    size_t length;
};

void lexer_init(struct lexer *lexer, const char *sql, size_t length);
void lexer_next(struct lexer *lexer, struct lexer_token *token);        // comments are tokens too
bool lexer_token_is(const struct lexer_token *token, const char *word); // ASCII case-insensitive

// The statements of a Query: calls `each` with every non-empty one, without its semicolon. False when
// the text does not lex, or holds a body (BEGIN ATOMIC) that this can't split.
bool lexer_split(const char *sql, size_t length,
                 bool (*each)(void *context, const char *statement, size_t statement_length),
                 void *context);
// First key word past comments and opening parentheses, "" if none: what the statement calls itself.
void lexer_first_word(const char *sql, size_t length, char word[32]);

#endif
