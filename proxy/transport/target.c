// A libpq connection string taken to pieces by libpq itself, so that services, passfiles, PG*
// environment and defaults mean here what they mean in psql.
//
// PQconninfoParse knows nothing of services, passfiles and defaults; only a connection attempt resolves
// them. So an attempt is begun that cannot go anywhere: `gssencmode` (which the proxy never uses) is
// given a value that libpq refuses after it has resolved and checked all that comes before, and before
// it opens a socket or asks a name server. The connection object then tells what it resolved.
//
// Immutable once made; any thread.
#include "proxy/transport/target.h"
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_A_MODE "resolve-only"

enum { DEFAULT_PORT = 5432 };

// ---- asking libpq ----

static const char *
option_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options != NULL && options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val;
        }
    }
    return NULL;
}

// libpq's text without its line end.
static void
copy_error(char *error, size_t error_size, const char *text)
{
    snprintf(error, error_size, "%s", text == NULL || *text == '\0' ? "out of memory" : text);
    for (size_t length = strlen(error); length > 0 && error[length - 1] == '\n'; length--) {
        error[length - 1] = '\0';
    }
}

static PGconn *
resolve(const char *const *keywords, const char *const *values, char *error, size_t error_size)
{
    PGconn *connection = PQconnectStartParams(keywords, values, 1);
    if (connection == NULL) {
        copy_error(error, error_size, NULL);
        return NULL;
    }
    if (strstr(PQerrorMessage(connection), NOT_A_MODE) == NULL) {
        copy_error(error, error_size, PQerrorMessage(connection));
        PQfinish(connection);
        return NULL;
    }
    return connection;
}

// ---- the hosts ----

// The part of the comma-separated list that `*at` stands on, as a new string; "" past the end.
static char *
next_part(const char **at)
{
    size_t length = strcspn(*at, ",");
    char *part = strndup(*at, length);
    *at += length;
    if (**at == ',') {
        ++*at;
    }
    return part;
}

static size_t
count_parts(const char *list)
{
    size_t count = 1;
    for (; *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

static bool
read_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long number = *text == '\0' ? DEFAULT_PORT : strtoul(text, &end, 10);
    *port = (uint16_t)number;
    return *text == '\0' || (*end == '\0' && number >= 1 && number <= UINT16_MAX);
}

// An empty host is libpq's default, its socket directory.
static bool
fill_host(struct target_host *host, const char **hosts, const char **addresses,
          const char *default_host)
{
    host->host = next_part(hosts);
    host->address = next_part(addresses);
    if (host->host != NULL && *host->host == '\0') {
        free(host->host);
        host->host =
            strdup(host->address != NULL && *host->address != '\0' ? host->address : default_host);
    }
    return host->host != NULL && host->address != NULL;
}

static const char *
or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static bool
fill_hosts(struct target *target, const PQconninfoOption *options, const char *default_host,
           char *error, size_t error_size)
{
    const char *hosts = or_empty(option_of(options, "host"));
    const char *addresses = or_empty(option_of(options, "hostaddr"));
    const char *ports = or_empty(option_of(options, "port"));
    bool has_one_port = strchr(ports, ',') == NULL;
    size_t count = count_parts(*addresses != '\0' ? addresses : hosts);
    copy_error(error, error_size, NULL);
    target->hosts = calloc(count, sizeof *target->hosts);
    if (target->hosts == NULL) {
        return false;
    }
    target->host_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *same = ports;
        char *port = next_part(has_one_port ? &same : &ports);
        bool is_filled = fill_host(&target->hosts[i], &hosts, &addresses, default_host);
        if (port != NULL && is_filled && !read_port(port, &target->hosts[i].port)) {
            snprintf(error, error_size, "invalid port number: \"%s\"", port);
            is_filled = false;
        }
        bool has_port = port != NULL;
        free(port);
        if (!has_port || !is_filled) {
            return false;
        }
    }
    return true;
}

// ---- the rest ----

static enum tls_mode
read_tls_mode(const char *name)
{
    static const char *const names[] = {
        [TLS_DISABLE] = "disable", [TLS_ALLOW] = "allow",         [TLS_PREFER] = "prefer",
        [TLS_REQUIRE] = "require", [TLS_VERIFY_CA] = "verify-ca", [TLS_VERIFY_FULL] = "verify-full",
    };
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum tls_mode)i;
        }
    }
    return TLS_PREFER; // libpq's default
}

// sslrootcert=system, of libpq 16 on: whoever trusts all the world's authorities must look at the name.
static bool
settle_system_roots(struct target *target, bool mode_is_given, char *error, size_t error_size)
{
    if (strcmp(target->tls_root_certificate, "system") != 0 ||
        target->tls_mode == TLS_VERIFY_FULL) {
        return true;
    }
    if (mode_is_given) {
        snprintf(error, error_size,
                 "weak sslmode may not be used with sslrootcert=system (use \"verify-full\")");
        return false;
    }
    target->tls_mode = TLS_VERIFY_FULL;
    return true;
}

static uint64_t
read_timeout(const char *seconds)
{
    long number = seconds == NULL ? 0 : strtol(seconds, NULL, 10);
    if (number <= 0) {
        return 0;
    }
    return (uint64_t)(number < 2 ? 2 : number) * 1000000000u; // libpq's least is 2 s
}

static bool
fill_strings(struct target *target, const PQconninfoOption *options)
{
    const struct {
        char **to;
        const char *keyword;
    } strings[] = {
        {&target->user, "user"},
        {&target->database, "dbname"},
        {&target->options, "options"},
        {&target->passfile, "passfile"},
        {&target->tls_root_certificate, "sslrootcert"},
        {&target->tls_certificate, "sslcert"},
        {&target->tls_key, "sslkey"},
        {&target->tls_key_password, "sslpassword"},
        {&target->tls_revocation_list, "sslcrl"},
        {&target->tls_revocation_folder, "sslcrldir"},
        {&target->tls_minimum, "ssl_min_protocol_version"},
        {&target->tls_maximum, "ssl_max_protocol_version"},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        *strings[i].to = strdup(or_empty(option_of(options, strings[i].keyword)));
        if (*strings[i].to == NULL) {
            return false;
        }
    }
    return true;
}

// Was it given in the string, or by the service that the string names? What a service says cannot be
// told from a default but by its value.
static bool
is_given(const PQconninfoOption *parsed, const PQconninfoOption *resolved, const char *keyword)
{
    if (option_of(parsed, keyword) != NULL) {
        return true;
    }
    if (option_of(parsed, "service") == NULL) {
        return false;
    }
    PQconninfoOption *defaults = PQconndefaults();
    const char *usual = or_empty(option_of(defaults, keyword));
    const char *now = or_empty(option_of(resolved, keyword));
    if (*usual == '\0' && strcmp(keyword, "dbname") == 0) {
        usual = or_empty(option_of(resolved, "user")); // libpq's default
    }
    bool differs = strcmp(usual, now) != 0;
    PQconninfoFree(defaults);
    return differs;
}

static bool
fill(struct target *target, const PQconninfoOption *parsed, PGconn *connection, char *error,
     size_t error_size)
{
    PQconninfoOption *options = PQconninfo(connection);
    copy_error(error, error_size, NULL);
    bool is_filled = options != NULL && fill_strings(target, options);
    if (is_filled) {
        target->password = strdup(or_empty(PQpass(connection)));
        target->has_user = is_given(parsed, options, "user");
        target->has_database = is_given(parsed, options, "dbname");
        target->tls_mode = read_tls_mode(option_of(options, "sslmode"));
        target->tls_sends_name = strcmp(or_empty(option_of(options, "sslsni")), "0") != 0;
        target->direct_tls = // of libpq 17 on
            strcmp(or_empty(option_of(options, "sslnegotiation")), "direct") == 0;
        target->connect_timeout = read_timeout(option_of(options, "connect_timeout"));
        bool mode_is_given = is_given(parsed, options, "sslmode") || getenv("PGSSLMODE") != NULL;
        is_filled = target->password != NULL &&
                    settle_system_roots(target, mode_is_given, error, error_size) &&
                    fill_hosts(target, options, PQhost(connection), error, error_size);
    }
    PQconninfoFree(options);
    return is_filled;
}

struct target *
target_new(const char *connection_string, char *error, size_t error_size)
{
    char *parse_error = NULL;
    PQconninfoOption *parsed = PQconninfoParse(connection_string, &parse_error);
    if (parsed == NULL) {
        copy_error(error, error_size, parse_error);
        PQfreemem(parse_error);
        return NULL;
    }
    const char *const keywords[] = {"dbname", "gssencmode", NULL};
    const char *const values[] = {connection_string, NOT_A_MODE, NULL};
    PGconn *connection = resolve(keywords, values, error, error_size);
    struct target *target = NULL;
    if (connection == NULL) {
        goto no_connection;
    }
    target = calloc(1, sizeof *target);
    if (target == NULL) {
        copy_error(error, error_size, NULL);
        goto no_target;
    }
    atomic_init(&target->references, 1);
    target->connection_string = strdup(connection_string);
    if (!fill(target, parsed, connection, error, error_size) || target->connection_string == NULL) {
        target_unref(&target);
    }
no_target:
    PQfinish(connection);
no_connection:
    PQconninfoFree(parsed);
    return target;
}

struct target *
target_ref(struct target *target)
{
    atomic_fetch_add_explicit(&target->references, 1, memory_order_relaxed);
    return target;
}

static void
free_secret(char *secret)
{
    if (secret != NULL) {
        OPENSSL_cleanse(secret, strlen(secret));
        free(secret);
    }
}

void
target_unref(struct target **target)
{
    struct target *dropped = *target;
    *target = NULL;
    if (dropped == NULL ||
        atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < dropped->host_count; i++) {
        free(dropped->hosts[i].host);
        free(dropped->hosts[i].address);
    }
    free(dropped->hosts);
    free_secret(dropped->connection_string);
    free_secret(dropped->password);
    free_secret(dropped->tls_key_password);
    free(dropped->user);
    free(dropped->database);
    free(dropped->options);
    free(dropped->passfile);
    free(dropped->tls_root_certificate);
    free(dropped->tls_certificate);
    free(dropped->tls_key);
    free(dropped->tls_revocation_list);
    free(dropped->tls_revocation_folder);
    free(dropped->tls_minimum);
    free(dropped->tls_maximum);
    free(dropped);
}

// ---- passwords ----

// What the passfile says of somebody that the string does not name.
static char *
look_up(const struct target *target, const char *user, const char *database)
{
    char port[8];
    snprintf(port, sizeof port, "%u", target->hosts[0].port);
    const char *const keywords[] = {"user",     "dbname",     "host", "port",
                                    "passfile", "gssencmode", NULL};
    const char *const values[] = {
        user, database, target->hosts[0].host, port, target->passfile, NOT_A_MODE, NULL};
    // No expansion: a database may be named like a connection string.
    PGconn *connection = PQconnectStartParams(keywords, values, 0);
    const char *found = connection != NULL ? or_empty(PQpass(connection)) : "";
    const char *everybodys = or_empty(getenv("PGPASSWORD")); // is the string's user's
    char *password = *found != '\0' && strcmp(found, everybodys) != 0 ? strdup(found) : NULL;
    PQfinish(connection);
    return password;
}

char *
target_password_for(const struct target *target, const char *user, const char *database)
{
    if (strcmp(user, target->user) == 0 && *target->password != '\0') {
        return strdup(target->password);
    }
    return look_up(target, user, database);
}
