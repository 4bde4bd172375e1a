// The console's commands: parsed on any thread, run on the reporter's threads. One table, console.tbl, gives
// syntax, help, columns and function of each. The protocol is in console_session.c.
#ifndef PROXY_CONSOLE_CONSOLE_H
#define PROXY_CONSOLE_CONSOLE_H

#include "proxy/instance.h"
#include "proxy/report/answer.h"

enum console_slot { // arguments, by their word in a syntax
    CONSOLE_DATABASE,
    CONSOLE_REASON /* 'text' */,
    CONSOLE_NAME,
    CONSOLE_VALUE,
    CONSOLE_FINGERPRINT,
    CONSOLE_ID,
    CONSOLE_KEY /* 'value' */,
    CONSOLE_SLOTS,
};

struct console_run;

struct console_command {
    const char *syntax, *help;
    const struct answer_shape *shape; // NULL: gives no rows
    void (*run)(struct console_run *run);
};

struct console_call { // one statement, understood
    const struct console_command *command;
    char *slots[CONSOLE_SLOTS];         // owned; NULL: left out, or a parameter
    unsigned parameters[CONSOLE_SLOTS]; // $n, 0: none
    unsigned parameter_count;           // the highest n
    bool is_wait;                       // SHUTDOWN WAIT
};

struct console_error {
    char sqlstate[6]; // "": there is none
    char message[512];
    char hint[512]; // "": none
};

struct console_run { // one call under way
    struct instance *instance;
    const struct console_call *call;
    const char *actor; // for the audit log
    struct answer answer;
    char tag[64]; // of CommandComplete
    struct console_error error, notice;
    void (*then)(struct console_run *run); // what is left to do with the store; NULL: nothing
    void (*done)(void *context);
    void *context;
};

// False: `error` says why. `statement` is one statement (lexer_split).
bool console_parse(const char *statement, size_t length, struct console_call *call,
                   struct console_error *error);
void console_call_fini(struct console_call *call);
// Puts the parameters' values ($1 first) into the slots. False: no memory.
bool console_call_bind(struct console_call *call, const char *const *values, size_t count);

// Fills in answer and tag, or the error, and maybe a notice, on the reporter's thread and, where the store is needed, on the
// store's; then calls `done` there.
void console_start(struct console_run *run, void (*done)(void *context), void *context);

void console_fail(struct console_error *error, const char *sqlstate, const char *hint,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
