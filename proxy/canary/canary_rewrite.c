// The same text is rewritten to the same. Another text of the shape differs in its literals alone: where names were
// rewritten, literals stand in the new text as they stood in the old one, and are exchanged one by one. In a
// whole other statement they may stand anywhere: only the same text will do.
#include "proxy/canary/canary_rewrite.h"
#include "compare/sql/lexer.h"
#include <stdlib.h>
#include <string.h>

static bool
is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text == '\0';
}

static bool
is_literal(const struct lexer_token *token)
{
    return token->kind == LEXER_STRING || token->kind == LEXER_NUMBER;
}

static void
next_token(struct lexer *lexer, struct lexer_token *token)
{
    do {
        lexer_next(lexer, token);
    } while (token->kind == LEXER_COMMENT);
}

static void
next_literal(struct lexer *lexer, struct lexer_token *token)
{
    do {
        lexer_next(lexer, token);
    } while (token->kind != LEXER_END && token->kind != LEXER_JUNK && !is_literal(token));
}

static bool
is_same(const struct lexer_token *a, const struct lexer_token *b)
{
    return a->kind == b->kind && a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

// Writes the new text, with the literals of `sql` where those of the known text stood. False: they do not correspond.
static bool
exchange(struct writer *writer, const struct shape_rewrite *known, const char *sql, size_t length)
{
    struct lexer was, is, put;
    struct lexer_token of_known, of_sql, of_new;
    const char *from = known->new_sql;
    lexer_init(&was, known->sql, strlen(known->sql));
    lexer_init(&is, sql, length);
    lexer_init(&put, known->new_sql, strlen(known->new_sql));
    do {
        next_token(&was, &of_known);
        next_token(&is, &of_sql);
        if (is_literal(&of_known) && of_sql.kind == of_known.kind) {
            next_literal(&put, &of_new);
            if (!is_same(&of_new, &of_known)) {
                return false;
            }
            writer_bytes(writer, from, (size_t)(of_new.text - from));
            writer_bytes(writer, of_sql.text, of_sql.length);
            from = of_new.text + of_new.length;
        } else if (!is_same(&of_known, &of_sql)) {
            return false;
        }
    } while (of_known.kind != LEXER_END && of_known.kind != LEXER_JUNK);
    next_literal(&put, &of_new);
    writer_bytes(writer, from, strlen(from));
    writer_u8(writer, 0);
    return of_known.kind == LEXER_END && of_new.kind == LEXER_END;
}

// A whole other statement has parameters of types that new finds for them: texts, whatever old's were.
static bool
has_texts_alone(const struct canary_read *read)
{
    for (size_t i = 0; i < read->bind.value_count; i++) {
        if (read->bind.values[i].bytes && read->bind.values[i].format != 0) {
            return false;
        }
    }
    return true;
}

bool
canary_rewrite(struct canary_read *read, const struct shape_rewrite *known)
{
    bool is_same_text = strlen(known->sql) == read->sql_length &&
                        memcmp(known->sql, read->sql, read->sql_length) == 0;
    // The known texts are UTF-8; what the client's encoding is shows only where its text has other letters, too.
    bool is_readable = is_ascii(known->new_sql) || (is_same_text && !is_ascii(known->sql));
    if (!is_readable || (known->is_whole && !(is_same_text && has_texts_alone(read)))) {
        return false;
    }
    if (is_same_text) {
        read->new_sql = strdup(known->new_sql);
    } else {
        struct writer writer;
        size_t length;
        writer_init(&writer);
        if (exchange(&writer, known, read->sql, read->sql_length) && !writer.failed) {
            read->new_sql = (char *)writer_take(&writer, &length);
        }
        writer_fini(&writer);
    }
    read->is_replaced = known->is_whole;
    return read->new_sql != NULL;
}
