// Is a statement a command of a transaction's, and nothing else? By its words alone. Pure.
#ifndef PROXY_CANARY_CANARY_COMMAND_H
#define PROXY_CANARY_CANARY_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum canary_command {
    CANARY_COMMAND_NONE,
    CANARY_COMMAND_BEGIN, // BEGIN, START TRANSACTION
    CANARY_COMMAND_SET,   // SET TRANSACTION
    CANARY_COMMAND_END,   // COMMIT, END, ROLLBACK, ABORT
};

struct canary_modes { // what the command says of its transaction
    bool read_only, read_write;
    bool keeps_snapshot; // REPEATABLE READ, SERIALIZABLE
};

// Adds to `modes` what it says. Savepoints, two-phase commit and AND CHAIN are NONE.
enum canary_command canary_command_of(const char *sql, size_t length, struct canary_modes *modes);

#endif
