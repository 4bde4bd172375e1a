// Tokens cover the text in order and without overlap; splitting and hashing it read nothing beyond it.
#include "compare/sql/lexer.h"
#include "compare/sql/shape.h"
#include <stdint.h>
#include <stdlib.h>

static bool
check_piece(void *context, const char *statement, size_t length)
{
    const char *const *end = context;
    if (length == 0 || statement + length > *end)
        abort();
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *sql = (const char *)data;
    const char *end = sql + size;
    struct lexer lexer;
    struct lexer_token token;
    const char *at = sql;
    lexer_init(&lexer, sql, size);
    do {
        lexer_next(&lexer, &token);
        if (token.text < at || token.text + token.length > end ||
            (token.kind != LEXER_END && token.length == 0))
            abort();
        at = token.text + token.length;
    } while (token.kind != LEXER_END);
    char word[32];
    lexer_first_word(sql, size, word);
    (void)lexer_split(sql, size, check_piece, &end);
    struct shape_context context = {NULL, 0, 0, 0};
    struct shape_key one, other;
    if (shape_key_of(sql, size, &context, &one) &&
        (!shape_key_of(sql, size, &context, &other) || one.low != other.low))
        abort();
    return 0;
}
