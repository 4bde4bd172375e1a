// TLS: what the proxy shows to clients, and whether both sides are spoken to alike.
#include "proxy/check/check_tls.h"
#include "proxy/check/ask.h"
#include "proxy/transport/tls.h"
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

static const char *const mode_names[] = {
    [TLS_DISABLE] = "disable", [TLS_ALLOW] = "allow",         [TLS_PREFER] = "prefer",
    [TLS_REQUIRE] = "require", [TLS_VERIFY_CA] = "verify-ca", [TLS_VERIFY_FULL] = "verify-full",
};
enum { DAYS = 14 }; // before its end that a certificate is warned of

static X509 *
read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    if (file)
        fclose(file);
    return certificate;
}

static void
check_dates(struct findings *findings, const char *path)
{
    X509 *certificate = read_certificate(path);
    int days, seconds;

    if (!certificate)
        return;
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        findings_add(findings, FINDING_certificate_expired, "listen.tls.cert",
                     "\"%s\" is not valid yet", path);
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate))) {
        if (days < 0 || seconds < 0)
            findings_add(findings, FINDING_certificate_expired, "listen.tls.cert",
                         "\"%s\" has expired", path);
        else if (days < DAYS)
            findings_add(findings, FINDING_certificate_expires, "listen.tls.cert",
                         "\"%s\" expires in %d day%s", path, days, days == 1 ? "" : "s");
    }
    X509_free(certificate);
}

void
check_tls_listen(struct findings *findings, const struct configuration_tls *settings)
{
    char error[512];
    struct tls_context *context;

    if (settings->mode == TLS_DISABLE)
        return;
    context = tls_context_for_clients(settings, error, sizeof error);
    if (context)
        check_dates(findings, settings->cert);
    else
        findings_add(findings, FINDING_tls_file, "listen.tls", "%s", error);
    tls_context_unref(&context);
}

static bool
is_over_tcp(const struct check *check, enum side side)
{
    const char *host = PQhost(check->links[side].connection);

    return host && host[0] != '/' && host[0] != '@';
}

static void
compare_sides(struct check *check)
{
    struct target *const *targets = check->settings->targets;
    bool are_used[2];

    if (ask_is_alone(check) || !is_over_tcp(check, SIDE_OLD) || !is_over_tcp(check, SIDE_NEW))
        return;
    for (int side = 0; side < 2; side++)
        are_used[side] = PQsslInUse(check->links[side].connection);
    if (are_used[SIDE_OLD] != are_used[SIDE_NEW])
        findings_add(&check->findings, FINDING_tls_off,
                     check_side_names[are_used[SIDE_OLD] ? SIDE_NEW : SIDE_OLD],
                     "is spoken to without TLS, and %s with it",
                     check_side_names[are_used[SIDE_OLD] ? SIDE_OLD : SIDE_NEW]);
    else if (targets[SIDE_OLD]->tls_mode != targets[SIDE_NEW]->tls_mode)
        findings_add(&check->findings, FINDING_tls_weaker, "sslmode", "%s for old and %s for new",
                     mode_names[targets[SIDE_OLD]->tls_mode],
                     mode_names[targets[SIDE_NEW]->tls_mode]);
}

// SCRAM with channel binding is about the certificate that the client sees: it has to be old's own.
static void
compare_certificates(struct check *check)
{
    const struct configuration *configuration = check->settings->configuration;
    const struct configuration_tls *tls = &configuration->listen.tls;
    SSL *ssl =
        check->is_up[SIDE_OLD] ? PQsslStruct(check->links[SIDE_OLD].connection, "OpenSSL") : NULL;

    if (tls->mode == TLS_DISABLE || configuration->auth.type != AUTH_PASSTHROUGH || !ssl)
        return;

    X509 *theirs = SSL_get1_peer_certificate(ssl), *ours = read_certificate(tls->cert);

    if (theirs && ours && X509_cmp(theirs, ours) != 0)
        findings_add(&check->findings, FINDING_channel_binding, "listen.tls.cert",
                     "is not old's own, so that SCRAM goes without channel binding");
    X509_free(theirs);
    X509_free(ours);
}

void
check_tls(struct check *check)
{
    compare_sides(check);
    compare_certificates(check);
}
