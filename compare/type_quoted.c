// Parts of a text as ranges and records write them: a bound or a field stands in double quotes where
// it holds what else would end it, and a quote or backslash in it is doubled, or escaped. Nothing at
// all, not even quotes, is no part: an infinite bound, a NULL. Pure, any thread.
#include "compare/type_family.h"
#include <string.h>

static bool
is_one_of(uint8_t byte, const char *bytes)
{
    return byte != 0 && strchr(bytes, byte) != NULL;
}

bool
type_quoted_take(const uint8_t **at, const uint8_t *end, const char *stops, struct writer *part,
                 bool *is_none)
{
    bool is_quoted = false;
    *is_none = *at < end && is_one_of(**at, stops);
    writer_clear(part);
    for (; *at < end; (*at)++) {
        uint8_t byte = **at;
        if (byte == '\\') {
            if (++*at == end)
                return false;
            writer_u8(part, **at);
        } else if (byte == '"') {
            if (is_quoted && *at + 1 < end && (*at)[1] == '"')
                writer_u8(part, *(*at += 1));
            else
                is_quoted = !is_quoted;
        } else if (!is_quoted && is_one_of(byte, stops)) {
            return true;
        } else {
            writer_u8(part, byte);
        }
    }
    return false;
}

void
type_quoted_put(const struct writer *part, const char *specials, struct writer *text)
{
    bool is_plain = part->length > 0;
    for (size_t i = 0; i < part->length && is_plain; i++)
        is_plain =
            !is_one_of(part->bytes[i], specials) && !is_one_of(part->bytes[i], "\"\\, \t\n\v\f\r");
    if (is_plain) {
        writer_bytes(text, part->bytes, part->length);
        return;
    }
    writer_u8(text, '"');
    for (size_t i = 0; i < part->length; i++) {
        if (is_one_of(part->bytes[i], "\"\\"))
            writer_u8(text, part->bytes[i]);
        writer_u8(text, part->bytes[i]);
    }
    writer_u8(text, '"');
}

bool
type_quoted_print(const struct type_reading *part, const uint8_t *bytes, size_t length,
                  const char *specials, struct writer *text)
{
    struct writer value;
    writer_init(&value);
    bool is_printed = part->depth <= TYPE_DEPTH && type_print_value(part, bytes, length, 1, &value);
    if (is_printed && !value.failed)
        type_quoted_put(&value, specials, text);
    text->failed |= value.failed;
    writer_fini(&value);
    return is_printed;
}
