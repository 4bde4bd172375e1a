// Well-formed UTF-8 by the table of RFC 3629, section 4: the first byte says how many follow and in which
// range the first of those must lie (that excludes overlong forms, surrogates and what is above U+10FFFF).
#include "protocol/utf8.h"
#include <stddef.h>

static const struct lead {
    unsigned char from, to; // first byte
    unsigned char length;
    unsigned char low, high; // second byte
} leads[] = {
    {0x00, 0x7f, 1, 0x00, 0x00}, {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

// Bytes of the character at the front; 0: none is well-formed. Never reads past the terminating zero.
static size_t
character_length(const unsigned char *at)
{
    const struct lead *lead = NULL;
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]) && !lead; i++) {
        if (at[0] >= leads[i].from && at[0] <= leads[i].to) {
            lead = &leads[i];
        }
    }
    if (!lead || lead->length == 1) {
        return lead ? 1 : 0;
    }
    if (at[1] < lead->low || at[1] > lead->high) {
        return 0;
    }
    for (size_t i = 2; i < lead->length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return lead->length;
}

void
utf8_repair(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0';) {
        size_t length = character_length(at);
        if (length == 0) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}
