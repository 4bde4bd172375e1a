// Startup packets: what was read can be written, and reads the same again.
#include "protocol/startup.h"

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct startup startup;
    startup_read(&startup, data, size);
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
