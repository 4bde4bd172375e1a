// The check of each database in turn. Relations and columns are compared by the names that sessions say: the connection
// string's own session (its user, its `options`) decides by its search_path what a name without a schema means, on each
// side, so that old's public.items is v2.items on a new with options='-c search_path=v2'. All questions are read-only
// and have time-outs; pg_monitor is enough for nearly all, and what cannot be read is said as a note. A side out of
// reach does not keep the other's own findings from being printed.
#include "proxy/check/check.h"
#include "proxy/check/ask.h"
#include "proxy/check/check_secrets.h"
#include "proxy/check/check_tls.h"
#include "proxy/databases.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t answer_limit = 30 * 1000000000ull; // ns; statements end themselves before

enum { COULD_NOT = 2 };

static const struct format {
    const char *name;
    bool (*print)(FILE *out, const struct findings *databases, size_t count);
} formats[] = {{"text", findings_print_text}, {"json", findings_print_json}};

static void (*const parts[])(struct check *check) = {
    check_versions,  check_settings,      check_collations, check_types,         check_functions,
    check_relations, check_rewrites,      check_roles,      check_role_settings, check_privileges,
    check_identity,  check_secrets_query, check_logins,     check_tls,
};

static void
reach(struct check *check, enum side side)
{
    struct side_link *link = &check->links[side];
    char *about = check->findings.about[side];
    size_t size = sizeof check->findings.about[side];

    link->limit = answer_limit;
    check->is_up[side] = side_link_up(link, check->settings->targets[side]);
    if (!check->is_up[side]) {
        snprintf(about, size, "out of reach");
        findings_add(&check->findings, FINDING_unreachable, check_side_names[side], "%s",
                     link->error);
        check->findings.is_cut_short = true;
        return;
    }

    const char *host = PQhost(link->connection);
    const char *version = PQparameterStatus(link->connection, "server_version");

    snprintf(about, size, "PostgreSQL %.*s, %s%s%s, %s as %s", (int)strcspn(version, " "), version,
             host, host[0] == '/' ? " port " : ":", PQport(link->connection),
             PQdb(link->connection), PQuser(link->connection));
}

static void
check_database(struct database *database, const char *name, struct findings *findings)
{
    struct database_settings *settings = database_settings(database);
    struct check check = {.settings = settings, .name = name};

    check.findings = (struct findings){.database = name, .lag = ""};
    for (int side = 0; side < 2; side++) {
        side_link_init(&check.links[side], -1);
        reach(&check, (enum side)side);
    }
    check_lag(&check);
    for (int side = 0; side < 2; side++) {
        if (check.is_up[side])
            ask_begin(&check, (enum side)side);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        parts[i](&check);
    for (int side = 0; side < 2; side++) {
        side_link_close(&check.links[side]);
        facts_fini(&check.relations[side]);
        facts_fini(&check.roles[side]);
        free(check.paths[side]);
    }
    database_settings_unref(&settings);
    *findings = check.findings;
}

// [0] is what concerns no database.
static void
check_all(const struct configuration *configuration, struct databases *databases,
          struct findings *findings)
{
    findings[0] = (struct findings){.database = "-", .lag = ""};
    check_secrets_files(&findings[0], configuration);
    check_tls_listen(&findings[0], &configuration->listen.tls);
    for (size_t i = 0; i < configuration->database_count; i++) {
        const char *name = configuration->databases[i].name;
        struct database *database =
            databases_find(databases, strcmp(name, "*") == 0 ? "postgres" : name);

        findings[i + 1] = (struct findings){.database = name, .lag = "", .failed = true};
        if (database)
            check_database(database, name, &findings[i + 1]);
    }
}

static int
print_all(const struct format *format, struct findings *findings, size_t count)
{
    int worst = 0;

    if (!format->print(stdout, findings, count)) {
        fprintf(stderr, "pgrehearse: the findings could not be written\n");
        worst = COULD_NOT;
    }
    for (size_t i = 0; i < count; i++) {
        int outcome = (int)findings_outcome(&findings[i]);

        if (findings[i].failed)
            fprintf(stderr, "pgrehearse: out of memory\n");
        worst = outcome > worst ? outcome : worst;
        findings_fini(&findings[i]);
    }
    return worst;
}

static int
run(const struct configuration *configuration, const struct format *format)
{
    char error[CONFIGURATION_ERROR_SIZE];
    size_t count = configuration->database_count + 1;
    struct findings *findings = calloc(count, sizeof *findings);
    struct databases *databases = databases_new(configuration, error, sizeof error);
    int outcome = COULD_NOT;

    if (!databases) {
        fprintf(stderr, "pgrehearse: %s: %s\n", configuration->path, error);
    } else if (findings) {
        check_all(configuration, databases, findings);
        outcome = print_all(format, findings, count);
    }
    databases_free(&databases);
    free(findings);
    return outcome;
}

int
check_run(const char *configuration_path, const char *format)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct format *chosen = NULL;

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!format || strcmp(formats[i].name, format) == 0)
            chosen = chosen ? chosen : &formats[i];
    }
    if (!chosen) {
        fprintf(stderr, "pgrehearse: --format \"%s\" is not known; use text or json\n", format);
        return COULD_NOT;
    }

    const struct configuration *configuration = configuration_load(configuration_path, error);

    if (!configuration) {
        fprintf(stderr, "pgrehearse: %s\n", error);
        return COULD_NOT;
    }

    int outcome = run(configuration, chosen);

    configuration_unref(&configuration);
    return outcome;
}
