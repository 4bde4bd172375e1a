// What drivers and tools send by themselves: transactions, settings of PostgreSQL, a SELECT 1 to see
// whether anyone is there. Accepted without effect, but only what is known: a mistyped setting of ours must
// not look as if it had been set.
#include "proxy/console/console_commands.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct setting {
    const char *name;
    const char *value;
} settings[] = {
    {"application_name", ""},
    {"bytea_output", "hex"},
    {"client_encoding", "UTF8"},
    {"client_min_messages", "notice"},
    {"datestyle", "ISO, MDY"},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off"},
    {"extra_float_digits", "1"},
    {"idle_in_transaction_session_timeout", "0"},
    {"integer_datetimes", "on"},
    {"intervalstyle", "postgres"},
    {"lock_timeout", "0"},
    {"max_identifier_length", "63"},
    {"search_path", "\"$user\", public"},
    {"server_encoding", "UTF8"},
    {"server_version", "15.0 (pgrehearse " PGREHEARSE_VERSION ")"},
    {"server_version_num", "150000"},
    {"standard_conforming_strings", "on"},
    {"statement_timeout", "0"},
    {"timezone", "UTC"},
    {"transaction_isolation", "read committed"},
    {"transaction_read_only", "off"},
};

const char *
console_setting(const char *name)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strcmp(settings[i].name, name) == 0)
            return settings[i].value;
    return NULL;
}

void
console_ignore(struct console_run *run)
{
    // The tags that clients look at are those of the first word.
    run->tag[strcspn(run->tag, " ")] = '\0';
    if (strcmp(run->tag, "START") == 0)
        snprintf(run->tag, sizeof run->tag, "START TRANSACTION");
    else if (strcmp(run->tag, "END") == 0)
        snprintf(run->tag, sizeof run->tag, "COMMIT");
    else if (strcmp(run->tag, "ABORT") == 0)
        snprintf(run->tag, sizeof run->tag, "ROLLBACK");
    else if (strcmp(run->tag, "DISCARD") == 0)
        snprintf(run->tag, sizeof run->tag, "DISCARD ALL");
}

void
console_set_ignored(struct console_run *run)
{
    const char *name = run->call->slots[CONSOLE_NAME];

    snprintf(run->tag, sizeof run->tag, "SET");
    if (name == NULL || console_setting(name) == NULL)
        console_fail(&run->error, "42704",
                     "canary_percent and shadow_percent can be set; settings of PostgreSQL that "
                     "drivers send are accepted without effect.",
                     "unrecognized configuration parameter \"%s\"", name == NULL ? "" : name);
}

static const struct answer_column setting_columns[] = {{"setting", ANSWER_TEXT}};
const struct answer_shape console_setting_shape = ANSWER_SHAPE(setting_columns);

void
console_show_setting(struct console_run *run)
{
    const char *name = run->call->slots[CONSOLE_NAME];
    const char *value = name == NULL ? NULL : console_setting(name);
    char statement[128];
    char hint[512];

    if (value != NULL) {
        answer_text(&run->answer, value);
        return;
    }
    snprintf(statement, sizeof statement, "SHOW %s", name == NULL ? "" : name);
    console_suggest(statement, strlen(statement), hint, sizeof hint);
    console_fail(&run->error, "42601", hint, "unknown console command: \"%s\"", statement);
}

void
console_show_isolation(struct console_run *run)
{
    answer_text(&run->answer, console_setting("transaction_isolation"));
}

static const struct answer_column one_columns[] = {{"?column?", ANSWER_INTEGER}};
const struct answer_shape console_one_shape = ANSWER_SHAPE(one_columns);

void
console_select(struct console_run *run)
{
    const char *value = run->call->slots[CONSOLE_VALUE];
    char *end = NULL;
    uint64_t number = value == NULL ? 0 : strtoull(value, &end, 10);

    if (value == NULL || *value == '\0' || *end != '\0') {
        console_fail(&run->error, "0A000",
                     "This is the admin console, not a database. SHOW HELP lists the commands.",
                     "the console runs no queries");
        return;
    }
    answer_integer(&run->answer, number);
    snprintf(run->tag, sizeof run->tag, "SELECT 1");
}
