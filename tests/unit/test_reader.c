#include "protocol/reader.h"

#include "exact.h"
#include <criterion/criterion.h>

Test(reader, reads_numbers_in_network_order)
{
    static const uint8_t bytes[] = {1, 0xff, 0xfe, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 'a', 0};
    struct reader reader = reader_over(bytes, sizeof(bytes));
    cr_expect_eq(reader_u8(&reader), 1);
    cr_expect_eq(reader_i16(&reader), -2);
    cr_expect_eq(reader_i32(&reader), INT32_MIN + 1);
    cr_expect_eq(reader_u64(&reader), 258u);
    cr_expect_str_eq(reader_string(&reader), "a");
    cr_expect(reader_is_done(&reader));
}

Test(reader, never_reads_past_the_end_and_stays_failed)
{
    for (size_t length = 0; length < 8; length++) {
        uint8_t *bytes = exact("\1\2\3\4\5\6\7", length);
        struct reader reader = reader_over(bytes, length);
        cr_expect_eq(reader_u64(&reader), 0u);
        cr_expect(reader.failed);
        cr_expect_eq(reader_u8(&reader), 0, "a read after the failure at %zu", length);
        cr_expect_null(reader_bytes(&reader, 0));
        cr_expect_null(reader_string(&reader));
        cr_expect_eq(reader_left(&reader), 0u);
        cr_expect_not(reader_is_done(&reader));
        free(bytes);
    }
}

Test(reader, lengths_near_the_limit_do_not_wrap)
{
    uint8_t *bytes = exact("abc", 3);
    struct reader reader = reader_over(bytes, 3);
    reader_u8(&reader);
    cr_expect_null(reader_bytes(&reader, SIZE_MAX));
    cr_expect(reader.failed);
    free(bytes);
}

Test(reader, a_string_needs_its_nul)
{
    uint8_t *bytes = exact("abc", 3);
    struct reader reader = reader_over(bytes, 3);
    cr_expect_null(reader_string(&reader));
    cr_expect(reader.failed);
    free(bytes);
}

Test(reader, nothing_is_something_that_is_done)
{
    struct reader reader = reader_over(NULL, 0);
    cr_expect(reader_is_done(&reader));
    reader = reader_over(NULL, 1);
    cr_expect(reader.failed);
}
