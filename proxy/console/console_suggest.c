// What an operator may have meant: the command whose words are nearest to those that were typed.
#include "compare/sql/lexer.h"
#include "proxy/console/console_commands.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 64 };

static size_t
least(size_t a, size_t b, size_t c)
{
    size_t d = a < b ? a : b;

    return d < c ? d : c;
}

// How many letters must be put in, left out, replaced or swapped with the next (Damerau).
static size_t
distance(const char *a, const char *b)
{
    size_t lengths[2] = {strlen(a), strlen(b)};
    size_t d[TEXT_MAX + 1][TEXT_MAX + 1];

    for (size_t i = 0; i <= lengths[0]; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= lengths[1]; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= lengths[0]; i++)
        for (size_t j = 1; j <= lengths[1]; j++) {
            d[i][j] =
                least(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[lengths[0]][lengths[1]];
}

// The first `wanted` words of a statement, in capitals, a blank between them.
static void
first_words(const char *statement, size_t length, size_t wanted, char text[TEXT_MAX + 1])
{
    struct lexer lexer;
    struct lexer_token token;
    size_t at = 0;

    lexer_init(&lexer, statement, length);
    lexer_next(&lexer, &token);
    for (size_t words = 0; words < wanted && token.kind != LEXER_END && token.kind != LEXER_JUNK;
         lexer_next(&lexer, &token)) {
        if (token.kind == LEXER_COMMENT)
            continue;
        if (words++ > 0 && at < TEXT_MAX)
            text[at++] = ' ';
        for (size_t i = 0; i < token.length && at < TEXT_MAX; i++)
            text[at++] = (char)toupper((unsigned char)token.text[i]);
    }
    text[at] = '\0';
}

// The words in capitals that a syntax begins with, and how many they are.
static size_t
keywords_of(const char *syntax, char text[TEXT_MAX + 1])
{
    size_t length = 0;
    size_t words = 1;

    while ((isupper((unsigned char)syntax[length]) || syntax[length] == ' ') && length < TEXT_MAX) {
        text[length] = syntax[length];
        length++;
    }
    while (length > 0 && text[length - 1] == ' ')
        length--;
    text[length] = '\0';
    for (size_t i = 0; i < length; i++)
        words += text[i] == ' ';
    return words;
}

void
console_suggest(const char *statement, size_t length, char *hint, size_t hint_size)
{
    const struct console_command *nearest = NULL;
    size_t nearest_distance = TEXT_MAX;
    size_t nearest_length = 0;

    for (size_t i = 0; i < console_command_count; i++) {
        char keywords[TEXT_MAX + 1];
        char typed[TEXT_MAX + 1];
        size_t words = keywords_of(console_commands[i].syntax, keywords);

        if (console_commands[i].help[0] == '\0')
            continue;
        first_words(statement, length, words, typed);

        size_t letters = strlen(keywords);
        size_t here = distance(typed, keywords);

        // Of equally near ones the longest: it was hit by more letters.
        if (here < nearest_distance || (here == nearest_distance && letters > nearest_length)) {
            nearest = &console_commands[i];
            nearest_distance = here;
            nearest_length = letters;
        }
    }
    if (nearest != NULL && nearest_distance == 0)
        snprintf(hint, hint_size, "The syntax is: %s", nearest->syntax);
    else if (nearest != NULL && nearest_distance <= 1 + nearest_length / 5)
        snprintf(hint, hint_size, "Did you mean \"%s\"? SHOW HELP lists the commands.",
                 nearest->syntax);
    else
        snprintf(hint, hint_size, "SHOW HELP lists the commands.");
}
