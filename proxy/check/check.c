// The check of each database in turn: reachability first, since without it nothing else can be said;
// then every part says what it finds. A failure of one part does not keep the others from looking.
#include "proxy/check/check.h"
#include "proxy/check/check_parts.h"
#include "proxy/control/lag.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static const uint64_t answer_limit = 30 * 1000000000ull, lag_limit = 3 * 1000000000ull;
static const char *const side_names[] = {"old", "new"};

static void
say(const char *kind, const char *format, va_list arguments)
{
    printf("  %s: ", kind);
    vprintf(format, arguments);
    putchar('\n');
}

void
check_fail(struct check *check, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("FAIL", format, arguments);
    va_end(arguments);
    check->failures++;
}

void
check_warn(struct check *check, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("warning", format, arguments);
    va_end(arguments);
    check->warnings++;
}

void
check_note(struct check *check, const char *format, ...)
{
    va_list arguments;

    (void)check;
    va_start(arguments, format);
    say("note", format, arguments);
    va_end(arguments);
}

bool
check_ask_both(struct check *check, const char *sql, const char *what, PGresult *results[2])
{
    for (int side = 0; side < 2; side++) {
        results[side] = side_link_query(&check->links[side], sql, NULL);
        if (results[side])
            continue;
        check_fail(check, "%s: %s cannot be found out: %s", side_names[side], what,
                   check->links[side].error);
        if (side == SIDE_NEW)
            PQclear(results[SIDE_OLD]);
        return false;
    }
    return true;
}

void
check_lag(struct check *check)
{
    const struct configuration_lag *settings = &check->settings->entry->lag;
    uint64_t replayed, age, end = uv_hrtime() + lag_limit;
    struct lag lag;
    enum lag_state state;

    lag_init(&lag);
    do { // a subscription may be just starting
        state = lag_poll(&lag, check->links, settings, &replayed);
        if (state == LAG_STATE_SILENT)
            uv_sleep(100);
    } while (state == LAG_STATE_SILENT && uv_hrtime() < end);
    if (state != LAG_STATE_KNOWN)
        check_fail(check, "lag: probe %s does not work, so that no difference can be confirmed: %s",
                   lag_probe_name(lag.probe), lag.trouble);
    else if (lag.probe == LAG_NONE)
        check_note(check, "lag: probe none%s: new is taken to be never more than settle behind",
                   settings->probe == LAG_AUTO ? " (old and new are the same cluster)" : "");
    else if (lag_history_age(&lag.history, replayed, uv_hrtime(), &age) && age > 0)
        check_note(check, "lag: probe %s works; new has not yet replayed old's position of now",
                   lag_probe_name(lag.probe));
    else
        check_note(check, "lag: probe %s works; new has replayed all of old",
                   lag_probe_name(lag.probe));
}

static bool
check_reach(struct check *check, enum side side)
{
    struct side_link *link = &check->links[side];

    link->limit = answer_limit;
    if (!side_link_up(link, check->settings->targets[side])) {
        printf("  FAIL: %s is out of reach: %s\n", side_names[side], link->error);
        return false;
    }

    PGresult *version = side_link_query(
        link, "SELECT current_setting('server_version'), current_user, pg_is_in_recovery()", NULL);

    if (!version) {
        printf("  FAIL: %s does not answer: %s\n", side_names[side], link->error);
        return false;
    }
    printf("  %s: PostgreSQL %s, database %s as %s, %s%s%s%s\n", side_names[side],
           PQgetvalue(version, 0, 0), PQdb(link->connection), PQgetvalue(version, 0, 1),
           PQhost(link->connection), PQhost(link->connection)[0] == '/' ? " port " : ":",
           PQport(link->connection), PQgetvalue(version, 0, 2)[0] == 't' ? ", in recovery" : "");
    PQclear(version);
    return true;
}

static int
check_database(struct database *database, const char *name)
{
    struct database_settings *settings = database_settings(database);
    struct check check = {.settings = settings};
    int outcome = 2;

    printf("%s\n", name);
    for (int side = 0; side < 2; side++)
        side_link_init(&check.links[side], -1);

    bool is_reached = check_reach(&check, SIDE_OLD);

    is_reached &= check_reach(&check, SIDE_NEW); // both, even if one is away
    if (is_reached) {
        check_lag(&check);
        check_schema(&check);
        check_settings(&check);
        check_roles(&check);
        check_functions(&check);
        outcome = check.failures > 0;
        printf("  %s; failures: %u, warnings: %u\n", outcome ? "not fit" : "fit", check.failures,
               check.warnings);
    }
    for (int side = 0; side < 2; side++)
        side_link_close(&check.links[side]);
    database_settings_unref(&settings);
    return outcome;
}

int
check_run(const char *configuration_path)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *configuration = configuration_load(configuration_path, error);

    if (!configuration) {
        fprintf(stderr, "pgrehearse: %s\n", error);
        return 2;
    }

    struct databases *databases = databases_new(configuration, error, sizeof error);
    int worst = databases ? 0 : 2;

    if (!databases)
        fprintf(stderr, "pgrehearse: %s: %s\n", configuration_path, error);
    for (size_t i = 0; databases && i < configuration->database_count; i++) {
        const char *name = configuration->databases[i].name;
        bool is_any = strcmp(name, "*") == 0;
        struct database *database = databases_find(databases, is_any ? "postgres" : name);
        int outcome = database ? check_database(database, is_any ? "* (as postgres)" : name) : 2;

        worst = outcome > worst ? outcome : worst;
    }
    databases_free(&databases);
    configuration_unref(&configuration);
    return worst;
}
