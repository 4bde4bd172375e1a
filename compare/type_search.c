// Text search: tsvector and tsquery, of which the text output says all. A tsquery comes as its tree, each
// operator before its right and then its left operand; the text has the left one first, and brackets
// only where the operators do not bind by themselves. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <stdio.h>
#include <stdlib.h>

enum { POSITION_BITS = 14, QUERY_DEPTH = 2000 };

static void
print_lexeme(const char *lexeme, struct writer *text)
{
    writer_u8(text, '\'');
    for (; *lexeme != 0; lexeme++) {
        if (*lexeme == '\'' || *lexeme == '\\')
            writer_u8(text, (uint8_t)*lexeme);
        writer_u8(text, (uint8_t)*lexeme);
    }
    writer_u8(text, '\'');
}

// Each lexeme with its NUL, how often it occurs, and a weight and position for each.
bool
type_print_tsvector(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                    struct writer *text)
{
    static const char weights[][2] = {"", "C", "B", "A"};
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    uint32_t count = reader_u32(&reader);
    for (uint32_t i = 0; i < count; i++) {
        const char *lexeme = reader_string(&reader);
        unsigned positions = reader_u16(&reader);
        if (reader.failed)
            return false;
        if (i > 0)
            writer_u8(text, ' ');
        print_lexeme(lexeme, text);
        for (unsigned j = 0; j < positions && !reader.failed; j++) {
            unsigned entry = reader_u16(&reader);
            char position[16];
            int width =
                snprintf(position, sizeof position, "%c%u%s", j == 0 ? ':' : ',',
                         entry & ((1U << POSITION_BITS) - 1), weights[entry >> POSITION_BITS & 3]);
            writer_bytes(text, position, (size_t)width);
        }
    }
    return reader_is_done(&reader);
}

// tsquery_send's numbers: the kind of an item, then the operator; and how closely it binds.
enum { ITEM_LEXEME = 1, ITEM_OPERATOR = 2 };
enum { QUERY_NOT = 1, QUERY_AND = 2, QUERY_OR = 3, QUERY_PHRASE = 4 };
static const int closeness[] = {
    [QUERY_NOT] = 4, [QUERY_PHRASE] = 3, [QUERY_AND] = 2, [QUERY_OR] = 1};

struct item {
    uint8_t operator; // 0: a lexeme
    uint8_t weights;
    bool is_prefix;
    unsigned distance;
    const char *lexeme;
    uint32_t end; // behind its operands
};

static bool
read_item(struct reader *reader, struct item *item)
{
    uint8_t kind = reader_u8(reader);
    *item = (struct item){0};
    if (kind == ITEM_LEXEME) {
        item->weights = reader_u8(reader);
        item->is_prefix = reader_u8(reader) != 0;
        item->lexeme = reader_string(reader);
        return !reader->failed;
    }
    item->operator= reader_u8(reader);
    if (item->operator== QUERY_PHRASE)
        item->distance = reader_u16(reader);
    return kind == ITEM_OPERATOR &&
           item->operator>= QUERY_NOT && item->operator<= QUERY_PHRASE && !reader->failed;
}

// From the last item to the first, because an operator's right operand begins behind it, and the left
// one where that ends. False: an operand lacks.
static bool
find_ends(struct item *items, uint32_t count)
{
    for (uint32_t at = count; at-- > 0;) {
        uint32_t end = at + 1;
        for (int operands = items[at].operator== 0           ? 0
                            : items[at].operator== QUERY_NOT ? 1
                                                             : 2;
             operands > 0; operands--) {
            if (end >= count)
                return false;
            end = items[end].end;
        }
        items[at].end = end;
    }
    return items[0].end == count;
}

static void
print_item(const struct item *item, struct writer *text)
{
    static const char weights[] = "DCBA";
    print_lexeme(item->lexeme, text);
    if (item->weights != 0 || item->is_prefix)
        writer_u8(text, ':');
    if (item->is_prefix)
        writer_u8(text, '*');
    for (int weight = 3; weight >= 0; weight--)
        if (item->weights >> weight & 1)
            writer_u8(text, (uint8_t)weights[weight]);
}

static void
print_operator(const struct item *item, struct writer *text)
{
    char between[16];
    int length;
    if (item->operator== QUERY_PHRASE && item->distance != 1)
        length = snprintf(between, sizeof between, " <%u> ", item->distance);
    else
        length = snprintf(between, sizeof between, " %s ",
                          item->operator== QUERY_PHRASE ? "<->"
                          : item->operator== QUERY_AND  ? "&"
                                                        : "|");
    writer_bytes(text, between, (size_t)length);
}

// `outside`: how closely the operator around binds. What stands right of a phrase's operator and is a
// phrase itself is in brackets.
static bool
print_tree(const struct item *items, uint32_t at, int outside, bool is_right_of_phrase, int depth,
           struct writer *text)
{
    const struct item *item = &items[at];
    if (item->operator== 0) {
        print_item(item, text);
        return true;
    }
    int own = closeness[item->operator];
    bool is_phrase = item->operator== QUERY_PHRASE;
    bool has_brackets = own < outside || (is_phrase && is_right_of_phrase);
    if (depth == QUERY_DEPTH)
        return false;
    if (has_brackets)
        writer_bytes(text, "( ", 2);
    if (item->operator== QUERY_NOT) {
        writer_u8(text, '!');
        if (!print_tree(items, at + 1, own, false, depth + 1, text))
            return false;
    } else {
        if (!print_tree(items, items[at + 1].end, own, false, depth + 1, text))
            return false;
        print_operator(item, text);
        if (!print_tree(items, at + 1, own, is_phrase, depth + 1, text))
            return false;
    }
    if (has_brackets)
        writer_bytes(text, " )", 2);
    return true;
}

bool
type_print_tsquery(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                   struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    uint32_t count = reader_u32(&reader);
    if (count > reader_left(&reader) / 2) // bytes of the least of items
        return false;
    if (count == 0)
        return reader_is_done(&reader);
    struct item *items = calloc(count, sizeof *items);
    bool is_sound = items != NULL;
    text->failed |= items == NULL;
    for (uint32_t i = 0; i < count && is_sound; i++)
        is_sound = read_item(&reader, &items[i]);
    is_sound = is_sound && reader_is_done(&reader) && find_ends(items, count) &&
               print_tree(items, 0, 0, false, 0, text);
    free(items);
    return is_sound;
}
