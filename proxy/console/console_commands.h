// What console.tbl names: the functions behind the commands and the columns of those that have no view. For the
// console's own files.
#ifndef PROXY_CONSOLE_CONSOLE_COMMANDS_H
#define PROXY_CONSOLE_CONSOLE_COMMANDS_H

#include "proxy/console/console.h"

#define COMMAND(syntax, help, shape, run) void run(struct console_run *);
// Several lines of the table name one function: declaring it again is no harm.
#include "proxy/console/console.tbl"
#undef COMMAND

extern const struct answer_shape console_clients_shape, console_servers_shape, console_lag_shape,
    console_ramp_shape, console_config_shape, console_version_shape, console_help_shape,
    console_setting_shape, console_one_shape, console_cohort_shape;

extern const struct console_command console_commands[];
extern const size_t console_command_count;

// The value that a PostgreSQL setting has here; NULL: none of those that drivers ask for.
const char *console_setting(const char *name);
// "Did you mean …" for a statement that no syntax fits.
void console_suggest(const char *statement, size_t length, char *hint, size_t hint_size);

// What was lowered is in force: does the store have it? For console_run.then.
void console_settle(struct console_run *run);
// Calls `each` for the database that the call names, or for all. False: there is no such database,
// and the error says so.
bool console_each_database(struct console_run *run,
                           void (*each)(struct console_run *run, struct database *database,
                                        void *context),
                           void *context);

#endif
