// See consistency.h. Each check says the key to change; its line is looked up in the document, the
// line of the nearest mapping above where the key is not in the file.
#include "config/consistency.h"
#include "config/connection.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOCKET_DIRECTORY_MAX = 90 }; // sun_path holds 108, "/.s.PGSQL.65535.lock" included

// Fails with a key below `node` (a mapping), the trail standing at `node`.
#define FAIL(fill, node, key, ...)                                                                 \
    (fill_step_in(fill, key),                                                                      \
     fill_fail(fill, document_key_line((fill)->document, node, key), __VA_ARGS__))

static yaml_node_t *
enter(struct fill *fill, const yaml_node_t *node, const char *key, size_t *mark)
{
    yaml_node_t *child = document_child(fill->document, node, key);

    *mark = fill_step_in(fill, key);
    return child;
}

static bool
check_tls(struct fill *fill, const yaml_node_t *listen, const struct configuration_tls *tls)
{
    size_t mark;
    yaml_node_t *node = enter(fill, listen, "tls", &mark);

    if (!node)
        node = document_child(fill->document, document_root(fill->document), "listen");
    if (tls->mode != TLS_DISABLE && !*tls->cert)
        return FAIL(fill, node, "cert",
                    "mode needs the server's certificate; give its file, or mode: disable");
    if (tls->mode != TLS_DISABLE && !*tls->key)
        return FAIL(fill, node, "key",
                    "mode needs the certificate's key; give its file, or mode: disable");
    if (tls->mode >= TLS_VERIFY_CA && !*tls->ca)
        return FAIL(fill, node, "ca",
                    "mode asks clients for certificates; give the file of the authorities that "
                    "sign them");
    fill_step_out(fill, mark);
    return true;
}

static bool
check_listen(struct fill *fill, const yaml_node_t *root, const struct configuration *configuration)
{
    const struct configuration_listen *listen = &configuration->listen;
    size_t mark;
    yaml_node_t *node = enter(fill, root, "listen", &mark);

    if (!*listen->host && !*listen->unix_socket_dir)
        return FAIL(fill, node, "host",
                    "is empty, and so is unix_socket_dir: there is nowhere to listen; give one");
    if (strlen(listen->unix_socket_dir) > SOCKET_DIRECTORY_MAX)
        return FAIL(fill, node, "unix_socket_dir",
                    "is longer than %d bytes, the most that a socket's address holds; give a "
                    "shorter path",
                    SOCKET_DIRECTORY_MAX);
    if (!check_tls(fill, node, &listen->tls))
        return false;
    fill_step_out(fill, mark);
    return true;
}

static bool
check_auth(struct fill *fill, const yaml_node_t *root, const struct configuration *configuration)
{
    const struct configuration_auth *auth = &configuration->auth;
    size_t mark;
    yaml_node_t *node = enter(fill, root, "auth", &mark);
    bool needs_secrets = auth->type == AUTH_SCRAM_SHA_256 || auth->type == AUTH_MD5;

    if (needs_secrets && !*auth->file && !*auth->query)
        return FAIL(fill, node, "type", "%s needs secrets; give file: or query: beside it",
                    auth_type_name(auth->type));
    if (auth->type == AUTH_CERT && configuration->listen.tls.mode < TLS_VERIFY_CA)
        return FAIL(fill, node, "type",
                    "cert needs clients' certificates; set listen.tls.mode to verify-ca or "
                    "verify-full");
    fill_step_out(fill, mark);
    return true;
}

// "host:port", "[address]:port"; empty: none.
static bool
is_listen_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end;

    if (!colon || colon == text || colon[1] < '0' || colon[1] > '9')
        return false;

    unsigned long port = strtoul(colon + 1, &end, 10);

    if (*end || port < 1 || port > 65535)
        return false;
    return !memchr(text, ':', (size_t)(colon - text)) || (text[0] == '[' && colon[-1] == ']');
}

static bool
check_http(struct fill *fill, const yaml_node_t *root, const struct configuration *configuration)
{
    size_t mark;
    yaml_node_t *node = enter(fill, root, "http", &mark);

    if (*configuration->http.listen && !is_listen_address(configuration->http.listen))
        return FAIL(fill, node, "listen",
                    "'%s' is no address to listen on; give HOST:PORT, or \"\" for no HTTP",
                    configuration->http.listen);
    fill_step_out(fill, mark);
    return true;
}

static bool
check_store(struct fill *fill, const yaml_node_t *root, const struct configuration *configuration)
{
    const char *store = configuration->store;
    char problem[256];
    bool is_file = strncmp(store, "sqlite:", 7) == 0;

    if ((is_file && store[7]) || (!is_file && connection_check(store, problem, sizeof problem)))
        return true;
    if (is_file || !strpbrk(store, ":="))
        return FAIL(fill, root, "store",
                    "'%s' is no store; give sqlite:FILE, or a connection string of the PostgreSQL "
                    "database that a fleet shares",
                    store);
    return FAIL(fill, root, "store", "not a libpq connection string: %s", problem);
}

static bool
check_lag(struct fill *fill, const yaml_node_t *node, const struct configuration_lag *lag)
{
    if (lag->probe == LAG_QUERY && !*lag->sql)
        return FAIL(fill, node, "sql",
                    "probe: query needs it; give a query on new that returns the position of old "
                    "(pg_lsn) that new has replayed, or the time on old (timestamptz) up to which "
                    "it has");
    if (lag->probe != LAG_QUERY && *lag->sql)
        return FAIL(fill, node, "sql", "is used only with probe: query; set that, or remove it");
    return true;
}

static bool
check_shadow(struct fill *fill, const yaml_node_t *node, const struct configuration_shadow *shadow)
{
    size_t mark;
    yaml_node_t *recheck = enter(fill, node, "recheck", &mark);

    if (shadow->recheck.attempts < shadow->recheck.rounds)
        return FAIL(fill, recheck ? recheck : node, "attempts",
                    "%u attempts can never make %u rounds; raise it", shadow->recheck.attempts,
                    shadow->recheck.rounds);
    fill_step_out(fill, mark);
    return true;
}

static bool
check_rule(struct fill *fill, const yaml_node_t *node, const struct configuration_rule *rule)
{
    int actions = rule->ignore + rule->unordered + rule->skip + (rule->tolerance >= 0) +
                  (rule->as != RULE_AS_ITSELF) + (rule->accept != NULL) + rule->allow_extra_columns;

    if (actions != 1)
        return fill_fail(fill, document_line(node),
                         "a rule says %s; give just one of ignore, tolerance, as, unordered, "
                         "accept, skip and extra_columns",
                         actions ? "several things" : "nothing to do");
    if (rule->accept && !*rule->accept)
        return FAIL(fill, node, "accept", "is empty; say why the difference is known and accepted");
    return true;
}

static bool
check_rewrite(struct fill *fill, const yaml_node_t *node,
              const struct configuration_rewrite *rewrite)
{
    bool has_names = rewrite->table_count || rewrite->column_count;
    bool has_text = rewrite->to || rewrite->like || rewrite->fingerprint;

    if (has_names == has_text)
        return fill_fail(fill, document_line(node),
                         "give either tables and columns, or fingerprint or like with to");
    if (has_text && (!rewrite->to || !*rewrite->to))
        return FAIL(fill, node, "to", "is missing; give the statement for new");
    if (rewrite->to && !rewrite->like == !rewrite->fingerprint)
        return fill_fail(fill, document_line(node),
                         "`to` needs either fingerprint or like, to say which reads it replaces");
    for (size_t i = 0; i < rewrite->column_count; i++) {
        const char *dot = strrchr(rewrite->columns[i].from, '.');

        if (!dot || dot == rewrite->columns[i].from || !dot[1])
            return fill_fail(fill, document_line(node),
                             "columns: '%s' is not TABLE.COLUMN; say which table's column is meant",
                             rewrite->columns[i].from);
    }
    return true;
}

// A limit that nothing can pass, or that nothing can meet, guards nothing.
static bool
check_guardrail(struct fill *fill, const yaml_node_t *node,
                const struct configuration_database *database)
{
    const struct configuration_guardrail *guardrail = &database->guardrail;
    const struct {
        const char *key;
        double limit;
    } rates[] = {
        {"max_mismatch_rate", guardrail->max_mismatch_rate},
        {"max_error_rate", guardrail->max_error_rate},
        {"max_fallback_rate", guardrail->max_fallback_rate},
    };

    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (rates[i].limit >= 1)
            return FAIL(fill, node, rates[i].key,
                        "no rate is over 1, so this limit is never reached; give less");
    if (database->lag.probe == LAG_NONE && document_child(fill->document, node, "max_lag"))
        return FAIL(fill, node, "max_lag",
                    "is never reached: with lag.probe: none no lag is known; remove it, or set a "
                    "probe");
    return true;
}

static bool
check_gate(struct fill *fill, const yaml_node_t *node, const struct configuration_gate *gate)
{
    if (gate->max_mismatch_rate <= 0)
        return FAIL(fill, node, "max_mismatch_rate",
                    "no count of comparisons shows a rate of 0, so the gate never opens; give e.g. "
                    "0.0001, which 30000 comparisons without a mismatch show");
    if (gate->confidence >= 1)
        return FAIL(fill, node, "confidence",
                    "nothing is certain, so the gate never opens; give less than 1");
    return true;
}

static bool
check_ramp(struct fill *fill, const yaml_node_t *node,
           const struct configuration_database *database)
{
    for (size_t i = 0; i < database->ramp_count; i++) {
        const yaml_node_t *step = document_entry(fill->document, node, i);
        size_t mark = fill_step_in_entry(fill, i);
        unsigned before = i ? database->ramp[i - 1].percent : 0;

        if (database->ramp[i].percent <= before)
            return FAIL(fill, step, "percent", "a ramp must rise: give more than %s",
                        i ? "the step before" : "0");
        fill_step_out(fill, mark);
    }
    return true;
}

static bool
check_lists(struct fill *fill, const yaml_node_t *node,
            const struct configuration_database *database)
{
    size_t outer, inner;
    yaml_node_t *compare = enter(fill, node, "compare", &outer);
    yaml_node_t *rules = enter(fill, compare, "rules", &inner);

    for (size_t i = 0; i < database->compare.rule_count; i++) {
        size_t mark = fill_step_in_entry(fill, i);

        if (!check_rule(fill, document_entry(fill->document, rules, i),
                        &database->compare.rules[i]))
            return false;
        fill_step_out(fill, mark);
    }
    fill_step_out(fill, outer);

    yaml_node_t *rewrites = enter(fill, node, "rewrite", &outer);

    for (size_t i = 0; i < database->rewrite_count; i++) {
        size_t mark = fill_step_in_entry(fill, i);

        if (!check_rewrite(fill, document_entry(fill->document, rewrites, i),
                           &database->rewrites[i]))
            return false;
        fill_step_out(fill, mark);
    }
    fill_step_out(fill, outer);
    return true;
}

static bool
check_database(struct fill *fill, const yaml_node_t *node,
               const struct configuration_database *database)
{
    bool has_canary = database->canary.percent > 0 || database->ramp_count > 0;
    size_t mark;
    yaml_node_t *child;

    if (has_canary && database->identity == IDENTITY_SERVICE)
        return FAIL(fill, node, "identity",
                    "service reads as another user than the client, so it cannot serve a canary; "
                    "set same or set_role, or canary.percent to 0 and no ramp");
    for (size_t i = 0; i < database->safe_function_count; i++) {
        if (!strchr(database->safe_functions[i], '.'))
            return FAIL(fill, node, "safe_functions", "'%s' has no schema; give SCHEMA.NAME",
                        database->safe_functions[i]);
    }
    child = enter(fill, node, "canary", &mark);
    if (database->canary.hedge > 0 && database->canary.hedge >= database->canary.patience)
        return FAIL(fill, child ? child : node, "hedge",
                    "is not below patience, so that it would never have an effect; give a shorter "
                    "time, or 0ms to ask old only when new has failed");
    fill_step_out(fill, mark);
    child = enter(fill, node, "lag", &mark);
    if (!check_lag(fill, child ? child : node, &database->lag))
        return false;
    fill_step_out(fill, mark);
    child = enter(fill, node, "shadow", &mark);
    if (!check_shadow(fill, child ? child : node, &database->shadow))
        return false;
    fill_step_out(fill, mark);
    if (!check_lists(fill, node, database))
        return false;
    child = enter(fill, node, "guardrail", &mark);
    if (!check_guardrail(fill, child ? child : node, database))
        return false;
    fill_step_out(fill, mark);
    child = enter(fill, node, "gate", &mark);
    if (!check_gate(fill, child ? child : node, &database->gate))
        return false;
    fill_step_out(fill, mark);
    child = enter(fill, node, "ramp", &mark);
    if (!check_ramp(fill, child, database))
        return false;
    fill_step_out(fill, mark);
    return true;
}

static bool
check_databases(struct fill *fill, const yaml_node_t *root,
                const struct configuration *configuration)
{
    size_t mark;
    yaml_node_t *node = enter(fill, root, "databases", &mark);

    if (configuration->database_count == 0)
        return fill_fail(fill, document_key_line(fill->document, root, "databases"),
                         "is empty; give at least one database with old: and new:");
    for (size_t i = 0; i < configuration->database_count; i++) {
        const struct configuration_database *database = &configuration->databases[i];
        size_t inner = fill_step_in(fill, database->name);
        size_t line = document_key_line(fill->document, node, database->name);

        if (!*database->name || strlen(database->name) > 63)
            return fill_fail(fill, line, "a database's name has 1 to 63 bytes");
        if (strcmp(database->name, "pgrehearse") == 0)
            return fill_fail(fill, line,
                             "the name pgrehearse is the admin console's; choose another");
        if (!check_database(fill, document_child(fill->document, node, database->name), database))
            return false;
        fill_step_out(fill, inner);
    }
    fill_step_out(fill, mark);
    return true;
}

bool
consistency_check(struct fill *fill, const struct configuration *configuration)
{
    const yaml_node_t *root = document_root(fill->document);

    return check_listen(fill, root, configuration) && check_auth(fill, root, configuration) &&
           check_http(fill, root, configuration) && check_store(fill, root, configuration) &&
           check_databases(fill, root, configuration);
}
