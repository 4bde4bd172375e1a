// What a client has prepared stays prepared on an own session, under a name of its own, as long as there is room.
#include "protocol/message.h"
#include "protocol/reader.h"
#include "protocol/request.h"
#include "proxy/own/own_statements.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void
add_read(struct writer *job, const char *sql, const char *name)
{
    struct parse_request parse = {.statement = name, .sql = sql};
    struct bind_request bind = {.portal = "p", .statement = name};
    request_write_parse(job, &parse);
    request_write_bind(job, &bind);
}

// What goes out, as "P:name B:portal/name C:name …".
static void
said(struct own_statements *statements, struct writer *job, char *out, size_t size)
{
    struct writer writer;
    writer_init(&writer);
    cr_assert(own_statements_write(statements, job->bytes, job->length, &writer));
    struct reader reader = reader_over(writer.bytes, writer.length);
    out[0] = '\0';
    while (!reader_is_done(&reader)) {
        char type = (char)reader_u8(&reader);
        uint32_t length = reader_u32(&reader);
        const char *body = (const char *)reader_bytes(&reader, length - 4);
        cr_assert(!reader.failed);
        size_t used = strlen(out);
        if (type == MESSAGE_CLIENT_BIND) {
            snprintf(out + used, size - used, "B:%s/%s ", body, body + strlen(body) + 1);
        } else {
            snprintf(out + used, size - used, "%c:%s ", type,
                     type == MESSAGE_CLIENT_CLOSE ? body + 1 : body);
        }
    }
    writer_fini(&writer);
    writer_clear(job);
}

Test(own_statements, what_was_parsed_is_not_parsed_again)
{
    static struct own_statements statements;
    struct writer job;
    char out[512];
    writer_init(&job);
    add_read(&job, "select 1", "");
    add_read(&job, "select 1", OWN_KEPT);
    add_read(&job, "select 2", OWN_KEPT);
    add_read(&job, "select 1", OWN_KEPT);
    said(&statements, &job, out, sizeof(out));
    cr_assert_str_eq(out, "P: B:p/ P:pgrehearse_1 B:p/pgrehearse_1 P:pgrehearse_2 B:p/pgrehearse_2 "
                          "B:p/pgrehearse_1 ");
    own_statements_parsed(&statements); // the unnamed one
    own_statements_parsed(&statements);
    own_statements_settle(&statements); // the third failed
    add_read(&job, "select 1", OWN_KEPT);
    add_read(&job, "select 2", OWN_KEPT);
    said(&statements, &job, out, sizeof(out));
    cr_assert_str_eq(out, "B:p/pgrehearse_1 P:pgrehearse_3 B:p/pgrehearse_3 ");
    own_statements_clear(&statements);
    add_read(&job, "select 1", OWN_KEPT);
    said(&statements, &job, out, sizeof(out));
    cr_assert_str_eq(out, "P:pgrehearse_4 B:p/pgrehearse_4 ");
    add_read(&job, "select 1", OWN_KEPT);
    said(NULL, &job, out, sizeof(out));
    cr_assert_str_eq(out, "P: B:p/ ");
    writer_fini(&job);
}

Test(own_statements, the_longest_unused_goes)
{
    static struct own_statements statements;
    struct writer job;
    char out[512], sql[32];
    writer_init(&job);
    for (int i = 0; i < OWN_STATEMENTS; i++) {
        snprintf(sql, sizeof(sql), "select %d", i);
        add_read(&job, sql, OWN_KEPT);
        said(&statements, &job, out, sizeof(out));
        own_statements_parsed(&statements);
        own_statements_settle(&statements);
    }
    add_read(&job, "select 0", OWN_KEPT);
    add_read(&job, "select 'one more'", OWN_KEPT);
    said(&statements, &job, out, sizeof(out));
    cr_assert_str_eq(out, "B:p/pgrehearse_1 C:pgrehearse_2 P:pgrehearse_101 B:p/pgrehearse_101 ");
    writer_fini(&job);
}

Test(own_statements, junk_is_refused)
{
    struct writer writer;
    writer_init(&writer);
    cr_assert_not(own_statements_write(NULL,
                                       (const uint8_t *)"P\0\0\0\x09"
                                                        "ab",
                                       7, &writer));
    writer_fini(&writer);
}
