// SCRAM's texts. The appender and the readers here are the only ones; who uses them checks once, at the
// end. Pure, any thread.
#include "protocol/scram_text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct scram_text
scram_text_in(char *bytes, size_t capacity)
{
    bytes[0] = '\0';
    return (struct scram_text){.bytes = bytes, .capacity = capacity};
}

void
scram_text_append(struct scram_text *text, const void *bytes, size_t length)
{
    if (text->failed || length >= text->capacity - text->length) {
        text->failed = true;
        return;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void
scram_text_string(struct scram_text *text, const char *string)
{
    scram_text_append(text, string, strlen(string));
}

void
scram_text_base64(struct scram_text *text, const uint8_t *bytes, size_t length)
{
    unsigned char encoded[(SCRAM_TEXT_BASE64_MAX + 2) / 3 * 4 + 1];
    if (length > SCRAM_TEXT_BASE64_MAX) {
        text->failed = true;
        return;
    }
    int size = EVP_EncodeBlock(encoded, bytes, (int)length);
    scram_text_append(text, encoded, (size_t)size);
}

void
scram_text_decimal(struct scram_text *text, uint32_t number)
{
    char digits[11];
    snprintf(digits, sizeof(digits), "%u", (unsigned)number);
    scram_text_string(text, digits);
}

void
scram_text_auth(struct scram_text *text, const char *client_first_bare, const char *server_first,
                const char *client_final_without_proof)
{
    scram_text_string(text, client_first_bare);
    scram_text_string(text, ",");
    scram_text_string(text, server_first);
    scram_text_string(text, ",");
    scram_text_string(text, client_final_without_proof);
}

bool
scram_text_copy(char *to, size_t capacity, const uint8_t *bytes, size_t length)
{
    struct scram_text text = scram_text_in(to, capacity);
    if (bytes == NULL || memchr(bytes, '\0', length) != NULL) {
        return false;
    }
    scram_text_append(&text, bytes, length);
    return !text.failed;
}

bool
scram_text_decode(const char *from, size_t length, uint8_t *to, size_t capacity, size_t *decoded)
{
    uint8_t bytes[SCRAM_TEXT_BASE64_MAX + 3]; // the padding decodes to zeros
    size_t letters = 0;
    while (letters < length && from[letters] != '\0' &&
           strchr(base64_alphabet, from[letters]) != NULL) {
        letters++;
    }
    size_t padding = length - letters;
    bool is_sound = length > 0 && length % 4 == 0 && padding <= 2 &&
                    (padding < 1 || from[length - 1] == '=') &&
                    (padding < 2 || from[length - 2] == '=');
    if (!is_sound || length / 4 * 3 > sizeof(bytes) || length / 4 * 3 - padding > capacity ||
        EVP_DecodeBlock(bytes, (const unsigned char *)from, (int)length) < 0) {
        return false;
    }
    *decoded = length / 4 * 3 - padding;
    memcpy(to, bytes, *decoded);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return true;
}

const char *
scram_text_attribute(const char **at, char name, size_t *length)
{
    const char *value = *at;
    if (value[0] != name || value[1] != '=') {
        return NULL;
    }
    value += 2;
    *length = strcspn(value, ",");
    *at = value + *length;
    if (**at == ',') {
        (*at)++;
    }
    return value;
}

bool
scram_text_number(const char *digits, size_t length, uint32_t max, uint32_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9' || value > max) {
            return false;
        }
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    *number = (uint32_t)value;
    return value > 0 && value <= max;
}

// The proof is the last attribute and no other holds a comma, so that the first ",p=" begins it.
bool
scram_text_proof(const char *client_final, size_t *without_proof, uint8_t *proof, size_t size)
{
    const char *at = strstr(client_final, ",p=");
    size_t length;
    if (at == NULL || !scram_text_decode(at + 3, strlen(at + 3), proof, size, &length)) {
        return false;
    }
    *without_proof = (size_t)(at - client_final);
    return length == size;
}
