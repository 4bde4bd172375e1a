// See secret.h. One allocation a text: each is wiped by itself.
#include "proxy/transport/secret.h"
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counted {
    struct secret secret; // first: callers hold a pointer to it
    atomic_uint references;
};

static void
wipe_text(char **text)
{
    if (*text != NULL) {
        OPENSSL_cleanse(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

static void
wipe(struct counted *counted)
{
    wipe_text(&counted->secret.password);
    wipe_text(&counted->secret.md5);
    OPENSSL_cleanse(counted, sizeof *counted);
    free(counted);
}

struct secret *
secret_new(const char *password, const char *md5, const struct scram_keys *keys)
{
    struct counted *counted = calloc(1, sizeof *counted);
    if (counted == NULL) {
        return NULL;
    }
    struct secret *secret = &counted->secret;
    atomic_init(&counted->references, 1);
    secret->password = password != NULL ? strdup(password) : NULL;
    secret->md5 = md5 != NULL ? strdup(md5) : NULL;
    if (keys != NULL) {
        secret->has_keys = true;
        secret->keys = *keys;
    }
    if ((password != NULL && secret->password == NULL) || (md5 != NULL && secret->md5 == NULL)) {
        wipe(counted);
        return NULL;
    }
    return secret;
}

struct secret *
secret_ref(struct secret *secret)
{
    if (secret != NULL) {
        atomic_fetch_add(&((struct counted *)secret)->references, 1);
    }
    return secret;
}

void
secret_unref(struct secret **secret)
{
    struct counted *gone = (struct counted *)*secret;
    *secret = NULL;
    if (gone != NULL && atomic_fetch_sub(&gone->references, 1) == 1) {
        wipe(gone);
    }
}

// The lengths are no secret.
static bool
text_equals(const char *one, const char *other)
{
    if (one == NULL || other == NULL) {
        return one == other;
    }
    size_t length = strlen(one);
    return length == strlen(other) && CRYPTO_memcmp(one, other, length) == 0;
}

bool
secret_equals(const struct secret *one, const struct secret *other)
{
    if (one == NULL || other == NULL) {
        return one == other;
    }
    bool has_password = text_equals(one->password, other->password);
    bool has_md5 = text_equals(one->md5, other->md5);
    bool has_keys = one->has_keys == other->has_keys &&
                    CRYPTO_memcmp(&one->keys, &other->keys, sizeof one->keys) == 0;
    return has_password & has_md5 & has_keys;
}
