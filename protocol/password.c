// SASLprep by GNU libidn, and MD5 by OpenSSL. Pure, any thread.
//
// PostgreSQL's server and libpq both normalise a password before they derive keys from it, and both take
// it as it came when it is no UTF-8, holds what SASLprep forbids, or has characters that Unicode 3.2, on
// which SASLprep rests, did not know. Whoever does otherwise has other keys.
//
// Known compromise: libidn frees its own buffers without wiping them. Passwords of ASCII, which SASLprep
// leaves alone, never get there.
#include "protocol/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>

// No character's compatibility form is longer: 3 bytes of U+FDFA become 33.
enum { GROWTH = 11, MD5_SUM = 16 };

static bool
is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text > 127) {
            return false;
        }
    }
    return true;
}

char *
password_prepare(const char *password)
{
    size_t length = strlen(password);
    if (is_ascii(password)) {
        return strdup(password);
    }
    if (length > SIZE_MAX / GROWTH - 1) {
        return NULL;
    }
    size_t size = GROWTH * length + 1;
    char *prepared = malloc(size);
    if (prepared == NULL) {
        return NULL;
    }
    memcpy(prepared, password, length + 1);
    int code = stringprep(prepared, size, STRINGPREP_NO_UNASSIGNED, stringprep_saslprep);
    if (code == STRINGPREP_MALLOC_ERROR) {
        OPENSSL_cleanse(prepared, size);
        free(prepared);
        return NULL;
    }
    if (code != STRINGPREP_OK || prepared[0] == '\0') {
        memcpy(prepared, password, length + 1);
    }
    return prepared;
}

bool
password_md5(const void *secret, size_t secret_length, const void *salt, size_t salt_length,
             char text[PASSWORD_MD5_TEXT + 1])
{
    uint8_t sum[MD5_SUM];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done = context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
                   EVP_DigestUpdate(context, secret, secret_length) == 1 &&
                   EVP_DigestUpdate(context, salt, salt_length) == 1 &&
                   EVP_DigestFinal_ex(context, sum, NULL) == 1;
    EVP_MD_CTX_free(context); // wipes
    if (is_done) {
        memcpy(text, "md5", 3);
        for (size_t i = 0; i < MD5_SUM; i++) {
            text[3 + 2 * i] = "0123456789abcdef"[sum[i] >> 4];
            text[4 + 2 * i] = "0123456789abcdef"[sum[i] & 15];
        }
        text[PASSWORD_MD5_TEXT] = '\0';
    }
    OPENSSL_cleanse(sum, sizeof(sum));
    return is_done;
}

bool
password_is_md5(const char *secret)
{
    return secret != NULL && strncmp(secret, "md5", 3) == 0 &&
           strlen(secret) == PASSWORD_MD5_TEXT &&
           strspn(secret + 3, "0123456789abcdef") == PASSWORD_MD5_TEXT - 3;
}
