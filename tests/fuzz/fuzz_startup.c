// Startup packets: what was read can be written, and reads the same again. However the bytes are cut, the first
// pieces say "more" until they are enough, what they say then stays, and what follows the packet changes nothing.
#include "protocol/startup.h"

#include "split.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect_same(const struct startup *startup, const char *name)
{
    struct writer writer;
    struct startup again;
    writer_init(&writer);
    startup_write(&writer, startup, NULL, NULL, NULL);
    if (writer.failed) {
        abort();
    }
    startup_read(&again, writer.bytes, writer.length);
    const char *before = startup_parameter(startup, name);
    const char *after = startup_parameter(&again, name);
    if (again.kind != STARTUP_SESSION || (before == NULL) != (after == NULL) ||
        (before != NULL && strcmp(before, after) != 0) ||
        startup_is_replication(startup) != startup_is_replication(&again)) {
        abort();
    }
    startup_fini(&again);
    writer_fini(&writer);
}

static enum startup_kind
kind_of(const uint8_t *data, size_t size, size_t *length)
{
    struct startup startup;
    startup_read(&startup, data, size);
    enum startup_kind kind = startup.kind;
    *length = startup.length;
    startup_fini(&startup);
    return kind;
}

static void
expect_same_in_pieces(const uint8_t *data, size_t size)
{
    size_t length, piece_length;
    enum startup_kind whole = kind_of(data, size, &length);
    uint32_t seed = size > 0 ? data[size - 1] : 0;
    for (size_t end = 0; end < size; end += split_next(&seed, size - end)) {
        enum startup_kind kind = kind_of(data, end, &piece_length);
        if (kind != STARTUP_MORE && (kind != whole || piece_length != length)) {
            abort();
        }
        if (length > 0 && (end < length) != (kind == STARTUP_MORE)) {
            abort();
        }
    }
    if (length > 0 && (kind_of(data, length, &piece_length) != whole || piece_length != length)) {
        abort();
    }
}

static void
expect_same_cancel(const struct startup *startup)
{
    struct writer writer;
    writer_init(&writer);
    startup_write_cancel(&writer, startup->cancel_pid, startup->cancel_key,
                         startup->cancel_key_length);
    struct startup again;
    startup_read(&again, writer.bytes, writer.length);
    if (again.kind != STARTUP_CANCEL || again.cancel_pid != startup->cancel_pid ||
        again.cancel_key_length != startup->cancel_key_length || again.cancel_key_length < 4 ||
        again.cancel_key_length > 256 ||
        memcmp(again.cancel_key, startup->cancel_key, again.cancel_key_length) != 0) {
        abort();
    }
    writer_fini(&writer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct startup startup;
    expect_same_in_pieces(data, size);
    startup_read(&startup, data, size);
    if (startup.kind == STARTUP_CANCEL) {
        expect_same_cancel(&startup);
    }
    if (startup.kind == STARTUP_SESSION) {
        expect_same(&startup, "user");
        expect_same(&startup, "options");
        for (size_t i = 0; i < startup.parameter_count && i < 8; i++) {
            expect_same(&startup, startup.parameters[i].name);
        }
    }
    startup_fini(&startup);
    return 0;
}
