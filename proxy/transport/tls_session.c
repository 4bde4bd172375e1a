// TLS on one connection, without its socket. OpenSSL talks to a BIO of our own: it reads straight from
// the chunk that the socket was read into, and writes records into the thread's record chunk, which is handed to
// the stream when it is full or when a call ends. So what the proxy adds to the cipher's work is one copy out of
// the first, and one into the second.
//
// One session belongs to one stream and its thread. Known compromise: the record chunk is shared by the
// thread's sessions, so nothing may stay in it after a call; every public function flushes.
#include "proxy/transport/tls_session.h"
#include "proxy/transport/tls_openssl.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_session {
    SSL *ssl;
    struct tls_context *context;
    struct loop_buffers *buffers; // the stream's
    tls_session_send send;
    void *send_context;
    const uint8_t *input; // borrowed
    size_t input_left;
    struct chunk
        *output; // buffers->sealed, while records lie in it from `output_from` on; borrowed
    size_t output_from;
    bool is_server;
    bool needs_alpn;
    char address
        [INET6_ADDRSTRLEN]; // verify-full is to find it in the certificate; "": a name, or none
    char error[256];
};

enum { RECORD_ROOM = 1024 }; // what is left in the record chunk must be worth a piece

static void
flush(struct tls_session *session)
{
    struct chunk *chunk = session->output;
    if (chunk == NULL) {
        return;
    }
    size_t from = session->output_from;
    session->output = NULL;
    if (chunk->length > from) {
        session->send(session->send_context, chunk, from, chunk->length - from);
    }
}

static int
bio_write(BIO *bio, const char *bytes, size_t length, size_t *written)
{
    struct tls_session *session = BIO_get_data(bio);
    *written = 0;
    while (*written < length) {
        if (session->output == NULL) {
            if (!loop_buffers_room(&session->buffers->sealed, RECORD_ROOM)) {
                return 0;
            }
            session->output = session->buffers->sealed;
            session->output_from = session->output->length;
        }
        struct chunk *chunk = session->output;
        size_t piece = length - *written;
        if (piece > chunk->capacity - chunk->length) {
            piece = chunk->capacity - chunk->length;
        }
        memcpy(chunk->bytes + chunk->length, bytes + *written, piece);
        chunk->length += piece;
        *written += piece;
        if (chunk->length == chunk->capacity) {
            flush(session);
        }
    }
    return 1;
}

static int
bio_read(BIO *bio, char *bytes, size_t room, size_t *got)
{
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = session->input_left < room ? session->input_left : room;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(bytes, session->input, *got);
    session->input += *got;
    session->input_left -= *got;
    return 1;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_method_once = PTHREAD_ONCE_INIT;

static void
make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (bio_method != NULL) {
        BIO_meth_set_write_ex(bio_method, bio_write);
        BIO_meth_set_read_ex(bio_method, bio_read);
        BIO_meth_set_ctrl(bio_method, bio_control);
    }
}

static struct tls_session *
new_session(struct tls_context *context, struct loop_buffers *buffers, tls_session_send send,
            void *send_context)
{
    pthread_once(&bio_method_once, make_bio_method);
    struct tls_session *session = calloc(1, sizeof *session);
    if (session == NULL || bio_method == NULL) {
        goto no_session;
    }
    session->ssl = SSL_new(tls_context_ssl(context));
    if (session->ssl == NULL) {
        goto no_session;
    }
    BIO *bio = BIO_new(bio_method);
    if (bio == NULL) {
        goto no_bio;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    session->context = tls_context_ref(context);
    session->buffers = buffers;
    session->send = send;
    session->send_context = send_context;
    return session;

no_bio:
    SSL_free(session->ssl);
no_session:
    ERR_clear_error();
    free(session);
    return NULL;
}

struct tls_session *
tls_session_new_server(struct tls_context *context, struct loop_buffers *buffers,
                       tls_session_send send, void *send_context)
{
    struct tls_session *session = new_session(context, buffers, send, send_context);
    if (session != NULL) {
        session->is_server = true;
        SSL_set_accept_state(session->ssl);
    }
    return session;
}

static bool
expect_host(struct tls_session *session, const char *host_name)
{
    struct in6_addr address;
    bool is_address = inet_pton(AF_INET, host_name, &address) == 1 ||
                      inet_pton(AF_INET6, host_name, &address) == 1;
    if (!is_address && host_name[0] != '\0' && tls_context_sends_name(session->context) &&
        SSL_set_tlsext_host_name(session->ssl, host_name) != 1) {
        return false;
    }
    if (!tls_context_checks_host(session->context)) {
        return true;
    }
    if (is_address) { // after the handshake
        snprintf(session->address, sizeof session->address, "%s", host_name);
        return true;
    }
    X509_VERIFY_PARAM *parameters = SSL_get0_param(session->ssl);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return host_name[0] != '\0' && X509_VERIFY_PARAM_set1_host(parameters, host_name, 0) == 1;
}

static bool
names_addresses(const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        found = sk_GENERAL_NAME_value(names, i)->type == GEN_IPADD;
    }
    GENERAL_NAMES_free(names);
    return found;
}

// As libpq: an address may also stand as text where names stand, which OpenSSL's own check does not know; the
// common name counts where the certificate names no addresses.
static bool
is_for_address(const struct tls_session *session)
{
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    if (certificate == NULL || X509_check_ip_asc(certificate, session->address, 0) == 1) {
        return certificate != NULL;
    }
    unsigned flags = names_addresses(certificate) ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0;
    return X509_check_host(certificate, session->address, 0, flags, NULL) == 1;
}

struct tls_session *
tls_session_new_client(struct tls_context *context, const char *host_name, bool alpn,
                       struct loop_buffers *buffers, tls_session_send send, void *send_context)
{
    static const unsigned char postgresql[] = "\012postgresql";
    struct tls_session *session = new_session(context, buffers, send, send_context);
    if (session == NULL) {
        return NULL;
    }
    SSL_set_connect_state(session->ssl);
    session->needs_alpn = alpn;
    if (!expect_host(session, host_name == NULL ? "" : host_name) ||
        (alpn && SSL_set_alpn_protos(session->ssl, postgresql, sizeof postgresql - 1) != 0)) {
        tls_session_free(&session);
    }
    ERR_clear_error();
    return session;
}

void
tls_session_free(struct tls_session **session)
{
    if (*session != NULL) {
        SSL_free((*session)->ssl);
        tls_context_unref(&(*session)->context);
        free(*session);
        *session = NULL;
    }
}

void
tls_session_input(struct tls_session *session, const uint8_t *bytes, size_t length)
{
    session->input = bytes;
    session->input_left = length;
}

// Says why, in the words of the certificate check where that was it.
static void
note_failure(struct tls_session *session)
{
    if (session->error[0] != '\0') {
        ERR_clear_error();
        return; // the first one says it
    }
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(session->ssl);
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (verified != X509_V_OK && code != 0 &&
        ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        snprintf(session->error, sizeof session->error, "certificate verify failed: %s",
                 X509_verify_cert_error_string(verified));
    } else {
        snprintf(session->error, sizeof session->error, "%s",
                 reason != NULL ? reason : "protocol error");
    }
    ERR_clear_error();
}

static enum tls_session_status
status_of(struct tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_NONE:
        return TLS_SESSION_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_SESSION_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_SESSION_END;
    default:
        note_failure(session);
        return TLS_SESSION_FAILED;
    }
}

enum tls_session_status
tls_session_handshake(struct tls_session *session)
{
    ERR_clear_error();
    enum tls_session_status status = status_of(session, SSL_do_handshake(session->ssl));
    flush(session);
    if (status != TLS_SESSION_DONE) {
        return status;
    }
    if (session->needs_alpn && !tls_session_has_alpn(session)) {
        snprintf(session->error, sizeof session->error, "%s",
                 "the server did not agree on ALPN \"postgresql\" (direct TLS)");
        return TLS_SESSION_FAILED;
    }
    if (session->address[0] != '\0' && !is_for_address(session)) {
        snprintf(session->error, sizeof session->error, "certificate verify failed: %s",
                 X509_verify_cert_error_string(X509_V_ERR_IP_ADDRESS_MISMATCH));
        return TLS_SESSION_FAILED;
    }
    return status;
}

enum tls_session_status
tls_session_read(struct tls_session *session, uint8_t *bytes, size_t room, size_t *length)
{
    enum tls_session_status status = TLS_SESSION_DONE;
    *length = 0;
    ERR_clear_error();
    while (*length < room) {
        size_t got = 0;
        int result = SSL_read_ex(session->ssl, bytes + *length, room - *length, &got);
        *length += got;
        if (result != 1) {
            status = status_of(session, result);
            break;
        }
    }
    flush(session); // answers to key updates
    // An end or a failure is said again by the next call.
    return *length > 0 ? TLS_SESSION_DONE : status;
}

bool
tls_session_write(struct tls_session *session, const void *bytes, size_t length)
{
    size_t written = 0;
    if (length == 0) {
        return true;
    }
    ERR_clear_error();
    bool is_written = SSL_write_ex(session->ssl, bytes, length, &written) == 1;
    if (!is_written) {
        note_failure(session);
    }
    flush(session);
    return is_written;
}

void
tls_session_shutdown(struct tls_session *session)
{
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    ERR_clear_error();
    flush(session);
}

const char *
tls_session_error(const struct tls_session *session)
{
    return session->error;
}

bool
tls_session_has_alpn(const struct tls_session *session)
{
    const unsigned char *name;
    unsigned length;
    SSL_get0_alpn_selected(session->ssl, &name, &length);
    return length == 10 && memcmp(name, "postgresql", 10) == 0;
}

size_t
tls_session_channel_binding(const struct tls_session *session, unsigned char out[64])
{
    X509 *certificate = session->is_server ? SSL_get_certificate(session->ssl)
                                           : SSL_get0_peer_certificate(session->ssl);
    int digest = NID_undef; // RSA-PSS has it among its parameters
    if (certificate == NULL ||
        X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1) {
        return 0;
    }
    // RFC 5929: SHA-256 in place of the broken ones.
    const EVP_MD *algorithm =
        digest == NID_md5 || digest == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(digest);
    unsigned length = 0;
    if (algorithm == NULL || EVP_MD_get_size(algorithm) > 64 ||
        X509_digest(certificate, algorithm, out, &length) != 1) {
        return 0;
    }
    return length;
}

bool
tls_session_peer_is_verified(const struct tls_session *session)
{
    return SSL_get0_peer_certificate(session->ssl) != NULL &&
           SSL_get_verify_result(session->ssl) == X509_V_OK;
}

bool
tls_session_peer_name(const struct tls_session *session, char *name, size_t size)
{
    if (!tls_session_peer_is_verified(session)) {
        return false;
    }
    X509_NAME *subject = X509_get_subject_name(SSL_get0_peer_certificate(session->ssl));
    int length = X509_NAME_get_text_by_NID(subject, NID_commonName, name, (int)size);
    // A NUL within, or a name that was cut, is somebody else's name.
    return length > 0 && (size_t)length < size - 1 && strlen(name) == (size_t)length;
}
