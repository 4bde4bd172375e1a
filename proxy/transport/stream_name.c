// Who is at the other end of a stream: addresses, certificates. The loop's thread.
#include "proxy/transport/connector.h"
#include "proxy/transport/stream_parts.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

int
stream_fd(const struct stream *stream)
{
    uv_os_fd_t fd = -1;
    return uv_fileno(&stream->socket.handle, &fd) == 0 ? fd : -1;
}

bool
stream_peer_address(const struct stream *stream, struct sockaddr_storage *address,
                    socklen_t *length)
{
    *length = sizeof *address;
    memset(address, 0, sizeof *address);
    return getpeername(stream_fd(stream), (struct sockaddr *)address, length) == 0;
}

void
stream_peer(const struct stream *stream, char address[64], int *port)
{
    struct sockaddr_storage peer;
    socklen_t length;
    *port = 0;
    snprintf(address, 64, "unknown");
    if (!stream_peer_address(stream, &peer, &length)) {
        return;
    }
    if (peer.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&peer;
        inet_ntop(AF_INET, &in->sin_addr, address, 64);
        *port = ntohs(in->sin_port);
    } else if (peer.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&peer;
        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
            inet_ntop(AF_INET, &in->sin6_addr.s6_addr[12], address, 64);
        } else {
            inet_ntop(AF_INET6, &in->sin6_addr, address, 64);
        }
        *port = ntohs(in->sin6_port);
    } else if (peer.ss_family == AF_UNIX) {
        snprintf(address, 64, "local");
    }
}

size_t
stream_host(const struct stream *stream)
{
    return stream->host;
}

bool
stream_is_tls(const struct stream *stream)
{
    return stream->tls != NULL && stream->is_secured;
}

bool
stream_has_alpn(const struct stream *stream)
{
    return stream_is_tls(stream) && tls_session_has_alpn(stream->tls);
}

const char *
stream_tls_error(const struct stream *stream)
{
    return stream->tls != NULL ? tls_session_error(stream->tls) : "";
}

bool
stream_peer_is_verified(const struct stream *stream)
{
    return stream_is_tls(stream) && tls_session_peer_is_verified(stream->tls);
}

bool
stream_peer_name(const struct stream *stream, char *name, size_t size)
{
    return stream_is_tls(stream) && tls_session_peer_name(stream->tls, name, size);
}

size_t
stream_channel_binding(const struct stream *stream, unsigned char out[64])
{
    return stream_is_tls(stream) ? tls_session_channel_binding(stream->tls, out) : 0;
}
