// TLS on streams: what is verified, what certificates say, ends, keys, files. Both ends are streams on one
// loop, or one is a bare client of OpenSSL's.
#include "certificates.h"
#include "ends.h"
#include "proxy/transport/tls.h"
#include "proxy/transport/tls_openssl.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <string.h>

// Parameters of tests are numbers: Criterion hands them to another process, where pointers mean nothing.
static size_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

#define CASES(table) cr_make_param_array(size_t, numbers, sizeof(table) / sizeof *(table), NULL)

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

// The login refuses it in words: session_startup.c.
Test(tls, a_client_without_a_certificate_is_not_verified)
{
    secure(server_context(TLS_VERIFY_CA, files.certificate), client_context("sslmode=require"),
           "localhost", false);
    WAIT_FOR(left.secured == 1 && right.secured == 1);
    char name[64];
    cr_expect_not(stream_peer_is_verified(right.stream));
    cr_expect_not(stream_peer_name(right.stream, name, sizeof name));
    cr_expect(stream_peer_is_verified(left.stream));
}

// Another certificate of the client's than the server's, in place of `files`.
static struct tls_context *
client_context_with(struct certificate_files *own)
{
    char extra[512];
    snprintf(extra, sizeof extra, "sslmode=require sslcert=%s sslkey=%s", own->certificate,
             own->key);
    return client_context(extra);
}

Test(tls, a_clients_certificate_of_a_stranger_is_refused)
{
    struct certificate_files own;
    certificates_make(&own, "somebody", "DNS:localhost");
    secure(server_context(TLS_ALLOW, files.certificate), client_context_with(&own), "localhost",
           false);
    certificates_remove(&own);
    WAIT_FOR(right.ended == 1);
    cr_expect_eq(right.why, STREAM_END_TLS);
    cr_expect_eq(right.secured, 0);
    cr_expect_not_null(strstr(stream_tls_error(right.stream), "certificate verify failed"), "%s",
                       stream_tls_error(right.stream));
}

struct name_case {
    const char *names[2]; // common names; NULL: none
    size_t length;        // of the first; 0: up to its end
    size_t room;          // of the reader
    const char *read;     // NULL: none that counts
};

static const struct name_case name_cases[] = {
    {{"app", NULL}, 0, 64, "app"},       {{"first", "second"}, 0, 64, "first"}, // as PostgreSQL
    {{"app\0.evil", NULL}, 9, 64, NULL}, {{"app", NULL}, 4, 64, NULL},          // a NUL at the end
    {{"", NULL}, 0, 64, NULL},           {{NULL, NULL}, 0, 64, NULL},
    {{"appl", NULL}, 0, 5, NULL}, // may have been cut
    {{"app", NULL}, 0, 5, "app"},        {{"\xc3\xa4pp", NULL}, 0, 64, "\xc3\xa4pp"},
};

ParameterizedTestParameters(tls, common_names_are_read_as_postgresql_reads_them)
{
    return CASES(name_cases);
}

ParameterizedTest(size_t *number, tls, common_names_are_read_as_postgresql_reads_them)
{
    const struct name_case *one = &name_cases[*number];
    struct certificate_files own;
    certificates_make_with(
        &own, &(struct certificate_wish){.key = "EC",
                                         .digest = "SHA256",
                                         .common_names = {one->names[0], one->names[1]},
                                         .common_name_length = one->length});
    secure(server_context(TLS_VERIFY_CA, own.certificate), client_context_with(&own), "localhost",
           false);
    certificates_remove(&own);
    WAIT_FOR(left.secured == 1 && right.secured == 1);
    cr_expect(stream_peer_is_verified(right.stream));
    char name[64];
    bool is_read = stream_peer_name(right.stream, name, one->room);
    cr_assert_eq(is_read, one->read != NULL);
    if (is_read) {
        cr_expect_str_eq(name, one->read);
    }
}

struct binding_case {
    const char *key, *digest;
    bool is_pss;
    const char *hash; // NULL: none is defined
};

// RFC 5929: the signature's own hash, SHA-256 for MD5 and SHA-1; as PostgreSQL's be_tls_get_certificate_hash.
static const struct binding_case binding_cases[] = {
    {"RSA", "MD5", false, "SHA256"},    {"RSA", "SHA1", false, "SHA256"},
    {"RSA", "SHA224", false, "SHA224"}, {"RSA", "SHA256", false, "SHA256"},
    {"RSA", "SHA384", false, "SHA384"}, {"RSA", "SHA512", false, "SHA512"},
    {"EC", "SHA256", false, "SHA256"},  {"EC", "SHA384", false, "SHA384"},
    {"RSA", "SHA256", true, "SHA256"},  {"RSA", "SHA384", true, "SHA384"},
    {"ED25519", NULL, false, NULL},
};

ParameterizedTestParameters(tls, channels_are_bound_by_the_hash_of_the_certificates_signature)
{
    return CASES(binding_cases);
}

ParameterizedTest(size_t *number, tls, channels_are_bound_by_the_hash_of_the_certificates_signature)
{
    const struct binding_case *one = &binding_cases[*number];
    struct tls_context *client = client_context("sslmode=disable");
    certificates_remove(&files);
    certificates_make_with(&files, &(struct certificate_wish){.key = one->key,
                                                              .digest = one->digest,
                                                              .is_pss = one->is_pss,
                                                              .common_names = {"localhost"}});
    secure(server_context(TLS_REQUIRE, ""), client, "localhost", false);
    WAIT_FOR(left.secured == 1 && right.secured == 1);
    FILE *file = fopen(files.certificate, "r");
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    unsigned char expected[64], seen_left[64], seen_right[64];
    unsigned length = 0;
    if (one->hash != NULL) {
        X509_digest(certificate, EVP_get_digestbyname(one->hash), expected, &length);
    }
    X509_free(certificate);
    cr_assert_eq(stream_channel_binding(left.stream, seen_left), length);
    cr_assert_eq(stream_channel_binding(right.stream, seen_right), length);
    cr_expect(length == 0 || memcmp(seen_left, expected, length) == 0);
    cr_expect(length == 0 || memcmp(seen_right, expected, length) == 0);
}

struct host_case {
    const char *common_name, *names, *host;
    bool fits;
};

static const struct host_case host_cases[] = {
    {"localhost", NULL, "localhost", true},
    {"localhost", "DNS:db.test", "localhost", false},
    {"x", "DNS:*.db.test", "one.db.test", true},
    {"x", "DNS:*.db.test", "a.one.db.test", false},
    {"x", "DNS:o*.db.test", "one.db.test", false}, // libpq knows no parts
    {"x", "IP:10.0.0.1", "10.0.0.1", true},
    {"x", "IP:10.0.0.1", "10.0.0.2", false},
    {"x", "IP:::1", "::1", true},
    {"10.0.0.1", NULL, "10.0.0.1", true},
    {"10.0.0.1", NULL, "10.0.0.2", false},
    {"x", "DNS:10.0.0.1", "10.0.0.1", true},
    {"10.0.0.1", "IP:10.0.0.2", "10.0.0.1", false},
    {"x", "DNS:localhost", "", false},
};

ParameterizedTestParameters(tls, verify_full_finds_the_host_where_libpq_finds_it)
{
    return CASES(host_cases);
}

ParameterizedTest(size_t *number, tls, verify_full_finds_the_host_where_libpq_finds_it)
{
    const struct host_case *one = &host_cases[*number];
    certificates_remove(&files);
    certificates_make(&files, one->common_name, one->names);
    struct tls_context *server = server_context(TLS_REQUIRE, "");
    struct tls_context *client = client_context("sslmode=verify-full");
    if (one->host[0] == '\0') {
        cr_expect_not(stream_start_tls_client(left.stream, client, "", false));
        tls_context_unref(&server);
        tls_context_unref(&client);
        return;
    }
    secure(server, client, one->host, false);
    WAIT_FOR(left.secured + left.ended == 1);
    cr_expect_eq(left.secured, one->fits, "%s", stream_tls_error(left.stream));
    cr_expect(one->fits || strstr(stream_tls_error(left.stream), "mismatch") != NULL, "%s",
              stream_tls_error(left.stream));
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

// A server may send session tickets, or ask for new keys, in one piece with what follows.
Test(tls, records_behind_a_ticket_are_not_lost)
{
    struct tls_context *server = server_context(TLS_REQUIRE, "");
    SSL_CTX_clear_options(tls_context_ssl(server), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(tls_context_ssl(server), 3);
    secure(server, client_context("sslmode=require"), "localhost", false);
    WAIT_FOR(right.secured == 1);
    stream_write_copy(right.stream, "behind the tickets", 18);
    WAIT_FOR(left.length == 18 || left.ended == 1);
    cr_expect_arr_eq(left.got, "behind the tickets", 18);
}

Test(tls, no_session_is_resumed)
{
    struct tls_context *server = server_context(TLS_REQUIRE, "");
    cr_expect_eq(SSL_CTX_get_session_cache_mode(tls_context_ssl(server)), SSL_SESS_CACHE_OFF);
    cr_expect_eq(SSL_CTX_get_num_tickets(tls_context_ssl(server)), 0);
    uint64_t wanted = SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
    cr_expect_eq(SSL_CTX_get_options(tls_context_ssl(server)) & wanted, wanted);
    tls_context_unref(&server);
}

// A client of OpenSSL's alone, in place of the left stream.
static SSL *
bare_client(int *fd)
{
    int fds[2];
    stream_abort(left.stream);
    stream_abort(right.stream);
    WAIT_FOR(left.closed == 1 && right.closed == 1);
    right.closed = 0;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    right.stream = stream_open(&loop, fds[1], &callbacks, &right);
    stream_resume(right.stream);
    struct tls_context *server = server_context(TLS_REQUIRE, "");
    cr_assert(stream_start_tls_server(right.stream, server, NULL, 0));
    tls_context_unref(&server);
    *fd = fds[0];
    fcntl(*fd, F_SETFL, O_NONBLOCK);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(ssl, *fd);
    SSL_set_connect_state(ssl);
    return ssl;
}

Test(tls, key_updates_whose_answers_nobody_reads_do_not_fill_the_memory)
{
    int fd;
    SSL *ssl = bare_client(&fd);
    for (int turn = 0; SSL_do_handshake(ssl) != 1; turn++) {
        cr_assert_lt(turn, 100000);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    WAIT_FOR(right.secured == 1);
    for (int turn = 0; right.ended == 0; turn++) {
        cr_assert_lt(turn, 1000000);
        cr_assert_lt(stream_pending(right.stream), 256 * 1024);
        if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1) {
            SSL_do_handshake(ssl); // sends it; nothing is read
        }
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    cr_expect_eq(right.why, STREAM_END_TLS);
    SSL_free(ssl);
    close(fd);
}

Test(tls, key_updates_whose_answers_are_read_are_welcome)
{
    int fd;
    SSL *ssl = bare_client(&fd);
    char bytes[16];
    for (int turn = 0; SSL_do_handshake(ssl) != 1; turn++) {
        cr_assert_lt(turn, 100000);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    for (int i = 0; i < 4000; i++) { // more than could stay unread
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(ssl);
        uv_run(&loop, UV_RUN_NOWAIT);
        SSL_read(ssl, bytes, sizeof bytes); // its answer
    }
    cr_expect_eq(SSL_write(ssl, "new keys", 8), 8);
    WAIT_FOR(right.length == 8);
    cr_expect_eq(right.ended, 0);
    SSL_free(ssl);
    close(fd);
}

Test(tls, an_end_without_close_notify_is_an_end)
{
    int fd;
    SSL *ssl = bare_client(&fd);
    for (int turn = 0; SSL_do_handshake(ssl) != 1; turn++) {
        cr_assert_lt(turn, 100000);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    SSL_write(ssl, "last words", 10);
    shutdown(fd, SHUT_WR);
    WAIT_FOR(right.ended == 1);
    cr_expect_eq(right.length, 10);
    SSL_free(ssl);
    close(fd);
}

Test(tls, close_notify_is_said_on_both_sides_and_writing_goes_on_after_the_peers)
{
    int fd;
    SSL *ssl = bare_client(&fd);
    char bytes[16];
    for (int turn = 0; SSL_do_handshake(ssl) != 1; turn++) {
        cr_assert_lt(turn, 100000);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    WAIT_FOR(right.secured == 1);
    right.stays = true;
    SSL_shutdown(ssl); // we say no more
    WAIT_FOR(right.ended == 1);
    cr_expect_eq(right.why, STREAM_END_PEER);
    stream_write_copy(right.stream, "still read", 10);
    int length = -1;
    WAIT_FOR((length = SSL_read(ssl, bytes, sizeof bytes)) > 0);
    cr_expect_eq(length, 10);
    stream_stop(right.stream);
    WAIT_FOR((length = SSL_read(ssl, bytes, sizeof bytes)) == 0 ||
             SSL_get_error(ssl, length) != SSL_ERROR_WANT_READ);
    cr_expect_eq(SSL_get_error(ssl, length), SSL_ERROR_ZERO_RETURN);
    SSL_free(ssl);
    close(fd);
}

Test(tls, a_peer_that_never_reads_our_close_notify_is_let_go)
{
    int fd;
    SSL *ssl = bare_client(&fd);
    for (int turn = 0; SSL_do_handshake(ssl) != 1; turn++) {
        cr_assert_lt(turn, 100000);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    WAIT_FOR(right.secured == 1);
    while (stream_write_copy(right.stream, "0123456789abcdef", 16)) {
    }
    stream_stop(right.stream);
    WAIT_FOR(right.closed == 1);
    SSL_free(ssl);
    close(fd);
}

// ---- contexts ----

static void
key_with_password(const struct certificate_files *own, const char *password)
{
    FILE *file = fopen(own->key, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    file = fopen(own->key, "w");
    if (password != NULL) {
        PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), NULL, 0, NULL, (void *)password);
    } else {
        i2d_PrivateKey_fp(file, key); // DER
    }
    fclose(file);
    EVP_PKEY_free(key);
}

static bool
server_can_be_reached_with(const char *extra)
{
    char string[512];
    snprintf(string, sizeof string, "host=localhost sslcert=%s sslkey=%s %s", files.certificate,
             files.key, extra);
    struct target *target = target_new(string, error, sizeof error);
    cr_assert_not_null(target, "%s", error);
    struct tls_context *context = tls_context_for_server(target, error, sizeof error);
    target_unref(&target);
    bool is_made = context != NULL;
    tls_context_unref(&context);
    return is_made;
}

Test(tls, a_key_with_a_password_is_never_asked_for_on_a_terminal)
{
    key_with_password(&files, "open sesame");
    cr_expect(server_can_be_reached_with("sslpassword='open sesame'"));
    cr_expect_not(server_can_be_reached_with("sslpassword=wrong"));
    cr_expect_not(server_can_be_reached_with(""));
    cr_expect_not_null(strstr(error, files.key), "%s", error);
    struct configuration_tls settings = {TLS_REQUIRE, files.certificate, files.key, ""};
    cr_expect_null(tls_context_for_clients(&settings, error, sizeof error));
    cr_expect_not_null(strstr(error, files.key), "%s", error);
}

Test(tls, a_key_may_be_der)
{
    key_with_password(&files, NULL);
    cr_expect(server_can_be_reached_with(""), "%s", error);
}

Test(tls, files_that_are_not_what_they_should_be_are_named)
{
    struct configuration_tls settings = {TLS_REQUIRE, files.key, files.key, ""};
    cr_expect_null(tls_context_for_clients(&settings, error, sizeof error));
    cr_expect_not_null(strstr(error, files.key), "%s", error);
    settings = (struct configuration_tls){TLS_ALLOW, files.certificate, files.key, "/nonexistent"};
    cr_expect_null(tls_context_for_clients(&settings, error, sizeof error));
    cr_expect_not_null(strstr(error, "/nonexistent"), "%s", error);
    struct certificate_files own;
    certificates_make(&own, "another", NULL);
    settings = (struct configuration_tls){TLS_ALLOW, files.certificate, own.key, ""};
    cr_expect_null(tls_context_for_clients(&settings, error, sizeof error));
    cr_expect_not_null(strstr(error, "match"), "%s", error);
    certificates_remove(&own);
    cr_expect_not(server_can_be_reached_with("sslcrl=/nonexistent"));
    cr_expect_not(server_can_be_reached_with("sslmode=verify-ca sslrootcert=/nonexistent"));
    cr_expect(server_can_be_reached_with("sslmode=require sslrootcert=/nonexistent"));
}
