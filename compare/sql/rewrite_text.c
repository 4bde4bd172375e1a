// The text of a statement that is renamed: where its names stand, what is put in their places, and the whole put together.
// libpg_query says where a name begins, in bytes of the statement; where it ends, the tokens say.
#include "compare/sql/rewrite_names.h"

#include "compare/sql/lexer.h"
#include <stdlib.h>
#include <string.h>

void
renaming_refuse(struct renaming *renaming, const char *because)
{
    if (renaming->because == NULL)
        renaming->because = because;
}

void *
renaming_grow(struct renaming *renaming, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    void *larger = reallocarray(array, *capacity * 2 + 16, size);
    if (larger == NULL)
        renaming->no_memory = true;
    else
        *capacity = *capacity * 2 + 16;
    return larger;
}

void
renaming_splice(struct renaming *renaming, size_t at, size_t end, struct text *text)
{
    struct rewrite_splice *larger =
        renaming_grow(renaming, renaming->splices, renaming->splice_count,
                      &renaming->splice_capacity, sizeof(*renaming->splices));
    char *kept =
        arena_bytes(&renaming->arena, text->bytes == NULL ? "" : text->bytes, text->length);
    renaming->no_memory |= larger == NULL || kept == NULL || text->has_failed;
    text_fini(text);
    if (larger != NULL)
        renaming->splices = larger;
    if (renaming->no_memory)
        return;
    if (end <= at || end > renaming->subject->length)
        renaming_refuse(renaming, "a name was not found where it should be");
    renaming->splices[renaming->splice_count] =
        (struct rewrite_splice){at, end, kept, renaming->splice_count};
    renaming->splice_count++;
}

// The tokens of a dotted name from `at` on; *last is where the last one begins.
size_t
renaming_dotted(const struct renaming *renaming, size_t at, size_t parts, size_t *last)
{
    const struct rewrite_subject *subject = renaming->subject;
    struct lexer lexer;
    struct lexer_token token;
    if (at >= subject->length)
        return 0;
    lexer_init(&lexer, subject->sql + at, subject->length - at);
    for (;;) {
        do
            lexer_next(&lexer, &token);
        while (token.kind == LEXER_COMMENT);
        if (token.kind != LEXER_WORD && token.kind != LEXER_QUOTED_WORD)
            return 0;
        *last = (size_t)(token.text - subject->sql);
        if (--parts == 0)
            return *last + token.length;
        do
            lexer_next(&lexer, &token);
        while (token.kind == LEXER_COMMENT);
        if (!lexer_token_is(&token, "."))
            return 0;
    }
}

size_t
renaming_end_of(const struct renaming *renaming, size_t at, size_t parts)
{
    size_t last;
    return renaming_dotted(renaming, at, parts, &last);
}

static int
by_place(const void *a, const void *b)
{
    const struct rewrite_splice *left = a, *right = b;
    if (left->at != right->at)
        return left->at < right->at ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

char *
renaming_text(struct renaming *renaming)
{
    struct text text = {0};
    const char *sql = renaming->subject->sql;
    size_t done = 0;
    qsort(renaming->splices, renaming->splice_count, sizeof(*renaming->splices), by_place);
    for (size_t i = 0; i < renaming->splice_count; i++) {
        const struct rewrite_splice *splice = &renaming->splices[i];
        if (splice->at < done) {
            renaming_refuse(renaming, "two names stand at one place");
            break;
        }
        text_add_bytes(&text, sql + done, splice->at - done);
        text_add(&text, splice->text);
        done = splice->end;
    }
    text_add_bytes(&text, sql + done, renaming->subject->length - done);
    return text_take(&text);
}
