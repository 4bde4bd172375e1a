#include "protocol/capture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct chunk *
chunk_with(size_t capacity, const void *bytes, size_t length)
{
    struct chunk *chunk = chunk_new(capacity);
    memcpy(chunk->bytes, bytes, length);
    chunk->length = length;
    return chunk;
}

// "D", a length, and a body of `length` bytes that count up.
static size_t
put_message(uint8_t *to, uint32_t length)
{
    uint8_t header[] = {'D', 0, (uint8_t)((length + 4) >> 16), (uint8_t)((length + 4) >> 8),
                        (uint8_t)(length + 4)};
    memcpy(to, header, 5);
    for (uint32_t i = 0; i < length; i++) {
        to[5 + i] = (uint8_t)i;
    }
    return 5 + length;
}

Test(chunk, lives_until_the_last_reference_goes)
{
    struct chunk *first = chunk_new(10);
    struct chunk *second = chunk_ref(first);
    cr_expect_eq(chunk_references(first), 2u);
    chunk_unref(&first);
    cr_expect_null(first);
    cr_expect_eq(chunk_references(second), 1u);
    chunk_unref(&second);
    chunk_unref(&second);
    cr_expect_null(chunk_new(SIZE_MAX));
}

Test(capture, holds_a_good_part_by_reference_and_copies_a_small_one)
{
    static const struct {
        size_t length;
        unsigned references;
    } cases[] = {{1000, 2}, {250, 2}, {249, 1}, {1, 1}};
    uint8_t bytes[1000] = {7};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct capture capture;
        struct chunk *chunk = chunk_with(1000, bytes, sizeof(bytes));
        capture_init(&capture);
        cr_assert(capture_append(&capture, chunk, 0, cases[i].length));
        cr_expect_eq(chunk_references(chunk), cases[i].references, "%zu bytes", cases[i].length);
        cr_expect_eq(capture.length, cases[i].length);
        cr_expect_geq(capture.pinned, cases[i].references == 2 ? 1000u : cases[i].length);
        cr_expect_lt(capture.pinned, 1100u);
        capture_fini(&capture);
        capture_fini(&capture);
        cr_expect_eq(chunk_references(chunk), 1u);
        chunk_unref(&chunk);
    }
}

Test(capture, a_chunk_that_it_pins_already_costs_no_more)
{
    uint8_t bytes[1000] = {0};
    struct chunk *chunk = chunk_with(1000, bytes, sizeof(bytes));
    struct capture capture;
    capture_init(&capture);
    cr_assert(capture_append(&capture, chunk, 0, 500));
    size_t pinned = capture.pinned;
    cr_assert(capture_append(&capture, chunk, 500, 10));
    cr_expect_eq(capture.count, 1u, "what follows on joins its slice");
    cr_assert(capture_append(&capture, chunk, 600, 10));
    cr_expect_eq(capture.count, 2u);
    cr_expect_eq(capture.pinned, pinned);
    cr_expect_eq(capture.length, 520u);
    capture_fini(&capture);
    chunk_unref(&chunk);
}

Test(capture, small_copies_share_private_chunks)
{
    struct capture capture;
    capture_init(&capture);
    for (int i = 0; i < 10000; i++) {
        cr_assert(capture_copy(&capture, "0123456789", 10));
    }
    cr_expect_eq(capture.length, 100000u);
    cr_expect_leq(capture.count, 12u);
    cr_expect_leq(capture.pinned, 200000u);
    capture_fini(&capture);
}

Test(capture, what_was_captured_stays_as_it_was_when_the_chunk_is_dropped)
{
    struct capture capture;
    struct chunk *chunk = chunk_with(8, "Z\0\0\0\5I..", 8);
    capture_init(&capture);
    cr_assert(capture_append(&capture, chunk, 0, 6));
    chunk_unref(&chunk);
    struct capture_cursor cursor;
    struct message message;
    capture_cursor_init(&cursor, &capture);
    cr_assert_eq(capture_cursor_next(&cursor, &message), CAPTURE_MESSAGE);
    cr_expect_eq(message.body[0], 'I');
    cr_expect_eq(message.raw_length, 6u);
    cr_expect_eq(capture_cursor_next(&cursor, &message), CAPTURE_END);
    capture_cursor_fini(&cursor);
    capture_fini(&capture);
}

static void
expect_messages(const struct capture *capture, const uint32_t *lengths, size_t count, size_t size)
{
    struct capture_cursor cursor;
    struct message message;
    capture_cursor_init(&cursor, capture);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(capture_cursor_next(&cursor, &message), CAPTURE_MESSAGE, "%zu of %zu", i,
                     size);
        cr_assert_eq(message.type, 'D');
        cr_assert_eq(message.length, lengths[i]);
        cr_assert_eq(message.raw_length, lengths[i] + 5);
        cr_assert_eq(message.raw[0], 'D');
        for (size_t j = 0; j < message.length; j++) {
            cr_assert_eq(message.body[j], (uint8_t)j);
        }
    }
    cr_assert_eq(capture_cursor_next(&cursor, &message), CAPTURE_END);
    capture_cursor_fini(&cursor);
}

Test(capture, walks_messages_across_slices_of_any_size)
{
    static const uint32_t lengths[] = {0, 1, 3, 300, 0, 77, 2};
    uint8_t bytes[1024];
    size_t total = 0;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        total += put_message(bytes + total, lengths[i]);
    }
    for (size_t size = 1; size <= total; size++) {
        struct capture capture;
        struct capture taken;
        capture_init(&capture);
        capture_init(&taken);
        for (size_t from = 0; from < total; from += size) {
            size_t part = total - from < size ? total - from : size;
            struct chunk *chunk = chunk_with(part, bytes + from, part);
            cr_assert(capture_append(&capture, chunk, 0, part));
            chunk_unref(&chunk);
        }
        capture_take(&taken, &capture);
        cr_assert_eq(capture.count, 0u);
        cr_assert_eq(taken.length, total);
        expect_messages(&taken, lengths, sizeof(lengths) / sizeof(lengths[0]), size);
        capture_fini(&taken);
        capture_fini(&capture);
    }
}

Test(capture, tells_a_part_of_a_message_and_junk)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum capture_status status;
    } cases[] = {
        {"", 0, CAPTURE_END},
        {"Z", 1, CAPTURE_PARTIAL},
        {"Z\0\0\0", 4, CAPTURE_PARTIAL},
        {"Z\0\0\0\5", 5, CAPTURE_PARTIAL},
        {"D\177\377\377\377xxx", 8, CAPTURE_PARTIAL},
        {"Z\0\0\0\3", 5, CAPTURE_JUNK},
        {"Z\200\0\0\0", 5, CAPTURE_JUNK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct capture capture;
        struct capture_cursor cursor;
        struct message message;
        capture_init(&capture);
        cr_assert(capture_copy(&capture, cases[i].bytes, cases[i].length));
        capture_cursor_init(&cursor, &capture);
        cr_expect_eq(capture_cursor_next(&cursor, &message), cases[i].status, "case %zu", i);
        cr_expect_eq(capture_cursor_next(&cursor, &message), cases[i].status, "case %zu again", i);
        capture_cursor_fini(&cursor);
        capture_fini(&capture);
    }
}
