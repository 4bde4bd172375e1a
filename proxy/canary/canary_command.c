// Old parses these commands, and says whether they are right; here it only matters that a statement made of
// nothing but such words can do nothing else than begin, change or end a transaction.
#include "proxy/canary/canary_command.h"
#include "compare/sql/lexer.h"

static const struct {
    const char *word;
    enum canary_command command;
} first_words[] = {
    {"begin", CANARY_COMMAND_BEGIN}, {"start", CANARY_COMMAND_BEGIN},
    {"set", CANARY_COMMAND_SET},     {"commit", CANARY_COMMAND_END},
    {"end", CANARY_COMMAND_END},     {"rollback", CANARY_COMMAND_END},
    {"abort", CANARY_COMMAND_END},
};

static const char *const mode_words[] = {
    "isolation",   "level",      "read",         "only",       "write", "committed",
    "uncommitted", "repeatable", "serializable", "deferrable", "not",   ",",
};

static enum canary_command
command_of(const struct lexer_token *token)
{
    for (size_t i = 0; i < sizeof(first_words) / sizeof(*first_words); i++) {
        if (token->kind == LEXER_WORD && lexer_token_is(token, first_words[i].word)) {
            return first_words[i].command;
        }
    }
    return CANARY_COMMAND_NONE;
}

static bool
is_mode_word(const struct lexer_token *token)
{
    for (size_t i = 0; i < sizeof(mode_words) / sizeof(*mode_words); i++) {
        if (lexer_token_is(token, mode_words[i])) {
            return true;
        }
    }
    return false;
}

static void
next_token(struct lexer *lexer, struct lexer_token *token)
{
    do {
        lexer_next(lexer, token);
    } while (token->kind == LEXER_COMMENT);
}

// TRANSACTION or WORK, which only SET must have.
static bool
take_noun(struct lexer *lexer, struct lexer_token *token, enum canary_command command)
{
    bool is_transaction = lexer_token_is(token, "transaction");
    if (is_transaction || (command != CANARY_COMMAND_SET && lexer_token_is(token, "work"))) {
        next_token(lexer, token);
    }
    return is_transaction || command != CANARY_COMMAND_SET;
}

static void
note(struct canary_modes *modes, const struct lexer_token *token)
{
    modes->read_only = modes->read_only || lexer_token_is(token, "only");
    modes->read_write = modes->read_write || lexer_token_is(token, "write");
    modes->keeps_snapshot = modes->keeps_snapshot || lexer_token_is(token, "repeatable") ||
                            lexer_token_is(token, "serializable");
}

enum canary_command
canary_command_of(const char *sql, size_t length, struct canary_modes *modes)
{
    struct lexer lexer;
    struct lexer_token token;
    lexer_init(&lexer, sql, length);
    next_token(&lexer, &token);
    enum canary_command command = command_of(&token);
    if (command == CANARY_COMMAND_NONE) {
        return command;
    }
    next_token(&lexer, &token);
    if (!take_noun(&lexer, &token, command)) {
        return CANARY_COMMAND_NONE;
    }
    while (command != CANARY_COMMAND_END &&
           (token.kind == LEXER_WORD || token.kind == LEXER_PUNCTUATION) && is_mode_word(&token)) {
        note(modes, &token);
        next_token(&lexer, &token);
    }
    if (lexer_token_is(&token, ";")) {
        next_token(&lexer, &token);
    }
    return token.kind == LEXER_END ? command : CANARY_COMMAND_NONE;
}
