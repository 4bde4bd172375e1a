// json and jsonb by value. The form of a value is its canonical shape: strings unescaped and behind
// their lengths, numbers as numeric's form (exact: 1, 1.0 and 1e0 are one, and none of a number's
// digits is lost), objects with their keys sorted, the last of duplicates alone. jsonb is the same
// behind a version byte (binary), since its text is JSON. Unordered, the arrays at every depth are
// multisets, and an object keeps all of its duplicates, since which of them is last says nothing.
//
// A strict parser of our own, because a library that keeps numbers as doubles would call two
// different numbers equal. What is no JSON, or is nested deeper than DEPTH, is compared by bytes.
// Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 512, JSONB_VERSION = 1, LENGTH_BYTES = 8 };

struct parser {
    const uint8_t *at, *end;
    struct writer *form;
    unsigned depth;
    bool is_unordered;
};

struct member {             // of an object, as offsets into the form
    size_t key, value, end; // the key's form, the value's, its end
};

typedef int member_compare(const uint8_t *form, const struct member *one,
                           const struct member *other);

static bool parse_value(struct parser *parser);

static void
skip_blanks(struct parser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t' ||
                                        *parser->at == '\n' || *parser->at == '\r'))
        parser->at++;
}

static bool
take(struct parser *parser, char byte)
{
    if (parser->at == parser->end || *parser->at != (uint8_t)byte)
        return false;
    parser->at++;
    return true;
}

static bool
take_word(struct parser *parser, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length) != 0)
        return false;
    parser->at += length;
    return true;
}

// A length that is known only once what it measures is written.
static size_t
length_begin(struct writer *form)
{
    writer_u64(form, 0);
    return form->length;
}

static void
length_end(struct writer *form, size_t start)
{
    if (form->failed)
        return;
    uint64_t length = form->length - start;
    for (size_t i = 1; i <= LENGTH_BYTES; i++, length >>= 8)
        form->bytes[start - i] = (uint8_t)length;
}

static bool
parse_four_hex(struct parser *parser, uint32_t *value)
{
    *value = 0;
    if (parser->end - parser->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = *parser->at++;
        uint32_t digit = byte >= '0' && byte <= '9' ? (uint32_t)(byte - '0')
                         : (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f'
                             ? (uint32_t)(byte | 0x20) - 'a' + 10
                             : 16;
        if (digit == 16)
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

// After \u. A surrogate without its other half stays what it is: json keeps such text.
static bool
parse_unicode(struct parser *parser)
{
    uint32_t point, low;
    if (!parse_four_hex(parser, &point))
        return false;
    const uint8_t *after = parser->at;
    if (point >= 0xD800 && point <= 0xDBFF && take_word(parser, "\\u") &&
        parse_four_hex(parser, &low) && low >= 0xDC00 && low <= 0xDFFF)
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    else
        parser->at = after;
    type_write_utf8(point, parser->form);
    return true;
}

static bool
parse_escape(struct parser *parser)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    if (parser->at == parser->end)
        return false;
    uint8_t byte = *parser->at++;
    if (byte == 'u')
        return parse_unicode(parser);
    for (const char *escape = escapes; *escape != 0; escape += 2)
        if (byte == (uint8_t)escape[0]) {
            writer_u8(parser->form, (uint8_t)escape[1]);
            return true;
        }
    return false;
}

static bool
parse_string(struct parser *parser)
{
    if (!take(parser, '"'))
        return false;
    writer_u8(parser->form, '"');
    size_t start = length_begin(parser->form);
    while (parser->at < parser->end) {
        const uint8_t *plain = parser->at;
        while (parser->at < parser->end && *parser->at != '"' && *parser->at != '\\' &&
               *parser->at >= 0x20)
            parser->at++;
        writer_bytes(parser->form, plain, (size_t)(parser->at - plain));
        if (take(parser, '"')) {
            length_end(parser->form, start);
            return true;
        }
        if (!take(parser, '\\') || !parse_escape(parser))
            return false;
    }
    return false;
}

static bool
take_digits(struct parser *parser)
{
    const uint8_t *start = parser->at;
    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9')
        parser->at++;
    return parser->at > start;
}

static bool
parse_number(struct parser *parser)
{
    const uint8_t *start = parser->at;
    take(parser, '-');
    if (!take(parser, '0') && !take_digits(parser))
        return false;
    if (take(parser, '.') && !take_digits(parser))
        return false;
    if (take(parser, 'e') || take(parser, 'E')) {
        if (!take(parser, '+'))
            take(parser, '-');
        if (!take_digits(parser))
            return false;
    }
    writer_u8(parser->form, '#');
    size_t length = length_begin(parser->form);
    if (!type_read_number(NULL, start, (size_t)(parser->at - start), parser->form))
        return false;
    length_end(parser->form, length);
    return true;
}

// Of whole members, where duplicates stay: by key and value, or of elements, which have no key.
static int
member_order(const uint8_t *form, const struct member *one, const struct member *other)
{
    size_t one_length = one->end - one->key;
    size_t other_length = other->end - other->key;
    int order = memcmp(form + one->key, form + other->key,
                       one_length < other_length ? one_length : other_length);
    return order != 0 ? order : (one_length > other_length) - (one_length < other_length);
}

static int
key_order(const uint8_t *form, const struct member *one, const struct member *other)
{
    size_t one_length = one->value - one->key;
    size_t other_length = other->value - other->key;
    // The form of a key begins with its length, so forms of different lengths differ early.
    return memcmp(form + one->key, form + other->key,
                  one_length < other_length ? one_length : other_length);
}

// Stable, so that the last of equal keys stays the last; in place of qsort, which is not.
static void
merge_sort(const uint8_t *form, struct member *members, struct member *room, size_t count,
           member_compare *compare)
{
    if (count < 2)
        return;
    size_t half = count / 2;
    merge_sort(form, members, room, half, compare);
    merge_sort(form, members + half, room, count - half, compare);
    size_t left = 0, right = half;
    for (size_t i = 0; i < count; i++) {
        bool takes_left =
            right == count || (left < half && compare(form, &members[left], &members[right]) <= 0);
        room[i] = members[takes_left ? left++ : right++];
    }
    memcpy(members, room, count * sizeof *members);
}

// Puts an object's members, which begin at `start`, in order; or, by member_order, those or an array's
// elements, and keeps all of them. False: no memory.
static bool
sort_members(struct writer *form, size_t start, struct member *members, size_t count,
             member_compare *compare)
{
    bool keeps_all = compare == member_order;
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++)
        is_sorted = compare(form->bytes, &members[i - 1], &members[i]) < 0;
    if (is_sorted)
        return true;
    size_t size = form->length - start;
    uint8_t *copy = malloc(size);
    struct member *room = calloc(count, sizeof *room);
    if (copy != NULL && room != NULL) {
        merge_sort(form->bytes, members, room, count, compare);
        memcpy(copy, form->bytes + start, size);
        form->length = start;
        for (size_t i = 0; i < count; i++) { // the copy begins where the members do
            members[i].key -= start;
            members[i].value -= start;
            members[i].end -= start;
        }
        for (size_t i = 0; i < count; i++)
            if (keeps_all || i + 1 == count || compare(copy, &members[i], &members[i + 1]) != 0)
                writer_bytes(form, copy + members[i].key, members[i].end - members[i].key);
    }
    bool is_done = copy != NULL && room != NULL;
    free(copy);
    free(room);
    return is_done;
}

static bool
members_add(struct member **members, size_t *count, size_t *capacity, struct member member)
{
    if (*count == *capacity) {
        size_t more = *capacity > 0 ? *capacity * 2 : 8;
        struct member *grown = realloc(*members, more * sizeof **members);
        if (grown == NULL)
            return false;
        *members = grown;
        *capacity = more;
    }
    (*members)[(*count)++] = member;
    return true;
}

static bool
parse_members(struct parser *parser, struct member **members, size_t *count)
{
    size_t capacity = 0;
    do {
        struct member member = {.key = parser->form->length};
        skip_blanks(parser);
        if (!parse_string(parser))
            return false;
        member.value = parser->form->length;
        skip_blanks(parser);
        if (!take(parser, ':') || !parse_value(parser))
            return false;
        member.end = parser->form->length;
        if (!members_add(members, count, &capacity, member))
            parser->form->failed = true;
        if (parser->form->failed)
            return false;
        skip_blanks(parser);
    } while (take(parser, ','));
    return true;
}

static bool
parse_elements(struct parser *parser, struct member **elements, size_t *count)
{
    size_t capacity = 0;
    do {
        struct member element = {.key = parser->form->length, .value = parser->form->length};
        if (!parse_value(parser))
            return false;
        element.end = parser->form->length;
        if (parser->is_unordered && !members_add(elements, count, &capacity, element))
            parser->form->failed = true;
        if (parser->form->failed)
            return false;
        skip_blanks(parser);
    } while (take(parser, ','));
    return true;
}

// An object or an array: `parse_all` reads what stands between the brackets.
static bool
parse_brackets(struct parser *parser, const char brackets[2],
               bool (*parse_all)(struct parser *, struct member **, size_t *),
               member_compare *order)
{
    struct writer *form = parser->form;
    struct member *members = NULL;
    size_t count = 0;
    writer_u8(form, (uint8_t)brackets[0]);
    parser->at++;
    size_t start = form->length;
    skip_blanks(parser);
    bool is_parsed = take(parser, brackets[1]);
    if (!is_parsed)
        is_parsed = parse_all(parser, &members, &count) && take(parser, brackets[1]);
    if (is_parsed && !form->failed && !sort_members(form, start, members, count, order))
        form->failed = true;
    free(members);
    writer_u8(form, (uint8_t)brackets[1]);
    return is_parsed;
}

static bool
parse_value(struct parser *parser)
{
    bool is_parsed = false;
    skip_blanks(parser);
    if (parser->at == parser->end || parser->depth == DEPTH)
        return false;
    parser->depth++;
    switch (*parser->at) {
    case '{':
        is_parsed = parse_brackets(parser, "{}", parse_members,
                                   parser->is_unordered ? member_order : key_order);
        break;
    case '[':
        is_parsed = parse_brackets(parser, "[]", parse_elements, member_order);
        break;
    case '"':
        is_parsed = parse_string(parser);
        break;
    case 't':
    case 'f':
    case 'n':
        writer_u8(parser->form, *parser->at);
        is_parsed =
            take_word(parser, "true") || take_word(parser, "false") || take_word(parser, "null");
        break;
    default:
        is_parsed = parse_number(parser);
        break;
    }
    parser->depth--;
    return is_parsed;
}

bool
type_read_json(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *form)
{
    struct parser parser = {
        .at = bytes, .end = bytes + length, .form = form, .is_unordered = reading->is_unordered};
    if (!parse_value(&parser))
        return false;
    skip_blanks(&parser);
    return parser.at == parser.end;
}

// jsonb_send: a version, then the text.
static bool
pass_version(const struct type_reading *reading, const uint8_t **bytes, size_t *length)
{
    if (reading->own.type != TYPE_OID_JSONB)
        return true;
    if (*length == 0 || (*bytes)[0] != JSONB_VERSION)
        return false;
    (*bytes)++;
    (*length)--;
    return true;
}

bool
type_read_json_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      struct writer *form)
{
    return pass_version(reading, &bytes, &length) && type_read_json(reading, bytes, length, form);
}

bool
type_print_json(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    if (!pass_version(reading, &bytes, &length))
        return false;
    writer_bytes(text, bytes, length);
    return true;
}
