// A SCRAM-SHA-256 exchange seen from beside (RFC 5802; manual 55.3): the proxy passes it on and is neither of the two.
// Who knows the verifier can take ClientKey from the client's proof, and with it log in wherever the same
// verifier is kept. Pure; one thread.
#ifndef PROTOCOL_SCRAM_WITNESS_H
#define PROTOCOL_SCRAM_WITNESS_H

#include "protocol/scram.h"

struct scram_witness;

struct scram_witness *scram_witness_new(void);           // NULL: no memory
void scram_witness_free(struct scram_witness **witness); // wipes
// Bodies of the client's messages ('p': SASLInitialResponse, then SASLResponse) and of the server's Authentication
// messages, code included, in the order in which they pass. What is no SCRAM exchange is forgotten.
void scram_witness_client(struct scram_witness *witness, const uint8_t *body, size_t length);
void scram_witness_server(struct scram_witness *witness, const uint8_t *body, size_t length);
// `verifier`: "SCRAM-SHA-256$…". False: the exchange is not complete, or was about another verifier.
bool scram_witness_keys(const struct scram_witness *witness, const char *verifier,
                        struct scram_keys *keys);

#endif
