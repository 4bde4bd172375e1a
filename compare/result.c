// One execution's result, gathered message by message from what a server sent, on a shadow thread.
// Rows stay as the bytes of their DataRow bodies, end to end, each behind its length: one buffer
// whatever the number of rows, and equal results are equal by one memcmp. Bodies are checked here,
// once, so that whoever reads the rows later may trust them: as many values as there are columns,
// lengths that add up.
#include "compare/result.h"
#include "protocol/message.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { ROW_HEAD = 4, FIRST_CAPACITY = 1024 };

void
result_init(struct result *result)
{
    *result = (struct result){.kind = RESULT_OPEN};
}

void
result_fini(struct result *result)
{
    reply_columns_free(result->columns, result->column_count);
    free(result->rows);
    free(result->message);
    free(result->tag);
    result_init(result);
}

static size_t
first_row_width(const struct result *result)
{
    const uint8_t *body = result->rows + ROW_HEAD;
    return (size_t)body[0] << 8 | body[1];
}

// As Bind says them: none is all text, one is for all, else one a column (manual 55.2.3).
static int16_t
format_of(const int16_t *formats, size_t format_count, size_t column)
{
    if (format_count == 0)
        return 0;
    if (format_count == 1)
        return formats[0];
    return column < format_count ? formats[column] : 0;
}

bool
result_set_columns(struct result *result, const struct reply_column *columns, size_t count,
                   const int16_t *formats, size_t format_count)
{
    if (result->row_count > 0 && first_row_width(result) != count)
        return false;
    struct reply_column *copy = reply_columns_copy(columns, count);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        copy[i].format = format_of(formats, format_count, i);
    reply_columns_free(result->columns, result->column_count);
    result->columns = copy;
    result->column_count = count;
    result->has_columns = true;
    return true;
}

static enum result_status
add_row_description(struct result *result, const uint8_t *body, size_t length)
{
    struct reply_column *columns;
    size_t count;
    if (result->row_count > 0 || !reply_read_row_description(body, length, &columns, &count))
        return RESULT_JUNK;
    struct reply_column *copy = reply_columns_copy(columns, count);
    free(columns);
    if (copy == NULL)
        return RESULT_NO_MEMORY;
    reply_columns_free(result->columns, result->column_count);
    result->columns = copy;
    result->column_count = count;
    result->has_columns = true;
    return RESULT_OK;
}

static bool
row_is_sound(const struct result *result, const uint8_t *body, size_t length)
{
    struct reply_row row;
    if (!reply_row_begin(&row, body, length))
        return false;
    size_t width = row.left;
    if (result->has_columns && width != result->column_count)
        return false;
    if (!result->has_columns && result->row_count > 0 && width != first_row_width(result))
        return false;
    const uint8_t *value;
    size_t value_length;
    size_t seen = 0;
    while (reply_row_next(&row, &value, &value_length))
        seen++;
    return seen == width && row.at == row.end;
}

static bool
rows_reserve(struct result *result, size_t more)
{
    if (more > SIZE_MAX / 2 - result->rows_length)
        return false;
    size_t needed = result->rows_length + more;
    if (needed <= result->rows_capacity)
        return true;
    size_t capacity = result->rows_capacity > 0 ? result->rows_capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *rows = realloc(result->rows, capacity);
    if (rows == NULL)
        return false;
    result->rows = rows;
    result->rows_capacity = capacity;
    return true;
}

static enum result_status
add_row(struct result *result, const uint8_t *body, size_t length)
{
    if (length > UINT32_MAX || !row_is_sound(result, body, length))
        return RESULT_JUNK;
    if (!rows_reserve(result, ROW_HEAD + length))
        return RESULT_NO_MEMORY;
    uint32_t head = (uint32_t)length;
    memcpy(result->rows + result->rows_length, &head, ROW_HEAD);
    memcpy(result->rows + result->rows_length + ROW_HEAD, body, length);
    result->rows_length += ROW_HEAD + length;
    result->row_count++;
    return RESULT_OK;
}

// Of an Execute without Describe nothing but the tag tells a query without rows from a command.
static bool
tag_is_of_rows(const char *tag)
{
    static const char *const tags[] = {"SELECT", "SHOW", "FETCH", "EXPLAIN"};
    size_t length = strcspn(tag, " ");
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (strlen(tags[i]) == length && memcmp(tags[i], tag, length) == 0)
            return true;
    return false;
}

static enum result_status
add_command_complete(struct result *result, const uint8_t *body, size_t length)
{
    const char *tag;
    if (!reply_read_command_tag(body, length, &tag))
        return RESULT_JUNK;
    result->tag = strdup(tag);
    if (result->tag == NULL)
        return RESULT_NO_MEMORY;
    bool has_rows = result->has_columns || result->row_count > 0 || tag_is_of_rows(tag);
    result->kind = has_rows ? RESULT_ROWS : RESULT_COMMAND;
    return RESULT_ENDED;
}

static enum result_status
add_error(struct result *result, const uint8_t *body, size_t length)
{
    struct reply_error error;
    if (!reply_read_error(body, length, &error) || error.sqlstate == NULL ||
        strlen(error.sqlstate) != sizeof result->sqlstate - 1)
        return RESULT_JUNK;
    result->message = strdup(error.message != NULL ? error.message : "");
    if (result->message == NULL)
        return RESULT_NO_MEMORY;
    memcpy(result->sqlstate, error.sqlstate, sizeof result->sqlstate);
    result->kind = RESULT_ERROR;
    return RESULT_ENDED;
}

enum result_status
result_add(struct result *result, char type, const uint8_t *body, size_t length)
{
    if (result->kind != RESULT_OPEN)
        return RESULT_JUNK;
    switch ((unsigned char)type) {
    case MESSAGE_SERVER_ROW_DESCRIPTION:
        return add_row_description(result, body, length);
    case MESSAGE_SERVER_DATA_ROW:
        return add_row(result, body, length);
    case MESSAGE_SERVER_COMMAND_COMPLETE:
        return add_command_complete(result, body, length);
    case MESSAGE_SERVER_ERROR_RESPONSE:
        return add_error(result, body, length);
    case MESSAGE_SERVER_EMPTY_QUERY_RESPONSE:
        result->kind = RESULT_COMMAND;
        return RESULT_ENDED;
    case MESSAGE_SERVER_PORTAL_SUSPENDED:
        result->kind = RESULT_PARTIAL;
        return RESULT_ENDED;
    default: // NoData among them: no columns is how a result begins
        return RESULT_OK;
    }
}

static void
fold(XXH128_hash_t *digest, const void *bytes, size_t length)
{
    XXH128_hash_t part = XXH3_128bits_withSeed(bytes, length, digest->low64);
    uint64_t folded[4] = {digest->low64, digest->high64, part.low64, part.high64};
    *digest = XXH3_128bits(folded, sizeof folded);
}

void
result_digest(const struct result *result, uint64_t digest[2])
{
    XXH128_hash_t hash = {0};
    uint64_t head[3] = {(uint64_t)result->kind, result->column_count, result->row_count};
    fold(&hash, head, sizeof head);
    for (size_t i = 0; i < result->column_count; i++) {
        const struct reply_column *column = &result->columns[i];
        int64_t facts[3] = {column->type, column->type_modifier, column->format};
        fold(&hash, facts, sizeof facts);
        fold(&hash, column->name, strlen(column->name));
    }
    fold(&hash, result->sqlstate, strlen(result->sqlstate));
    if (result->kind == RESULT_COMMAND && result->tag != NULL)
        fold(&hash, result->tag, strlen(result->tag));
    if (result->rows_length > 0)
        fold(&hash, result->rows, result->rows_length);
    digest[0] = hash.low64;
    digest[1] = hash.high64;
}

size_t
result_memory(const struct result *result)
{
    size_t memory = result->rows_capacity + result->column_count * sizeof *result->columns;
    for (size_t i = 0; i < result->column_count; i++)
        memory += strlen(result->columns[i].name) + 1;
    memory += result->message != NULL ? strlen(result->message) + 1 : 0;
    memory += result->tag != NULL ? strlen(result->tag) + 1 : 0;
    return memory;
}
