// The tables of settings.h, in the file's order. A key that is missing here is refused in the file; a
// key that is added here needs a line in example.yaml, which a test compares.
#include "config/settings.h"
#include "config/configuration.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WIDTH(structure, member) sizeof(((structure *)NULL)->member)
#define AT(structure, member) .offset = offsetof(structure, member)
#define COUNTED(structure, member, number)                                                         \
    .offset = offsetof(structure, member), .other = offsetof(structure, number)
#define GROUP(name, structure)                                                                     \
    static const struct settings_group name##_group = {                                            \
        .settings = name, .count = COUNT(name), .size = sizeof(structure)}

static const char *const tls_modes[] = {"disable",   "allow",       "prefer", "require",
                                        "verify-ca", "verify-full", NULL};
static const char *const unchallenged[] = {"refuse", "allow", NULL};
static const char *const identities[] = {"same", "set_role", "service", NULL};
static const char *const key_kinds[] = {"as_samples", "full", NULL};
static const char *const sample_kinds[] = {"full", "masked", "none", NULL};
static const char *const guardrail_actions[] = {"rollback", "alert", NULL};
static const char *const ramp_breaches[] = {"last_good", "zero", "stay", NULL};
static const char *const rule_kinds[] = {
    "", "instant", "json", "text", "trimmed", "case_insensitive", "number", "boolean", NULL};
static const char *const extra_columns[] = {"refuse", "allow", NULL};
const char *const settings_auth_types[] = {"passthrough", "scram-sha-256", "md5",
                                           "cert",        "trust",         NULL};
const char *const settings_lag_probes[] = {"auto", "physical", "logical", "query", "none", NULL};
const char *const settings_cohort_keys[] = {
    "session", "user", "application_name", "client_addr", "parameter:", "comment:", NULL};

#define CHOICE(structure, member, names)                                                           \
    .kind = SETTING_CHOICE, AT(structure, member), .width = WIDTH(structure, member),              \
    .choices = names
#define NUMBER_OF(structure, member, least, most)                                                  \
    .kind = SETTING_COUNT, AT(structure, member), .width = WIDTH(structure, member),               \
    .minimum = least, .maximum = most
#define FRACTION(structure, member)                                                                \
    .kind = SETTING_NUMBER, AT(structure, member), .minimum = 0, .maximum = 1
#define MILLION 1000000

static const struct setting tls[] = {
    {"mode", CHOICE(struct configuration_tls, mode, tls_modes), .initial = "disable"},
    {"cert", SETTING_STRING, AT(struct configuration_tls, cert), .initial = ""},
    {"key", SETTING_STRING, AT(struct configuration_tls, key), .initial = ""},
    {"ca", SETTING_STRING, AT(struct configuration_tls, ca), .initial = ""},
};
GROUP(tls, struct configuration_tls);

static const struct setting listening[] = {
    {"host", SETTING_STRING, AT(struct configuration_listen, host), .initial = "127.0.0.1"},
    {"port", NUMBER_OF(struct configuration_listen, port, 1, 65535), .initial = "6432"},
    {"unix_socket_dir", SETTING_STRING, AT(struct configuration_listen, unix_socket_dir),
     .initial = ""},
    {"workers", NUMBER_OF(struct configuration_listen, workers, 0, 1024), .initial = "0"},
    {"max_client_connections",
     NUMBER_OF(struct configuration_listen, max_client_connections, 1, MILLION),
     .initial = "10000"},
    {"tls", SETTING_GROUP, AT(struct configuration_listen, tls), .group = &tls_group},
};
GROUP(listening, struct configuration_listen);

static const struct setting auth[] = {
    {"type", CHOICE(struct configuration_auth, type, settings_auth_types),
     .initial = "passthrough"},
    {"unchallenged", CHOICE(struct configuration_auth, unchallenged, unchallenged),
     .initial = "refuse"},
    {"file", SETTING_STRING, AT(struct configuration_auth, file), .initial = ""},
    {"query", SETTING_STRING, AT(struct configuration_auth, query), .initial = ""},
    {"timeout", SETTING_DURATION, AT(struct configuration_auth, timeout), .initial = "60s",
     .minimum = 1e9, .maximum = 3600e9},
    {"max_in_progress", NUMBER_OF(struct configuration_auth, max_in_progress, 1, MILLION),
     .initial = "1000"},
};
GROUP(auth, struct configuration_auth);

static const struct setting admin[] = {
    {"users", SETTING_STRINGS, COUNTED(struct configuration_admin, users, user_count),
     .initial = "postgres"},
    {"file", SETTING_STRING, AT(struct configuration_admin, file), .initial = ""},
};
GROUP(admin, struct configuration_admin);

static const struct setting http[] = {
    {"listen", SETTING_STRING, AT(struct configuration_http, listen), .initial = "127.0.0.1:9632"},
    {"token", SETTING_STRING, .is_secret = true, AT(struct configuration_http, token),
     .initial = ""},
};
GROUP(http, struct configuration_http);

static const struct setting lag[] = {
    {"probe", CHOICE(struct configuration_lag, probe, settings_lag_probes), .initial = "auto"},
    {"sql", SETTING_STRING, AT(struct configuration_lag, sql), .initial = ""},
    {"poll", SETTING_DURATION, AT(struct configuration_lag, poll), .initial = "250ms",
     .minimum = 1e6, .maximum = 60e9},
    {"max_wait", SETTING_DURATION, AT(struct configuration_lag, max_wait), .initial = "5s",
     .minimum = 1e6, .maximum = 3600e9},
};
GROUP(lag, struct configuration_lag);

#define CANARY struct configuration_canary
static const char *const write_scopes[] = {"session", "key", NULL};
static const struct setting canary[] = {
    {"percent", SETTING_PERCENT, AT(CANARY, percent), .initial = "0"},
    {"key", SETTING_COHORT_KEY, COUNTED(CANARY, key, key_name), .initial = "session"},
    {"salt", SETTING_STRING, AT(CANARY, salt), .initial = ""},
    {"include", SETTING_STRINGS, COUNTED(CANARY, include, include_count)},
    {"exclude", SETTING_STRINGS, COUNTED(CANARY, exclude, exclude_count)},
    {"patience", SETTING_DURATION, AT(CANARY, patience), .initial = "250ms", .minimum = 1e6,
     .maximum = 3600e9},
    {"hold", SETTING_SIZE, AT(CANARY, hold), .initial = "256KiB", .maximum = 1 << 30},
    {"hedge", SETTING_DURATION, AT(CANARY, hedge), .initial = "0ms", .maximum = 3600e9},
    {"after_write", SETTING_DURATION, AT(CANARY, after_write), .initial = "1s", .maximum = 3600e9},
    {"after_write_scope", CHOICE(CANARY, after_write_scope, write_scopes), .initial = "session"},
    {"quarantine", SETTING_SWITCH, AT(CANARY, quarantine), .initial = "true"},
};
GROUP(canary, CANARY);

#define RECHECK struct configuration_recheck
static const struct setting recheck[] = {
    {"rounds", NUMBER_OF(RECHECK, rounds, 1, 100), .initial = "5"},
    {"attempts", NUMBER_OF(RECHECK, attempts, 1, 1000), .initial = "10"},
    {"settle", SETTING_DURATION, AT(RECHECK, settle), .initial = "100ms", .maximum = 3600e9},
    {"max_per_second", NUMBER_OF(RECHECK, max_per_second, 1, MILLION), .initial = "20"},
};
GROUP(recheck, RECHECK);

#define SHADOW struct configuration_shadow
static const struct setting shadow[] = {
    {"percent", SETTING_PERCENT, AT(SHADOW, percent), .initial = "100"},
    {"connections", NUMBER_OF(SHADOW, connections, 1, 10000), .initial = "8"},
    {"max_connections", NUMBER_OF(SHADOW, max_connections, 1, 10000), .initial = "32"},
    {"idle_timeout", SETTING_DURATION, AT(SHADOW, idle_timeout), .initial = "1m", .minimum = 1e9,
     .maximum = 86400e9},
    {"lifetime", SETTING_DURATION, AT(SHADOW, lifetime), .initial = "1h", .minimum = 1e9,
     .maximum = 86400e9},
    {"max_per_second", NUMBER_OF(SHADOW, max_per_second, 0, 100 * MILLION), .initial = "0"},
    {"noise", FRACTION(SHADOW, noise), .initial = "0.01"},
    {"memory", SETTING_SIZE, AT(SHADOW, memory), .initial = "64MiB", .minimum = 1 << 20},
    {"max_result", SETTING_SIZE, AT(SHADOW, max_result), .initial = "16MiB", .minimum = 1024},
    {"max_request", SETTING_SIZE, AT(SHADOW, max_request), .initial = "1MiB", .minimum = 1024},
    {"timeout", SETTING_DURATION, AT(SHADOW, timeout), .initial = "10s", .minimum = 1e6,
     .maximum = 86400e9},
    {"recheck", SETTING_GROUP, AT(SHADOW, recheck), .group = &recheck_group},
};
GROUP(shadow, SHADOW);

#define RULE struct configuration_rule
static const struct setting match[] = {
    {"fingerprint", SETTING_STRING, AT(RULE, fingerprint)},
    {"table", SETTING_STRING, AT(RULE, table)},
    {"column", SETTING_STRING, AT(RULE, column)},
};
GROUP(match, RULE);

static const struct setting rule[] = {
    {"match", SETTING_GROUP, .group = &match_group},
    {"ignore", SETTING_SWITCH, AT(RULE, ignore), .initial = "false"},
    {"tolerance", SETTING_NUMBER, AT(RULE, tolerance), .maximum = 1},
    {"as", CHOICE(RULE, as, rule_kinds), .initial = ""},
    {"unordered", SETTING_SWITCH, AT(RULE, unordered), .initial = "false"},
    {"accept", SETTING_STRING, AT(RULE, accept)},
    {"skip", SETTING_SWITCH, AT(RULE, skip), .initial = "false"},
    {"extra_columns", CHOICE(RULE, allow_extra_columns, extra_columns), .initial = "refuse"},
};
GROUP(rule, RULE);

#define COMPARE struct configuration_compare
static const struct setting compare[] = {
    {"float_tolerance", FRACTION(COMPARE, float_tolerance), .initial = "1e-12"},
    {"samples", CHOICE(COMPARE, samples, sample_kinds), .initial = "masked"},
    {"keys", CHOICE(COMPARE, keys, key_kinds), .initial = "as_samples"},
    {"rules", SETTING_GROUPS, COUNTED(COMPARE, rules, rule_count), .group = &rule_group},
};
GROUP(compare, COMPARE);

#define REWRITE struct configuration_rewrite
static const struct setting rewrite[] = {
    {"tables", SETTING_PAIRS, COUNTED(REWRITE, tables, table_count)},
    {"columns", SETTING_PAIRS, COUNTED(REWRITE, columns, column_count)},
    {"fingerprint", SETTING_STRING, AT(REWRITE, fingerprint)},
    {"like", SETTING_STRING, AT(REWRITE, like)},
    {"to", SETTING_STRING, AT(REWRITE, to)},
};
GROUP(rewrite, REWRITE);

#define GUARDRAIL struct configuration_guardrail
static const struct setting guardrail[] = {
    {"window", SETTING_DURATION, AT(GUARDRAIL, window), .initial = "60s", .minimum = 1e9,
     .maximum = 86400e9},
    {"min_comparisons", NUMBER_OF(GUARDRAIL, min_comparisons, 1, 1e12), .initial = "200"},
    {"max_mismatch_rate", FRACTION(GUARDRAIL, max_mismatch_rate), .initial = "0.001"},
    {"max_error_rate", FRACTION(GUARDRAIL, max_error_rate), .initial = "0.01"},
    {"max_fallback_rate", FRACTION(GUARDRAIL, max_fallback_rate), .initial = "0.2"},
    {"max_latency_ratio", SETTING_NUMBER, AT(GUARDRAIL, max_latency_ratio), .initial = "3.0",
     .minimum = 0.1, .maximum = MILLION},
    {"max_lag", SETTING_DURATION, AT(GUARDRAIL, max_lag), .initial = "10s", .minimum = 1e6,
     .maximum = 86400e9},
    {"action", CHOICE(GUARDRAIL, action, guardrail_actions), .initial = "rollback"},
};
GROUP(guardrail, GUARDRAIL);

#define GATE struct configuration_gate
static const struct setting gate[] = {
    {"min_comparisons", NUMBER_OF(GATE, min_comparisons, 1, 1e12), .initial = "1000"},
    {"max_mismatch_rate", FRACTION(GATE, max_mismatch_rate), .initial = "0.001"},
    {"confidence", SETTING_NUMBER, AT(GATE, confidence), .initial = "0.95", .minimum = 0.5,
     .maximum = 1},
    {"max_latency_ratio", SETTING_NUMBER, AT(GATE, max_latency_ratio), .initial = "3.0",
     .minimum = 0.1, .maximum = MILLION},
    {"min_coverage", FRACTION(GATE, min_coverage), .initial = "0"},
    {"min_distinct", NUMBER_OF(GATE, min_distinct, 0, 1e12), .initial = "0"},
};
GROUP(gate, GATE);

#define STEP struct configuration_ramp_step
static const struct setting step[] = {
    {"percent", SETTING_PERCENT, .is_required = true, AT(STEP, percent)},
    {"hold", SETTING_DURATION, .is_required = true, AT(STEP, hold), .minimum = 1e9,
     .maximum = 30 * 86400e9},
};
GROUP(step, STEP);

#define DATABASE struct configuration_database
static const struct setting database[] = {
    {"old", SETTING_CONNECTION, .is_required = true, AT(DATABASE, old)},
    {"new", SETTING_CONNECTION, .is_required = true, AT(DATABASE, new)},
    {"identity", CHOICE(DATABASE, identity, identities), .initial = "same"},
    {"safe_functions", SETTING_STRINGS, COUNTED(DATABASE, safe_functions, safe_function_count)},
    {"lag", SETTING_GROUP, AT(DATABASE, lag), .group = &lag_group},
    {"canary", SETTING_GROUP, AT(DATABASE, canary), .group = &canary_group},
    {"shadow", SETTING_GROUP, AT(DATABASE, shadow), .group = &shadow_group},
    {"compare", SETTING_GROUP, AT(DATABASE, compare), .group = &compare_group},
    {"rewrite", SETTING_GROUPS, COUNTED(DATABASE, rewrites, rewrite_count),
     .group = &rewrite_group},
    {"guardrail", SETTING_GROUP, AT(DATABASE, guardrail), .group = &guardrail_group},
    {"gate", SETTING_GROUP, AT(DATABASE, gate), .group = &gate_group},
    {"ramp", SETTING_GROUPS, COUNTED(DATABASE, ramp, ramp_count), .group = &step_group},
    {"ramp_on_breach", CHOICE(DATABASE, ramp_on_breach, ramp_breaches), .initial = "last_good"},
};
static const struct settings_group database_group = {
    .settings = database,
    .count = COUNT(database),
    .size = sizeof(DATABASE),
    .name_offset = offsetof(DATABASE, name),
};

#define WHOLE struct configuration
static const struct setting whole[] = {
    {"listen", SETTING_GROUP, AT(WHOLE, listen), .group = &listening_group},
    {"auth", SETTING_GROUP, AT(WHOLE, auth), .group = &auth_group},
    {"admin", SETTING_GROUP, AT(WHOLE, admin), .group = &admin_group},
    {"http", SETTING_GROUP, AT(WHOLE, http), .group = &http_group},
    {"store", SETTING_STRING, .may_connect = true, AT(WHOLE, store),
     .initial = "sqlite:pgrehearse.db"},
    {"databases", SETTING_NAMED_GROUPS, .is_required = true,
     COUNTED(WHOLE, databases, database_count), .group = &database_group},
};
const struct settings_group settings = {
    .settings = whole,
    .count = COUNT(whole),
    .size = sizeof(WHOLE),
};

void *
setting_field(const struct setting *setting, void *structure)
{
    return (char *)structure + setting->offset;
}

const void *
setting_field_const(const struct setting *setting, const void *structure)
{
    return (const char *)structure + setting->offset;
}

void *
setting_other(const struct setting *setting, void *structure)
{
    return (char *)structure + setting->other;
}

const void *
setting_other_const(const struct setting *setting, const void *structure)
{
    return (const char *)structure + setting->other;
}
