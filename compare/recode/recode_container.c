// Containers in binary: the same structure with the other side's OIDs, and with each part put as the other side has it. How deep
// they nest is the plan's, never the value's. Pure, any thread.
#include "compare/recode/recode_parts.h"
#include "protocol/reader.h"

enum { MAX_DIMENSIONS = 6, NULL_LENGTH = -1 };

// range_send's flags.
enum { EMPTY = 0x01, LOWER_INFINITE = 0x08, UPPER_INFINITE = 0x10, FLAGS = 0x1f };

static bool
add_u32(struct recode_run *run, uint32_t value)
{
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
    return recode_add(run, bytes, sizeof bytes);
}

// A length and the value, or the length that says NULL.
static bool
put_value(const struct recode_part *part, struct reader *reader, bool may_be_null,
          struct recode_run *run)
{
    int32_t length = reader_i32(reader);
    if (length == NULL_LENGTH && may_be_null && !reader->failed)
        return add_u32(run, (uint32_t)NULL_LENGTH);
    const uint8_t *bytes = length < 0 ? NULL : reader_bytes(reader, (size_t)length);
    size_t start = run->writer->length;
    if (bytes == NULL || reader->failed || !add_u32(run, 0) ||
        !recode_part_put(part, bytes, (size_t)length, run))
        return false;
    size_t put = run->writer->length - start - 4;
    if (put > INT32_MAX)
        return false;
    for (int i = 0; i < 4; i++)
        run->writer->bytes[start + (size_t)i] = (uint8_t)(put >> (24 - 8 * i));
    return true;
}

// array_send: the number of dimensions, whether there are NULLs, the elements' type, of each dimension how many and the lower
// bound.
bool
recode_array_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                    struct recode_run *run)
{
    struct reader reader = reader_over(bytes, length);
    const struct recode_part *element = &recode->parts[0];
    uint32_t dimensions = reader_u32(&reader), nulls = reader_u32(&reader);
    if (reader_u32(&reader) != element->from || reader.failed || dimensions > MAX_DIMENSIONS ||
        !add_u32(run, dimensions) || !add_u32(run, nulls) || !add_u32(run, element->to))
        return false;
    uint64_t total = dimensions > 0;
    for (uint32_t i = 0; i < dimensions; i++) {
        uint32_t count = reader_u32(&reader), lower = reader_u32(&reader);
        if (__builtin_mul_overflow(total, (uint64_t)count, &total) || !add_u32(run, count) ||
            !add_u32(run, lower))
            return false;
    }
    for (uint64_t i = 0; i < total; i++)
        if (!put_value(element, &reader, true, run))
            return false;
    return reader_is_done(&reader);
}

// record_send: the number of fields, and of each its type and value.
bool
recode_composite_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                        struct recode_run *run)
{
    struct reader reader = reader_over(bytes, length);
    if (reader_u32(&reader) != recode->part_count || !add_u32(run, (uint32_t)recode->part_count))
        return false;
    for (size_t i = 0; i < recode->part_count; i++) {
        const struct recode_part *field = &recode->parts[i];
        if (reader_u32(&reader) != field->from || !add_u32(run, field->to) ||
            !put_value(field, &reader, true, run))
            return false;
    }
    return reader_is_done(&reader);
}

bool
recode_range_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                    struct recode_run *run)
{
    struct reader reader = reader_over(bytes, length);
    uint8_t flags = reader_u8(&reader);
    if (reader.failed || (flags & ~FLAGS) != 0 || !recode_add(run, &flags, 1))
        return false;
    for (int bound = 0; bound < 2; bound++) {
        int infinite = bound == 0 ? LOWER_INFINITE : UPPER_INFINITE;
        if ((flags & (EMPTY | infinite)) == 0 && !put_value(&recode->parts[0], &reader, false, run))
            return false;
    }
    return reader_is_done(&reader);
}

bool
recode_multirange_binary(const struct recode *recode, const uint8_t *bytes, size_t length,
                         struct recode_run *run)
{
    struct reader reader = reader_over(bytes, length);
    uint32_t count = reader_u32(&reader);
    if (!add_u32(run, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!put_value(&recode->parts[0], &reader, false, run))
            return false;
    return reader_is_done(&reader);
}
