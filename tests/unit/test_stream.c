// Streams: order, backpressure, buffers, ends. Both ends are streams on one loop.
#include "ends.h"
#include <criterion/criterion.h>
#include <string.h>

TestSuite(stream, .init = set_up, .fini = stop_and_close, .timeout = 30);

Test(stream, bytes_arrive_in_the_chunk_that_is_used_again)
{
    stream_write_copy(left.stream, "one", 3);
    WAIT_FOR(right.length == 3);
    struct chunk *first = right.last_chunk;
    stream_write_copy(left.stream, "two", 3);
    WAIT_FOR(right.length == 6);
    cr_expect_eq(right.last_chunk, first, "no new chunk while nobody holds the old one");
    cr_expect_eq(right.last_offset, 0);
    cr_expect_arr_eq(right.got, "onetwo", 6);
}

Test(stream, a_kept_chunk_never_changes)
{
    right.keeps = true;
    stream_write_copy(left.stream, "kept", 4);
    WAIT_FOR(right.length == 4);
    char *bytes = pattern(300000);
    stream_write_copy(left.stream, bytes, 300000);
    WAIT_FOR(right.length == 300004);
    cr_expect_arr_eq(right.kept->bytes, "kept", 4);
    cr_expect_arr_eq(right.got + 4, bytes, 300000);
    free(bytes);
}

Test(stream, a_slow_reader_holds_the_writer_back_and_gets_everything)
{
    size_t length = 8 * 1024 * 1024;
    char *bytes = pattern(length);
    stream_pause(right.stream);
    size_t sent = 0;
    bool goes_on = true;
    while (goes_on) {
        goes_on = stream_write_copy(left.stream, bytes + sent, 10000);
        sent += 10000;
        cr_assert_lt(sent, length);
    }
    cr_expect_gt(stream_pending(left.stream), STREAM_HIGH_WATER);
    for (int i = 0; i < 5; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    cr_expect_eq(right.length, 0, "paused");
    cr_expect_eq(left.drained, 0);
    stream_resume(right.stream);
    WAIT_FOR(left.drained == 1);
    stream_write_copy(left.stream, bytes + sent, length - sent);
    WAIT_FOR(right.length == length);
    cr_expect_arr_eq(right.got, bytes, length);
    free(bytes);
}

Test(stream, chunks_wait_by_reference)
{
    struct chunk *chunk = chunk_new(STREAM_CHUNK);
    memset(chunk->bytes, 'x', STREAM_CHUNK);
    chunk->length = STREAM_CHUNK;
    stream_pause(right.stream);
    unsigned count = 0;
    for (bool goes_on = true; goes_on; count++) {
        goes_on = stream_write(left.stream, chunk, 0, STREAM_CHUNK);
    }
    cr_expect_gt(chunk_references(chunk), 1);
    stream_resume(right.stream);
    WAIT_FOR(right.length == (size_t)count * STREAM_CHUNK);
    WAIT_FOR(chunk_references(chunk) == 1);
    chunk_unref(&chunk);
}

Test(stream, what_is_written_while_corked_leaves_in_one_piece)
{
    stream_cork(left.stream);
    for (int i = 0; i < 20; i++) {
        cr_expect(stream_write_copy(left.stream, "piece", 5));
    }
    for (int i = 0; i < 5; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    cr_expect_eq(right.length, 0);
    cr_expect_eq(stream_pending(left.stream), 100);
    stream_uncork(left.stream);
    WAIT_FOR(right.length > 0);
    cr_expect_eq(right.length, 100);
    stream_write_copy(left.stream, "at once", 7);
    WAIT_FOR(right.length == 107);
}

Test(stream, stop_delivers_what_is_corked)
{
    stream_cork(left.stream);
    stream_write_copy(left.stream, "last words", 10);
    stream_stop(left.stream);
    stream_uncork(left.stream);
    WAIT_FOR(right.ended == 1);
    cr_assert_eq(right.length, 10);
    cr_expect_arr_eq(right.got, "last words", 10);
}

Test(stream, a_corked_stream_holds_the_writer_back_too)
{
    size_t length = STREAM_HIGH_WATER + 1;
    char *bytes = pattern(length);
    stream_cork(left.stream);
    cr_expect_not(stream_write_copy(left.stream, bytes, length));
    stream_uncork(left.stream);
    WAIT_FOR(left.drained == 1 && right.length == length);
    cr_expect_arr_eq(right.got, bytes, length);
    free(bytes);
}

Test(stream, stop_delivers_what_is_queued)
{
    size_t length = 1024 * 1024;
    char *bytes = pattern(length);
    stream_write_copy(left.stream, bytes, length);
    stream_stop(left.stream);
    stream_stop(left.stream);
    WAIT_FOR(right.ended == 1);
    cr_expect_eq(right.why, STREAM_END_PEER);
    cr_assert_eq(right.length, length);
    cr_expect_arr_eq(right.got, bytes, length);
    free(bytes);
}

Test(stream, stop_gives_up_after_a_second_when_the_peer_does_not_read)
{
    stream_pause(right.stream);
    while (stream_write_copy(left.stream, "0123456789abcdef", 16)) {
    }
    uint64_t begun = uv_hrtime();
    stream_stop(left.stream);
    WAIT_FOR(left.closed == 1);
    cr_expect_lt(uv_hrtime() - begun, 10000000000u);
}

Test(stream, what_the_peer_said_last_is_read_although_writing_fails)
{
    stream_pause(left.stream);
    stream_write_copy(right.stream, "FATAL", 5);
    stream_abort(right.stream);
    WAIT_FOR(right.closed == 1);
    cr_expect(stream_write_copy(left.stream, "too late", 8));
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_expect_eq(left.ended, 0);
    stream_resume(left.stream);
    WAIT_FOR(left.ended == 1);
    cr_expect_eq(left.length, 5);
}

Test(stream, may_be_aborted_from_within_its_callback)
{
    right.give_up_at = 1;
    char *bytes = pattern(500000);
    stream_write_copy(left.stream, bytes, 500000);
    WAIT_FOR(left.closed == 1 && right.closed == 1);
    cr_expect_eq(right.ended, 0, "who stops is not told");
    cr_expect_eq(left.ended, 1);
    free(bytes);
}
