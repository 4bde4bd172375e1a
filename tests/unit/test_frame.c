#include "protocol/frame.h"
#include "protocol/message.h"

#include "exact.h"
#include <criterion/criterion.h>

static const char stream[] = "Z\0\0\0\5I"
                             "S\0\0\0\4"
                             "D\0\0\0\16\0\1\0\0\0\4abcd"
                             "X\0\0\0\4";

struct seen {
    char types[8];
    uint32_t totals[8];
    size_t begun, ended;
    uint8_t bodies[64];
    size_t length;
};

// Feeds the stream in pieces of `size` bytes, each on the heap by itself.
static struct seen
feed(const char *bytes, size_t length, size_t size)
{
    struct seen seen = {0};
    struct frame frame;
    frame_init(&frame);
    for (size_t from = 0; from < length; from += size) {
        size_t part = length - from < size ? length - from : size;
        uint8_t *copy = exact(bytes + from, part);
        const uint8_t *at = copy;
        struct frame_piece piece;
        enum frame_status status;
        while ((status = frame_next(&frame, &at, copy + part, &piece)) == FRAME_PIECE) {
            if (piece.first) {
                seen.types[seen.begun] = piece.type;
                seen.totals[seen.begun++] = piece.body_total;
            }
            cr_assert_eq(piece.type, seen.types[seen.begun - 1]);
            cr_assert_eq(piece.body_total, seen.totals[seen.begun - 1]);
            memcpy(seen.bodies + seen.length, piece.body, piece.body_length);
            seen.length += piece.body_length;
            seen.ended += piece.last;
            cr_assert_eq(frame_is_between_messages(&frame), piece.last);
        }
        cr_assert_eq(status, FRAME_MORE);
        cr_assert_eq(at, copy + part);
        free(copy);
    }
    cr_expect(frame_is_between_messages(&frame));
    return seen;
}

Test(frame, finds_the_same_messages_in_pieces_of_any_size)
{
    for (size_t size = 1; size <= sizeof(stream); size++) {
        struct seen seen = feed(stream, sizeof(stream) - 1, size);
        cr_expect_eq(seen.begun, 4u, "pieces of %zu", size);
        cr_expect_eq(seen.ended, 4u, "pieces of %zu", size);
        cr_expect_str_eq(seen.types, "ZSDX");
        cr_expect_eq(seen.length, 11u);
        cr_expect_arr_eq(seen.bodies, "I\0\1\0\0\0\4abcd", 11);
    }
}

Test(frame, impossible_lengths_are_junk_and_stay_so)
{
    static const char *const headers[] = {"Q\0\0\0\3", "Q\0\0\0\0", "Q\200\0\0\0",
                                          "Q\377\377\377\377"};
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct frame frame;
        struct frame_piece piece;
        frame_init(&frame);
        const uint8_t *at = (const uint8_t *)headers[i];
        const uint8_t *end = at + 5;
        cr_expect_eq(frame_next(&frame, &at, end, &piece), FRAME_JUNK, "header %zu", i);
        cr_expect_eq(frame_next(&frame, &at, end, &piece), FRAME_JUNK, "header %zu again", i);
    }
}

Test(frame, the_largest_length_is_a_message)
{
    struct frame frame;
    struct frame_piece piece;
    frame_init(&frame);
    const uint8_t *at = (const uint8_t *)"d\177\377\377\377xy";
    cr_assert_eq(frame_next(&frame, &at, at + 7, &piece), FRAME_PIECE);
    cr_expect_eq(piece.body_total, (uint32_t)INT32_MAX - 4);
    cr_expect_eq(piece.body_length, 2u);
    cr_expect(piece.first && !piece.last);
}

Test(message, knows_types_by_direction)
{
    cr_expect_str_eq(message_title(MESSAGE_FROM_CLIENT, 'S'), "Sync");
    cr_expect_str_eq(message_title(MESSAGE_FROM_SERVER, 'S'), "ParameterStatus");
    cr_expect_str_eq(message_title(MESSAGE_FROM_SERVER, 'Q'), "?");
    cr_expect_not(message_is_known(MESSAGE_FROM_CLIENT, 'Z'));
    cr_expect_not(message_is_known(MESSAGE_FROM_SERVER, (char)0xda));
    cr_expect_not(message_is_known(MESSAGE_FROM_SERVER, 0));
}
