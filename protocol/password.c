// SASLprep by GNU libidn, and MD5 by OpenSSL. Pure, any thread.
//
// PostgreSQL's server and libpq both normalise a password before they derive keys from it, and both take
// it as it came when it is no UTF-8, holds what SASLprep forbids, or has characters that Unicode 3.2, on
// which SASLprep rests, did not know. Whoever does otherwise has other keys.
//
// Known compromise: libidn frees its own buffers without wiping them. Passwords of ASCII, which SASLprep
// leaves alone, never get there.
#include "protocol/password.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>

enum { MD5_SUM = 16 };

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

// SASLprep's steps but for the normalisation. PostgreSQL forbids by what was typed, not by what becomes of it:
// U+0340 is forbidden, though normalising makes an ordinary accent of it.
static int
check(uint32_t *characters, size_t *length)
{
    Stringprep_profile steps[32] = {{0}};
    size_t count = 0;
    for (const Stringprep_profile *step = stringprep_saslprep; step->operation != 0; step++) {
        if (step->operation != STRINGPREP_NFKC) {
            assert(count < sizeof(steps) / sizeof(steps[0]) - 1);
            steps[count++] = *step;
        }
    }
    return stringprep_4i(characters, length, *length + 1, STRINGPREP_NO_UNASSIGNED, steps);
}

// NULL: there is nothing to prepare, or SASLprep forbids it, or there is no memory.
static char *
prepare(const char *password)
{
    size_t length;
    uint32_t *characters = stringprep_utf8_to_ucs4(password, -1, &length);
    if (characters == NULL) {
        return NULL;
    }
    size_t size = length * sizeof(*characters);
    bool is_fine = check(characters, &length) == STRINGPREP_OK && length > 0;
    uint32_t *normal = is_fine ? stringprep_ucs4_nfkc_normalize(characters, (ssize_t)length) : NULL;
    OPENSSL_cleanse(characters, size);
    free(characters);
    if (normal == NULL) {
        return NULL;
    }
    size_t normal_length = 0;
    while (normal[normal_length] != 0) {
        normal_length++;
    }
    char *prepared = stringprep_ucs4_to_utf8(normal, (ssize_t)normal_length, NULL, NULL);
    OPENSSL_cleanse(normal, normal_length * sizeof(*normal));
    free(normal);
    return prepared;
}

char *
password_prepare(const char *password)
{
    char *prepared = is_ascii(password) ? NULL : prepare(password);
    return prepared != NULL ? prepared : strdup(password);
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
