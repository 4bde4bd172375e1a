// Composites by their fields. Binary output brings each field's type; in text the side's catalog says
// what the fields are, and where it does not know (ROW(…) has no name) texts are compared as they are.
// Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"

enum { MAX_FIELDS = 1664 }; // MaxTupleAttributeNumber

static bool
read_fields(const struct type_reading *reading, const uint8_t *at, const uint8_t *end,
            struct writer *value, struct writer *form)
{
    if (at == end || *at++ != '(')
        return false;
    for (size_t i = 0; i < reading->own.field_count; i++) {
        struct type_reading field = type_reading_field(reading, i);
        bool is_null;
        if (i > 0 && *at++ != ',')
            return false;
        if (!type_quoted_take(&at, end, ",)", value, &is_null))
            return false;
        form->failed |= value->failed;
        // Emptied, the writer may have no bytes at all, which would be NULL.
        static const uint8_t none[1];
        const uint8_t *bytes = value->length > 0 ? value->bytes : none;
        type_container_add(&field, is_null ? NULL : bytes, is_null ? 0 : value->length, 0, form);
    }
    return end - at == 1 && *at == ')';
}

bool
type_read_record(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *form)
{
    struct writer value;
    writer_init(&value);
    type_container_begin(form);
    bool is_read = read_fields(reading, bytes, bytes + length, &value, form);
    writer_fini(&value);
    return is_read;
}

// record_send: the number of fields, then each one's type, length and bytes.
struct fields {
    struct reader reader;
    uint32_t count;
};

static bool
fields_begin(struct fields *fields, const uint8_t *bytes, size_t length)
{
    fields->reader = reader_over(bytes, length);
    fields->count = reader_u32(&fields->reader);
    return !fields->reader.failed && fields->count <= MAX_FIELDS;
}

static bool
fields_next(struct fields *fields, uint32_t *type, const uint8_t **bytes, size_t *length)
{
    *type = reader_u32(&fields->reader);
    int32_t size = reader_i32(&fields->reader);
    *length = size < 0 ? 0 : (size_t)size;
    *bytes = size < 0 ? NULL : reader_bytes(&fields->reader, *length);
    return size >= -1 && !fields->reader.failed;
}

bool
type_read_record_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                        struct writer *form)
{
    struct fields fields;
    bool is_known = reading->own.field_count > 0;
    if (!fields_begin(&fields, bytes, length) ||
        (is_known && fields.count != reading->own.field_count))
        return false;
    type_container_begin(form);
    for (uint32_t i = 0; i < fields.count; i++) {
        uint32_t type;
        const uint8_t *value;
        size_t value_length;
        if (!fields_next(&fields, &type, &value, &value_length))
            return false;
        struct type_reading field =
            is_known ? type_reading_field(reading, i) : type_reading_part(reading, type);
        type_container_add(&field, value, value_length, 1, form);
    }
    return reader_is_done(&fields.reader);
}

bool
type_print_record(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *text)
{
    struct fields fields;
    if (!fields_begin(&fields, bytes, length))
        return false;
    writer_u8(text, '(');
    for (uint32_t i = 0; i < fields.count; i++) {
        uint32_t type;
        const uint8_t *value;
        size_t value_length;
        if (!fields_next(&fields, &type, &value, &value_length))
            return false;
        if (i > 0)
            writer_u8(text, ',');
        struct type_reading field = type_reading_part(reading, type);
        if (value != NULL && !type_quoted_print(&field, value, value_length, "()", text))
            return false;
    }
    writer_u8(text, ')');
    return reader_is_done(&fields.reader);
}
