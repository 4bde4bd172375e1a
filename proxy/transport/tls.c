// OpenSSL contexts: settings and files turned into what connections are made from. Compromise: no
// session resumption. libpq never resumes, PostgreSQL gives no tickets either, and a ticket key would have to
// be shared by a fleet.
//
// A client without a certificate is let through the handshake, as PostgreSQL does: whoever needs one refuses
// the login in words (session_startup.c), where an alert would say little.
//
// A context is immutable and shared by reference; OpenSSL locks what it counts in it. Any thread.
#include "proxy/transport/tls.h"
#include "proxy/transport/tls_openssl.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls_context {
    atomic_uint references;
    SSL_CTX *ssl;
    bool checks_host;
    bool sends_name;
};

SSL_CTX *
tls_context_ssl(const struct tls_context *context)
{
    return context->ssl;
}

bool
tls_context_checks_host(const struct tls_context *context)
{
    return context->checks_host;
}

bool
tls_context_sends_name(const struct tls_context *context)
{
    return context->sends_name;
}

struct tls_context *
tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void
tls_context_unref(struct tls_context **context)
{
    struct tls_context *dropped = *context;
    *context = NULL;
    if (dropped != NULL &&
        atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(dropped->ssl);
        free(dropped);
    }
}

// ---- common ----

// Always false, for the caller to return.
static bool
complain(char *error, size_t error_size, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error(); // the first: what follows it says only who called whom
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    if (ERR_GET_REASON(code) == ERR_R_INTERRUPTED_OR_CANCELLED) { // give_key_password
        reason = "it is encrypted, and no password is given";
    }
    snprintf(error, error_size, "%s%s%s%s: %s", what, *file != '\0' ? " \"" : "", file,
             *file != '\0' ? "\"" : "", reason != NULL ? reason : "unknown OpenSSL error");
    ERR_clear_error();
    return false;
}

static int
give_key_password(char *buffer, int size, int is_writing, void *password)
{
    (void)is_writing;
    size_t length = strlen(password);
    if (length == 0 || length > (size_t)size) {
        return -1;
    }
    memcpy(buffer, password, length);
    return (int)length;
}

static struct tls_context *
new_context(const SSL_METHOD *method, char *error, size_t error_size)
{
    ERR_clear_error();
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    atomic_init(&context->references, 1);
    context->ssl = SSL_CTX_new(method);
    if (context->ssl == NULL) {
        complain(error, error_size, "no TLS", "");
        free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                          SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context->ssl, 0);
    // OpenSSL would ask the terminal for a password that is not given.
    SSL_CTX_set_default_passwd_cb(context->ssl, give_key_password);
    SSL_CTX_set_default_passwd_cb_userdata(context->ssl, "");
    return context;
}

// PEM, else DER, as libpq. What is wrong with it as PEM is what is told.
static bool
use_key(SSL_CTX *ssl, const char *key)
{
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1) {
        return true;
    }
    ERR_set_mark();
    bool is_loaded = SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_ASN1) == 1;
    ERR_pop_to_mark();
    return is_loaded;
}

static bool
use_certificate(SSL_CTX *ssl, const char *certificate, const char *key, char *error,
                size_t error_size)
{
    if (SSL_CTX_use_certificate_chain_file(ssl, certificate) != 1) {
        return complain(error, error_size, "could not load certificate file", certificate);
    }
    if (!use_key(ssl, key)) {
        return complain(error, error_size, "could not load private key file", key);
    }
    if (SSL_CTX_check_private_key(ssl) != 1) {
        return complain(error, error_size, "certificate does not match private key file", key);
    }
    return true;
}

// ---- for clients ----

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
            const unsigned char *offered, unsigned offered_length, void *unused)
{
    static const unsigned char postgresql[] = "\012postgresql";
    (void)ssl, (void)unused;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_length, postgresql, sizeof postgresql - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool
set_up_for_clients(SSL_CTX *ssl, const struct configuration_tls *settings, char *error,
                   size_t error_size)
{
    if (*settings->cert == '\0' || *settings->key == '\0') {
        snprintf(error, error_size,
                 "TLS for clients needs a certificate and its private key: "
                 "set listen.tls.cert and listen.tls.key");
        return false;
    }
    if (!use_certificate(ssl, settings->cert, settings->key, error, error_size)) {
        return false;
    }
    if (settings->mode >= TLS_VERIFY_CA && *settings->ca == '\0') {
        snprintf(error, error_size, "to verify clients' certificates needs listen.tls.ca");
        return false;
    }
    if (*settings->ca != '\0') {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(settings->ca);
        if (names == NULL || SSL_CTX_load_verify_locations(ssl, settings->ca, NULL) != 1) {
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            return complain(error, error_size, "could not load root certificate file",
                            settings->ca);
        }
        SSL_CTX_set_client_CA_list(ssl, names);
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    }
    SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, NULL);
    return true;
}

struct tls_context *
tls_context_for_clients(const struct configuration_tls *settings, char *error, size_t error_size)
{
    struct tls_context *context = new_context(TLS_server_method(), error, error_size);
    if (context != NULL && !set_up_for_clients(context->ssl, settings, error, error_size)) {
        tls_context_unref(&context);
    }
    return context;
}

// ---- towards servers ----

// libpq's defaults lie in ~/.postgresql. False: no home directory, or no such file.
static bool
default_file(char *path, size_t size, const char *name)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[1024];
    const char *home = getenv("HOME");
    if (home == NULL && getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 &&
        found != NULL) {
        home = entry.pw_dir;
    }
    return home != NULL && snprintf(path, size, "%s/.postgresql/%s", home, name) < (int)size &&
           access(path, F_OK) == 0;
}

static bool
load_roots(SSL_CTX *ssl, const struct target *target, char *error, size_t error_size)
{
    char path[1024];
    const char *file = target->tls_root_certificate;
    if (*file == '\0' && default_file(path, sizeof path, "root.crt")) {
        file = path;
    }
    if (*file == '\0' || (strcmp(file, "system") != 0 && access(file, F_OK) != 0)) {
        if (target->tls_mode < TLS_VERIFY_CA) {
            return true;
        }
        snprintf(error, error_size,
                 "root certificate file \"%s\" does not exist: provide the file (sslrootcert), or "
                 "change sslmode to disable server certificate verification",
                 *file != '\0' ? file : "~/.postgresql/root.crt");
        return false;
    }
    int loaded = strcmp(file, "system") == 0 ? SSL_CTX_set_default_verify_paths(ssl)
                                             : SSL_CTX_load_verify_locations(ssl, file, NULL);
    if (loaded != 1) {
        return complain(error, error_size, "could not load root certificate file", file);
    }
    // As libpq: a root certificate makes `require` verify the chain too.
    if (target->tls_mode >= TLS_REQUIRE) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    }
    return true;
}

static bool
load_revocations(SSL_CTX *ssl, const struct target *target, char *error, size_t error_size)
{
    char path[1024];
    const char *file = target->tls_revocation_list;
    const char *folder = target->tls_revocation_folder;
    if (*file == '\0' && *folder == '\0') {
        if (!default_file(path, sizeof path, "root.crl")) {
            return true;
        }
        file = path;
    }
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    if ((*file != '\0' && X509_STORE_load_file(store, file) != 1) ||
        (*folder != '\0' && X509_STORE_load_path(store, folder) != 1)) {
        return complain(error, error_size, "could not load certificate revocation list",
                        *file != '\0' ? file : folder);
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return true;
}

static bool
load_client_certificate(SSL_CTX *ssl, const struct target *target, char *error, size_t error_size)
{
    char certificate_path[1024];
    char key_path[1024];
    const char *certificate = target->tls_certificate;
    const char *key = target->tls_key;
    if (*certificate == '\0') {
        if (!default_file(certificate_path, sizeof certificate_path, "postgresql.crt")) {
            return true;
        }
        certificate = certificate_path;
    }
    if (*key == '\0') {
        if (!default_file(key_path, sizeof key_path, "postgresql.key")) {
            snprintf(error, error_size,
                     "certificate \"%s\" present, but no private key: set sslkey", certificate);
            return false;
        }
        key = key_path;
    }
    SSL_CTX_set_default_passwd_cb_userdata(ssl, target->tls_key_password);
    bool is_loaded = use_certificate(ssl, certificate, key, error, error_size);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, "");
    return is_loaded;
}

// libpq's names; what is below 1.2 is 1.2.
static int
version_of(const char *name)
{
    return strcmp(name, "TLSv1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

struct tls_context *
tls_context_for_server(const struct target *target, char *error, size_t error_size)
{
    struct tls_context *context = new_context(TLS_client_method(), error, error_size);
    if (context == NULL) {
        return NULL;
    }
    context->checks_host = target->tls_mode == TLS_VERIFY_FULL;
    context->sends_name = target->tls_sends_name;
    if (!load_roots(context->ssl, target, error, error_size) ||
        !load_revocations(context->ssl, target, error, error_size) ||
        !load_client_certificate(context->ssl, target, error, error_size)) {
        tls_context_unref(&context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context->ssl, version_of(target->tls_minimum));
    if (*target->tls_maximum != '\0') {
        SSL_CTX_set_max_proto_version(context->ssl, version_of(target->tls_maximum));
    }
    return context;
}
