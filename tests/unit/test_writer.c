#include "protocol/writer.h"

#include <criterion/criterion.h>
#include <string.h>

Test(writer, a_message_has_its_type_and_a_length_that_counts_itself)
{
    struct writer writer;
    writer_init(&writer);
    writer_begin(&writer, 'X');
    writer_u8(&writer, 1);
    writer_i16(&writer, -2);
    writer_i32(&writer, -3);
    writer_u64(&writer, 258);
    writer_string(&writer, "ab");
    writer_end(&writer);
    static const uint8_t expected[] = {'X', 0, 0, 0, 22, 1, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfd,
                                       0,   0, 0, 0, 0,  0, 1,    2,    'a',  'b',  0};
    cr_assert_not(writer.failed);
    cr_assert_eq(writer.length, sizeof(expected));
    cr_expect_arr_eq(writer.bytes, expected, sizeof(expected));
    writer_fini(&writer);
}

Test(writer, a_packet_of_type_0_has_no_type_byte)
{
    struct writer writer;
    writer_init(&writer);
    writer_begin(&writer, 0);
    writer_u32(&writer, 7);
    writer_end(&writer);
    cr_assert_eq(writer.length, 8u);
    cr_expect_arr_eq(writer.bytes, "\0\0\0\10\0\0\0\7", 8);
    writer_fini(&writer);
}

Test(writer, values_are_null_empty_or_bytes)
{
    struct writer writer;
    writer_init(&writer);
    writer_value(&writer, NULL, 5);
    writer_value(&writer, "", 0);
    writer_value(&writer, "ab", 2);
    cr_assert_eq(writer.length, 14u);
    cr_expect_arr_eq(writer.bytes, "\377\377\377\377\0\0\0\0\0\0\0\2ab", 14);
    writer_fini(&writer);
}

Test(writer, failure_sticks_until_cleared)
{
    struct writer writer;
    size_t length;
    writer_init(&writer);
    writer_count(&writer, 65536);
    cr_expect(writer.failed);
    writer_begin(&writer, 'Q');
    writer_string(&writer, "select 1");
    writer_end(&writer);
    cr_expect_eq(writer.length, 0u);
    writer_value(&writer, "", (size_t)INT32_MAX + 1);
    cr_expect_null(writer_take(&writer, &length));
    cr_expect_eq(length, 0u);
    writer_count(&writer, 65535);
    cr_expect_not(writer.failed);
    writer_bytes(&writer, "", SIZE_MAX - 1);
    cr_expect(writer.failed, "a length that would wrap");
    writer_clear(&writer);
    cr_expect_not(writer.failed);
    writer_fini(&writer);
}

Test(writer, grows_and_hands_its_bytes_over)
{
    struct writer writer;
    writer_init(&writer);
    for (int i = 0; i < 100000; i++) {
        writer_u8(&writer, (uint8_t)i);
    }
    size_t length;
    uint8_t *bytes = writer_take(&writer, &length);
    cr_assert_eq(length, 100000u);
    for (int i = 0; i < 100000; i++) {
        cr_assert_eq(bytes[i], (uint8_t)i);
    }
    free(bytes);
    cr_expect_null(writer.bytes);
}

Test(writer, wiping_leaves_nothing_of_a_secret)
{
    struct writer writer;
    writer_init(&writer);
    writer_string(&writer, "secret");
    writer_wipe(&writer);
    cr_expect_eq(writer.length, 0u);
    cr_expect_arr_eq(writer.bytes, "\0\0\0\0\0\0", 6);
    writer_fini(&writer);
}
