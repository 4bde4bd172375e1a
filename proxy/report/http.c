// libmicrohttpd with one thread. Every answer is made from pictures; changes (PUT, POST) go through the
// console's commands on the reporter thread, so that both ways are one.
//
// The listening address is taken once, at start; the token follows RELOAD.
#include "proxy/report/http.h"
#include "proxy/report/http_page.h"
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 4096, CONNECTIONS_MAX = 64, TIMEOUT_SECONDS = 10 };

struct http {
    struct instance *instance;
    struct MHD_Daemon *daemon;
};

struct incoming { // a request's body, as far as it has come
    char body[BODY_MAX + 1];
    size_t length;
    bool is_too_big;
};

static enum MHD_Result
reply(struct MHD_Connection *connection, struct http_page *page)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(page->length, page->body, MHD_RESPMEM_MUST_FREE);

    if (response == NULL) {
        free(page->body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (page->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Bearer realm=\"pgrehearse\"");
    if (page->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, page->allow);

    enum MHD_Result result = MHD_queue_response(connection, page->status, response);

    MHD_destroy_response(response);
    return result;
}

static bool
has_token(struct MHD_Connection *connection, const char *token)
{
    const char *header =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    size_t length = strlen(token);

    return header != NULL && strncmp(header, "Bearer ", 7) == 0 && strlen(header + 7) == length &&
           CRYPTO_memcmp(header + 7, token, length) == 0;
}

static enum http_access
access_of(struct http *http, struct MHD_Connection *connection)
{
    const struct configuration *configuration = instance_configuration(http->instance);
    enum http_access access = HTTP_NO_TOKEN;

    if (configuration->http.token[0] != '\0')
        access = has_token(connection, configuration->http.token) ? HTTP_ADMITTED : HTTP_STRANGER;
    configuration_unref(&configuration);
    return access;
}

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *data, size_t *data_length, void **state)
{
    struct http *http = context;
    struct incoming *incoming = *state;
    struct http_page page = {0};

    (void)version;
    if (incoming == NULL) {
        *state = calloc(1, sizeof *incoming);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*data_length > 0) {
        size_t room = BODY_MAX - incoming->length;
        size_t taken = *data_length < room ? *data_length : room;

        memcpy(incoming->body + incoming->length, data, taken);
        incoming->length += taken;
        incoming->is_too_big |= taken < *data_length;
        *data_length = 0;
        return MHD_YES;
    }

    struct http_request request = {
        .instance = http->instance,
        .method = method,
        .path = url,
        .body = incoming->is_too_big ? NULL : incoming->body,
        .access = access_of(http, connection),
    };

    http_page_make(&request, &page);
    if (page.body == NULL)
        return MHD_NO; // no memory: the connection is closed
    return reply(connection, &page);
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **state,
             enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    free(*state);
    *state = NULL;
}

// "host:port", "[host]:port", "*:port". Owned by the caller (freeaddrinfo). NULL: `error`.
static struct addrinfo *
resolve(const char *listen, char *error, size_t error_size)
{
    const char *colon = strrchr(listen, ':');
    char host[256];
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;

    if (colon == NULL || (size_t)(colon - listen) >= sizeof host) {
        snprintf(error, error_size, "http.listen \"%s\" is not host:port", listen);
        return NULL;
    }
    memcpy(host, listen, (size_t)(colon - listen));
    host[colon - listen] = '\0';
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        memmove(host, host + 1, strlen(host));
    }

    bool is_any = host[0] == '\0' || strcmp(host, "*") == 0;
    int status = getaddrinfo(is_any ? NULL : host, colon + 1, &hints, &found);

    if (status != 0) {
        snprintf(error, error_size, "http.listen \"%s\": %s", listen, gai_strerror(status));
        return NULL;
    }
    return found;
}

static struct MHD_Daemon *
start_daemon(struct http *http, const struct addrinfo *address)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;

    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
                            address->ai_addr, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_SECONDS,
                            MHD_OPTION_END);
}

bool
http_start(struct instance *instance, struct http **http, char *error, size_t error_size)
{
    const struct configuration *configuration = instance_configuration(instance);
    const char *listen = configuration->http.listen;
    struct addrinfo *addresses = NULL;
    bool is_wanted = listen[0] != '\0';

    *http = NULL;
    if (is_wanted && (addresses = resolve(listen, error, error_size)) != NULL) {
        *http = calloc(1, sizeof **http);
        if (*http != NULL) {
            (*http)->instance = instance;
            (*http)->daemon = start_daemon(*http, addresses);
        }
        freeaddrinfo(addresses);
        if (*http == NULL || (*http)->daemon == NULL) {
            snprintf(error, error_size,
                     "could not listen on http.listen \"%s\": is the port in use?", listen);
            free(*http);
            *http = NULL;
        }
    }
    configuration_unref(&configuration);
    return !is_wanted || *http != NULL;
}

void
http_stop(struct http **http)
{
    if (*http == NULL)
        return;
    MHD_stop_daemon((*http)->daemon);
    free(*http);
    *http = NULL;
}
