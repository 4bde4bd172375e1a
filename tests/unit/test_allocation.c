// protocol/ without memory: each operation is run with its first allocation failing, then its second,
// and so on until none fails. It must say so each time, leak nothing, and leave its objects usable.
// The linker puts our malloc and calloc in place of the library's (see tests/CMakeLists.txt).
#include "protocol/capture.h"
#include "protocol/challenge.h"
#include "protocol/login.h"
#include "protocol/pairing.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/scram_witness.h"
#include "protocol/startup.h"

#include "exact.h"
#include <criterion/criterion.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static long allocations_left = -1; // negative: without limit

static bool
may_allocate(void)
{
    if (allocations_left == 0) {
        return false;
    }
    allocations_left -= allocations_left > 0;
    return true;
}

void *
__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

static bool
write_much(void)
{
    struct writer writer;
    writer_init(&writer);
    for (int i = 0; i < 100; i++) {
        request_write_query(&writer, "select 'a statement of some length'");
    }
    bool is_done = !writer.failed;
    size_t length;
    uint8_t *bytes = writer_take(&writer, &length);
    cr_assert_eq(bytes != NULL, is_done);
    cr_assert_eq(length, is_done ? 4100u : 0u);
    free(bytes);
    return is_done;
}

static bool
read_parse(void)
{
    struct parse_request request;
    if (!request_read_parse((const uint8_t *)"\0x\0\0\1\0\0\0\27", 9, &request)) {
        return false;
    }
    request_parse_fini(&request);
    return true;
}

static bool
read_bind(void)
{
    struct bind_request request;
    if (!request_read_bind((const uint8_t *)"\0\0\0\0\0\1\0\0\0\0\0\1\0\1", 14, &request)) {
        return false;
    }
    request_bind_fini(&request);
    return true;
}

static bool
read_columns(void)
{
    static const char body[] = "\0\1\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0";
    struct reply_column *columns;
    size_t count;
    if (!reply_read_row_description((const uint8_t *)body, sizeof(body), &columns, &count)) {
        return false;
    }
    free(columns);
    return true;
}

static bool
read_startup(void)
{
    struct startup startup;
    startup_read(&startup, (const uint8_t *)"\0\0\0\21\0\3\0\0user\0me\0", 17);
    bool is_done = startup.kind == STARTUP_SESSION;
    cr_assert(is_done || startup.kind == STARTUP_NO_MEMORY);
    startup_fini(&startup);
    return is_done;
}

// What was captured before the failure is still there, and the append can be tried again.
static bool
capture_much(void)
{
    struct capture capture;
    capture_init(&capture);
    size_t held = 0;
    bool is_done = true;
    for (int i = 0; i < 200 && is_done; i++) {
        struct chunk *chunk = i % 3 == 0 ? chunk_new(8) : NULL;
        if (chunk != NULL) {
            memcpy(chunk->bytes, "01234567", 8);
            chunk->length = 8;
            is_done = capture_append(&capture, chunk, 0, 8);
        } else {
            is_done = i % 3 != 0 && capture_copy(&capture, "01234567", 8);
        }
        chunk_unref(&chunk);
        held += is_done ? 8 : 0;
        cr_assert_eq(capture.length, held);
    }
    capture_fini(&capture);
    return is_done;
}

static bool
walk_capture(void)
{
    struct capture capture;
    struct capture_cursor cursor;
    struct message message;
    capture_init(&capture);
    bool is_done = capture_copy(&capture, "Q\0\0", 3);
    struct chunk *chunk = is_done ? chunk_new(6) : NULL;
    is_done = chunk != NULL;
    if (is_done) {
        memcpy(chunk->bytes, "\0\10abcd", 6);
        is_done = capture_append(&capture, chunk, 0, 6);
        chunk_unref(&chunk);
    }
    capture_cursor_init(&cursor, &capture);
    if (is_done) {
        enum capture_status status = capture_cursor_next(&cursor, &message);
        cr_assert(status == CAPTURE_MESSAGE || status == CAPTURE_NO_MEMORY);
        is_done = status == CAPTURE_MESSAGE;
    }
    capture_cursor_fini(&cursor);
    capture_fini(&capture);
    return is_done;
}

// A request that found no memory has changed nothing: the others are answered as ever.
static bool
pair_much(void)
{
    struct pairing pairing;
    struct pairing_place place;
    struct pairing_answer answer;
    pairing_init(&pairing);
    enum pairing_status status = PAIRING_OK;
    uint64_t sent = 0;
    while (sent < 100 && (status = pairing_request(&pairing, 'Q', &place)) == PAIRING_OK) {
        sent++;
    }
    cr_assert(status == PAIRING_OK || status == PAIRING_NO_MEMORY);
    cr_assert_eq(pairing.units_begun, sent);
    for (uint64_t i = 0; i < sent; i++) {
        cr_assert_eq(pairing_reply(&pairing, 'I', 0, &answer), PAIRING_OK);
        cr_assert_eq(pairing_reply(&pairing, 'Z', 'I', &answer), PAIRING_OK);
        cr_assert_eq(answer.request, i);
    }
    cr_assert(pairing_is_idle(&pairing));
    pairing_fini(&pairing);
    return status == PAIRING_OK;
}

static bool
begin_login(void)
{
    const struct login_secret secret = {.user = "u", .password = "p"};
    struct login *login = login_new(&secret);
    if (login == NULL) {
        return false;
    }
    struct writer writer;
    writer_init(&writer);
    cr_assert_eq(login_step(login, (const uint8_t *)"\0\0\0\3", 4, &writer), LOGIN_SEND);
    bool is_done = !writer.failed;
    writer_fini(&writer);
    login_free(&login);
    return is_done;
}

// A password that SASLprep changes, against the same one: both sides derive keys.
static bool
pass_challenge(void)
{
    static const uint8_t seed[32];
    struct challenge_settings settings = {.user = "u",
                                          .secret = "pen\xc2\xa0"
                                                    "cil",
                                          .mock_seed = seed};
    const struct login_secret secret = {.user = "u", .password = "pen cil"};
    struct challenge *challenge = challenge_new(&settings);
    struct login *login = challenge != NULL ? login_new(&secret) : NULL;
    struct writer server, client;
    writer_init(&server);
    writer_init(&client);
    enum challenge_status status =
        login != NULL ? challenge_begin(challenge, &server) : CHALLENGE_FAILED;
    while (status == CHALLENGE_SEND &&
           login_step(login, server.bytes + 5, server.length - 5, &client) == LOGIN_SEND &&
           !client.failed) {
        writer_clear(&server);
        status = challenge_step(challenge, client.bytes + 5, client.length - 5, &server);
        writer_clear(&client);
    }
    writer_fini(&server);
    writer_fini(&client);
    login_free(&login);
    challenge_free(&challenge);
    cr_assert_neq(status, CHALLENGE_REFUSED, "no memory is no wrong password");
    return status == CHALLENGE_PASSED;
}

static bool
make_witness(void)
{
    struct scram_witness *witness = scram_witness_new();
    bool is_done = witness != NULL;
    scram_witness_free(&witness);
    return is_done;
}

static const struct {
    const char *name;
    bool (*run)(void); // false: there was no memory
    long allocations;  // at least this many can fail
} operations[] = {
    {"writer", write_much, 5},    {"Parse", read_parse, 1},
    {"Bind", read_bind, 2},       {"RowDescription", read_columns, 1},
    {"startup", read_startup, 1}, {"capture", capture_much, 60},
    {"cursor", walk_capture, 3},  {"pairing", pair_much, 4},
    {"login", begin_login, 2},    {"challenge", pass_challenge, 4},
    {"witness", make_witness, 1},
};

Test(allocation, each_failure_is_told_and_leaves_nothing_behind)
{
    for (size_t i = 0; i < COUNT(operations); i++) {
        long failures = 0;
        for (bool is_done = false; !is_done; failures += !is_done) {
            allocations_left = failures;
            is_done = operations[i].run();
            allocations_left = -1;
            cr_assert_lt(failures, 10000, "%s never ends", operations[i].name);
        }
        cr_expect_geq(failures, operations[i].allocations, "%s: only %ld allocations failed",
                      operations[i].name, failures);
    }
}
