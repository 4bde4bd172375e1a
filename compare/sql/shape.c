// The shape of a statement: its tokens, hashed, with what does not change its analysis left out.
// Words are hashed in lower case, comments and blanks not at all, a literal by its kind alone unless
// it stands where its value means something: a position in ORDER BY or GROUP BY, a limit, an option
// of EXPLAIN, a cast, or one of the words that datetime input takes for a clock.
//
// Runs on the hot path: one pass, no memory. Keeping a literal too many costs a second entry in the
// cache; leaving one out that matters would give a statement another's analysis. So in doubt it is kept.
#include "compare/sql/shape.h"

#include "compare/sql/lexer.h"
#include <string.h>
#include <strings.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BUFFER = 1024 };

struct writer {
    XXH3_state_t *hash;
    size_t used;
    char buffer[BUFFER];
};

static void
put(struct writer *writer, const char *bytes, size_t length)
{
    if (length > BUFFER - writer->used) {
        (void)XXH3_128bits_update(writer->hash, writer->buffer, writer->used);
        writer->used = 0;
    }
    if (length > BUFFER) {
        (void)XXH3_128bits_update(writer->hash, bytes, length);
        return;
    }
    memcpy(writer->buffer + writer->used, bytes, length);
    writer->used += length;
}

static void
put_lower(struct writer *writer, const char *bytes, size_t length)
{
    char piece[64];
    while (length > 0) {
        size_t count = length < sizeof(piece) ? length : sizeof(piece);
        for (size_t i = 0; i < count; i++)
            piece[i] = bytes[i] >= 'A' && bytes[i] <= 'Z' ? (char)(bytes[i] + 32) : bytes[i];
        put(writer, piece, count);
        bytes += count;
        length -= count;
    }
}

// Where the pass is: whether literals are kept here, and since which depth of parentheses.
struct place {
    size_t depth;
    size_t kept_depth; // literals are kept down to this depth; SIZE_MAX: they are not
    bool is_explain;   // before the statement that EXPLAIN explains
    bool is_list;      // in the constants of an IN list
    struct lexer_token previous;
};

// A literal after one of these is no `type 'literal'`. A word that is missing costs only cache.
static const char *const plain_words[] = {
    "select", "and",     "or",       "not",       "like",   "ilike",  "in",      "when",
    "then",   "else",    "case",     "where",     "on",     "having", "between", "is",
    "from",   "as",      "all",      "any",       "some",   "values", "return",  "to",
    "by",     "similar", "distinct", "symmetric", "escape", "set",    "for",     "with",
};

static bool
is_plain_word(const struct lexer_token *token)
{
    for (size_t i = 0; i < sizeof(plain_words) / sizeof(plain_words[0]); i++)
        if (lexer_token_is(token, plain_words[i]))
            return true;
    return false;
}

static const char *const keep_from[] = {"order", "group", "limit", "offset", "fetch"};
static const char *const keep_until[] = {"union",  "intersect", "except", "having",
                                         "window", "for",       "select", "where"};

static bool
is_one_of(const struct lexer_token *token, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lexer_token_is(token, words[i]))
            return true;
    return false;
}

static void
place_word(struct place *place, const struct lexer_token *token)
{
    if (place->kept_depth == SIZE_MAX) {
        if (is_one_of(token, keep_from, sizeof(keep_from) / sizeof(keep_from[0])))
            place->kept_depth = place->depth;
        else if (lexer_token_is(token, "cast"))
            place->kept_depth = place->depth + 1;
    } else if (place->depth == place->kept_depth &&
               is_one_of(token, keep_until, sizeof(keep_until) / sizeof(keep_until[0]))) {
        place->kept_depth = SIZE_MAX;
    }
    if (place->is_explain && (lexer_token_is(token, "select") || lexer_token_is(token, "with") ||
                              lexer_token_is(token, "values") || lexer_token_is(token, "insert") ||
                              lexer_token_is(token, "update") || lexer_token_is(token, "delete")))
        place->is_explain = false;
}

static void
place_punctuation(struct place *place, const struct lexer_token *token)
{
    if (lexer_token_is(token, "(") || lexer_token_is(token, "[")) {
        place->depth++;
    } else if (lexer_token_is(token, ")") || lexer_token_is(token, "]")) {
        if (place->depth > 0)
            place->depth--;
        if (place->kept_depth != SIZE_MAX && place->depth < place->kept_depth)
            place->kept_depth = SIZE_MAX;
    }
}

// Strings that datetime input reads as the clock (manual, 8.5.1.4).
static bool
names_a_clock(const struct lexer_token *token)
{
    static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
    if (token->kind != LEXER_STRING || token->length > 32)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = strlen(words[i]);
        for (size_t at = 0; at + length <= token->length; at++)
            if (strncasecmp(token->text + at, words[i], length) == 0)
                return true;
    }
    return false;
}

static void
put_literal(struct writer *writer, const struct place *place, const struct lexer_token *token,
            const struct lexer_token *next)
{
    char mark = token->kind == LEXER_STRING ? 's' : 'n';
    bool is_typed = token->kind == LEXER_STRING &&
                    (place->previous.kind == LEXER_QUOTED_WORD ||
                     (place->previous.kind == LEXER_WORD && !is_plain_word(&place->previous)));
    bool is_kept = place->kept_depth != SIZE_MAX || place->is_explain || is_typed ||
                   lexer_token_is(next, "::") || names_a_clock(token);
    put(writer, &mark, 1);
    if (is_kept)
        put(writer, token->text, token->length);
}

static void
next_token(struct lexer *lexer, struct lexer_token *token)
{
    do
        lexer_next(lexer, token);
    while (token->kind == LEXER_COMMENT);
}

static void
put_token(struct writer *writer, struct place *place, const struct lexer_token *token,
          const struct lexer_token *next)
{
    bool is_literal = token->kind == LEXER_STRING || token->kind == LEXER_NUMBER;
    if (place->is_list && place->kept_depth == SIZE_MAX &&
        (is_literal || lexer_token_is(token, ",")) && !lexer_token_is(next, "::") &&
        !names_a_clock(token))
        return;
    place->is_list = lexer_token_is(token, "(") && lexer_token_is(&place->previous, "in") &&
                     (next->kind == LEXER_STRING || next->kind == LEXER_NUMBER);
    if (is_literal) {
        put_literal(writer, place, token, next);
    } else if (token->kind == LEXER_WORD) {
        place_word(place, token);
        put(writer, "w", 1);
        put_lower(writer, token->text, token->length);
    } else {
        if (token->kind == LEXER_PUNCTUATION)
            place_punctuation(place, token);
        put(writer, token->kind == LEXER_QUOTED_WORD ? "q" : "o", 1);
        put(writer, token->text, token->length);
    }
    put(writer, "", 1); // tokens do not run into each other
}

bool
shape_key_of(const char *sql, size_t length, const struct shape_context *context,
             struct shape_key *key)
{
    XXH3_state_t hash;
    XXH3_INITSTATE(&hash);
    (void)XXH3_128bits_reset(&hash);
    struct writer writer;
    writer.hash = &hash;
    writer.used = 0;
    put(&writer, (const char *)&context->state, sizeof(context->state));
    put(&writer, (const char *)&context->epoch, sizeof(context->epoch));
    put(&writer, (const char *)&context->type_count, sizeof(context->type_count));
    if (context->type_count > 0)
        put(&writer, (const char *)context->types, context->type_count * sizeof(uint32_t));
    struct place place = {0, SIZE_MAX, false, false, {LEXER_END, "", 0}};
    struct lexer lexer;
    struct lexer_token token, next;
    lexer_init(&lexer, sql, length);
    next_token(&lexer, &token);
    place.is_explain = lexer_token_is(&token, "explain");
    while (token.kind != LEXER_END) {
        next_token(&lexer, &next);
        if (token.kind == LEXER_JUNK)
            return false;
        put_token(&writer, &place, &token, &next);
        place.previous = token;
        token = next;
    }
    (void)XXH3_128bits_update(&hash, writer.buffer, writer.used);
    XXH128_hash_t digest = XXH3_128bits_digest(&hash);
    key->high = digest.high64;
    key->low = digest.low64;
    return true;
}
