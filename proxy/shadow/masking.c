// The hash is HMAC-SHA256 with a key that lives as long as the process, cut to 32 bits: enough to see
// that two values are equal, too little to tell a value, and of no use after a restart.

#include "proxy/shadow/masking.h"
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char key[32]; // set once, before threads start

bool
masking_init(void)
{
    return RAND_bytes(key, sizeof(key)) == 1;
}

static char *
show_masked(const struct cell *cell, const char *type)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_length = 0;
    char *text = NULL;
    if (!HMAC(EVP_sha256(), key, sizeof(key), cell->bytes, cell->length, digest, &digest_length))
        return NULL;
    if (asprintf(&text, "<%s, %zu bytes, %02x%02x%02x%02x>", type ? type : "value", cell->length,
                 digest[0], digest[1], digest[2], digest[3]) < 0)
        return NULL;
    return text;
}

static bool
is_printable_text(const struct cell *cell)
{
    for (size_t i = 0; i < cell->length; i++) {
        if (cell->bytes[i] < 0x20 && !isspace(cell->bytes[i]))
            return false;
    }
    return cell->format == 0;
}

static char *
show_full(const struct cell *cell)
{
    size_t shown = cell->length < MASKING_MAX_VALUE ? cell->length : MASKING_MAX_VALUE;
    if (is_printable_text(cell)) {
        // Not within a UTF-8 character.
        while (shown < cell->length && shown > 0 && (cell->bytes[shown] & 0xC0) == 0x80)
            shown--;
        return strndup((const char *)cell->bytes, shown);
    }
    char *text = malloc(shown * 2 + 3);
    if (!text)
        return NULL;
    memcpy(text, "\\x", 3);
    for (size_t i = 0; i < shown; i++)
        snprintf(text + 2 + 2 * i, 3, "%02x", cell->bytes[i]);
    return text;
}

char *
masking_show(const struct cell *cell, enum samples samples, const char *type)
{
    if (!cell->bytes || samples == SAMPLES_NONE)
        return NULL;
    if (cell->length == 0)
        return strdup("");
    return samples == SAMPLES_FULL ? show_full(cell) : show_masked(cell, type);
}
