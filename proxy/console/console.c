// Understanding a console statement: its words against the syntaxes of console.tbl. Pure but for
// console_start; any thread.
#include "proxy/console/console.h"
#include "compare/sql/lexer.h"
#include "proxy/console/console_commands.h"
#include "proxy/report/reporter.h"
#include "proxy/report/view.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORDS_MAX = 64 };

const struct console_command console_commands[] = {
#define COMMAND(syntax, help, shape, run) {syntax, help, shape, run},
#include "proxy/console/console.tbl"
#undef COMMAND
};

const size_t console_command_count = sizeof console_commands / sizeof console_commands[0];

void
console_fail(struct console_error *error, const char *sqlstate, const char *hint,
             const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    snprintf(error->sqlstate, sizeof error->sqlstate, "%s", sqlstate);
    snprintf(error->hint, sizeof error->hint, "%s", hint == NULL ? "" : hint);
}

// A word of the statement: what the lexer gives, with touching words, numbers and signs joined (a
// fingerprint lexes as numbers and words, `app-2` as three tokens).
struct word {
    enum lexer_kind kind;
    const char *text; // borrowed
    size_t length;
};

static bool
joins(const struct lexer_token *token)
{
    return token->kind == LEXER_WORD || token->kind == LEXER_NUMBER ||
           (token->kind == LEXER_OPERATOR && token->text[0] != '=') ||
           (token->kind == LEXER_PUNCTUATION && token->text[0] == '.');
}

// False: it does not lex, or has too many words.
static bool
split(const char *statement, size_t length, struct word *words, size_t *count)
{
    struct lexer lexer;
    struct lexer_token token;
    bool joined = false;

    *count = 0;
    lexer_init(&lexer, statement, length);
    for (lexer_next(&lexer, &token); token.kind != LEXER_END; lexer_next(&lexer, &token)) {
        struct word *last = *count > 0 ? &words[*count - 1] : NULL;

        if (token.kind == LEXER_JUNK)
            return false;
        if (token.kind == LEXER_COMMENT)
            continue;
        if (last != NULL && joined && joins(&token) && last->text + last->length == token.text) {
            last->length += token.length;
            continue;
        }
        if (*count == WORDS_MAX)
            return false;
        words[(*count)++] = (struct word){token.kind, token.text, token.length};
        joined = joins(&token);
    }
    return true;
}

static bool
is_word(const struct word *word, const char *text, size_t length)
{
    return word->length == length && strncasecmp(word->text, text, length) == 0;
}

// The word as a value: quotes taken off; a bare word in small letters, as PostgreSQL folds names.
static char *
value_of(const struct word *word)
{
    char *value = malloc(word->length + 1);
    size_t length = 0;

    if (value == NULL)
        return NULL;
    if (word->kind == LEXER_STRING || word->kind == LEXER_QUOTED_WORD) {
        char quote = word->text[word->length - 1];
        const char *begin = memchr(word->text, quote, word->length);
        const char *end = word->text + word->length - 1;

        for (const char *at = begin == NULL ? end : begin + 1; at < end; at++) {
            value[length++] = *at;
            if (*at == quote && at + 1 < end && at[1] == quote)
                at++;
        }
    } else {
        for (; length < word->length; length++)
            value[length] = (char)tolower((unsigned char)word->text[length]);
    }
    value[length] = '\0';
    return value;
}

static bool
slot_of(const char *name, size_t length, enum console_slot *slot)
{
    static const char *const names[CONSOLE_SLOTS] = {
        [CONSOLE_DATABASE] = "database",
        [CONSOLE_REASON] = "'text'",
        [CONSOLE_NAME] = "name",
        [CONSOLE_VALUE] = "value",
        [CONSOLE_FINGERPRINT] = "fingerprint",
        [CONSOLE_ID] = "id",
        [CONSOLE_KEY] = "'value'",
    };

    for (int i = 0; i < CONSOLE_SLOTS; i++)
        if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0) {
            *slot = (enum console_slot)i;
            return true;
        }
    return false;
}

static bool
take_slot(struct console_call *call, enum console_slot slot, const struct word *word)
{
    if (word->kind == LEXER_PARAMETER) {
        unsigned long number = strtoul(word->text + 1, NULL, 10);

        if (number == 0 || number > WORDS_MAX)
            return false;
        call->parameters[slot] = (unsigned)number;
        if (call->parameter_count < number)
            call->parameter_count = (unsigned)number;
        return true;
    }
    if ((slot == CONSOLE_REASON || slot == CONSOLE_KEY) && word->kind != LEXER_STRING)
        return false;
    if (word->kind == LEXER_PUNCTUATION ||
        (word->kind == LEXER_OPERATOR && word->length == 1 && word->text[0] == '='))
        return false;
    free(call->slots[slot]);
    call->slots[slot] = value_of(word);
    return call->slots[slot] != NULL;
}

static void
forget(struct console_call *call)
{
    for (int i = 0; i < CONSOLE_SLOTS; i++)
        free(call->slots[i]);
    memset(call, 0, sizeof *call);
}

// Does the syntax fit the words? Brackets are tried with what they hold first, then without; what
// they stood for is put together here, so that the recursion goes over plain items.
static bool
fits(const char *syntax, const struct word *words, size_t count, struct console_call *call)
{
    while (*syntax == ' ' || *syntax == ']')
        syntax++;
    if (*syntax == '[') {
        const char *past = strchr(syntax, ']') + 1;

        return fits(syntax + 1, words, count, call) || fits(past, words, count, call);
    }
    if (*syntax == '\0')
        return count == 0;
    if (strcmp(syntax, "...") == 0)
        return true;
    if (count == 0)
        return false;

    size_t length = strcspn(syntax, " ]");
    enum console_slot slot;

    // The rest first: a slot is filled on the way back, when all the others have fitted.
    if (!slot_of(syntax, length, &slot))
        return is_word(words, syntax, length) && fits(syntax + length, words + 1, count - 1, call);
    return fits(syntax + length, words + 1, count - 1, call) && take_slot(call, slot, words);
}

bool
console_parse(const char *statement, size_t length, struct console_call *call,
              struct console_error *error)
{
    struct word words[WORDS_MAX];
    size_t count;
    char hint[512];

    memset(call, 0, sizeof *call);
    memset(error, 0, sizeof *error);
    if (split(statement, length, words, &count))
        for (size_t i = 0; i < console_command_count; i++) {
            if (fits(console_commands[i].syntax, words, count, call)) {
                call->command = &console_commands[i];
                call->is_wait = count > 1 && is_word(&words[1], "WAIT", 4);
                return true;
            }
            forget(call);
        }
    console_suggest(statement, length, hint, sizeof hint);
    console_fail(error, "42601", hint, "unknown console command: \"%.*s\"",
                 (int)(length > 200 ? 200 : length), statement);
    return false;
}

void
console_call_fini(struct console_call *call)
{
    forget(call);
}

bool
console_call_bind(struct console_call *call, const char *const *values, size_t count)
{
    for (int i = 0; i < CONSOLE_SLOTS; i++) {
        unsigned number = call->parameters[i];

        if (number == 0 || number > count || values[number - 1] == NULL)
            continue;
        free(call->slots[i]);
        call->slots[i] = strdup(values[number - 1]);
        if (call->slots[i] == NULL)
            return false;
    }
    return true;
}

// The tag: the syntax's leading words in capitals, as PostgreSQL names its commands.
static void
default_tag(const char *syntax, char *tag, size_t size)
{
    size_t length = 0;

    for (const char *at = syntax; length + 1 < size && (isupper((unsigned char)*at) || *at == ' ');
         at++)
        tag[length++] = *at;
    while (length > 0 && tag[length - 1] == ' ')
        length--;
    tag[length] = '\0';
}

static void
finish(struct console_run *run)
{
    if (run->answer.failed && run->error.sqlstate[0] == '\0')
        console_fail(&run->error, "53200", NULL, "out of memory");
    run->done(run->context);
}

static void
go_on(void *context)
{
    struct console_run *run = context;

    run->then(run);
    finish(run);
}

static void
begin(void *context)
{
    struct console_run *run = context;

    run->call->command->run(run);
    if (run->then != NULL && run->error.sqlstate[0] == '\0')
        reporter_run_with_store(run->instance->reporter, go_on, run);
    else
        finish(run);
}

void
console_start(struct console_run *run, void (*done)(void *context), void *context)
{
    const struct console_command *command = run->call->command;

    answer_init(&run->answer, command->shape);
    memset(&run->error, 0, sizeof run->error);
    memset(&run->notice, 0, sizeof run->notice);
    default_tag(command->syntax, run->tag, sizeof run->tag);
    run->then = NULL;
    run->done = done;
    run->context = context;
    reporter_run(run->instance->reporter, begin, run);
}
