// The configuration: defaults as documented, and for every mistake the exact message, with file, line
// and key. The example file is held to the tables: it says every key, with its default.
#include "config/configuration.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATABASES "databases:\n  app:\n    old: dbname=o\n    new: dbname=n\n"

static const struct configuration *
load(const char *text, char error[CONFIGURATION_ERROR_SIZE])
{
    char path[] = "/tmp/configuration-XXXXXX";
    int fd = mkstemp(path);

    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);

    const struct configuration *configuration = configuration_load(path, error);

    unlink(path);
    // The file's name is replaced, so that cases can say whole messages.
    if (strncmp(error, path, strlen(path)) == 0) {
        memmove(error + 1, error + strlen(path), strlen(error + strlen(path)) + 1);
        error[0] = 'F';
    }
    return configuration;
}

struct mistake {
    const char *text, *error;
};

static void
expect_mistakes(const struct mistake *mistakes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char error[CONFIGURATION_ERROR_SIZE];
        const struct configuration *configuration = load(mistakes[i].text, error);

        cr_expect_null(configuration, "taken: %s", mistakes[i].text);
        cr_expect_str_eq(error, mistakes[i].error, "for:\n%s\n  said: %s\n  want: %s",
                         mistakes[i].text, error, mistakes[i].error);
        if (configuration)
            configuration_unref(&configuration);
    }
}

#define EXPECT_MISTAKES(mistakes) expect_mistakes(mistakes, sizeof mistakes / sizeof *mistakes)

Test(configuration, defaults_are_as_documented)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *c = load(DATABASES, error);

    cr_assert(c, "%s", error);
    cr_expect_str_eq(c->listen.host, "127.0.0.1");
    cr_expect_eq(c->listen.port, 6432);
    cr_expect_str_eq(c->listen.unix_socket_dir, "");
    cr_expect_eq(c->listen.workers, 0);
    cr_expect_eq(c->listen.max_client_connections, 10000);
    cr_expect_eq(c->listen.tls.mode, TLS_DISABLE);
    cr_expect_eq(c->auth.type, AUTH_PASSTHROUGH);
    cr_expect_eq(c->auth.unchallenged, UNCHALLENGED_REFUSE);
    cr_expect_eq(c->admin.user_count, 1);
    cr_expect_str_eq(c->admin.users[0], "postgres");
    cr_expect_str_eq(c->http.listen, "127.0.0.1:9632");
    cr_expect_str_eq(c->http.token, "");
    cr_expect_str_eq(c->store, "sqlite:pgrehearse.db");
    cr_assert_eq(c->database_count, 1);

    const struct configuration_database *d = &c->databases[0];

    cr_expect_str_eq(d->name, "app");
    cr_expect_str_eq(d->old, "dbname=o");
    cr_expect_str_eq(d->new, "dbname=n");
    cr_expect_eq(d->identity, IDENTITY_SAME);
    cr_expect_eq(d->lag.probe, LAG_AUTO);
    cr_expect_eq(d->lag.poll, 250000000);
    cr_expect_eq(d->lag.max_wait, 5000000000);
    cr_expect_eq(d->canary.percent, 0);
    cr_expect_eq(d->canary.key, COHORT_SESSION);
    cr_expect_eq(d->canary.patience, 250000000);
    cr_expect_eq(d->canary.hold, 262144);
    cr_expect_eq(d->canary.hedge, 0);
    cr_expect_eq(d->canary.after_write, 1000000000);
    cr_expect_eq(d->canary.after_write_scope, WRITE_SCOPE_SESSION);
    cr_expect(d->canary.quarantine);
    cr_expect_eq(d->shadow.percent, 10000);
    cr_expect_eq(d->shadow.connections, 8);
    cr_expect_eq(d->shadow.max_connections, 32);
    cr_expect_eq(d->shadow.idle_timeout, 60000000000u);
    cr_expect_eq(d->shadow.lifetime, 3600000000000u);
    cr_expect_eq(d->shadow.max_per_second, 0);
    cr_expect_eq(d->shadow.noise, 0.01);
    cr_expect_eq(d->shadow.memory, 67108864);
    cr_expect_eq(d->shadow.max_result, 16777216);
    cr_expect_eq(d->shadow.max_request, 1048576);
    cr_expect_eq(d->shadow.timeout, 10000000000);
    cr_expect_eq(d->shadow.recheck.rounds, 5);
    cr_expect_eq(d->shadow.recheck.attempts, 10);
    cr_expect_eq(d->shadow.recheck.settle, 100000000);
    cr_expect_eq(d->shadow.recheck.max_per_second, 20);
    cr_expect_eq(d->compare.float_tolerance, 1e-12);
    cr_expect_eq(d->compare.samples, SAMPLES_MASKED);
    cr_expect_eq(d->compare.keys, KEYS_AS_SAMPLES);
    cr_expect_eq(d->compare.rule_count, 0);
    cr_expect_eq(d->rewrite_count, 0);
    cr_expect_eq(d->guardrail.window, 60000000000);
    cr_expect_eq(d->guardrail.min_comparisons, 200);
    cr_expect_eq(d->guardrail.max_mismatch_rate, 0.001);
    cr_expect_eq(d->guardrail.max_error_rate, 0.01);
    cr_expect_eq(d->guardrail.max_latency_ratio, 3.0);
    cr_expect_eq(d->guardrail.max_lag, 10000000000);
    cr_expect_eq(d->guardrail.max_fallback_rate, 0.2);
    cr_expect_eq(d->guardrail.action, GUARDRAIL_ROLLBACK);
    cr_expect_eq(d->gate.min_comparisons, 1000);
    cr_expect_eq(d->gate.max_mismatch_rate, 0.001);
    cr_expect_eq(d->gate.confidence, 0.95);
    cr_expect_eq(d->gate.max_latency_ratio, 3.0);
    cr_expect_eq(d->gate.min_coverage, 0);
    cr_expect_eq(d->gate.min_distinct, 0);
    cr_expect_eq(d->ramp_on_breach, RAMP_TO_LAST_GOOD);
    cr_expect_eq(d->ramp_count, 0);
    configuration_unref(&c);
    cr_expect_null(c);
}

struct lines {
    char *text;
    size_t size;
    FILE *out;
};

static void
collect(void *context, const char *key, const char *value)
{
    if (strcmp(key, "databases.app.old") != 0 && strcmp(key, "databases.app.new") != 0)
        fprintf(((struct lines *)context)->out, "%s = %s\n", key, value);
}

static char *
shown(const struct configuration *configuration)
{
    struct lines lines = {0};

    lines.out = open_memstream(&lines.text, &lines.size);
    configuration_each(configuration, collect, &lines);
    fclose(lines.out);
    return lines.text;
}

Test(configuration, the_example_says_every_key_with_its_default)
{
    char error[CONFIGURATION_ERROR_SIZE], path[4096];

    snprintf(path, sizeof path, "%s", __FILE__);
    strcpy(strstr(path, "tests/unit/"), "config/example.yaml");

    const struct configuration *example = configuration_load(path, error);

    cr_assert(example, "%s", error);

    const struct configuration *defaults = load(DATABASES, error);
    char *said = shown(example), *expected = shown(defaults);

    cr_expect_str_eq(said, expected);

    // Every last word of a shown key stands in the file as a key of its own.
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536), *state, *line;

    cr_assert(file && fread(text, 1, 65535, file) > 0);
    fclose(file);
    for (line = strtok_r(said, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        char key[256];

        *strchr(line, ' ') = '\0';
        snprintf(key, sizeof key, "%s%s:", strchr(line, '.') ? " " : "\n",
                 strrchr(line, '.') ? strrchr(line, '.') + 1 : line);
        cr_expect(strstr(text, key), "%s is not in the example", line);
    }
    free(text);
    free(said);
    free(expected);
    configuration_unref(&example);
    configuration_unref(&defaults);
}

Test(configuration, everything_can_be_set)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *c =
        load("listen: {host: '*', port: 7000, tls: {mode: verify-full, cert: c, key: k, ca: a}}\n"
             "auth: {type: cert}\n"
             "admin: {users: [a, b]}\n"
             "http: {listen: '[::1]:80', token: hush}\n"
             "store: postgresql://me:secret@h/db\n"
             "databases:\n"
             "  app:\n"
             "    old: host=a password=hidden\n"
             "    new: postgresql://u:hidden@h/n\n"
             "    identity: set_role\n"
             "    safe_functions: [public.f, app.g]\n"
             "    lag: {probe: query, sql: SELECT position()}\n"
             "    canary: {percent: 0.25, key: 'comment:tenant', include: [x], exclude: [y, z],\n"
             "             quarantine: no, hedge: 50ms, after_write_scope: key}\n"
             "    compare:\n"
             "      rules:\n"
             "        - {match: {table: orders, column: total}, tolerance: 0.01}\n"
             "        - {match: {column: '*_at'}, as: instant}\n"
             "        - {match: {fingerprint: 'abc*'}, accept: known}\n"
             "        - {extra_columns: allow}\n"
             "    rewrite:\n"
             "      - {tables: {orders: sales.orders_v2}, columns: {orders.total: amount}}\n"
             "      - {tables: {items: sales.items}}\n"
             "      - {like: 'SELECT %', to: SELECT 1}\n"
             "    ramp: [{percent: 1, hold: 10m}, {percent: 50, hold: 1h}]\n"
             "  '*': {old: dbname=o, new: dbname=n}\n",
             error);

    cr_assert(c, "%s", error);

    const struct configuration_database *d = configuration_database(c, "app");

    cr_assert(d);
    cr_expect_eq(d->canary.percent, 25);
    cr_expect_eq(d->canary.key, COHORT_COMMENT);
    cr_expect_str_eq(d->canary.key_name, "tenant");
    cr_expect_not(d->canary.quarantine);
    cr_expect_eq(d->canary.hedge, 50000000);
    cr_expect_eq(d->canary.after_write_scope, WRITE_SCOPE_KEY);
    cr_expect_eq(d->canary.exclude_count, 2);
    cr_expect_str_eq(d->canary.exclude[1], "z");
    cr_expect_eq(d->lag.probe, LAG_QUERY);
    cr_assert_eq(d->compare.rule_count, 4);
    cr_expect_str_eq(d->compare.rules[0].table, "orders");
    cr_expect_null(d->compare.rules[0].fingerprint);
    cr_expect_eq(d->compare.rules[0].tolerance, 0.01);
    cr_expect_lt(d->compare.rules[1].tolerance, 0);
    cr_expect_eq(d->compare.rules[1].as, RULE_AS_INSTANT);
    cr_expect_str_eq(d->compare.rules[2].accept, "known");
    cr_expect_null(d->compare.rules[1].accept);
    cr_expect(d->compare.rules[3].allow_extra_columns);
    cr_assert_eq(d->rewrite_count, 3);
    cr_expect_str_eq(d->rewrites[0].columns[0].from, "orders.total");
    cr_expect_str_eq(d->rewrites[0].columns[0].to, "amount");
    cr_assert_eq(d->rewrites[1].table_count, 1);
    cr_expect_str_eq(d->rewrites[1].tables[0].to, "sales.items");
    cr_expect_str_eq(d->rewrites[2].to, "SELECT 1");
    cr_assert_eq(d->ramp_count, 2);
    cr_expect_eq(d->ramp[1].percent, 5000);
    cr_expect_eq(d->ramp[1].hold, 3600000000000);
    cr_expect_str_eq(configuration_database(c, "other")->name, "*");

    char *text = shown(c);

    cr_expect(strstr(text, "http.token = ***\n"));
    cr_expect(strstr(text, "canary.key = comment:tenant\n"));
    cr_expect_null(strstr(text, "hush"));
    cr_expect_null(strstr(text, "secret"));
    free(text);
    configuration_unref(&c);
}

static void
find_secret(void *context, const char *key, const char *value)
{
    (void)key;
    if (strstr(value, "hidden"))
        *(bool *)context = true;
}

static void
expect_nothing_hidden_in(const char *store)
{
    char error[CONFIGURATION_ERROR_SIZE], text[512];

    snprintf(text, sizeof text, "store: %s\n%s", store,
             "http: {token: hidden}\n"
             "databases:\n"
             "  app:\n"
             "    old: host=a password=hidden\n"
             "    new: postgresql://u:hidden@h/n\n");

    const struct configuration *c = load(text, error);
    bool is_shown = false;

    cr_assert(c, "%s", error);
    configuration_each(c, find_secret, &is_shown);
    cr_expect_not(is_shown);
    configuration_unref(&c);
}

Test(configuration, passwords_are_never_shown)
{
    expect_nothing_hidden_in("postgres://u:hidden@h/d");
    expect_nothing_hidden_in("host=h user=u password=hidden");
}

Test(configuration, without_an_entry_for_any_name_an_unknown_database_is_none)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *c = load(DATABASES, error);

    cr_assert(c);
    cr_expect_null(configuration_database(c, "other"));
    configuration_unref(&c);
}

Test(configuration, an_alias_stands_for_what_it_names)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *c =
        load("databases:\n  a: {old: dbname=o, new: dbname=n, shadow: &s {connections: 3}}\n"
             "  b: {old: dbname=o, new: dbname=n, shadow: *s}\n",
             error);

    cr_assert(c, "%s", error);
    cr_expect_eq(configuration_database(c, "b")->shadow.connections, 3);
    configuration_unref(&c);
}

Test(configuration, a_group_with_everything_commented_out_has_its_defaults)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *c = load(
        "listen:\nadmin:\n  users:\n" DATABASES "    canary:\n    ramp:\n    rewrite: ~\n", error);

    cr_assert(c, "%s", error);
    cr_expect_eq(c->listen.port, 6432);
    cr_expect_str_eq(c->admin.users[0], "postgres");
    cr_expect_eq(c->databases[0].canary.hold, 262144);
    configuration_unref(&c);
}

Test(configuration, of_two_limits_the_smaller_holds_and_neither_is_a_mistake)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *c =
        load(DATABASES "    shadow: {memory: 1MiB, max_connections: 2}\n", error);

    cr_assert(c, "%s", error);
    configuration_unref(&c);
}

Test(configuration, it_lives_until_the_last_reference_is_gone)
{
    char error[CONFIGURATION_ERROR_SIZE];
    const struct configuration *c = load(DATABASES, error);
    const struct configuration *again = configuration_ref(c);

    configuration_unref(&c);
    cr_expect_str_eq(again->databases[0].name, "app");
    configuration_unref(&again);
}

Test(configuration, a_mistake_in_the_structure_is_named)
{
    static const struct mistake mistakes[] = {
        {"", "F:1: the configuration is empty; it needs at least `databases:` with an entry that "
             "says `old:` and `new:`"},
        {"[a]", "F:1: the file must be a mapping of keys and values (`databases:` and so on), and "
                "it is a list"},
        {"listen: {port: 1}\n", "F:1: databases: is missing; it must be given"},
        {"store: 'sqlite:x'\ndatabases:\n", "F:2: databases: is missing; it must be given"},
        {"databases: {}\n",
         "F:1: databases: is empty; give at least one database with old: and new:"},
        {"databases:\n  app:\n    new: dbname=n\n",
         "F:3: databases.app.old: is missing; it must be given"},
        {"databases:\n  app:\n    old: dbname=n\n",
         "F:3: databases.app.new: is missing; it must be given"},
        {"databases:\n  app:\n", "F:2: databases.app.old: is missing; it must be given"},
        {"databases: app\n",
         "F:1: databases: must be a mapping of keys and values, and it is a single value"},
        {"databases:\n  - app\n",
         "F:1: databases: must be a mapping of keys and values, and it is a list"},
        {"databases:\n  app: [x]\n",
         "F:2: databases.app: must be a mapping of keys and values, and it is a list"},
        {"listening:\n  port: 1\n" DATABASES,
         "F:1: listening: there is no such key; here may stand: listen, auth, admin, http, store, "
         "databases"},
        {"http:\n  listen: 'a:1'\n  tokn: x\n" DATABASES,
         "F:3: http.tokn: there is no such key; here may stand: listen, token"},
        {DATABASES "    shadow:\n      recheck:\n        rounds: 3\n        round: 3\n",
         "F:8: databases.app.shadow.recheck.round: there is no such key; here may stand: rounds, "
         "attempts, settle, max_per_second"},
        {DATABASES
         "    compare:\n      rules:\n        - ignore: true\n        - match: {colum: x}\n",
         "F:8: databases.app.compare.rules[1].match.colum: there is no such key; here may stand: "
         "fingerprint, table, column"},
        {DATABASES "    canary: 5\n",
         "F:5: databases.app.canary: must be a mapping of keys and values, and it is a single "
         "value"},
        {DATABASES "    canary: {percent: [5]}\n",
         "F:5: databases.app.canary.percent: must be a single value, and it is a list"},
        {DATABASES "    canary:\n      include: x\n",
         "F:6: databases.app.canary.include: must be a list of values, [one, two], and it is a "
         "single value"},
        {DATABASES "    canary:\n      include:\n        - x\n        - {a: b}\n",
         "F:8: databases.app.canary.include[1]: must be a single value, and it is a mapping"},
        {DATABASES "    ramp: {percent: 5}\n",
         "F:5: databases.app.ramp: must be a list of mappings, [{key: value}, …], and it is a "
         "mapping"},
        {DATABASES "    ramp: [5]\n",
         "F:5: databases.app.ramp[0]: must be a mapping of keys and values, and it is a single "
         "value"},
        {DATABASES "    rewrite: [{tables: {a: [b]}}]\n",
         "F:5: databases.app.rewrite[0].tables.a: must be a single value, and it is a list"},
        {"databases:\n  app: {old: a=b\n",
         "F:3: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping; "
         "look at the indentation, the quotes and the brackets around this line"},
        {DATABASES "  app:\n    old: dbname=o\n    new: dbname=n\n",
         "F:5: the key 'app' stands here for the second time (first on line 2); keep one of them"},
        {"listen:\n  port: 1\n  host: x\n  port: 2\n" DATABASES,
         "F:4: the key 'port' stands here for the second time (first on line 2); keep one of them"},
        {"? [a, b]\n: c\n", "F:1: a key must be a plain word; quote it if it begins with [ { or ?"},
        {DATABASES "---\na: b\n", "F:6: a second YAML document begins here; keep one"},
        {"databases: &d [*d]\n", "F:1: nested too deeply, or made too large by aliases"},
        {"store: *nothing\n" DATABASES,
         "F:1: not valid YAML: found undefined alias; look at the indentation, the quotes and the "
         "brackets around this line"},
        {"store: \"a\\0b\"\n" DATABASES, "F:1: a value holds a NUL character"},
    };

    EXPECT_MISTAKES(mistakes);
}

Test(configuration, a_value_that_cannot_be_is_named)
{
    static const struct mistake mistakes[] = {
        {"listen: {port: 0}\n" DATABASES, "F:1: listen.port: 0 is out of range; give 1 to 65535"},
        {"listen: {port: 65536}\n" DATABASES,
         "F:1: listen.port: 65536 is out of range; give 1 to 65535"},
        {"listen: {port: -1}\n" DATABASES,
         "F:1: listen.port: '-1' is not a whole number; give 1 to 65535"},
        {"listen: {port: 6432x}\n" DATABASES,
         "F:1: listen.port: '6432x' is not a whole number; give 1 to 65535"},
        {"listen:\n  max_client_connections: 99999999999999999999\n" DATABASES,
         "F:2: listen.max_client_connections: 99999999999999999999 is out of range; give 1 to "
         "1000000"},
        {"listen:\n  host:\n" DATABASES,
         "F:2: listen.host: has no value; give one, or leave the key out, or write \"\""},
        {"http:\n  token: null\n" DATABASES,
         "F:2: http.token: has no value; give one, or leave the key out, or write \"\""},
        {"listen:\n  tls: {mode: on}\n" DATABASES,
         "F:2: listen.tls.mode: 'on' is not known here; give disable, allow, prefer, require, "
         "verify-ca or verify-full"},
        {"auth:\n  type: ldap\n" DATABASES,
         "F:2: auth.type: 'ldap' is not known here; give passthrough, scram-sha-256, md5, cert or "
         "trust"},
        {DATABASES "    canary:\n      percent: 150\n",
         "F:6: databases.app.canary.percent: '150' is not a percentage; give 0 to 100 in steps of "
         "0.01"},
        {DATABASES "    canary: {percent: 0.005}\n",
         "F:5: databases.app.canary.percent: '0.005' is not a percentage; give 0 to 100 in steps "
         "of 0.01"},
        {DATABASES "    canary: {hold: 256KB}\n",
         "F:5: databases.app.canary.hold: '256KB' is not a size; give a whole number with B, KiB, "
         "MiB or GiB right behind it, like 64MiB"},
        {DATABASES "    shadow: {memory: 64}\n",
         "F:5: databases.app.shadow.memory: '64' is not a size; give a whole number with B, KiB, "
         "MiB or GiB right behind it, like 64MiB"},
        {DATABASES "    shadow: {memory: 1KiB}\n",
         "F:5: databases.app.shadow.memory: 1KiB is out of range; give at least 1MiB"},
        {DATABASES "    canary: {patience: 250}\n",
         "F:5: databases.app.canary.patience: '250' is not a time; give a whole number with us, "
         "ms, s, m or h right behind it, like 250ms"},
        {DATABASES "    lag: {poll: 0}\n",
         "F:5: databases.app.lag.poll: 0 is out of range; give 1ms to 1m"},
        {DATABASES "    canary: {after_write_scope: all}\n",
         "F:5: databases.app.canary.after_write_scope: 'all' is not known here; give session or "
         "key"},
        {DATABASES "    canary: {hedge: 250ms}\n",
         "F:5: databases.app.canary.hedge: is not below patience, so that it would never have an "
         "effect; give a "
         "shorter time, or 0ms to ask old only when new has failed"},
        {DATABASES "    canary: {quarantine: maybe}\n",
         "F:5: databases.app.canary.quarantine: 'maybe' is neither true nor false"},
        {DATABASES "    canary: {key: tenant}\n",
         "F:5: databases.app.canary.key: 'tenant' is no cohort key; give session, user, "
         "application_name, client_addr, parameter:NAME or comment:NAME"},
        {DATABASES "    canary: {key: 'comment:'}\n",
         "F:5: databases.app.canary.key: 'comment:' is no cohort key; give session, user, "
         "application_name, client_addr, parameter:NAME or comment:NAME"},
        {DATABASES "    canary: {include: [a, ~]}\n",
         "F:5: databases.app.canary.include[1]: has no value; give one"},
        {DATABASES "    lag: {probe: wal}\n",
         "F:5: databases.app.lag.probe: 'wal' is not known here; give auto, physical, logical, "
         "query or none"},
        {DATABASES "    guardrail: {max_error_rate: 1.5}\n",
         "F:5: databases.app.guardrail.max_error_rate: 1.5 is out of range; give 0 to 1"},
        {DATABASES "    guardrail: {max_error_rate: 1 %}\n",
         "F:5: databases.app.guardrail.max_error_rate: '1 %' is not a number; give 0 to 1"},
        {DATABASES "    compare: {float_tolerance: nan}\n",
         "F:5: databases.app.compare.float_tolerance: 'nan' is not a number; give 0 to 1"},
        {DATABASES "    compare: {rules: [{as: money}]}\n",
         "F:5: databases.app.compare.rules[0].as: 'money' is not known here; give instant, json, "
         "text, trimmed, case_insensitive, number or boolean"},
        {"databases:\n  app:\n    old: host a\n    new: dbname=n\n",
         "F:3: databases.app.old: not a libpq connection string: missing \"=\" after \"host\" in "
         "connection info string"},
        {"databases:\n  app:\n    old: dbname=n\n    new: hots=a\n",
         "F:4: databases.app.new: not a libpq connection string: invalid connection option "
         "\"hots\""},
        {"databases:\n  app:\n    old: ''\n    new: dbname=a\n",
         "F:3: databases.app.old: is empty; give a libpq connection string, like \"host=127.0.0.1 "
         "port=5432 dbname=app\""},
        {DATABASES "    ramp: [{percent: 100.01, hold: 1m}]\n",
         "F:5: databases.app.ramp[0].percent: '100.01' is not a percentage; give 0 to 100 in steps "
         "of 0.01"},
        {DATABASES "    ramp_on_breach: back\n", "F:5: databases.app.ramp_on_breach: 'back' is not "
                                                 "known here; give last_good, zero or stay"},
        {DATABASES "    ramp: [{percent: 5}]\n",
         "F:5: databases.app.ramp[0].hold: is missing; it must be given"},
        {DATABASES "    rewrite:\n      - tables: {a: ''}\n",
         "F:6: databases.app.rewrite[0].tables.a: has no value; give the name on new"},
    };

    EXPECT_MISTAKES(mistakes);
}

Test(configuration, settings_that_contradict_each_other_are_named)
{
    static const struct mistake mistakes[] = {
        {"listen: {host: ''}\n" DATABASES,
         "F:1: listen.host: is empty, and so is unix_socket_dir: there is nowhere to listen; give "
         "one"},
        {"listen:\n  tls:\n    mode: require\n    key: k\n" DATABASES,
         "F:3: listen.tls.cert: mode needs the server's certificate; give its file, or mode: "
         "disable"},
        {"listen:\n  tls: {mode: verify-ca, cert: c, key: k}\n" DATABASES,
         "F:2: listen.tls.ca: mode asks clients for certificates; give the file of the "
         "authorities that sign them"},
        {"auth:\n  type: md5\n" DATABASES,
         "F:2: auth.type: md5 needs secrets; give file: or query: beside it"},
        {"auth:\n  type: cert\n" DATABASES,
         "F:2: auth.type: cert needs clients' certificates; set listen.tls.mode to verify-ca or "
         "verify-full"},
        {"http: {listen: localhost}\n" DATABASES,
         "F:1: http.listen: 'localhost' is no address to listen on; give HOST:PORT, or \"\" for no "
         "HTTP"},
        {"http: {listen: '::1:80'}\n" DATABASES,
         "F:1: http.listen: '::1:80' is no address to listen on; give HOST:PORT, or \"\" for no "
         "HTTP"},
        {"store: mysql\n" DATABASES,
         "F:1: store: 'mysql' is no store; give sqlite:FILE, or a connection string of the "
         "PostgreSQL database that a fleet shares"},
        {"store: mysql://u:hidden@h/d\n" DATABASES,
         "F:1: store: not a libpq connection string: missing \"=\" after \"mysql://u:hidden@h/d\" "
         "in connection info string"},
        {"databases: {pgrehearse: {old: dbname=o, new: dbname=n}}\n",
         "F:1: databases.pgrehearse: the name pgrehearse is the admin console's; choose another"},
        {DATABASES "    lag: {probe: query}\n",
         "F:5: databases.app.lag.sql: probe: query needs it; give a query on new that returns the "
         "position of old (pg_lsn) that new has replayed, or the time on old (timestamptz) up to "
         "which it has"},
        {DATABASES "    lag:\n      sql: SELECT 1\n",
         "F:6: databases.app.lag.sql: is used only with probe: query; set that, or remove it"},
        {DATABASES "    identity: service\n    canary: {percent: 1}\n",
         "F:5: databases.app.identity: service reads as another user than the client, so it cannot "
         "serve a canary; set same or set_role, or canary.percent to 0 and no ramp"},
        {DATABASES "    safe_functions: [f]\n",
         "F:5: databases.app.safe_functions: 'f' has no schema; give SCHEMA.NAME"},
        {DATABASES "    shadow:\n      recheck:\n        attempts: 4\n",
         "F:7: databases.app.shadow.recheck.attempts: 4 attempts can never make 5 rounds; raise "
         "it"},
        {DATABASES "    compare:\n      rules:\n        - {match: {table: t}}\n",
         "F:7: databases.app.compare.rules[0]: a rule says nothing to do; give just one of ignore, "
         "tolerance, as, unordered, accept, skip and extra_columns"},
        {DATABASES "    compare: {rules: [{ignore: true, skip: true}]}\n",
         "F:5: databases.app.compare.rules[0]: a rule says several things; give just one of "
         "ignore, tolerance, as, unordered, accept, skip and extra_columns"},
        {DATABASES "    compare: {rules: [{accept: ''}]}\n",
         "F:5: databases.app.compare.rules[0].accept: is empty; say why the difference is known "
         "and accepted"},
        {DATABASES "    rewrite: [{}]\n",
         "F:5: databases.app.rewrite[0]: give either tables and columns, or fingerprint or like "
         "with to"},
        {DATABASES "    rewrite: [{like: x}]\n",
         "F:5: databases.app.rewrite[0].to: is missing; give the statement for new"},
        {DATABASES "    rewrite: [{columns: {total: amount}}]\n",
         "F:5: databases.app.rewrite[0]: columns: 'total' is not TABLE.COLUMN; say which table's "
         "column is meant"},
        {DATABASES "    ramp:\n      - {percent: 5, hold: 1m}\n      - {percent: 5, hold: 1m}\n",
         "F:7: databases.app.ramp[1].percent: a ramp must rise: give more than the step before"},
        {DATABASES "    ramp: [{percent: 0, hold: 1m}]\n",
         "F:5: databases.app.ramp[0].percent: a ramp must rise: give more than 0"},
        {DATABASES "    ramp:\n      - {percent: 5, hold: 1m}\n      - {percent: 4.99, hold: 1m}\n",
         "F:7: databases.app.ramp[1].percent: a ramp must rise: give more than the step before"},
        {DATABASES "    guardrail:\n      max_fallback_rate: 1\n",
         "F:6: databases.app.guardrail.max_fallback_rate: no rate is over 1, so this limit is "
         "never reached; give less"},
        {DATABASES "    guardrail: {max_mismatch_rate: 1}\n",
         "F:5: databases.app.guardrail.max_mismatch_rate: no rate is over 1, so this limit is "
         "never reached; give less"},
        {DATABASES "    lag: {probe: none}\n    guardrail: {max_lag: 1s}\n",
         "F:6: databases.app.guardrail.max_lag: is never reached: with lag.probe: none no lag is "
         "known; remove it, or set a probe"},
        {DATABASES "    gate:\n      max_mismatch_rate: 0\n",
         "F:6: databases.app.gate.max_mismatch_rate: no count of comparisons shows a rate of 0, so "
         "the gate never opens; give e.g. 0.0001, which 30000 comparisons without a mismatch "
         "show"},
        {DATABASES "    gate: {confidence: 1}\n",
         "F:5: databases.app.gate.confidence: nothing is certain, so the gate never opens; give "
         "less than 1"},
    };

    EXPECT_MISTAKES(mistakes);
}

Test(configuration, a_file_that_cannot_be_read_is_named)
{
    char error[CONFIGURATION_ERROR_SIZE];

    cr_expect_null(configuration_load("/no/such/file.yaml", error));
    cr_expect_str_eq(error, "/no/such/file.yaml: cannot open the configuration: No such file or "
                            "directory");
    cr_expect_null(configuration_load("/tmp", error));
    cr_expect_str_eq(error, "/tmp: cannot read the configuration: Is a directory");
}
