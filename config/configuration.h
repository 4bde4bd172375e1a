// The configuration (DESIGN 2.2): one declared schema, read with libcyaml, checked, defaults filled
// in. A configuration is immutable once loaded and shared by reference; RELOAD loads another one.
#ifndef CONFIG_CONFIGURATION_H
#define CONFIG_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tls_mode { TLS_DISABLE, TLS_ALLOW, TLS_PREFER, TLS_REQUIRE, TLS_VERIFY_CA, TLS_VERIFY_FULL };
enum auth_type { AUTH_PASSTHROUGH, AUTH_SCRAM_SHA_256, AUTH_MD5, AUTH_CERT, AUTH_TRUST };
enum unchallenged { UNCHALLENGED_REFUSE, UNCHALLENGED_ALLOW };
enum identity { IDENTITY_SAME, IDENTITY_SET_ROLE, IDENTITY_SERVICE };
enum write_scope { WRITE_SCOPE_SESSION, WRITE_SCOPE_KEY };
enum lag_probe { LAG_AUTO, LAG_PHYSICAL, LAG_LOGICAL, LAG_QUERY, LAG_NONE };
enum cohort_key {
    COHORT_SESSION,
    COHORT_USER,
    COHORT_APPLICATION_NAME,
    COHORT_CLIENT_ADDR,
    COHORT_PARAMETER, // parameter:NAME
    COHORT_COMMENT,   // comment:NAME
};
enum samples { SAMPLES_FULL, SAMPLES_MASKED, SAMPLES_NONE };
enum keys { KEYS_AS_SAMPLES, KEYS_FULL }; // of rows that differ
enum guardrail_action { GUARDRAIL_ROLLBACK, GUARDRAIL_ALERT };
enum ramp_on_breach { RAMP_TO_LAST_GOOD, RAMP_TO_ZERO, RAMP_STAYS_THERE };
enum rule_as {
    RULE_AS_ITSELF,
    RULE_AS_INSTANT,
    RULE_AS_JSON,
    RULE_AS_TEXT,
    RULE_AS_TRIMMED,
    RULE_AS_CASE_INSENSITIVE,
    RULE_AS_NUMBER,
    RULE_AS_BOOLEAN
}; // as enum type_as

// Strings are never NULL ("" where empty) and owned by the configuration. Durations are in
// nanoseconds, sizes in bytes.

struct configuration_listen {
    char *host; // comma-separated; "*" for all
    uint16_t port;
    char *unix_socket_dir;
    unsigned workers; // 0: one per core
    unsigned max_client_connections;
    struct configuration_tls {
        enum tls_mode mode;
        char *cert, *key, *ca;
    } tls;
};

struct configuration_auth {
    enum auth_type type;
    enum unchallenged unchallenged;
    char *file;
    char *query;
    uint64_t timeout;         // from the startup packet to the end of the login
    unsigned max_in_progress; // logins at a time; more wait for their turn
};

struct configuration_admin {
    char **users;
    size_t user_count;
    char *file;
};

struct configuration_http {
    char *listen; // "host:port", "" for none
    char *token;
};

struct configuration_lag {
    enum lag_probe probe;
    char *sql; // of probe: query
    uint64_t poll, max_wait;
};

struct configuration_canary {
    unsigned percent; // hundredths: 0 to 10000
    enum cohort_key key;
    char *key_name; // NAME of parameter:NAME and comment:NAME
    char *salt;
    char **include;
    size_t include_count;
    char **exclude;
    size_t exclude_count;
    uint64_t patience;
    size_t hold;
    uint64_t hedge; // 0: off
    uint64_t after_write;
    enum write_scope after_write_scope;
    bool quarantine;
};

struct configuration_shadow {
    unsigned percent; // hundredths
    unsigned connections, max_connections;
    uint64_t idle_timeout, lifetime; // of our own sessions
    unsigned max_per_second;         // 0: no limit
    double noise;                    // share of the reads that old is asked twice
    size_t memory, max_result, max_request;
    uint64_t timeout;
    struct configuration_recheck {
        unsigned rounds, attempts;
        uint64_t settle;
        unsigned max_per_second;
    } recheck;
};

struct configuration_rule { // compare.rules; NULL globs match everything
    char *fingerprint, *table, *column;
    bool ignore, unordered, skip, allow_extra_columns;
    double tolerance; // < 0: not set
    enum rule_as as;
    char *accept; // NULL: not set
};

struct configuration_compare {
    double float_tolerance;
    enum samples samples;
    enum keys keys;
    struct configuration_rule *rules;
    size_t rule_count;
};

struct configuration_rewrite { // section 3.6, as written
    struct configuration_pair {
        char *from, *to;
    } * tables, *columns;
    size_t table_count, column_count;
    char *fingerprint, *like, *to; // NULL: not set
};

struct configuration_guardrail {
    uint64_t window;
    uint64_t min_comparisons;
    double max_mismatch_rate, max_error_rate, max_fallback_rate, max_latency_ratio;
    uint64_t max_lag;
    enum guardrail_action action;
};

struct configuration_gate {
    uint64_t min_comparisons, min_distinct;
    double max_mismatch_rate, confidence, max_latency_ratio, min_coverage;
};

struct configuration_ramp_step {
    unsigned percent; // hundredths
    uint64_t hold;
};

struct configuration_database {
    char *name;      // "*": any
    char *old, *new; // libpq connection strings
    enum identity identity;
    char **safe_functions;
    size_t safe_function_count;
    struct configuration_lag lag;
    struct configuration_canary canary;
    struct configuration_shadow shadow;
    struct configuration_compare compare;
    struct configuration_rewrite *rewrites;
    size_t rewrite_count;
    struct configuration_guardrail guardrail;
    struct configuration_gate gate;
    struct configuration_ramp_step *ramp;
    size_t ramp_count;
    enum ramp_on_breach ramp_on_breach;
};

struct configuration {
    char *path; // of the file
    struct configuration_listen listen;
    struct configuration_auth auth;
    struct configuration_admin admin;
    struct configuration_http http;
    char *store;
    struct configuration_database *databases;
    size_t database_count;
};

enum { CONFIGURATION_ERROR_SIZE = 1024 };

// Loads, fills in the defaults and checks. NULL: `error` says file, line and key, and what to do
// ("FILE:LINE: databases.app.canary.percent: …"). The caller owns one reference.
const struct configuration *configuration_load(const char *path,
                                               char error[CONFIGURATION_ERROR_SIZE]);
const struct configuration *configuration_ref(const struct configuration *configuration);
void configuration_unref(const struct configuration **configuration); // any thread
// The entry for a database name: its own, else '*', else NULL.
const struct configuration_database *
configuration_database(const struct configuration *configuration, const char *name);
// The setting names with their effective values, for SHOW CONFIG: calls `each` in the file's order.
// Passwords and tokens come as "***".
void configuration_each(const struct configuration *configuration,
                        void (*each)(void *context, const char *key, const char *value),
                        void *context);
// The names in the two enums below, for messages: "passthrough", "auto", …
const char *auth_type_name(enum auth_type type);
const char *lag_probe_name(enum lag_probe probe);
// A cohort key as it is configured: "session", "parameter:app.tenant".
enum { COHORT_KEY_TEXT = 256 };
void cohort_key_text(enum cohort_key key, const char *name, char text[COHORT_KEY_TEXT]);

#endif
