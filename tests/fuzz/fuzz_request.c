// The bodies of requests: the first byte is the type. What was read and written reads the same.
#include "protocol/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_parse(const uint8_t *body, size_t length)
{
    struct parse_request request;
    if (!request_read_parse(body, length, &request)) {
        return;
    }
    struct writer writer;
    writer_init(&writer);
    request_write_parse(&writer, &request);
    if (writer.failed || writer.length != length + 5 ||
        memcmp(writer.bytes + 5, body, length) != 0) {
        abort();
    }
    writer_fini(&writer);
    request_parse_fini(&request);
}

static void
compare_binds(const struct bind_request *one, const struct bind_request *other)
{
    if (one->value_count != other->value_count ||
        one->result_format_count != other->result_format_count) {
        abort();
    }
    for (size_t i = 0; i < one->value_count; i++) {
        const struct bind_value *value = &one->values[i];
        const struct bind_value *again = &other->values[i];
        if (value->format != again->format || value->length != again->length ||
            (value->bytes == NULL) != (again->bytes == NULL) ||
            (value->length > 0 && memcmp(value->bytes, again->bytes, value->length) != 0)) {
            abort();
        }
    }
}

static void
check_bind(const uint8_t *body, size_t length)
{
    struct bind_request request;
    if (!request_read_bind(body, length, &request)) {
        return;
    }
    struct writer writer;
    struct bind_request again;
    writer_init(&writer);
    request_write_bind(&writer, &request);
    if (writer.failed || !request_read_bind(writer.bytes + 5, writer.length - 5, &again)) {
        abort();
    }
    compare_binds(&request, &again);
    request_bind_fini(&again);
    request_bind_fini(&request);
    writer_fini(&writer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const uint8_t *body = data + 1;
    const char *sql;
    struct execute_request execute;
    struct target_request target;
    switch (data[0]) {
    case 'P':
        check_parse(body, size - 1);
        break;
    case 'B':
        check_bind(body, size - 1);
        break;
    case 'Q':
        if (request_read_query(body, size - 1, &sql) && strlen(sql) + 2 != size) {
            abort();
        }
        break;
    case 'E':
        if (request_read_execute(body, size - 1, &execute) && execute.row_limit < 0) {
            abort();
        }
        break;
    default:
        request_read_target(body, size - 1, &target);
        break;
    }
    return 0;
}
