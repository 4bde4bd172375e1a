// The console understands what it documents, and says what was meant for what it does not.
#include "proxy/console/console.h"
#include <criterion/criterion.h>
#include <string.h>

static const struct understood {
    const char *statement, *syntax;
    const char *database, *reason, *name, *value, *fingerprint, *id, *key;
} understood[] = {
    {.statement = "SHOW STATUS", .syntax = "SHOW STATUS"},
    {.statement = "show /* me */ status", .syntax = "SHOW STATUS"},
    {.statement = "SHOW MISMATCH 42", .syntax = "SHOW MISMATCH id", .id = "42"},
    {.statement = "SET canary_percent = 5",
     .syntax = "SET name = value",
     .name = "canary_percent",
     .value = "5"},
    {.statement = "set Canary_Percent=0.25",
     .syntax = "SET name = value",
     .name = "canary_percent",
     .value = "0.25"},
    {.statement = "SET shadow_percent TO '50'",
     .syntax = "SET name TO value",
     .name = "shadow_percent",
     .value = "50"},
    {.statement = "ALTER DATABASE app SET canary_percent = 100",
     .syntax = "ALTER DATABASE database SET name = value",
     .database = "app",
     .name = "canary_percent",
     .value = "100"},
    {.statement = "ALTER DATABASE \"My\"\"App\" SET canary_percent = 1",
     .syntax = "ALTER DATABASE database SET name = value",
     .database = "My\"App",
     .name = "canary_percent",
     .value = "1"},
    {.statement = "ROLLBACK CANARY", .syntax = "ROLLBACK CANARY [database] [REASON 'text']"},
    {.statement = "ROLLBACK CANARY shop-2",
     .syntax = "ROLLBACK CANARY [database] [REASON 'text']",
     .database = "shop-2"},
    {.statement = "ROLLBACK CANARY REASON 'it''s slow'",
     .syntax = "ROLLBACK CANARY [database] [REASON 'text']",
     .reason = "it's slow"},
    {.statement = "ROLLBACK CANARY app REASON 'x'",
     .syntax = "ROLLBACK CANARY [database] [REASON 'text']",
     .database = "app",
     .reason = "x"},
    {.statement = "ROLLBACK", .syntax = "ROLLBACK"},
    {.statement = "ARM CANARY app", .syntax = "ARM CANARY [database]", .database = "app"},
    {.statement = "RELEASE 12e45678abcdef01",
     .syntax = "RELEASE fingerprint",
     .fingerprint = "12e45678abcdef01"},
    {.statement = "RELEASE '12e45678abcdef01'",
     .syntax = "RELEASE fingerprint",
     .fingerprint = "12e45678abcdef01"},
    {.statement = "ACCEPT 0a1b2c3d4e5f6071 REASON 'known'",
     .syntax = "ACCEPT fingerprint REASON 'text'",
     .fingerprint = "0a1b2c3d4e5f6071",
     .reason = "known"},
    {.statement = "SHOW COHORT 'Tenant 4''s'",
     .syntax = "SHOW COHORT 'value' [database]",
     .key = "Tenant 4's"},
    {.statement = "show cohort '' shop-2",
     .syntax = "SHOW COHORT 'value' [database]",
     .key = "",
     .database = "shop-2"},
    {.statement = "SHUTDOWN WAIT", .syntax = "SHUTDOWN [WAIT]"},
    {.statement = "begin isolation level read committed", .syntax = "BEGIN ..."},
    {.statement = "BEGIN", .syntax = "BEGIN ..."},
    {.statement = "SET datestyle = 'ISO', MDY", .syntax = "SET name = ...", .name = "datestyle"},
    {.statement = "SHOW server_version", .syntax = "SHOW name", .name = "server_version"},
    {.statement = "SELECT 1", .syntax = "SELECT value", .value = "1"},
};

static void
expect_slot(const struct understood *wanted, const char *found, const char *value)
{
    cr_expect((found == NULL) == (value == NULL), "%s: %s", wanted->statement,
              found == NULL ? "missing" : found);
    if (found != NULL && value != NULL)
        cr_expect_str_eq(found, value, "%s", wanted->statement);
}

Test(console, understands_what_it_documents)
{
    for (size_t i = 0; i < sizeof understood / sizeof understood[0]; i++) {
        const struct understood *wanted = &understood[i];
        struct console_call call;
        struct console_error error;

        cr_assert(console_parse(wanted->statement, strlen(wanted->statement), &call, &error), "%s",
                  wanted->statement);
        cr_expect_str_eq(call.command->syntax, wanted->syntax, "%s", wanted->statement);
        expect_slot(wanted, call.slots[CONSOLE_DATABASE], wanted->database);
        expect_slot(wanted, call.slots[CONSOLE_REASON], wanted->reason);
        expect_slot(wanted, call.slots[CONSOLE_NAME], wanted->name);
        expect_slot(wanted, call.slots[CONSOLE_VALUE], wanted->value);
        expect_slot(wanted, call.slots[CONSOLE_FINGERPRINT], wanted->fingerprint);
        expect_slot(wanted, call.slots[CONSOLE_ID], wanted->id);
        expect_slot(wanted, call.slots[CONSOLE_KEY], wanted->key);
        cr_expect_eq(call.is_wait, strstr(wanted->statement, "WAIT") != NULL);
        console_call_fini(&call);
    }
}

static const struct misunderstood {
    const char *statement, *hint;
} misunderstood[] = {
    {"SHWO STATUS", "SHOW STATUS"},
    {"SHOW STATUS now please", "The syntax is: SHOW STATUS"},
    {"ROLBACK CANARY", "ROLLBACK CANARY [database]"},
    {"ROLLBACK CANRY app", "ROLLBACK CANARY [database]"},
    {"ROLLBACK CANARY app REASON because", "The syntax is: ROLLBACK CANARY"},
    {"SET canary_percent", "SET name = value"},
    {"SHUTDWON", "SHUTDOWN [WAIT]"},
    {"SHOW MISMATCH", "The syntax is: SHOW MISMATCH id"},
    {"SHOW COHORT", "The syntax is: SHOW COHORT 'value' [database]"},
    {"SHOW COHORT tenant", "The syntax is: SHOW COHORT 'value' [database]"},
    {"SHOW COHORT 42 app", "The syntax is: SHOW COHORT 'value' [database]"},
    {"ALTER DATBASE app SET canary_percent = 1", "ALTER DATABASE database"},
    {"DROP TABLE orders", "SHOW HELP lists the commands."},
    {"'unterminated", "SHOW HELP"},
    {"", "SHOW HELP"},
};

Test(console, suggests_what_was_meant)
{
    for (size_t i = 0; i < sizeof misunderstood / sizeof misunderstood[0]; i++) {
        struct console_call call;
        struct console_error error;
        const char *statement = misunderstood[i].statement;

        // SHOW with one word is a setting of PostgreSQL to the parser; refused when it is run.
        if (console_parse(statement, strlen(statement), &call, &error)) {
            cr_expect_str_eq(call.command->syntax, "SHOW name", "%s", statement);
            console_call_fini(&call);
            continue;
        }
        cr_expect_str_eq(error.sqlstate, "42601");
        cr_expect(strstr(error.hint, misunderstood[i].hint) != NULL, "%s: %s", statement,
                  error.hint);
    }
}

Test(console, parameters_take_the_place_of_arguments)
{
    static const char statement[] = "ALTER DATABASE $2 SET canary_percent = $1";
    const char *const values[] = {"7", "app"};
    struct console_call call;
    struct console_error error;

    cr_assert(console_parse(statement, strlen(statement), &call, &error));
    cr_expect_eq(call.parameter_count, 2u);
    cr_expect_null(call.slots[CONSOLE_VALUE]);
    cr_assert(console_call_bind(&call, values, 2));
    cr_expect_str_eq(call.slots[CONSOLE_VALUE], "7");
    cr_expect_str_eq(call.slots[CONSOLE_DATABASE], "app");
    console_call_fini(&call);
}
