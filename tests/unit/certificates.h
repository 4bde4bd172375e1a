// Self-signed certificates for tests, written as PEM files into a directory of their own.
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

struct certificate_wish {
    const char *key;             // "EC", "RSA", "ED25519"
    const char *digest;          // of the signature; NULL: the key's own
    bool is_pss;                 // RSA's newer padding
    const char *common_names[2]; // NULL: none
    size_t common_name_length;   // of the first; 0: up to its end
    const char *names;           // of subjectAltName ("DNS:localhost,IP:127.0.0.1"); NULL: none
};

static inline EVP_PKEY *
certificates_make_key(const char *type)
{
    if (strcmp(type, "RSA") == 0) {
        return EVP_RSA_gen(2048);
    }
    return strcmp(type, "EC") == 0 ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, type);
}

static inline void
certificates_sign(X509 *certificate, EVP_PKEY *key, const struct certificate_wish *wish)
{
    const EVP_MD *digest = wish->digest != NULL ? EVP_get_digestbyname(wish->digest) : NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *signing;
    cr_assert_eq(EVP_DigestSignInit(context, &signing, digest, NULL, key), 1);
    if (wish->is_pss) {
        EVP_PKEY_CTX_set_rsa_padding(signing, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(signing, RSA_PSS_SALTLEN_DIGEST);
    }
    cr_assert_gt(X509_sign_ctx(certificate, context), 0);
    EVP_MD_CTX_free(context);
}

static inline void
certificates_add_names(X509 *certificate, const struct certificate_wish *wish)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    for (size_t i = 0; i < 2 && wish->common_names[i] != NULL; i++) {
        int length = i == 0 && wish->common_name_length > 0 ? (int)wish->common_name_length : -1;
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)wish->common_names[i], length, -1, 0);
    }
    X509_set_issuer_name(certificate, name);
    certificates_add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    if (wish->names != NULL) {
        certificates_add_extension(certificate, NID_subject_alt_name, wish->names);
    }
}

static inline void
certificates_make_with(struct certificate_files *files, const struct certificate_wish *wish)
{
    snprintf(files->directory, sizeof files->directory, "/tmp/pgrehearse-test-XXXXXX");
    cr_assert_not_null(mkdtemp(files->directory));
    snprintf(files->certificate, sizeof files->certificate, "%s/server.crt", files->directory);
    snprintf(files->key, sizeof files->key, "%s/server.key", files->directory);
    EVP_PKEY *key = certificates_make_key(wish->key);
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    certificates_add_names(certificate, wish);
    certificates_sign(certificate, key, wish);
    FILE *file = fopen(files->certificate, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    file = fopen(files->key, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

// `names`: as in a wish.
static inline void
certificates_make(struct certificate_files *files, const char *common_name, const char *names)
{
    certificates_make_with(
        files, &(struct certificate_wish){
                   .key = "EC", .digest = "SHA256", .common_names = {common_name}, .names = names});
}

static inline void
certificates_remove(struct certificate_files *files)
{
    unlink(files->certificate);
    unlink(files->key);
    rmdir(files->directory);
}

#endif
