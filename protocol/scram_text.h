// The texts of SCRAM's messages (RFC 5802, section 7): bounded writing and reading of attributes and of
// base64, for both sides and for who stands beside. Nothing is allocated.
#ifndef PROTOCOL_SCRAM_TEXT_H
#define PROTOCOL_SCRAM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCRAM_TEXT_BASE64_MAX = 256 }; // bytes that are encoded at once

// Text in a fixed buffer, always terminated; a failure sticks.
struct scram_text {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

struct scram_text scram_text_in(char *bytes, size_t capacity);
void scram_text_append(struct scram_text *text, const void *bytes, size_t length);
void scram_text_string(struct scram_text *text, const char *string);
void scram_text_base64(struct scram_text *text, const uint8_t *bytes, size_t length);
void scram_text_decimal(struct scram_text *text, uint32_t number);
// What the three messages of an exchange sign together: AuthMessage.
void scram_text_auth(struct scram_text *text, const char *client_first_bare,
                     const char *server_first, const char *client_final_without_proof);

// A message as a string. False: it is too long, or holds a NUL.
bool scram_text_copy(char *to, size_t capacity, const uint8_t *bytes, size_t length);
// Exactly one block of strict base64, nothing around it. False also when `to` has no room for it.
bool scram_text_decode(const char *from, size_t length, uint8_t *to, size_t capacity,
                       size_t *decoded);
// The value of the attribute `name` at *at, up to the next comma or the end; *at moves behind both. NULL:
// another stands there.
const char *scram_text_attribute(const char **at, char name, size_t *length);
// Decimal digits, 1 to `max`.
bool scram_text_number(const char *digits, size_t length, uint32_t max, uint32_t *number);
// Takes client-final-message to pieces: *without_proof, its length, ends where ",p=" begins. False: malformed.
bool scram_text_proof(const char *client_final, size_t *without_proof, uint8_t *proof, size_t size);

#endif
