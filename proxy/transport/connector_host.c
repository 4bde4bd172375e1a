// The hosts of a target, one after the other: the addresses that each has, by its name, its literal or its
// socket's path, and the words for what goes wrong with it.
#include "proxy/transport/connector_parts.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { NAME_SIZE = 160 };

const struct target_host *
connector_host(const struct connector *connector)
{
    return &connector->target->hosts[connector->host];
}

static bool
is_socket_directory(const char *host)
{
    return host[0] == '/' || host[0] == '@';
}

// "host:port", or the socket's path.
static void
name_host(const struct connector *connector, char name[NAME_SIZE])
{
    const struct target_host *host = connector_host(connector);
    if (is_socket_directory(host->host) && *host->address == '\0') {
        snprintf(name, NAME_SIZE, "%s/.s.PGSQL.%u", host->host, host->port);
    } else {
        bool is_ipv6 = strchr(host->host, ':') != NULL;
        snprintf(name, NAME_SIZE, "%s%s%s:%u", is_ipv6 ? "[" : "", host->host, is_ipv6 ? "]" : "",
                 host->port);
    }
}

void
connector_note(struct connector *connector, const char *format, ...)
{
    char name[NAME_SIZE];
    char what[CONNECTOR_ERROR_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    name_host(connector, name);
    size_t used = strlen(connector->error);
    snprintf(connector->error + used, CONNECTOR_ERROR_SIZE - used, "%sconnection to %s %s",
             used > 0 ? "; " : "", name, what);
}

void
connector_note_errno(struct connector *connector, int error)
{
    if (error == ECONNREFUSED) {
        connector_note(connector, "refused");
    } else if (error == ETIMEDOUT) {
        connector_note(connector, "timed out");
    } else {
        connector_note(connector, "failed: %s", uv_strerror(-error));
    }
}

static bool
fill_unix_address(struct connector *connector, const struct target_host *host)
{
    struct connector_address *address = &connector->addresses[0];
    struct sockaddr_un *path = (struct sockaddr_un *)&address->socket;
    memset(address, 0, sizeof *address);
    path->sun_family = AF_UNIX;
    int length =
        snprintf(path->sun_path, sizeof path->sun_path, "%s/.s.PGSQL.%u", host->host, host->port);
    if (length >= (int)sizeof path->sun_path) {
        connector_note(connector, "failed: the path of a Unix socket has at most %zu bytes",
                       sizeof path->sun_path - 1);
        return false;
    }
    address->length = sizeof *path;
    if (path->sun_path[0] == '@') { // the abstract name space: no NUL at its end
        path->sun_path[0] = '\0';
        address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    }
    connector->address_count = 1;
    return true;
}

static void
on_resolved(uv_getaddrinfo_t *resolver, int status, struct addrinfo *list)
{
    struct connector *connector = resolver->data;
    if (connector->phase != CONNECTOR_RESOLVING) {
        uv_freeaddrinfo(list);
        connector_let_go(connector);
        return;
    }
    connector->holds--; // the timer holds on
    connector->address_count = 0;
    for (struct addrinfo *entry = list;
         status == 0 && entry != NULL && connector->address_count < CONNECTOR_ADDRESS_LIMIT;
         entry = entry->ai_next) {
        struct connector_address *address = &connector->addresses[connector->address_count++];
        memcpy(&address->socket, entry->ai_addr, entry->ai_addrlen);
        address->length = entry->ai_addrlen;
    }
    uv_freeaddrinfo(list);
    if (status != 0) {
        connector_note(connector, "failed: could not translate host name to address: %s",
                       uv_strerror(status));
    }
    connector_try_address(connector);
}

static void
resolve(struct connector *connector, const struct target_host *host)
{
    char port[8];
    const char *name = *host->address != '\0' ? host->address : host->host;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof port, "%u", host->port);
    connector->phase = CONNECTOR_RESOLVING;
    connector->resolver.data = connector;
    int error =
        uv_getaddrinfo(connector->loop, &connector->resolver, on_resolved, name, port, &hints);
    if (error == 0) {
        connector->holds++;
    } else {
        connector->phase = CONNECTOR_CONNECTING;
        connector_note(connector, "failed: could not look up the host name: %s",
                       uv_strerror(error));
        connector_try_address(connector);
    }
}

// An address needs no thread of the resolver.
static bool
fill_literal(struct connector *connector, const struct target_host *host)
{
    const char *name = *host->address != '\0' ? host->address : host->host;
    struct connector_address *address = &connector->addresses[0];
    memset(address, 0, sizeof *address);
    if (uv_ip4_addr(name, host->port, (struct sockaddr_in *)&address->socket) == 0) {
        address->length = sizeof(struct sockaddr_in);
    } else if (uv_ip6_addr(name, host->port, (struct sockaddr_in6 *)&address->socket) == 0) {
        address->length = sizeof(struct sockaddr_in6);
    }
    connector->address_count = address->length > 0 ? 1 : 0;
    return address->length > 0;
}

void
connector_try_host(struct connector *connector)
{
    if (connector->is_beside || connector->host >= connector->target->host_count) {
        connector->host = 0;
        connector_finish(connector, NULL);
        return;
    }
    const struct target_host *host = connector_host(connector);
    connector->address = 0;
    connector->address_count = 0;
    connector->phase = CONNECTOR_CONNECTING;
    if (is_socket_directory(host->host) && *host->address == '\0') {
        fill_unix_address(connector, host);
        connector_try_address(connector);
    } else if (fill_literal(connector, host)) {
        connector_try_address(connector);
    } else {
        resolve(connector, host);
    }
}
