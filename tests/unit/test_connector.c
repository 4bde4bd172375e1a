// The connector against listeners of the test's own: refusals, several hosts, sslmode's choices.
#include "certificates.h"
#include "moment.h"
#include "proxy/transport/connector.h"
#include "proxy/transport/tls.h"
#include "proxy/transport/tls_openssl.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>

static uv_loop_t loop;
static char error[512];

// A server that answers SSLRequest with `answer`, and then shakes hands if it has a context.
struct server {
    int listener;
    uv_poll_t poll;
    int port;
    const char *answer;
    struct tls_context *tls;
    struct stream *streams[8];
    bool is_direct; // TLS without SSLRequest
    unsigned accepted;
    unsigned closed;
    size_t got;
};

static struct server server;

static void
server_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    static const unsigned char request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
    struct stream *stream = *(struct stream **)context;
    server.got += length;
    if (server.is_direct) {
        stream_start_tls_server(stream, server.tls, chunk->bytes + offset, length);
        return;
    }
    if (server.answer == NULL || server.got > sizeof request) {
        return;
    }
    cr_expect_eq(length, sizeof request);
    cr_expect_arr_eq(chunk->bytes + offset, request, sizeof request);
    stream_write_copy(stream, server.answer, strlen(server.answer));
    if (server.tls != NULL) {
        stream_start_tls_server(stream, server.tls, NULL, 0);
    }
}

static void
server_end(void *context, enum stream_end why)
{
    (void)why;
    stream_stop(*(struct stream **)context);
}

static void
server_closed(void *context)
{
    *(struct stream **)context = NULL;
    server.closed++;
}

static const struct stream_callbacks server_callbacks = {
    .on_bytes = server_bytes, .on_end = server_end, .on_closed = server_closed};

static void
on_connection(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events;
    int fd = accept(server.listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    struct stream **slot = &server.streams[server.accepted++];
    *slot = stream_open(&loop, fd, &server_callbacks, slot);
    stream_resume(*slot);
}

static void
listen_on(const struct sockaddr *address, socklen_t length)
{
    server.listener = socket(address->sa_family, SOCK_STREAM, 0);
    cr_assert_eq(bind(server.listener, address, length), 0);
    cr_assert_eq(listen(server.listener, 8), 0);
    uv_poll_init(&loop, &server.poll, server.listener);
    uv_poll_start(&server.poll, UV_READABLE, on_connection);
}

static void
listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    listen_on((struct sockaddr *)&address, length);
    getsockname(server.listener, (struct sockaddr *)&address, &length);
    server.port = ntohs(address.sin_port);
}

struct outcome {
    unsigned count;
    struct stream *stream;
    char error[512];
    unsigned closed;
};

static void
on_done(void *context, struct stream *stream, const char *message)
{
    struct outcome *outcome = context;
    outcome->count++;
    outcome->stream = stream;
    snprintf(outcome->error, sizeof outcome->error, "%s", message);
}

static void
ours_closed(void *context)
{
    ((struct outcome *)context)->closed++;
}

static const struct stream_callbacks our_callbacks = {.on_closed = ours_closed};

static struct outcome outcome;

// `extra` follows "host=… port=…"; `%d` in it stands for the server's port.
static struct connector *
begin(const char *format, uint64_t timeout)
{
    char string[512];
    snprintf(string, sizeof string, format, server.port);
    struct target *target = target_new(string, error, sizeof error);
    cr_assert_not_null(target, "%s", error);
    struct tls_context *tls = NULL;
    if (target->tls_mode != TLS_DISABLE) {
        tls = tls_context_for_server(target, error, sizeof error);
        cr_assert_not_null(tls, "%s", error);
    }
    struct connector *connector = connector_start(&loop, target, tls, timeout, on_done, &outcome);
    cr_assert_eq(outcome.count, 0, "never from within");
    target_unref(&target);
    tls_context_unref(&tls);
    return connector;
}

static void
connect_to(const char *format)
{
    begin(format, 5000000000u);
    WAIT_FOR(outcome.count == 1);
}

static void
set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    setenv("HOME", "/nonexistent", 1);
    uv_loop_init(&loop);
    listen_on_loopback();
}

static void
tear_down(void)
{
    uv_close((uv_handle_t *)&server.poll, NULL);
    close(server.listener);
    if (outcome.stream != NULL) {
        stream_set_owner(outcome.stream, &our_callbacks, &outcome);
        stream_stop(outcome.stream);
    }
    for (unsigned i = 0; i < server.accepted; i++) {
        if (server.streams[i] != NULL) {
            stream_resume(server.streams[i]);
        }
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(outcome.closed, outcome.stream != NULL);
    cr_expect_eq(server.closed, server.accepted);
    cr_expect_eq(uv_loop_close(&loop), 0);
    tls_context_unref(&server.tls);
}

TestSuite(connector, .init = set_up, .fini = tear_down, .timeout = 30);

Test(connector, disable_and_allow_connect_in_plain)
{
    connect_to("host=127.0.0.1 port=%d sslmode=allow");
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
    cr_expect_not(stream_is_tls(outcome.stream));
    cr_expect_eq(server.got, 0);
    char address[64];
    int port;
    stream_peer(outcome.stream, address, &port);
    cr_expect_str_eq(address, "127.0.0.1");
    cr_expect_eq(port, server.port);
}

Test(connector, names_are_resolved)
{
    connect_to("host=localhost port=%d sslmode=disable");
    cr_expect_not_null(outcome.stream, "%s", outcome.error);
}

Test(connector, a_refusal_says_who_refused)
{
    connect_to("host=127.0.0.1 port=1 sslmode=disable");
    cr_expect_null(outcome.stream);
    cr_expect_str_eq(outcome.error, "connection to 127.0.0.1:1 refused");
}

Test(connector, hosts_are_tried_in_order)
{
    connect_to("host=127.0.0.1,/nonexistent,no-such-host.invalid,127.0.0.1 port=1,2,3,%d "
               "sslmode=disable");
    cr_expect_not_null(outcome.stream, "%s", outcome.error);
}

Test(connector, prefer_takes_no_for_an_answer)
{
    server.answer = "N";
    connect_to("host=127.0.0.1 port=%d sslmode=prefer");
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
    cr_expect_not(stream_is_tls(outcome.stream));
    cr_expect_eq(server.accepted, 1);
}

Test(connector, require_does_not)
{
    server.answer = "N";
    connect_to("host=127.0.0.1 port=%d sslmode=require");
    cr_expect_null(outcome.stream);
    cr_expect_not_null(strstr(outcome.error, "does not support TLS"), "%s", outcome.error);
}

Test(connector, bytes_after_the_answer_are_fatal)
{
    server.answer = "Sinjected";
    connect_to("host=127.0.0.1 port=%d sslmode=require");
    cr_expect_null(outcome.stream);
    cr_expect_not_null(strstr(outcome.error, "unencrypted data"), "%s", outcome.error);
}

Test(connector, junk_is_no_answer)
{
    server.answer = "?";
    connect_to("host=127.0.0.1 port=%d sslmode=prefer");
    cr_expect_null(outcome.stream);
}

Test(connector, prefer_tries_again_in_plain_when_the_handshake_fails)
{
    server.answer = "S"; // and then silence, until the hello is answered by junk
    struct connector *connector = begin("host=127.0.0.1 port=%d sslmode=prefer", 5000000000u);
    cr_assert_not_null(connector);
    WAIT_FOR(server.got > 8);
    stream_abort(server.streams[0]);
    WAIT_FOR(outcome.count == 1);
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
    cr_expect_not(stream_is_tls(outcome.stream));
    cr_expect_eq(server.accepted, 2);
}

Test(connector, tls_is_up_when_done_says_so)
{
    struct certificate_files files;
    char format[512];
    certificates_make(&files, "localhost", "IP:127.0.0.1");
    struct configuration_tls settings = {TLS_REQUIRE, files.certificate, files.key, ""};
    server.tls = tls_context_for_clients(&settings, error, sizeof error);
    server.answer = "S";
    snprintf(format, sizeof format, "host=127.0.0.1 port=%%d sslmode=verify-full sslrootcert=%s",
             files.certificate);
    connect_to(format);
    certificates_remove(&files);
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
    cr_expect(stream_is_tls(outcome.stream));
}

Test(connector, a_silent_server_times_out)
{
    begin("host=127.0.0.1 port=%d sslmode=require", 50000000u);
    WAIT_FOR(outcome.count == 1);
    cr_expect_null(outcome.stream);
    cr_expect_not_null(strstr(outcome.error, "timed out"), "%s", outcome.error);
}

Test(connector, a_cancelled_one_is_never_heard_of_again)
{
    struct connector *connector = begin("host=localhost port=%d sslmode=disable", 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    connector_cancel(&connector);
    cr_expect_null(connector);
    connector = begin("host=127.0.0.1 port=%d sslmode=require", 0);
    WAIT_FOR(server.got > 0);
    connector_cancel(&connector);
    for (int i = 0; i < 10; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    cr_expect_eq(outcome.count, 0);
}

Test(connector, unix_sockets_never_speak_tls)
{
    char directory[] = "/tmp/pgrehearse-test-XXXXXX";
    char format[256];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cr_assert_not_null(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%d", directory, server.port);
    uv_poll_stop(&server.poll);
    uv_close((uv_handle_t *)&server.poll, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    close(server.listener);
    listen_on((struct sockaddr *)&address, sizeof address);
    snprintf(format, sizeof format, "host=%s port=%%d sslmode=require", directory);
    connect_to(format);
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
    char peer[64];
    int port;
    stream_peer(outcome.stream, peer, &port);
    cr_expect_str_eq(peer, "local");
    unlink(address.sun_path);
    rmdir(directory);
}

Test(connector, beside_goes_to_the_same_server)
{
    connect_to("host=127.0.0.1,127.0.0.1 port=1,%d sslmode=disable");
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
    struct outcome second = {0};
    struct target *target = target_new("host=127.0.0.1 port=1", error, sizeof error);
    connector_start_beside(&loop, target, NULL, outcome.stream, 1000000000u, on_done, &second);
    target_unref(&target);
    WAIT_FOR(second.count == 1);
    cr_assert_not_null(second.stream, "%s", second.error);
    char address[64];
    int port;
    stream_peer(second.stream, address, &port);
    cr_expect_eq(port, server.port);
    stream_set_owner(second.stream, &our_callbacks, &second);
    stream_stop(second.stream);
    WAIT_FOR(second.closed == 1);
}

static void
close_stream(struct outcome *of)
{
    stream_set_owner(of->stream, &our_callbacks, of);
    stream_stop(of->stream);
    WAIT_FOR(of->closed == 1);
}

// Makes the server speak TLS.
static void
serve_tls(struct certificate_files *files)
{
    certificates_make(files, "localhost", "IP:127.0.0.1");
    struct configuration_tls settings = {TLS_ALLOW, files->certificate, files->key, ""};
    server.tls = tls_context_for_clients(&settings, error, sizeof error);
    cr_assert_not_null(server.tls, "%s", error);
    server.answer = "S";
}

Test(connector, allow_and_prefer_have_another_way_and_no_other_mode_has)
{
    struct certificate_files files;
    serve_tls(&files);
    static const struct {
        const char *mode;
        bool first_is_tls, has_other;
    } cases[] = {{"allow", false, true}, {"prefer", true, true}, {"require", true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char format[128];
        outcome = (struct outcome){0};
        server.got = 0;
        snprintf(format, sizeof format, "host=127.0.0.1 port=%%d sslmode=%s", cases[i].mode);
        connect_to(format);
        cr_assert_not_null(outcome.stream, "%s", outcome.error);
        cr_expect_eq(stream_is_tls(outcome.stream), cases[i].first_is_tls);
        char string[128];
        snprintf(string, sizeof string, "host=127.0.0.1 port=%d sslmode=%s", server.port,
                 cases[i].mode);
        struct target *named = target_new(string, error, sizeof error);
        cr_expect_eq(connector_has_other_way(named, outcome.stream), cases[i].has_other);
        if (cases[i].has_other) {
            struct tls_context *tls = tls_context_for_server(named, error, sizeof error);
            struct outcome second = {0};
            server.got = 0;
            connector_start_other_way(&loop, named, tls, outcome.stream, 5000000000u, on_done,
                                      &second);
            tls_context_unref(&tls);
            WAIT_FOR(second.count == 1);
            cr_assert_not_null(second.stream, "%s", second.error);
            cr_expect_neq(stream_is_tls(second.stream), cases[i].first_is_tls);
            close_stream(&second);
        }
        target_unref(&named);
        close_stream(&outcome);
        outcome.stream = NULL;
    }
    outcome = (struct outcome){0};
    certificates_remove(&files);
}

// By a target that others have connected by.
static void
connect_again(struct target *target, struct tls_context *tls)
{
    outcome = (struct outcome){0};
    server.got = 0;
    connector_start(&loop, target, tls, 5000000000u, on_done, &outcome);
    WAIT_FOR(outcome.count == 1);
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
}

Test(connector, with_prefer_a_server_without_tls_is_not_asked_each_time)
{
    enum { REQUEST = 8 };
    struct certificate_files files;
    char string[128];
    snprintf(string, sizeof string, "host=127.0.0.1 port=%d sslmode=prefer", server.port);
    struct target *target = target_new(string, error, sizeof error);
    struct tls_context *tls = tls_context_for_server(target, error, sizeof error);
    server.answer = "N";
    connect_again(target, tls);
    cr_expect_eq(server.got, REQUEST);
    cr_expect_not(connector_has_other_way(target, outcome.stream));
    close_stream(&outcome);

    connect_again(target, tls);
    cr_expect_eq(server.got, 0);
    cr_expect(connector_has_other_way(target, outcome.stream));
    close_stream(&outcome);

    target->plain_until = uv_hrtime(); // a second later
    connect_again(target, tls);
    cr_expect_eq(server.got, REQUEST);
    close_stream(&outcome);

    serve_tls(&files); // it has some now, and lets nobody in without
    connect_again(target, tls);
    struct outcome second = {0};
    connector_start_other_way(&loop, target, tls, outcome.stream, 5000000000u, on_done, &second);
    WAIT_FOR(second.count == 1);
    cr_assert_not_null(second.stream, "%s", second.error);
    cr_expect(stream_is_tls(second.stream));
    close_stream(&second);
    close_stream(&outcome);
    outcome = (struct outcome){0};
    certificates_remove(&files);
    tls_context_unref(&tls);
    target_unref(&target);
}

// libpq 15 does not know sslnegotiation: what a later one would say of the string is set by hand.
static void
connect_directly(const char *root)
{
    char string[256];
    snprintf(string, sizeof string, "host=127.0.0.1 port=%d sslmode=verify-full sslrootcert=%s",
             server.port, root);
    struct target *target = target_new(string, error, sizeof error);
    cr_assert_not_null(target, "%s", error);
    target->direct_tls = true;
    struct tls_context *tls = tls_context_for_server(target, error, sizeof error);
    cr_assert_not_null(tls, "%s", error);
    connector_start(&loop, target, tls, 5000000000u, on_done, &outcome);
    target_unref(&target);
    tls_context_unref(&tls);
    WAIT_FOR(outcome.count == 1);
}

Test(connector, direct_tls_begins_with_the_handshake_and_insists_on_alpn)
{
    struct certificate_files files;
    serve_tls(&files);
    server.is_direct = true;
    connect_directly(files.certificate);
    cr_assert_not_null(outcome.stream, "%s", outcome.error);
    cr_expect(stream_is_tls(outcome.stream) && stream_has_alpn(outcome.stream));
    certificates_remove(&files);
}

Test(connector, direct_tls_to_a_server_without_alpn_is_given_up)
{
    struct certificate_files files;
    serve_tls(&files);
    SSL_CTX_set_alpn_select_cb(tls_context_ssl(server.tls), NULL, NULL);
    server.is_direct = true;
    connect_directly(files.certificate);
    cr_expect_null(outcome.stream);
    cr_expect_not_null(strstr(outcome.error, "ALPN"), "%s", outcome.error);
    certificates_remove(&files);
}
