// A witness between a hostile client and a hostile server: messages behind a byte that says who speaks (its top
// bit) and, by two, how long it is. What is left becomes a verifier.
#include "protocol/scram_witness.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char verifier[] =
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    struct scram_witness *witness = scram_witness_new();
    struct scram_keys keys;
    size_t last = 0;
    for (size_t at = 0; at < size;) {
        bool is_client = data[at] & 128;
        size_t length = 2 * (size_t)(data[at++] & 127);
        length = length < size - at ? length : size - at;
        uint8_t *exact = malloc(length);
        memcpy(exact, data + at, length);
        last = at;
        at += length;
        if (is_client) {
            scram_witness_client(witness, exact, length);
        } else {
            scram_witness_server(witness, exact, length);
        }
        free(exact);
    }
    (void)scram_witness_keys(witness, verifier, &keys);
    char *text = malloc(size - last + 1);
    memcpy(text, data + last, size - last);
    text[size - last] = '\0';
    (void)scram_witness_keys(witness, text, &keys);
    free(text);
    // What follows the first '$', as what follows the scheme of a verifier.
    const uint8_t *at = size > 0 ? memchr(data, '$', size) : NULL;
    if (at != NULL) {
        size_t length = size - (size_t)(at - data);
        char *whole = malloc(13 + length + 1);
        struct scram_verifier read;
        memcpy(whole, "SCRAM-SHA-256", 13);
        memcpy(whole + 13, at, length);
        whole[13 + length] = '\0';
        (void)scram_verifier_read(&read, whole);
        free(whole);
    }
    scram_witness_free(&witness);
    return 0;
}
