// Listening sockets by hand, since libuv has no SO_REUSEPORT: made and bound before the threads start,
// watched by uv_poll, accepted in batches. When the process is out of descriptors, accepting rests for
// a tick instead of spinning.
#include "proxy/relay/listener.h"
#include "proxy/log.h"
#include "proxy/relay/worker.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, BATCH = 64, SOCKETS_MAX = 64, REST_MS = 100 };

struct listening {
    struct listener *listener;
    int fd;
    bool is_local;
    bool is_polled;
    uv_poll_t poll;
};

struct listener {
    struct listening sockets[SOCKETS_MAX];
    size_t count;
    size_t open_handles; // that close callbacks are awaited of
    char *path;          // of the Unix socket, "" for none
    struct worker *worker;
    uv_timer_t rest;
    bool is_closing;
};

static bool
say(char *error, size_t error_size, const char *where, const char *what)
{
    snprintf(error, error_size, "cannot listen on %s: %s", where, what);
    return false;
}

static bool
set_on(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

// A bound TCP socket, or -1 with errno.
static int
bind_tcp(const struct addrinfo *address, bool is_shared)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (!set_on(fd, SOL_SOCKET, SO_REUSEADDR) ||
        (is_shared && !set_on(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        (address->ai_family == AF_INET6 && !set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

typedef bool (*address_taker)(void *context, const struct addrinfo *address);

// One address of a host may be of a family that this machine has not; not all of them.
static bool
take_all(const struct addrinfo *found, address_taker take, void *context)
{
    bool has_one = false;
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        if (take(context, at)) {
            has_one = true;
        } else if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) {
            return false;
        }
    }
    return has_one;
}

// Calls `take` for every address that `listen.host` names.
static bool
each_address(const struct configuration_listen *settings, address_taker take, void *context,
             char *error, size_t error_size)
{
    char hosts[1024], port[16];
    if (snprintf(hosts, sizeof(hosts), "%s", settings->host) >= (int)sizeof(hosts)) {
        return say(error, error_size, "listen.host", "the list is too long");
    }
    snprintf(port, sizeof(port), "%u", (unsigned)settings->port);
    char *rest = hosts, *host;
    while ((host = strsep(&rest, ",")) != NULL) {
        host += strspn(host, " \t");
        host[strcspn(host, " \t")] = '\0';
        if (host[0] == '\0') {
            continue;
        }
        bool is_all = strcmp(host, "*") == 0;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
        int status = getaddrinfo(is_all ? NULL : host, port, &hints, &found);
        char where[1100];
        snprintf(where, sizeof(where), "%s port %s", host, port);
        if (status != 0) {
            return say(error, error_size, where, gai_strerror(status));
        }
        bool is_bound = take_all(found, take, context);
        int why = errno;
        freeaddrinfo(found);
        if (!is_bound) {
            return say(error, error_size, where,
                       why == EADDRINUSE ? "the port is taken by another process" : strerror(why));
        }
    }
    return true;
}

static bool
probe_one(void *context, const struct addrinfo *address)
{
    (void)context;
    int fd = bind_tcp(address, false);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

bool
listener_probe(const struct configuration_listen *settings, char *error, size_t error_size)
{
    return each_address(settings, probe_one, NULL, error, error_size);
}

static bool
add(struct listener *listener, int fd, bool is_local)
{
    if (listener->count == SOCKETS_MAX) {
        errno = EMFILE;
        return false;
    }
    struct listening *listening = &listener->sockets[listener->count++];
    listening->listener = listener;
    listening->fd = fd;
    listening->is_local = is_local;
    return true;
}

static bool
open_one(void *context, const struct addrinfo *address)
{
    int fd = bind_tcp(address, true);
    if (fd < 0) {
        return false;
    }
    if (listen(fd, BACKLOG) != 0 || !add(context, fd, false)) {
        int why = errno;
        close(fd);
        errno = why;
        return false;
    }
    return true;
}

// A socket file that nobody listens on is left over from a crash, and is removed.
static bool
clear_path(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0) {
        return true;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool is_taken = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
                    errno != ECONNREFUSED;
    close(fd);
    if (is_taken) {
        errno = EADDRINUSE;
        return false;
    }
    return unlink(address->sun_path) == 0;
}

static bool
open_unix(struct listener *listener, const struct configuration_listen *settings, char *error,
          size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.%u",
                          settings->unix_socket_dir, (unsigned)settings->port);
    if (length >= (int)sizeof(address.sun_path)) {
        return say(error, error_size, settings->unix_socket_dir, "the path is too long");
    }
    if (!clear_path(&address)) {
        return say(error, error_size, address.sun_path, strerror(errno));
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return say(error, error_size, address.sun_path, strerror(errno));
    }
    // Open to all users, as PostgreSQL's own: who may log in is a matter of authentication.
    bool is_open = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                   (listener->path = strdup(address.sun_path)) != NULL &&
                   chmod(address.sun_path, 0777) == 0 && listen(fd, BACKLOG) == 0 &&
                   add(listener, fd, true);
    if (!is_open) {
        say(error, error_size, address.sun_path, strerror(errno));
        close(fd);
    }
    return is_open;
}

static void
discard(struct listener *listener)
{
    for (size_t i = 0; i < listener->count; i++) {
        close(listener->sockets[i].fd);
    }
    if (listener->path) {
        unlink(listener->path);
    }
    free(listener->path);
    free(listener);
}

struct listener *
listener_open(const struct configuration_listen *settings, bool with_unix_socket, char *error,
              size_t error_size)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener) {
        say(error, error_size, settings->host, "out of memory");
        return NULL;
    }
    // The Unix socket first: whoever finds the port open finds it, too.
    if ((with_unix_socket && settings->unix_socket_dir[0] != '\0' &&
         !open_unix(listener, settings, error, error_size)) ||
        !each_address(settings, open_one, listener, error, error_size)) {
        discard(listener);
        return NULL;
    }
    return listener;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void
on_rested(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    for (size_t i = 0; i < listener->count; i++) {
        uv_poll_start(&listener->sockets[i].poll, UV_READABLE, on_ready);
    }
}

static void
rest(struct listener *listener)
{
    log_event(LOG_ERROR_LEVEL, "accept_failed", "error=\"%s\"", strerror(errno));
    for (size_t i = 0; i < listener->count; i++) {
        uv_poll_stop(&listener->sockets[i].poll);
    }
    uv_timer_start(&listener->rest, on_rested, REST_MS, 0);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct listening *listening = poll->data;
    struct listener *listener = listening->listener;
    for (int i = 0; i < BATCH && !listener->is_closing; i++) {
        int fd = accept4(listening->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                rest(listener);
            }
            return;
        }
        worker_accepted(listener->worker, fd, listening->is_local);
    }
}

bool
listener_start(struct listener *listener, struct worker *worker)
{
    listener->worker = worker;
    if (uv_timer_init(&worker->loop, &listener->rest) != 0) {
        return false;
    }
    listener->rest.data = listener;
    listener->open_handles = 1;
    for (size_t i = 0; i < listener->count; i++) {
        struct listening *listening = &listener->sockets[i];
        if (uv_poll_init(&worker->loop, &listening->poll, listening->fd) != 0) {
            return false;
        }
        listening->poll.data = listening;
        listening->is_polled = true;
        listener->open_handles++;
        if (uv_poll_start(&listening->poll, UV_READABLE, on_ready) != 0) {
            return false;
        }
    }
    return true;
}

static void
on_handle_closed(uv_handle_t *handle)
{
    struct listener *listener =
        handle->type == UV_TIMER ? handle->data : ((struct listening *)handle->data)->listener;
    if (--listener->open_handles == 0) {
        free(listener->path);
        free(listener);
    }
}

void
listener_close(struct listener **listener)
{
    struct listener *gone = *listener;
    *listener = NULL;
    if (!gone) {
        return;
    }
    if (gone->open_handles == 0) {
        discard(gone);
        return;
    }
    gone->is_closing = true;
    if (gone->path) {
        unlink(gone->path);
    }
    for (size_t i = 0; i < gone->count; i++) {
        if (gone->sockets[i].is_polled) {
            uv_close((uv_handle_t *)&gone->sockets[i].poll, on_handle_closed);
        }
        close(gone->sockets[i].fd);
    }
    uv_close((uv_handle_t *)&gone->rest, on_handle_closed);
}
