// SHOW …: what only reads. On the reporter thread.
#include "proxy/console/console_commands.h"
#include "proxy/relay/registry.h"
#include "proxy/report/reporter.h"
#include "proxy/report/view.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_SHOWN = 500 };

static void
count_rows(struct console_run *run)
{
    snprintf(run->tag, sizeof run->tag, "SHOW %zu", answer_rows(&run->answer));
}

static void
show(struct console_run *run, const struct view *view)
{
    struct pictures pictures;

    pictures_take(run->instance, view->depth, &pictures);
    view->fill(&run->answer, &pictures);
    run->answer.failed |= pictures.failed;
    pictures_fini(&pictures);
    count_rows(run);
}

void
console_show_status(struct console_run *run)
{
    show(run, &view_status);
}

void
console_show_queries(struct console_run *run)
{
    show(run, &view_queries);
}

void
console_show_mismatches(struct console_run *run)
{
    show(run, &view_mismatches);
}

void
console_show_tables(struct console_run *run)
{
    show(run, &view_tables);
}

void
console_show_skipped(struct console_run *run)
{
    show(run, &view_skipped);
}

void
console_show_mismatch(struct console_run *run)
{
    const char *text = run->call->slots[CONSOLE_ID];
    char *end = NULL;
    uint64_t id = text == NULL ? 0 : strtoull(text, &end, 10);
    struct pictures pictures;

    if (text == NULL || end == text || *end != '\0') {
        console_fail(&run->error, "22P02", "SHOW MISMATCHES lists the ids.",
                     "\"%s\" is not the id of a mismatch", text == NULL ? "NULL" : text);
        return;
    }
    pictures_take(run->instance, PICTURE_EVIDENCE, &pictures);
    view_mismatch(&run->answer, &pictures, id);
    run->answer.failed |= pictures.failed;
    pictures_fini(&pictures);
    if (answer_rows(&run->answer) == 0)
        console_fail(&run->error, "02000",
                     "SHOW MISMATCHES lists the ids; only the newest of each "
                     "query and class are kept.",
                     "there is no mismatch %" PRIu64, id);
    count_rows(run);
}

void
console_show_events(struct console_run *run)
{
    reporter_events(run->instance->reporter, EVENTS_SHOWN, view_event, &run->answer);
    count_rows(run);
}

static const struct answer_column clients_columns[] = {
    {"database", ANSWER_TEXT},
    {"user", ANSWER_TEXT},
    {"application_name", ANSWER_TEXT},
    {"address", ANSWER_TEXT},
    {"port", ANSWER_INTEGER},
    {"state", ANSWER_TEXT},
    {"backend_pid", ANSWER_INTEGER},
    {"connected_at", ANSWER_TIME},
    {"units", ANSWER_INTEGER},
    {"route", ANSWER_TEXT},
    {"tls", ANSWER_BOOLEAN},
    {"worker", ANSWER_INTEGER},
    {"id", ANSWER_INTEGER},
    {"session_key", ANSWER_TEXT}, // what SHOW COHORT takes where canary.key is session
};

const struct answer_shape console_clients_shape = ANSWER_SHAPE(clients_columns);

static void
add_client(void *context, const struct registry_client *client)
{
    static const char *const routes[] = {
        [UNIT_ROUTE_OLD] = "old", [UNIT_ROUTE_NEW] = "new", [UNIT_ROUTE_FALLBACK] = "fallback"};
    struct answer *answer = context;

    answer_text(answer, client->database->name);
    answer_text(answer, client->user);
    answer_text(answer, client->application_name);
    answer_text(answer, client->address);
    answer_integer(answer, (uint64_t)client->port);
    answer_text(answer, client_state_name((enum client_state)atomic_load(&client->state)));
    answer_integer(answer, client->backend_pid);
    answer_time(answer, client->connected_at);
    answer_integer(answer, atomic_load(&client->units));
    answer_text(answer, routes[atomic_load(&client->route)]);
    answer_boolean(answer, client->is_tls);
    answer_integer(answer, client->worker);
    answer_integer(answer, client->session);
    answer_text(answer, client->cohort_key);
}

void
console_show_clients(struct console_run *run)
{
    if (run->instance->registry != NULL)
        registry_each(run->instance->registry, add_client, &run->answer);
    count_rows(run);
}

static const struct answer_column servers_columns[] = {
    {"database", ANSWER_TEXT},        {"side", ANSWER_TEXT},
    {"up", ANSWER_BOOLEAN},           {"client_sessions", ANSWER_INTEGER},
    {"own_sessions", ANSWER_INTEGER},
};

const struct answer_shape console_servers_shape = ANSWER_SHAPE(servers_columns);

static void
add_server(void *context, struct database *database)
{
    struct answer *answer = context;

    for (int side = 0; side < 2; side++) {
        answer_text(answer, database->name);
        answer_text(answer, side == SIDE_OLD ? "old" : "new");
        answer_boolean(answer, atomic_load(&database->sides_up[side]));
        // A client's session on new is one of our own.
        answer_integer(answer, side == SIDE_OLD ? atomic_load(&database->old_sessions) : 0);
        answer_integer(answer, atomic_load(&database->own_sessions[side]));
    }
}

void
console_show_servers(struct console_run *run)
{
    databases_each(run->instance->databases, add_server, &run->answer);
    count_rows(run);
}

static const struct answer_column lag_columns[] = {
    {"database", ANSWER_TEXT},
    {"probe", ANSWER_TEXT},
    {"lag_seconds", ANSWER_REAL},
    {"trouble", ANSWER_TEXT},
};

const struct answer_shape console_lag_shape = ANSWER_SHAPE(lag_columns);

void
console_show_lag(struct console_run *run)
{
    struct pictures pictures;

    pictures_take(run->instance, PICTURE_BOOKS, &pictures);
    for (size_t i = 0; i < pictures.count; i++) {
        answer_text(&run->answer, pictures.list[i].database);
        answer_text(&run->answer, pictures.list[i].lag_probe);
        answer_real(&run->answer, pictures.list[i].lag_seconds);
        answer_text(&run->answer, pictures.list[i].lag_trouble);
    }
    run->answer.failed |= pictures.failed;
    pictures_fini(&pictures);
    count_rows(run);
}

static const struct answer_column config_columns[] = {{"key", ANSWER_TEXT}, {"value", ANSWER_TEXT}};
const struct answer_shape console_config_shape = ANSWER_SHAPE(config_columns);

static void
add_setting(void *context, const char *key, const char *value)
{
    answer_text(context, key);
    answer_text(context, value);
}

void
console_show_config(struct console_run *run)
{
    const struct configuration *configuration = instance_configuration(run->instance);

    configuration_each(configuration, add_setting, &run->answer);
    configuration_unref(&configuration);
    count_rows(run);
}

static const struct answer_column version_columns[] = {{"version", ANSWER_TEXT}};
const struct answer_shape console_version_shape = ANSWER_SHAPE(version_columns);

void
console_show_version(struct console_run *run)
{
    answer_text(&run->answer, "pgrehearse " PGREHEARSE_VERSION);
    count_rows(run);
}

static const struct answer_column help_columns[] = {{"command", ANSWER_TEXT},
                                                    {"does", ANSWER_TEXT}};
const struct answer_shape console_help_shape = ANSWER_SHAPE(help_columns);

void
console_show_help(struct console_run *run)
{
    for (size_t i = 0; i < console_command_count; i++)
        if (console_commands[i].help[0] != '\0') {
            answer_text(&run->answer, console_commands[i].syntax);
            answer_text(&run->answer, console_commands[i].help);
        }
    count_rows(run);
}
