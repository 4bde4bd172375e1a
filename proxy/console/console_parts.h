// What a console session is made of, for console_session.c (its life), console_input.c (its bytes),
// console_login.c (who is it) and console_dialogue.c (messages to commands to replies). One thread: its loop's.
#ifndef PROXY_CONSOLE_CONSOLE_PARTS_H
#define PROXY_CONSOLE_CONSOLE_PARTS_H

#include "protocol/challenge.h"
#include "proxy/console/console.h"
#include "proxy/console/console_session.h"
#include "proxy/console/console_wire.h"

enum {
    CONSOLE_MESSAGE_MAX = 1024 * 1024,
    CONSOLE_OBJECTS_MAX = 256, // prepared statements, and portals
    CONSOLE_LOGIN_SECONDS = 60,
    CONSOLE_TICK_MS = 250,
};

// LOGIN ──admitted──► READY ──a command──► RUNNING ──its reply──► READY
// each of them ──end, error or shutdown──► CLOSING
enum console_state { CONSOLE_LOGIN, CONSOLE_READY, CONSOLE_RUNNING, CONSOLE_CLOSING };

struct console_statement {
    struct console_statement *next;
    char *name, *sql; // owned
    bool is_empty;
    uint32_t *types; // of its parameters; owned
    size_t parameter_count;
    const struct answer_shape *shape; // NULL: no rows
};

struct console_portal {
    struct console_portal *next;
    char *name; // owned
    bool is_empty;
    struct console_call call;
    struct console_formats formats;
    bool is_run; // `answer` and `tag` are there
    struct answer answer;
    char tag[64];
    size_t next_row;
};

struct console_session;

// What is outside: the stream, and the reporter's thread.
struct console_outlet {
    void (*send)(struct console_session *session, const uint8_t *bytes, size_t length);
    void (*run)(struct console_session *session); // `run`, then console_answered
    void (*stop)(struct console_session *session);
};

struct console_session {
    struct instance *instance;
    const struct console_outlet *outlet;
    struct stream *stream; // NULL when it is closed
    void (*closed)(void *context);
    void *context;
    uv_async_t answered; // from the reporter thread
    uv_timer_t timer;
    unsigned handles; // open ones of the two
    enum console_state state;
    bool is_running; // the reporter has `run`; may outlast the stream
    unsigned ticks;
    char *user, *actor; // owned
    struct challenge *challenge;
    uint8_t *input; // what came and is not yet understood; owned
    size_t input_length, input_capacity;
    struct writer output;
    bool is_full;     // the client takes nothing: no further message is understood
    bool is_skipping; // after an error in the extended protocol: up to Sync
    struct console_statement *statements;
    struct console_portal *portals;
    // The command under way.
    struct console_call call; // of a simple Query; a portal's is the portal's
    struct console_run run;
    char **queue; // the statements of a simple Query; owned
    size_t queue_length, queue_next;
    struct console_portal *portal; // NULL: simple Query
    int32_t row_limit;
};

// console_input.c
void console_input(struct console_session *session, const uint8_t *bytes, size_t length);
// What is whole of the input. True: more can be taken.
bool console_process(struct console_session *session);
void console_move(struct console_session *session, enum console_state state);
void console_stop(struct console_session *session); // idempotent
void console_send(struct console_session *session); // what `output` holds
void console_run_call(struct console_session *session, const struct console_call *call);
// FATAL, and the end.
void console_end(struct console_session *session, const struct console_error *error);

// console_login.c
// The startup packet is borrowed for the call.
void console_login_begin(struct console_session *session, const struct startup *startup);
void console_login_message(struct console_session *session, char type, const uint8_t *body,
                           size_t length);

// console_dialogue.c
void console_message(struct console_session *session, char type, const uint8_t *body,
                     size_t length);
// The next statement of the Query at hand, or its end. False: there is none.
bool console_go_on(struct console_session *session);
void console_answered(struct console_session *session); // `run` is filled in
void console_dialogue_fini(struct console_session *session);

#endif
