// Names must be old's. A type may be wider on new where each value can be put as old's: integers (the value is
// looked at), kinds of text, json and jsonb, types that users made in text (their OIDs differ between
// clusters anyway). Everything else is answered by old.
#include "proxy/canary/canary_columns.h"
#include "protocol/message.h"
#include "protocol/reader.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_USER_OID = 16384, JSONB_VERSION = 1 };

enum oid { // pg_type.dat
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_JSON = 114,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_NUMERIC = 1700,
    OID_JSONB = 3802,
};

static bool
is_text_kind(uint32_t type)
{
    return type == OID_TEXT || type == OID_VARCHAR || type == OID_BPCHAR || type == OID_NAME;
}

static bool
is_integer(uint32_t type)
{
    return type == OID_INT2 || type == OID_INT4 || type == OID_INT8;
}

static bool
is_json(uint32_t type)
{
    return type == OID_JSON || type == OID_JSONB;
}

static enum canary_conversion
text_conversion(uint32_t to, uint32_t from)
{
    if (is_integer(to) && (is_integer(from) || from == OID_NUMERIC)) {
        return CANARY_CHECK_INTEGER;
    }
    bool is_same_text = (to == OID_NUMERIC && is_integer(from)) ||
                        (is_text_kind(to) && (is_text_kind(from) || from >= FIRST_USER_OID)) ||
                        (is_json(to) && is_json(from)) ||
                        (to >= FIRST_USER_OID && from >= FIRST_USER_OID);
    return is_same_text ? CANARY_AS_IS : CANARY_NO_CONVERSION;
}

static enum canary_conversion
binary_conversion(uint32_t to, uint32_t from)
{
    if (is_integer(to) && is_integer(from)) {
        return CANARY_RECODE_INTEGER;
    }
    if (is_text_kind(to) && is_text_kind(from)) {
        return CANARY_AS_IS;
    }
    if (is_json(to) && is_json(from)) {
        return to == OID_JSON ? CANARY_JSONB_TO_JSON : CANARY_JSON_TO_JSONB;
    }
    return CANARY_NO_CONVERSION;
}

enum canary_conversion
canary_column_conversion(const struct reply_column *old_column,
                         const struct reply_column *new_column)
{
    uint32_t from = new_column->type, to = old_column->type;
    if (strcmp(old_column->name, new_column->name) != 0) {
        return CANARY_NO_CONVERSION;
    }
    if (from == to && to < FIRST_USER_OID) {
        return CANARY_AS_IS;
    }
    return new_column->format == 0 ? text_conversion(to, from) : binary_conversion(to, from);
}

static bool
integer_fits(uint32_t type, int64_t number)
{
    return type == OID_INT8 || (type == OID_INT4 && number >= INT32_MIN && number <= INT32_MAX) ||
           (type == OID_INT2 && number >= INT16_MIN && number <= INT16_MAX);
}

static bool
text_fits(uint32_t type, const uint8_t *value, size_t length)
{
    char text[32], *end;
    if (length == 0 || length >= sizeof(text)) {
        return false;
    }
    memcpy(text, value, length);
    text[length] = '\0';
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 && integer_fits(type, number);
}

static bool
recode_integer(struct writer *writer, uint32_t type, const uint8_t *value, size_t length)
{
    struct reader reader = reader_over(value, length);
    int64_t number = length == 8   ? (int64_t)reader_u64(&reader)
                     : length == 4 ? reader_i32(&reader)
                                   : reader_i16(&reader);
    if (!reader_is_done(&reader) || !integer_fits(type, number)) {
        return false;
    }
    size_t width = type == OID_INT8 ? 8 : (type == OID_INT4 ? 4 : 2);
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * (width - 1 - i)));
    }
    writer_value(writer, bytes, width);
    return true;
}

static bool
convert(struct writer *writer, const struct canary_column *column, const uint8_t *value,
        size_t length)
{
    static const uint8_t version = JSONB_VERSION;
    switch (column->conversion) {
    case CANARY_CHECK_INTEGER:
        writer_value(writer, value, length);
        return text_fits(column->old_type, value, length);
    case CANARY_RECODE_INTEGER:
        return recode_integer(writer, column->old_type, value, length);
    case CANARY_JSONB_TO_JSON:
        if (length == 0 || value[0] != JSONB_VERSION) {
            return false;
        }
        writer_value(writer, value + 1, length - 1);
        return true;
    case CANARY_JSON_TO_JSONB:
        writer_u32(writer, (uint32_t)length + 1);
        writer_bytes(writer, &version, 1);
        writer_bytes(writer, value, length);
        return true;
    case CANARY_AS_IS:
        writer_value(writer, value, length);
        return true;
    case CANARY_NO_CONVERSION:
        break;
    }
    return false;
}

bool
canary_row_convert(struct writer *writer, const struct canary_column *columns, size_t count,
                   const uint8_t *body, size_t length)
{
    struct reply_row row;
    const uint8_t *value;
    size_t value_length;
    if (!reply_row_begin(&row, body, length) || row.left != count) {
        return false;
    }
    writer_begin(writer, MESSAGE_SERVER_DATA_ROW);
    writer_count(writer, count);
    for (size_t i = 0; i < count; i++) {
        if (!reply_row_next(&row, &value, &value_length)) {
            return false;
        }
        if (!value) {
            writer_value(writer, NULL, 0);
        } else if (!convert(writer, &columns[i], value, value_length)) {
            return false;
        }
    }
    writer_end(writer);
    return reply_row_is_done(&row);
}
