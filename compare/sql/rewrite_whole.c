// A whole statement instead of the client's. The numbers in `to` are those of the normalised statement: parameters
// keep theirs, literals have the ones that follow, in their order. Parameters stay parameters; a literal is put in as it
// was written, in parentheses. Every one of them must be in `to`: a read whose literal is left out could mean
// something else on new, and is refused.
//
// Where a literal stands is told by laying the tokens of the statement and of the normalised one side by side.
#include "compare/sql/rewrite_parts.h"

#include "compare/sql/lexer.h"
#include <pg_query.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 1000 };

struct literal {
    const char *text; // NULL: a parameter of the client's, or none
    size_t length;
    bool is_used, is_there;
};

struct numbers {
    struct literal list[MOST_NUMBERS + 1]; // by number
    size_t count;
};

static void
next_token(struct lexer *lexer, struct lexer_token *token)
{
    do
        lexer_next(lexer, token);
    while (token->kind == LEXER_COMMENT);
}

static size_t
number_of(const struct lexer_token *token)
{
    size_t number = 0;
    for (size_t i = 1; i < token->length && number <= MOST_NUMBERS; i++)
        number = number * 10 + (size_t)(token->text[i] - '0');
    return number;
}

static bool
is_same(const struct lexer_token *a, const struct lexer_token *b)
{
    return a->kind == b->kind && a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

// A constant may have a sign, and strings go on after a newline.
static bool
take_literal(struct lexer *lexer, struct lexer_token *token, struct literal *literal)
{
    const char *begin = token->text;
    if (token->kind == LEXER_OPERATOR && token->length == 1 && strchr("+-", *begin) != NULL)
        next_token(lexer, token);
    bool is_word = lexer_token_is(token, "true") || lexer_token_is(token, "false") ||
                   lexer_token_is(token, "null");
    if (token->kind != LEXER_STRING && token->kind != LEXER_NUMBER && !is_word)
        return false;
    literal->text = begin;
    literal->length = (size_t)(token->text - begin) + token->length;
    next_token(lexer, token);
    return true;
}

// False: the two texts do not lie on each other.
static bool
find_numbers(const struct rewrite_subject *subject, const char *normal, struct numbers *numbers)
{
    struct lexer said, shown;
    struct lexer_token token, mark;
    lexer_init(&said, subject->sql, subject->length);
    lexer_init(&shown, normal, strlen(normal));
    next_token(&said, &token);
    next_token(&shown, &mark);
    while (mark.kind != LEXER_END && mark.kind != LEXER_JUNK) {
        size_t number = mark.kind == LEXER_PARAMETER ? number_of(&mark) : 0;
        if (number > MOST_NUMBERS)
            return false;
        if (number > 0)
            numbers->list[number].is_there = true;
        if (is_same(&token, &mark))
            next_token(&said, &token);
        else if (number == 0 || !take_literal(&said, &token, &numbers->list[number]))
            return false;
        if (number > numbers->count)
            numbers->count = number;
        next_token(&shown, &mark);
    }
    return mark.kind == LEXER_END && token.kind == LEXER_END;
}

// False: `to` wants a number that the statement does not have, or leaves one out.
static bool
fill_in(const char *to, struct numbers *numbers, struct text *text)
{
    struct lexer lexer;
    struct lexer_token token;
    const char *done = to;
    lexer_init(&lexer, to, strlen(to));
    for (next_token(&lexer, &token); token.kind != LEXER_END; next_token(&lexer, &token)) {
        if (token.kind == LEXER_JUNK)
            return false;
        if (token.kind != LEXER_PARAMETER)
            continue;
        size_t number = number_of(&token);
        if (number == 0 || number > numbers->count || !numbers->list[number].is_there)
            return false;
        struct literal *literal = &numbers->list[number];
        literal->is_used = true;
        if (literal->text == NULL)
            continue;
        text_add_bytes(text, done, (size_t)(token.text - done));
        text_add(text, "(");
        text_add_bytes(text, literal->text, literal->length);
        text_add(text, ")");
        done = token.text + token.length;
    }
    text_add(text, done);
    for (size_t i = 1; i <= numbers->count; i++)
        if (numbers->list[i].is_there && !numbers->list[i].is_used)
            return false;
    return true;
}

enum rewrite_status
rewrite_whole(const struct rewrite *rewrite, const struct rewrite_subject *subject,
              struct rewritten *rewritten)
{
    if (atomic_load(&rewrite->is_broken)) {
        rewritten->because = "new does not prepare the statement in `to`";
        return REWRITE_REFUSED;
    }
    char *sql = strndup(subject->sql, subject->length);
    struct numbers *numbers = calloc(1, sizeof(*numbers));
    if (sql == NULL || numbers == NULL) {
        free(sql);
        free(numbers);
        return REWRITE_NO_MEMORY;
    }
    PgQueryNormalizeResult normal = pg_query_normalize(sql);
    struct text text = {0};
    enum rewrite_status status = REWRITE_REFUSED;
    if (normal.error != NULL || !find_numbers(subject, normal.normalized_query, numbers))
        rewritten->because = "its literals could not be told apart";
    else if (!fill_in(rewrite->to, numbers, &text))
        rewritten->because = "`to` does not take just the parameters and literals that it has";
    else
        status = REWRITE_CHANGED;
    pg_query_free_normalize_result(normal);
    free(sql);
    free(numbers);
    if (status == REWRITE_CHANGED) {
        rewritten->is_whole = true;
        rewritten->sql = text_take(&text);
        return rewritten->sql == NULL ? REWRITE_NO_MEMORY : REWRITE_CHANGED;
    }
    text_fini(&text);
    return status;
}
