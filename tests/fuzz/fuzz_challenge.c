// A server's login against a hostile client: the first byte chooses method, secret and channel; then bodies,
// each behind one byte of length that counts by two. `%` in a body stands for the nonce that the server
// gave, without which no input would get past the first step.
#include "protocol/challenge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NONCE_MAX = 1024, BODY_MAX = 4096 };

static size_t
fill_in(const uint8_t *from, size_t length, const char *nonce, uint8_t *to)
{
    size_t filled = 0;
    for (size_t i = 0; i < length; i++) {
        size_t size = from[i] == '%' ? strlen(nonce) : 1;
        if (filled + size > BODY_MAX) {
            break;
        }
        memcpy(to + filled, from[i] == '%' ? (const void *)nonce : from + i, size);
        filled += size;
    }
    return filled;
}

// The nonce in "r=…,s=…", behind the message's header and code.
static void
find_nonce(const struct writer *writer, char nonce[NONCE_MAX])
{
    if (writer->length > 11 && writer->bytes[8] == 11) {
        size_t length = 0;
        while (11 + length < writer->length && writer->bytes[11 + length] != ',' &&
               length < NONCE_MAX - 1) {
            length++;
        }
        memcpy(nonce, writer->bytes + 11, length);
        nonce[length] = '\0';
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t bytes[SCRAM_BINDING_MAX] = {1};
    static const char *const secrets[] = {
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "md5d48eaaf14fb8bb5f3f9a1a5d56d5b8d4", NULL, "SCRAM-SHA-256$"};
    if (size == 0) {
        return 0;
    }
    struct challenge_settings settings = {
        .method = (enum challenge_method)(data[0] % 3),
        .user = "u",
        .secret = secrets[data[0] / 4 % 4],
        .mock_seed = bytes,
        .channel_binding = data[0] & 16 ? bytes : NULL,
        .channel_binding_length = data[0] & 16 ? (data[0] & 32 ? 64 : 32) : 0,
    };
    char nonce[NONCE_MAX] = "";
    struct scram_keys keys;
    struct writer writer;
    struct challenge *challenge = challenge_new(&settings);
    writer_init(&writer);
    enum challenge_status status = challenge_begin(challenge, &writer);
    for (size_t at = 1; at < size && status == CHALLENGE_SEND;) {
        uint8_t body[BODY_MAX];
        size_t length = 2 * (size_t)data[at++];
        length = length < size - at ? length : size - at;
        size_t filled = fill_in(data + at, length, nonce, body);
        at += length;
        uint8_t *exact = malloc(filled);
        memcpy(exact, body, filled);
        writer_clear(&writer);
        status = challenge_step(challenge, exact, filled, &writer);
        find_nonce(&writer, nonce);
        free(exact);
        if (challenge_keys(challenge, &keys) || status == CHALLENGE_PASSED) {
            abort(); // nobody finds out the password
        }
    }
    writer_fini(&writer);
    challenge_free(&challenge);
    return 0;
}
