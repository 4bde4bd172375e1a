// Self-signed certificates for tests, written as PEM files into a directory of their own.
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct certificate_files {
    char directory[64];
    char certificate[96];
    char key[96];
};

static inline void
certificates_add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    cr_assert_not_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

// `names`: of subjectAltName, as OpenSSL writes them ("DNS:localhost,IP:127.0.0.1").
static inline void
certificates_make(struct certificate_files *files, const char *common_name, const char *names)
{
    snprintf(files->directory, sizeof files->directory, "/tmp/pgrehearse-test-XXXXXX");
    cr_assert_not_null(mkdtemp(files->directory));
    snprintf(files->certificate, sizeof files->certificate, "%s/server.crt", files->directory);
    snprintf(files->key, sizeof files->key, "%s/server.key", files->directory);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, name);
    certificates_add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    certificates_add_extension(certificate, NID_subject_alt_name, names);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    FILE *file = fopen(files->certificate, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    file = fopen(files->key, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void
certificates_remove(struct certificate_files *files)
{
    unlink(files->certificate);
    unlink(files->key);
    rmdir(files->directory);
}

#endif
