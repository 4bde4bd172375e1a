// Follows the messages of a login that the proxy passes on, as far as they are SCRAM's:
//
//   START --SASL--> OFFERED --SASLInitialResponse--> FIRST --SASLContinue--> CHALLENGED
//     --SASLResponse--> ANSWERED --SASLFinal--> COMPLETE --Ok--> COMPLETE
//
// Anything else leads back to START and wipes what was held: a password in clear is never kept. Limits are
// those of the two sides that are ours (scram.h); longer messages are forgotten too. What is held is
// no secret but to who has the verifier, and is wiped all the same. Pure; one thread.
#include "protocol/scram_witness.h"

#include "protocol/reader.h"
#include "protocol/scram_text.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum witness_state { START, OFFERED, FIRST, CHALLENGED, ANSWERED, COMPLETE };

struct scram_witness {
    enum witness_state state;
    char client_first_bare[SCRAM_CLIENT_MAX];
    char server_first[SCRAM_SERVER_FIRST_MAX];
    char client_final[SCRAM_CLIENT_MAX]; // without the proof
    uint8_t proof[SCRAM_KEY];
    uint8_t signature[SCRAM_KEY]; // the server's
};

struct scram_witness *
scram_witness_new(void)
{
    return calloc(1, sizeof(struct scram_witness));
}

void
scram_witness_free(struct scram_witness **witness)
{
    if (*witness != NULL) {
        OPENSSL_cleanse(*witness, sizeof(**witness));
        free(*witness);
        *witness = NULL;
    }
}

// The mechanism, a length, and the gs2 header (two commas end it) before the message that is signed.
static bool
take_first(struct scram_witness *witness, const uint8_t *body, size_t length)
{
    char text[SCRAM_CLIENT_MAX];
    struct reader reader = reader_over(body, length);
    const char *mechanism = reader_string(&reader);
    int32_t said = reader_i32(&reader);
    if (reader.failed || said < 0 || (size_t)said != reader_left(&reader) ||
        (strcmp(mechanism, "SCRAM-SHA-256") != 0 && strcmp(mechanism, "SCRAM-SHA-256-PLUS") != 0) ||
        !scram_text_copy(text, sizeof(text), reader.at, (size_t)said)) {
        return false;
    }
    const char *comma = strchr(text, ',');
    comma = comma != NULL ? strchr(comma + 1, ',') : NULL;
    if (comma == NULL) {
        return false;
    }
    strcpy(witness->client_first_bare, comma + 1); // shorter than `text`, which is as large
    return true;
}

static bool
take_final(struct scram_witness *witness, const uint8_t *body, size_t length)
{
    size_t signed_length;
    if (!scram_text_copy(witness->client_final, sizeof(witness->client_final), body, length) ||
        !scram_text_proof(witness->client_final, &signed_length, witness->proof,
                          sizeof(witness->proof))) {
        return false;
    }
    witness->client_final[signed_length] = '\0';
    return true;
}

static bool
take_signature(struct scram_witness *witness, const uint8_t *bytes, size_t length)
{
    char text[SCRAM_CLIENT_MAX];
    const char *at = text;
    size_t size;
    if (!scram_text_copy(text, sizeof(text), bytes, length)) {
        return false;
    }
    const char *signature = scram_text_attribute(&at, 'v', &size);
    return signature != NULL &&
           scram_text_decode(signature, size, witness->signature, SCRAM_KEY, &size) &&
           size == SCRAM_KEY;
}

static void
move(struct scram_witness *witness, enum witness_state state)
{
    if (state == START) {
        OPENSSL_cleanse(witness, sizeof(*witness));
    }
    witness->state = state;
}

void
scram_witness_client(struct scram_witness *witness, const uint8_t *body, size_t length)
{
    enum witness_state next = START;
    if (witness->state == OFFERED && take_first(witness, body, length)) {
        next = FIRST;
    } else if (witness->state == CHALLENGED && take_final(witness, body, length)) {
        next = ANSWERED;
    }
    move(witness, next);
}

void
scram_witness_server(struct scram_witness *witness, const uint8_t *body, size_t length)
{
    enum { OK = 0, SASL = 10, SASL_CONTINUE = 11, SASL_FINAL = 12 }; // manual 55.7
    struct reader reader = reader_over(body, length);
    enum witness_state next = START;
    uint32_t code = reader_u32(&reader);
    if (reader.failed) {
        move(witness, START);
        return;
    }
    size_t left = reader_left(&reader);
    if (code == SASL && witness->state == START) {
        next = OFFERED;
    } else if (code == SASL_CONTINUE && witness->state == FIRST &&
               scram_text_copy(witness->server_first, sizeof(witness->server_first), reader.at,
                               left)) {
        next = CHALLENGED;
    } else if (code == SASL_FINAL && witness->state == ANSWERED &&
               take_signature(witness, reader.at, left)) {
        next = COMPLETE;
    } else if (code == OK && witness->state == COMPLETE) {
        next = COMPLETE;
    }
    move(witness, next);
}

bool
scram_witness_keys(const struct scram_witness *witness, const char *verifier,
                   struct scram_keys *keys)
{
    struct scram_verifier known;
    char message[SCRAM_AUTH_MAX];
    uint8_t signature[SCRAM_KEY];
    struct scram_text auth = scram_text_in(message, sizeof(message));
    if (witness->state != COMPLETE || !scram_verifier_read(&known, verifier)) {
        return false;
    }
    scram_text_auth(&auth, witness->client_first_bare, witness->server_first,
                    witness->client_final);
    bool is_it = !auth.failed && scram_keys_open(&known, auth.bytes, auth.length, witness->proof,
                                                 keys) == SCRAM_PROOF_RIGHT;
    // The server has shown that it has the same ServerKey.
    if (is_it && (!scram_keys_hmac(known.server, auth.bytes, auth.length, signature) ||
                  CRYPTO_memcmp(signature, witness->signature, SCRAM_KEY) != 0)) {
        OPENSSL_cleanse(keys, sizeof(*keys));
        is_it = false;
    }
    OPENSSL_cleanse(&known, sizeof(known));
    return is_it;
}
