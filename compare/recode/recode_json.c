// json and jsonb. What jsonb prints is json as it is. The other way only a text that jsonb would print just so is put: keys in its
// order, each once, with its blanks, escapes and numbers; of any other it is not known what old would say without being
// jsonb. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include <string.h>

enum { VERSION = 1, MAX_NESTING = 64 };

struct parser {
    const uint8_t *at, *end;
    bool is_utf8;
    unsigned depth;
};

static bool take_value(struct parser *parser);

static bool
take(struct parser *parser, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, text, length) != 0)
        return false;
    parser->at += length;
    return true;
}

static const uint8_t named[][2] = {{'"', '"'},  {'\\', '\\'}, {'b', '\b'}, {'f', '\f'},
                                   {'n', '\n'}, {'r', '\r'},  {'t', '\t'}};

static int
hex(uint8_t digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                          : -1;
}

// One byte of a string as escape_json (backend/utils/adt/json.c) writes it. False: it would not.
static bool
take_byte(const uint8_t **at, const uint8_t *end, uint8_t *byte)
{
    if (*at == end || **at < 0x20 || **at == '"')
        return false;
    *byte = *(*at)++;
    if (*byte != '\\')
        return true;
    if (*at == end)
        return false;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i][0] == **at) {
            *byte = named[i][1];
            (*at)++;
            return true;
        }
    if (end - *at < 5 || memcmp(*at, "u00", 3) != 0)
        return false;
    int code = hex((*at)[3]) * 16 + hex((*at)[4]);
    if (hex((*at)[3]) < 0 || hex((*at)[4]) < 0 || code == 0 || code >= 0x20)
        return false;
    *at += 5;
    *byte = (uint8_t)code;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i][1] == *byte)
            return false;
    return true;
}

struct key { // between its quotes
    const uint8_t *at, *end;
    size_t length; // without escapes
};

static bool
take_string(struct parser *parser, struct key *key)
{
    uint8_t byte;
    if (!take(parser, "\""))
        return false;
    *key = (struct key){.at = parser->at};
    while (parser->at < parser->end && *parser->at != '"') {
        if (!take_byte(&parser->at, parser->end, &byte) || (byte >= 0x80 && !parser->is_utf8))
            return false;
        key->length++;
    }
    key->end = parser->at;
    return take(parser, "\"");
}

// jsonb's order of keys: the shorter one first, then by bytes.
static bool
comes_before(struct key one, struct key other)
{
    if (one.length != other.length)
        return one.length < other.length;
    uint8_t left, right;
    while (one.at < one.end && other.at < other.end)
        if (!take_byte(&one.at, one.end, &left) || !take_byte(&other.at, other.end, &right))
            return false;
        else if (left != right)
            return left < right;
    return false;
}

static bool
take_members(struct parser *parser)
{
    struct key before, key;
    for (size_t i = 0; i == 0 || take(parser, ", "); i++) {
        if (!take_string(parser, &key) || (i > 0 && !comes_before(before, key)) ||
            !take(parser, ": ") || !take_value(parser))
            return false;
        before = key;
    }
    return take(parser, "}");
}

static bool
take_elements(struct parser *parser)
{
    do {
        if (!take_value(parser))
            return false;
    } while (take(parser, ", "));
    return take(parser, "]");
}

static size_t
take_digits(struct parser *parser, bool *are_zeros)
{
    const uint8_t *start = parser->at;
    for (; parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9'; parser->at++)
        *are_zeros = *are_zeros && *parser->at == '0';
    return (size_t)(parser->at - start);
}

// As numeric prints: no exponent, no zero with a minus.
static bool
take_number(struct parser *parser)
{
    bool is_negative = take(parser, "-"), are_zeros = true;
    const uint8_t *start = parser->at;
    size_t whole = take_digits(parser, &are_zeros);
    if (whole == 0 || (whole > 1 && *start == '0'))
        return false;
    if (take(parser, ".") && take_digits(parser, &are_zeros) == 0)
        return false;
    bool has_exponent = parser->at < parser->end && (*parser->at == 'e' || *parser->at == 'E');
    return !has_exponent && !(is_negative && are_zeros);
}

static bool
take_value(struct parser *parser)
{
    struct key ignored;
    if (parser->at == parser->end || parser->depth == MAX_NESTING)
        return false;
    if (*parser->at == '"')
        return take_string(parser, &ignored);
    if (take(parser, "{}") || take(parser, "[]") || take(parser, "true") || take(parser, "false") ||
        take(parser, "null"))
        return true;
    parser->depth++;
    bool is_taken = take(parser, "{")   ? take_members(parser)
                    : take(parser, "[") ? take_elements(parser)
                                        : take_number(parser);
    parser->depth--;
    return is_taken;
}

bool
recode_jsonb_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                  struct recode_run *run)
{
    struct parser parser = {.at = bytes, .end = bytes + length, .is_utf8 = recode->is_utf8};
    return take_value(&parser) && parser.at == parser.end && recode_add(run, bytes, length);
}

bool
recode_jsonb_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                    struct recode_run *run)
{
    return recode_add(run, &(uint8_t){VERSION}, 1) && recode_jsonb_text(recode, bytes, length, run);
}

bool
recode_jsonb_parameter(const struct recode *recode, const uint8_t *bytes, size_t length,
                       struct recode_run *run)
{
    (void)recode;
    return recode_add(run, &(uint8_t){VERSION}, 1) && recode_add(run, bytes, length);
}

bool
recode_json_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                   struct recode_run *run)
{
    (void)recode;
    return length > 0 && bytes[0] == VERSION && recode_add(run, bytes + 1, length - 1);
}
