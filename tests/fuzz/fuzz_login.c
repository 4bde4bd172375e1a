// A login against a hostile server: the first byte chooses the secret; then Authentication bodies,
// each behind one byte of length. `%` in a body stands for the client's nonce, without which no
// input would get past the first step.
#include "protocol/login.h"
#include "protocol/scram.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
fill_in(const uint8_t *from, size_t length, const char *nonce, uint8_t *to)
{
    size_t filled = 0;
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '%') {
            memcpy(to + filled, nonce, SCRAM_NONCE);
            filled += SCRAM_NONCE;
        } else {
            to[filled++] = from[i];
        }
    }
    return filled;
}

// A large count of iterations is legal and slow: the fuzzer would find nothing else.
static int
is_slow(const uint8_t *body, size_t length)
{
    size_t digits = 0;
    for (size_t i = 0; i < length; i++) {
        digits = body[i] >= '0' && body[i] <= '9' ? digits + 1 : 0;
        if (digits > 3) {
            return 1;
        }
    }
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[SCRAM_KEY];
    if (size == 0) {
        return 0;
    }
    struct login_secret secret = {.user = "u"};
    secret.password = data[0] & 1 ? "pencil" : NULL;
    secret.client_key = data[0] & 2 ? key : NULL;
    secret.server_key = data[0] & 4 ? key : NULL;
    secret.channel_binding = data[0] & 8 ? key : NULL;
    secret.channel_binding_length = data[0] & 8 ? sizeof(key) : 0;
    char nonce[SCRAM_NONCE + 1] = "........................";
    struct login *login = login_new(&secret);
    struct writer writer;
    writer_init(&writer);
    for (size_t at = 1; at < size;) {
        size_t length = data[at++];
        uint8_t body[256 * SCRAM_NONCE];
        length = length < size - at ? length : size - at;
        if (is_slow(data + at, length)) {
            break;
        }
        size_t filled = fill_in(data + at, length, nonce, body);
        at += length;
        writer_clear(&writer);
        enum login_status status = login_step(login, body, filled, &writer);
        if (status == LOGIN_SEND && writer.length > SCRAM_NONCE && length >= 4 && body[3] == 10) {
            memcpy(nonce, writer.bytes + writer.length - SCRAM_NONCE, SCRAM_NONCE);
        }
        if (status != LOGIN_SEND && status != LOGIN_WAIT) {
            break;
        }
    }
    writer_fini(&writer);
    login_free(&login);
    return 0;
}
