// Containers as text: what stands around the parts stays, each part is taken out of its quotes, put as the other side has it, and
// quoted where the server would. Three ways of quoting, one for arrays, one for rows and one for bounds (array_out, record_out,
// range_out). A part that stays the same keeps its bytes. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include <string.h>
#include <strings.h>

struct quoting {
    const char *special; // beside blanks: what makes quotes necessary
    const char *ends;    // where a part without quotes ends
    bool doubles;        // a quote or backslash is doubled; else a backslash stands in front of it
    bool has_null;       // the word NULL is none unless it is quoted
};

static const struct quoting array_quoting = {"\"\\{},", ",}", false, true};
static const struct quoting row_quoting = {"\"\\(),", ",)", true, false};
static const struct quoting range_quoting = {"\"\\()[],", ",)]", true, false};

struct cursor {
    const uint8_t *at, *end;
};

static bool
is_one_of(uint8_t byte, const char *set)
{
    return byte != 0 && strchr(set, byte) != NULL;
}

static bool
peeks(const struct cursor *cursor, const char *set)
{
    return cursor->at < cursor->end && is_one_of(*cursor->at, set);
}

// Takes one byte of the set over.
static bool
pass(struct cursor *cursor, const char *set, struct recode_run *run)
{
    return peeks(cursor, set) && recode_add(run, cursor->at++, 1);
}

static bool
is_word_null(const uint8_t *bytes, size_t length)
{
    return length == 4 && strncasecmp((const char *)bytes, "NULL", 4) == 0;
}

// A part up to where it ends, without its quotes and escapes. False: it has no end.
static bool
take_part(struct cursor *cursor, const struct quoting *quoting, struct writer *part)
{
    bool is_quoted = false;
    writer_clear(part);
    for (; cursor->at < cursor->end; cursor->at++) {
        uint8_t byte = *cursor->at;
        bool has_next = cursor->at + 1 < cursor->end;
        if (byte == '\\') {
            if (!has_next)
                return false;
            writer_u8(part, *++cursor->at);
        } else if (byte == '"' && is_quoted && has_next && cursor->at[1] == '"') {
            writer_u8(part, *++cursor->at);
        } else if (byte == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted && is_one_of(byte, quoting->ends)) {
            return !part->failed;
        } else {
            writer_u8(part, byte);
        }
    }
    return false;
}

static bool
needs_quotes(const struct quoting *quoting, const uint8_t *bytes, size_t length)
{
    if (length == 0 || (quoting->has_null && is_word_null(bytes, length)))
        return true;
    for (size_t i = 0; i < length; i++)
        if (is_one_of(bytes[i], quoting->special) || is_one_of(bytes[i], " \t\n\v\f\r"))
            return true;
    return false;
}

static bool
add_quoted(const struct quoting *quoting, const uint8_t *bytes, size_t length,
           struct recode_run *run)
{
    if (!needs_quotes(quoting, bytes, length))
        return recode_add(run, bytes, length);
    bool is_added = recode_add(run, "\"", 1);
    for (size_t i = 0; i < length && is_added; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\')
            is_added = recode_add(run, quoting->doubles ? &bytes[i] : (const uint8_t *)"\\", 1);
        is_added = is_added && recode_add(run, &bytes[i], 1);
    }
    return is_added && recode_add(run, "\"", 1);
}

// What is put is the part's alone, so that its quotes are known before it is added.
static bool
put_part(const struct recode_part *part, struct cursor *cursor, const struct quoting *quoting,
         struct recode_run *run)
{
    struct writer value, other;
    const uint8_t *raw = cursor->at;
    size_t room = run->limit > run->writer->length ? run->limit - run->writer->length : 0;
    struct recode_run inner = {&other, room};
    writer_init(&value);
    writer_init(&other);
    writer_u8(&value, 0); // so that a part without bytes has memory, too
    bool is_put = take_part(cursor, quoting, &value);
    size_t raw_length = (size_t)(cursor->at - raw);
    if (is_put && ((raw_length == 0 && quoting->doubles) || part->recode == NULL ||
                   (quoting->has_null && is_word_null(raw, raw_length)))) {
        is_put = recode_add(run, raw, raw_length); // NULL, or as it is
    } else if (is_put) {
        is_put = recode_part_put(part, value.bytes, value.length, &inner);
        bool is_same = is_put && other.length == value.length &&
                       (value.length == 0 || memcmp(other.bytes, value.bytes, value.length) == 0);
        if (is_put && is_same)
            is_put = recode_add(run, raw, raw_length);
        else if (is_put)
            is_put = add_quoted(quoting, other.bytes, other.length, run);
    }
    writer_fini(&value);
    writer_fini(&other);
    return is_put;
}

// "[0:1]={…}": bounds stay as they are.
static bool
pass_bounds(struct cursor *cursor, struct recode_run *run)
{
    if (!peeks(cursor, "["))
        return true;
    const uint8_t *equals = memchr(cursor->at, '=', (size_t)(cursor->end - cursor->at));
    if (equals == NULL)
        return false;
    size_t length = (size_t)(equals + 1 - cursor->at);
    cursor->at += length;
    return recode_add(run, cursor->at - length, length);
}

bool
recode_array_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                  struct recode_run *run)
{
    struct cursor cursor = {bytes, bytes + length};
    size_t depth = 0;
    if (!pass_bounds(&cursor, run))
        return false;
    do {
        while (pass(&cursor, "{", run))
            depth++;
        bool is_empty = peeks(&cursor, "}") && cursor.at[-1] == '{';
        if (depth == 0 || (!is_empty && !put_part(&recode->parts[0], &cursor, &array_quoting, run)))
            return false;
        while (depth > 0 && pass(&cursor, "}", run))
            depth--;
    } while (pass(&cursor, ",", run));
    return depth == 0 && cursor.at == cursor.end;
}

bool
recode_composite_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                      struct recode_run *run)
{
    struct cursor cursor = {bytes, bytes + length};
    if (!pass(&cursor, "(", run))
        return false;
    for (size_t i = 0; i < recode->part_count; i++) {
        if (i > 0 && !pass(&cursor, ",", run))
            return false;
        if (!put_part(&recode->parts[i], &cursor, &row_quoting, run))
            return false;
    }
    return pass(&cursor, ")", run) && cursor.at == cursor.end;
}

static bool
pass_range(const struct recode *recode, struct cursor *cursor, struct recode_run *run)
{
    static const char empty[] = "empty";
    size_t left = (size_t)(cursor->end - cursor->at);
    if (left >= sizeof empty - 1 && memcmp(cursor->at, empty, sizeof empty - 1) == 0) {
        cursor->at += sizeof empty - 1;
        return recode_add(run, empty, sizeof empty - 1);
    }
    const struct recode_part *bound = &recode->parts[0];
    return pass(cursor, "[(", run) && put_part(bound, cursor, &range_quoting, run) &&
           pass(cursor, ",", run) && put_part(bound, cursor, &range_quoting, run) &&
           pass(cursor, ")]", run);
}

bool
recode_range_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                  struct recode_run *run)
{
    struct cursor cursor = {bytes, bytes + length};
    return pass_range(recode, &cursor, run) && cursor.at == cursor.end;
}

bool
recode_multirange_text(const struct recode *recode, const uint8_t *bytes, size_t length,
                       struct recode_run *run)
{
    struct cursor cursor = {bytes, bytes + length};
    if (!pass(&cursor, "{", run))
        return false;
    if (!peeks(&cursor, "}")) {
        do {
            if (!pass_range(recode->parts[0].recode, &cursor, run))
                return false;
        } while (pass(&cursor, ",", run));
    }
    return pass(&cursor, "}", run) && cursor.at == cursor.end;
}
