// Streams: order, backpressure, buffers, ends, TLS. Both ends are streams on one loop.
#include "certificates.h"
#include "proxy/transport/stream.h"
#include "proxy/transport/tls.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

struct end { // one end, and what it saw
    struct stream *stream;
    char *got;
    size_t length;
    size_t room;
    size_t give_up_at; // abort from within on_bytes when this much came; 0: never
    size_t pause_at;   // pause from within on_bytes, once; 0: never
    struct chunk *kept;
    struct chunk *last_chunk;
    size_t last_offset;
    bool keeps;
    unsigned drained, secured, ended, closed;
    enum stream_end why;
};

static uv_loop_t loop;
static struct end left, right;

static void
on_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct end *end = context;
    if (end->length + length > end->room) {
        end->room = (end->length + length) * 2;
        end->got = realloc(end->got, end->room);
    }
    memcpy(end->got + end->length, chunk->bytes + offset, length);
    end->length += length;
    end->last_chunk = chunk;
    end->last_offset = offset;
    if (end->keeps && end->kept == NULL) {
        end->kept = chunk_ref(chunk);
    }
    if (end->give_up_at > 0 && end->length >= end->give_up_at) {
        stream_abort(end->stream);
    }
    if (end->pause_at > 0 && end->length >= end->pause_at) {
        end->pause_at = 0;
        stream_pause(end->stream);
    }
}

static void
on_drained(void *context)
{
    ((struct end *)context)->drained++;
}

static void
on_secured(void *context)
{
    ((struct end *)context)->secured++;
}

static void
on_end(void *context, enum stream_end why)
{
    struct end *end = context;
    end->ended++;
    end->why = why;
    stream_stop(end->stream);
}

static void
on_closed(void *context)
{
    ((struct end *)context)->closed++;
}

static const struct stream_callbacks callbacks = {on_bytes, on_drained, on_secured, on_end,
                                                  on_closed};

static void
set_up(void)
{
    int fds[2];
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    left.stream = stream_open(&loop, fds[0], &callbacks, &left);
    right.stream = stream_open(&loop, fds[1], &callbacks, &right);
    cr_assert(left.stream != NULL && right.stream != NULL);
    stream_resume(left.stream);
    stream_resume(right.stream);
}

static void
stop_and_close(void)
{
    for (struct end *end = &left;; end = &right) {
        if (end->closed == 0) {
            stream_stop(end->stream);
        }
        if (end == &right) {
            break;
        }
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(left.closed, 1);
    cr_expect_eq(right.closed, 1);
    cr_expect_eq(uv_loop_close(&loop), 0);
    free(left.got);
    free(right.got);
    if (right.kept != NULL) {
        chunk_unref(&right.kept);
    }
}

#define WAIT_FOR(condition)                                                                        \
    for (int turn = 0; !(condition); turn++) {                                                     \
        cr_assert_lt(turn, 100000, #condition);                                                    \
        uv_run(&loop, UV_RUN_ONCE);                                                                \
    }

static char *
pattern(size_t length)
{
    char *bytes = malloc(length);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (char)(i * 31 + i / 257);
    }
    return bytes;
}

TestSuite(stream, .init = set_up, .fini = stop_and_close, .timeout = 30);

Test(stream, bytes_arrive_in_the_chunk_that_is_used_again)
{
    stream_write_copy(left.stream, "one", 3);
    WAIT_FOR(right.length == 3);
    struct chunk *first = right.last_chunk;
    stream_write_copy(left.stream, "two", 3);
    WAIT_FOR(right.length == 6);
    cr_expect_eq(right.last_chunk, first, "no new chunk while nobody holds the old one");
    cr_expect_eq(right.last_offset, 0);
    cr_expect_arr_eq(right.got, "onetwo", 6);
}

Test(stream, a_kept_chunk_never_changes)
{
    right.keeps = true;
    stream_write_copy(left.stream, "kept", 4);
    WAIT_FOR(right.length == 4);
    char *bytes = pattern(300000);
    stream_write_copy(left.stream, bytes, 300000);
    WAIT_FOR(right.length == 300004);
    cr_expect_arr_eq(right.kept->bytes, "kept", 4);
    cr_expect_arr_eq(right.got + 4, bytes, 300000);
    free(bytes);
}

Test(stream, a_slow_reader_holds_the_writer_back_and_gets_everything)
{
    size_t length = 8 * 1024 * 1024;
    char *bytes = pattern(length);
    stream_pause(right.stream);
    size_t sent = 0;
    bool goes_on = true;
    while (goes_on) {
        goes_on = stream_write_copy(left.stream, bytes + sent, 10000);
        sent += 10000;
        cr_assert_lt(sent, length);
    }
    cr_expect_gt(stream_pending(left.stream), STREAM_HIGH_WATER);
    for (int i = 0; i < 5; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    cr_expect_eq(right.length, 0, "paused");
    cr_expect_eq(left.drained, 0);
    stream_resume(right.stream);
    WAIT_FOR(left.drained == 1);
    stream_write_copy(left.stream, bytes + sent, length - sent);
    WAIT_FOR(right.length == length);
    cr_expect_arr_eq(right.got, bytes, length);
    free(bytes);
}

Test(stream, chunks_wait_by_reference)
{
    struct chunk *chunk = chunk_new(STREAM_CHUNK);
    memset(chunk->bytes, 'x', STREAM_CHUNK);
    chunk->length = STREAM_CHUNK;
    stream_pause(right.stream);
    unsigned count = 0;
    for (bool goes_on = true; goes_on; count++) {
        goes_on = stream_write(left.stream, chunk, 0, STREAM_CHUNK);
    }
    cr_expect_gt(chunk_references(chunk), 1);
    stream_resume(right.stream);
    WAIT_FOR(right.length == (size_t)count * STREAM_CHUNK);
    WAIT_FOR(chunk_references(chunk) == 1);
    chunk_unref(&chunk);
}

Test(stream, stop_delivers_what_is_queued)
{
    size_t length = 1024 * 1024;
    char *bytes = pattern(length);
    stream_write_copy(left.stream, bytes, length);
    stream_stop(left.stream);
    stream_stop(left.stream);
    WAIT_FOR(right.ended == 1);
    cr_expect_eq(right.why, STREAM_END_PEER);
    cr_assert_eq(right.length, length);
    cr_expect_arr_eq(right.got, bytes, length);
    free(bytes);
}

Test(stream, stop_gives_up_after_a_second_when_the_peer_does_not_read)
{
    stream_pause(right.stream);
    while (stream_write_copy(left.stream, "0123456789abcdef", 16)) {
    }
    uint64_t begun = uv_hrtime();
    stream_stop(left.stream);
    WAIT_FOR(left.closed == 1);
    cr_expect_lt(uv_hrtime() - begun, 10000000000u);
}

Test(stream, what_the_peer_said_last_is_read_although_writing_fails)
{
    stream_pause(left.stream);
    stream_write_copy(right.stream, "FATAL", 5);
    stream_abort(right.stream);
    WAIT_FOR(right.closed == 1);
    cr_expect(stream_write_copy(left.stream, "too late", 8));
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_expect_eq(left.ended, 0);
    stream_resume(left.stream);
    WAIT_FOR(left.ended == 1);
    cr_expect_eq(left.length, 5);
}

Test(stream, may_be_aborted_from_within_its_callback)
{
    right.give_up_at = 1;
    char *bytes = pattern(500000);
    stream_write_copy(left.stream, bytes, 500000);
    WAIT_FOR(left.closed == 1 && right.closed == 1);
    cr_expect_eq(right.ended, 0, "who stops is not told");
    cr_expect_eq(left.ended, 1);
    free(bytes);
}

// ---- TLS ----

static struct certificate_files files;
static char error[512];

static struct tls_context *
server_context(enum tls_mode mode, const char *ca)
{
    struct configuration_tls settings = {mode, files.certificate, files.key, (char *)ca};
    struct tls_context *context = tls_context_for_clients(&settings, error, sizeof error);
    cr_assert_not_null(context, "%s", error);
    return context;
}

static struct tls_context *
client_context(const char *extra)
{
    char string[512];
    snprintf(string, sizeof string, "host=localhost sslrootcert=%s %s", files.certificate, extra);
    struct target *target = target_new(string, error, sizeof error);
    cr_assert_not_null(target, "%s", error);
    struct tls_context *context = tls_context_for_server(target, error, sizeof error);
    cr_assert_not_null(context, "%s", error);
    target_unref(&target);
    return context;
}

// Left is the client.
static void
secure(struct tls_context *server, struct tls_context *client, const char *host, bool alpn)
{
    cr_assert(stream_start_tls_server(right.stream, server, NULL, 0));
    cr_assert(stream_start_tls_client(left.stream, client, host, alpn));
    tls_context_unref(&server);
    tls_context_unref(&client);
}

static void
set_up_tls(void)
{
    set_up();
    certificates_make(&files, "the server", "DNS:localhost,IP:127.0.0.1");
}

static void
tear_down_tls(void)
{
    certificates_remove(&files);
    stop_and_close();
}

TestSuite(tls, .init = set_up_tls, .fini = tear_down_tls, .timeout = 30);

Test(tls, carries_megabytes_both_ways_through_pauses)
{
    secure(server_context(TLS_REQUIRE, ""), client_context("sslmode=verify-full"), "localhost",
           true);
    WAIT_FOR(left.secured == 1 && right.secured == 1);
    cr_expect(stream_has_alpn(left.stream) && stream_has_alpn(right.stream));
    size_t length = 3 * 1024 * 1024;
    char *bytes = pattern(length);
    right.pause_at = 100000;
    left.keeps = true;
    stream_write_copy(left.stream, bytes, length);
    stream_write_copy(right.stream, bytes, length);
    WAIT_FOR(left.length == length && right.pause_at == 0);
    size_t paused_at = right.length;
    for (int i = 0; i < 5; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    cr_expect_eq(right.length, paused_at, "nothing is delivered while paused");
    stream_resume(right.stream);
    WAIT_FOR(right.length == length);
    cr_expect_arr_eq(right.got, bytes, length);
    cr_expect_arr_eq(left.got, bytes, length);
    free(bytes);
    chunk_unref(&left.kept);
}

Test(tls, close_notify_is_an_orderly_end)
{
    secure(server_context(TLS_REQUIRE, ""), client_context("sslmode=require"), "localhost", false);
    WAIT_FOR(left.secured == 1 && right.secured == 1);
    stream_write_copy(right.stream, "bye", 3);
    stream_stop(right.stream);
    WAIT_FOR(left.ended == 1);
    cr_expect_eq(left.why, STREAM_END_PEER);
    cr_expect_eq(left.length, 3);
}

Test(tls, verify_full_refuses_another_host)
{
    secure(server_context(TLS_REQUIRE, ""), client_context("sslmode=verify-full"), "example.org",
           false);
    WAIT_FOR(left.ended == 1 && right.ended == 1);
    cr_expect_eq(left.why, STREAM_END_TLS);
    cr_expect_eq(left.secured, 0);
}

Test(tls, verify_full_knows_addresses)
{
    secure(server_context(TLS_REQUIRE, ""), client_context("sslmode=verify-full"), "127.0.0.1",
           false);
    WAIT_FOR(left.secured == 1 && right.secured == 1);
}

Test(tls, verify_ca_refuses_a_strangers_certificate)
{
    struct tls_context *server = server_context(TLS_REQUIRE, "");
    struct certificate_files own = files;
    certificates_make(&files, "somebody else", "DNS:localhost");
    struct tls_context *client = client_context("sslmode=verify-ca");
    certificates_remove(&files);
    files = own;
    secure(server, client, "localhost", false);
    WAIT_FOR(left.ended == 1);
    cr_expect_eq(left.why, STREAM_END_TLS);
}

Test(tls, clients_certificates_are_asked_for_and_named)
{
    char extra[512];
    snprintf(extra, sizeof extra, "sslmode=require sslcert=%s sslkey=%s", files.certificate,
             files.key);
    secure(server_context(TLS_VERIFY_CA, files.certificate), client_context(extra), "localhost",
           false);
    WAIT_FOR(left.secured == 1 && right.secured == 1);
    char name[64];
    cr_assert(stream_peer_name(right.stream, name, sizeof name));
    cr_expect_str_eq(name, "the server");
    unsigned char seen_left[64];
    unsigned char seen_right[64];
    cr_expect_eq(stream_channel_binding(left.stream, seen_left), 32);
    cr_expect_eq(stream_channel_binding(right.stream, seen_right), 32);
    cr_expect_arr_eq(seen_left, seen_right, 32);
}

Test(tls, a_client_without_a_certificate_is_refused_by_verify_ca)
{
    secure(server_context(TLS_VERIFY_CA, files.certificate), client_context("sslmode=require"),
           "localhost", false);
    WAIT_FOR(right.ended == 1);
    cr_expect_eq(right.why, STREAM_END_TLS);
    cr_expect_eq(right.secured, 0);
}

Test(tls, junk_is_no_handshake)
{
    struct tls_context *server = server_context(TLS_REQUIRE, "");
    cr_assert(stream_start_tls_server(right.stream, server, "not a hello at all", 18));
    tls_context_unref(&server);
    WAIT_FOR(right.ended == 1);
    cr_expect_eq(right.why, STREAM_END_TLS);
    cr_expect_str_neq(stream_tls_error(right.stream), "");
}

Test(tls, a_hello_that_was_read_before_is_passed_on)
{
    // The client's hello arrives as plain bytes first, as a listener sees it.
    struct tls_context *client = client_context("sslmode=require");
    cr_assert(stream_start_tls_client(left.stream, client, "localhost", true));
    tls_context_unref(&client);
    WAIT_FOR(right.length > 0);
    struct tls_context *server = server_context(TLS_REQUIRE, "");
    cr_assert(stream_start_tls_server(right.stream, server, right.got, right.length));
    tls_context_unref(&server);
    right.length = 0;
    WAIT_FOR(left.secured == 1 && right.secured == 1);
    stream_write_copy(left.stream, "inside", 6);
    WAIT_FOR(right.length == 6);
}
