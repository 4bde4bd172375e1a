#include "protocol/startup.h"

#include "exact.h"
#include <criterion/criterion.h>

struct packet {
    const char *name;
    const char *bytes;
    size_t length;
    enum startup_kind kind;
};

#define PACKET(name, bytes, kind)                                                                  \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, kind                                                       \
    }

static const struct packet packets[] = {
    PACKET("SSLRequest", "\0\0\0\10\4\322\026\057", STARTUP_SSL_REQUEST),
    PACKET("GSSENCRequest", "\0\0\0\10\4\322\026\060", STARTUP_GSSENC_REQUEST),
    PACKET("SSLRequest with more", "\0\0\0\11\4\322\026\057x", STARTUP_JUNK),
    PACKET("cancel, 4 bytes", "\0\0\0\20\4\322\026\056\0\0\0\7abcd", STARTUP_CANCEL),
    PACKET("cancel, 8 bytes", "\0\0\0\24\4\322\026\056\0\0\0\7abcdefgh", STARTUP_CANCEL),
    PACKET("cancel, 3 bytes", "\0\0\0\17\4\322\026\056\0\0\0\7abc", STARTUP_JUNK),
    PACKET("cancel, no pid", "\0\0\0\12\4\322\026\056\0\0", STARTUP_JUNK),
    PACKET("unknown request", "\0\0\0\10\4\322\026\061", STARTUP_JUNK),
    PACKET("session of 3.0", "\0\0\0\21\0\3\0\0user\0me\0\0", STARTUP_SESSION),
    PACKET("session of 3.2", "\0\0\0\21\0\3\0\2user\0me\0\0", STARTUP_SESSION),
    PACKET("an empty value", "\0\0\0\14\0\3\0\0a\0\0\0", STARTUP_SESSION),
    PACKET("no parameters", "\0\0\0\11\0\3\0\0\0", STARTUP_SESSION),
    PACKET("no terminator", "\0\0\0\20\0\3\0\0user\0me\0", STARTUP_JUNK),
    PACKET("a name alone", "\0\0\0\16\0\3\0\0user\0\0", STARTUP_JUNK),
    PACKET("nothing after the code", "\0\0\0\10\0\3\0\0", STARTUP_JUNK),
    PACKET("protocol 2", "\0\0\0\10\0\2\0\0", STARTUP_JUNK),
    PACKET("protocol 4", "\0\0\0\11\0\4\0\0\0", STARTUP_JUNK),
    PACKET("too short", "\0\0\0\7", STARTUP_BAD_LENGTH),
    PACKET("length 0", "\0\0\0\0", STARTUP_BAD_LENGTH),
    PACKET("too long", "\0\0\047\025", STARTUP_BAD_LENGTH),
    PACKET("the longest", "\0\0\047\024", STARTUP_MORE),
    PACKET("negative length", "\377\377\377\377", STARTUP_BAD_LENGTH),
    PACKET("direct TLS", "\026", STARTUP_TLS),
    PACKET("nothing", "", STARTUP_MORE),
};

Test(startup, tells_packets_apart_and_waits_for_whole_ones)
{
    for (size_t i = 0; i < COUNT(packets); i++) {
        const struct packet *packet = &packets[i];
        for (size_t length = 0; length <= packet->length; length++) {
            uint8_t *bytes = exact(packet->bytes, length);
            struct startup startup;
            startup_read(&startup, bytes, length);
            enum startup_kind kind = length < packet->length ? STARTUP_MORE : packet->kind;
            cr_expect_eq(startup.kind, kind, "%s, %zu bytes: %d", packet->name, length,
                         startup.kind);
            startup_fini(&startup);
            free(bytes);
        }
    }
}

Test(startup, a_wrong_version_is_told)
{
    struct startup startup;
    startup_read(&startup, (const uint8_t *)"\0\0\0\10\0\2\0\1", 8);
    cr_expect_eq(startup.kind, STARTUP_JUNK);
    cr_expect_eq(startup.major, 2);
    cr_expect_eq(startup.minor, 1);
}

Test(startup, a_cancel_gives_its_key)
{
    struct startup startup;
    startup_read(&startup, (const uint8_t *)"\0\0\0\20\4\322\026\056\0\0\1\7abcd", 16);
    cr_assert_eq(startup.kind, STARTUP_CANCEL);
    cr_expect_eq(startup.cancel_pid, 263u);
    cr_expect_eq(startup.cancel_key_length, 4u);
    cr_expect_arr_eq(startup.cancel_key, "abcd", 4);
    struct writer writer;
    writer_init(&writer);
    startup_write_cancel(&writer, 263, startup.cancel_key, startup.cancel_key_length);
    cr_assert_eq(writer.length, 16u);
    cr_expect_arr_eq(writer.bytes, "\0\0\0\20\4\322\026\056\0\0\1\7abcd", 16);
    writer_clear(&writer);
    startup_write_ssl_request(&writer);
    cr_expect_arr_eq(writer.bytes, "\0\0\0\10\4\322\026\057", 8);
    writer_fini(&writer);
}

static void
make(struct startup *startup, struct writer *writer, const char *parameters, size_t length)
{
    writer_init(writer);
    writer_begin(writer, 0);
    writer_i16(writer, 3);
    writer_i16(writer, 0);
    writer_bytes(writer, parameters, length);
    writer_end(writer);
    startup_read(startup, writer->bytes, writer->length);
}

Test(startup, replication_is_read_as_the_server_reads_it)
{
    static const struct {
        const char *value;
        bool is_replication;
    } cases[] = {{"database", true}, {"true", true}, {"T", true}, {"On", true},
                 {"1", true},        {"yes", true},  {"y", true}, {"o", false},
                 {"off", false},     {"0", false},   {"", false}, {"truer", false},
                 {"DATABASE", false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char parameters[64] = "replication";
        strcpy(parameters + 12, cases[i].value);
        struct startup startup;
        struct writer writer;
        make(&startup, &writer, parameters, 12 + strlen(cases[i].value) + 2);
        cr_assert_eq(startup.kind, STARTUP_SESSION);
        cr_expect_eq(startup_is_replication(&startup), cases[i].is_replication, "%s",
                     cases[i].value);
        startup_fini(&startup);
        writer_fini(&writer);
    }
}

Test(startup, goes_to_the_server_as_it_came_but_for_what_is_replaced)
{
    static const char parameters[] = "user\0u\0a\0b\0options\0-c x=1\0database\0d\0a\0c\0";
    static const struct {
        const char *user, *database, *options;
        const char *seen_user, *seen_database, *seen_options;
    } cases[] = {
        {NULL, NULL, NULL, "u", "d", "-c x=1"},
        {"v", "e", "-c y=2", "v", "e", "-c x=1 -c y=2"},
    };
    struct startup startup;
    struct writer from;
    make(&startup, &from, parameters, sizeof(parameters));
    cr_assert_eq(startup.kind, STARTUP_SESSION);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct startup seen;
        struct writer writer;
        writer_init(&writer);
        startup_write(&writer, &startup, cases[i].user, cases[i].database, cases[i].options);
        cr_assert_not(writer.failed);
        startup_read(&seen, writer.bytes, writer.length);
        cr_assert_eq(seen.kind, STARTUP_SESSION);
        cr_expect_eq(seen.parameter_count, 5u);
        cr_expect_str_eq(startup_parameter(&seen, "user"), cases[i].seen_user);
        cr_expect_str_eq(startup_parameter(&seen, "database"), cases[i].seen_database);
        cr_expect_str_eq(startup_parameter(&seen, "options"), cases[i].seen_options);
        cr_expect_str_eq(startup_parameter(&seen, "a"), "c", "the last one counts");
        cr_expect_null(startup_parameter(&seen, "b"));
        startup_fini(&seen);
        writer_fini(&writer);
    }
    startup_fini(&startup);
    writer_fini(&from);
}

Test(startup, a_packet_that_no_server_takes_is_not_written)
{
    char *options = malloc(STARTUP_MAX_LENGTH + 1);
    memset(options, 'x', STARTUP_MAX_LENGTH);
    options[STARTUP_MAX_LENGTH] = '\0';
    struct startup startup;
    struct writer from;
    struct writer writer;
    make(&startup, &from, "user\0u\0", 8);
    writer_init(&writer);
    startup_write(&writer, &startup, NULL, NULL, options);
    cr_expect(writer.failed);
    writer_fini(&writer);
    startup_fini(&startup);
    writer_fini(&from);
    free(options);
}
