// SQL in the encodings that clients speak (manual, 24.3): analysed as UTF-8, put once more as it came.
#ifndef PROXY_SHADOW_ENCODING_H
#define PROXY_SHADOW_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

struct encoded {
    const char *text; // ends in NUL where it was converted
    size_t length;
    char *converted; // owned; NULL: `text` is what was given
};

// `encoding`: a client_encoding, NULL for UTF8. What cannot be converted, or need not, is left as it is.
void encoding_read(struct encoded *text, const char *encoding, const char *bytes, size_t length);
// The way back.
void encoding_write(struct encoded *text, const char *encoding, const char *utf8, size_t length);
void encoding_fini(struct encoded *text);

#endif
