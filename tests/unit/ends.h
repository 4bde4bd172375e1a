// Two streams at the ends of one socket pair, on one loop, and what each of them saw.
#ifndef TESTS_UNIT_ENDS_H
#define TESTS_UNIT_ENDS_H

#include "moment.h"
#include "proxy/transport/stream.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct end { // one end, and what it saw
    struct stream *stream;
    char *got;
    size_t length;
    size_t room;
    size_t give_up_at; // abort from within on_bytes when this much came; 0: never
    size_t pause_at;   // pause from within on_bytes, once; 0: never
    struct chunk *kept;
    struct chunk *last_chunk;
    size_t last_offset;
    bool keeps;
    bool stays; // does not stop when the peer has ended
    unsigned drained, secured, ended, closed;
    enum stream_end why;
};

static uv_loop_t loop;
static struct end left, right;

static inline void
on_bytes(void *context, struct chunk *chunk, size_t offset, size_t length)
{
    struct end *end = context;
    if (end->length + length > end->room) {
        end->room = (end->length + length) * 2;
        end->got = realloc(end->got, end->room);
    }
    memcpy(end->got + end->length, chunk->bytes + offset, length);
    end->length += length;
    end->last_chunk = chunk;
    end->last_offset = offset;
    if (end->keeps && end->kept == NULL) {
        end->kept = chunk_ref(chunk);
    }
    if (end->give_up_at > 0 && end->length >= end->give_up_at) {
        stream_abort(end->stream);
    }
    if (end->pause_at > 0 && end->length >= end->pause_at) {
        end->pause_at = 0;
        stream_pause(end->stream);
    }
}

static inline void
on_drained(void *context)
{
    ((struct end *)context)->drained++;
}

static inline void
on_secured(void *context)
{
    ((struct end *)context)->secured++;
}

static inline void
on_end(void *context, enum stream_end why)
{
    struct end *end = context;
    end->ended++;
    end->why = why;
    if (!end->stays) {
        stream_stop(end->stream);
    }
}

static inline void
on_closed(void *context)
{
    ((struct end *)context)->closed++;
}

static const struct stream_callbacks callbacks = {on_bytes, on_drained, on_secured, on_end,
                                                  on_closed};

static inline void
set_up(void)
{
    int fds[2];
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    left.stream = stream_open(&loop, fds[0], &callbacks, &left);
    right.stream = stream_open(&loop, fds[1], &callbacks, &right);
    cr_assert(left.stream != NULL && right.stream != NULL);
    stream_resume(left.stream);
    stream_resume(right.stream);
}

static inline void
stop_and_close(void)
{
    for (struct end *end = &left;; end = &right) {
        if (end->closed == 0) {
            stream_stop(end->stream);
        }
        if (end == &right) {
            break;
        }
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(left.closed, 1);
    cr_expect_eq(right.closed, 1);
    cr_expect_eq(uv_loop_close(&loop), 0);
    free(left.got);
    free(right.got);
    if (right.kept != NULL) {
        chunk_unref(&right.kept);
    }
}

static inline char *
pattern(size_t length)
{
    char *bytes = malloc(length);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (char)(i * 31 + i / 257);
    }
    return bytes;
}

#endif
