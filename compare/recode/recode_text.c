// Texts of a declared length, names, labels of enums and strings of bits. Text and binary are the same but for bits. Lengths
// are in characters: where the encoding is not known to be UTF-8, texts that are not ASCII are refused unless they
// fit whatever a character is. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include "protocol/reader.h"
#include <string.h>

enum { MODIFIER_OFFSET = 4 /* VARHDRSZ, in the modifiers of texts */, MOST_NAME = 63, BIT = 1560 };

// False: it can't be told.
static bool
count_characters(const struct recode *recode, const uint8_t *bytes, size_t length, size_t *count)
{
    bool is_ascii = true;
    *count = 0;
    for (size_t i = 0; i < length; i++) {
        is_ascii = is_ascii && bytes[i] < 0x80;
        *count += (bytes[i] & 0xC0) != 0x80;
    }
    return is_ascii || recode->is_utf8;
}

static size_t
most_characters(const struct recode *recode)
{
    return recode->modifier >= MODIFIER_OFFSET ? (size_t)recode->modifier - MODIFIER_OFFSET : 0;
}

bool
recode_varchar(const struct recode *recode, const uint8_t *bytes, size_t length,
               struct recode_run *run)
{
    size_t most = most_characters(recode), count;
    bool fits =
        length <= most || (count_characters(recode, bytes, length, &count) && count <= most);
    return fits && recode_add(run, bytes, length);
}

bool
recode_bpchar(const struct recode *recode, const uint8_t *bytes, size_t length,
              struct recode_run *run)
{
    static const char blanks[] = "                                ";
    size_t most = most_characters(recode), count;
    while (length > 0 && bytes[length - 1] == ' ')
        length--;
    if (!count_characters(recode, bytes, length, &count) || count > most ||
        most - count > run->limit || !recode_add(run, bytes, length))
        return false;
    bool is_added = true;
    for (size_t missing = most - count; missing > 0 && is_added;) {
        size_t part = missing < sizeof blanks - 1 ? missing : sizeof blanks - 1;
        is_added = recode_add(run, blanks, part);
        missing -= part;
    }
    return is_added;
}

bool
recode_name(const struct recode *recode, const uint8_t *bytes, size_t length,
            struct recode_run *run)
{
    (void)recode;
    return length <= MOST_NAME && recode_add(run, bytes, length);
}

bool
recode_label(const struct recode *recode, const uint8_t *bytes, size_t length,
             struct recode_run *run)
{
    const struct catalog_type *type = recode->enum_type;
    for (size_t i = 0; i < type->label_count; i++)
        if (strlen(type->labels[i].name) == length &&
            memcmp(type->labels[i].name, bytes, length) == 0)
            return recode_add(run, bytes, length);
    return false;
}

static bool
has_length(const struct recode *recode, size_t bits)
{
    size_t declared = (size_t)recode->modifier; // without an offset
    return recode->type == BIT ? bits == declared : bits <= declared;
}

bool
recode_bits_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                 struct recode_run *run)
{
    return has_length(recode, length) && recode_add(run, bytes, length);
}

bool
recode_bits_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                   struct recode_run *run)
{
    struct reader reader = reader_over(bytes, length);
    uint32_t bits = reader_u32(&reader);
    return !reader.failed && has_length(recode, bits) && recode_add(run, bytes, length);
}
