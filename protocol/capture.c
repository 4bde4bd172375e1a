// A byte sequence held for later without copying what is worth a reference. A slice that is a good
// part of its chunk (a quarter or more), or whose chunk the capture pins already, is held by
// reference; a smaller one is copied into a private chunk, so that a few bytes never keep a whole
// read buffer alive. Private chunks grow with what the capture holds, up to PRIVATE_MAX.
//
// Owns one reference a slice, and the slice array once two do not suffice. One thread at a time.
// Known compromise: a slice that arrives in many small pieces is copied although the whole of it
// would have been worth a reference.
#include "protocol/capture.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 2, PRIVATE_MIN = 256, PRIVATE_MAX = 65536, HEADER = 5 };

void
capture_init(struct capture *capture)
{
    *capture = (struct capture){.capacity = FEW};
    capture->slices = capture->few;
}

void
capture_fini(struct capture *capture)
{
    for (size_t i = 0; i < capture->count; i++) {
        chunk_unref(&capture->slices[i].chunk);
    }
    if (capture->slices != capture->few) {
        free(capture->slices);
    }
    capture_init(capture);
}

static bool
make_room(struct capture *capture)
{
    if (capture->count < capture->capacity) {
        return true;
    }
    if (capture->capacity > SIZE_MAX / 2 / sizeof(struct slice)) {
        return false;
    }
    size_t capacity = capture->capacity * 2;
    struct slice *slices = malloc(capacity * sizeof(*slices));
    if (slices == NULL) {
        return false;
    }
    memcpy(slices, capture->slices, capture->count * sizeof(*slices));
    if (capture->slices != capture->few) {
        free(capture->slices);
    }
    capture->slices = slices;
    capture->capacity = capacity;
    return true;
}

static struct slice *
last_slice(struct capture *capture)
{
    return capture->count > 0 ? &capture->slices[capture->count - 1] : NULL;
}

// Takes over the caller's reference. There is room.
static void
add_slice(struct capture *capture, struct chunk *chunk, size_t offset, size_t length)
{
    capture->slices[capture->count++] =
        (struct slice){.chunk = chunk, .offset = offset, .length = length};
    capture->length += length;
}

bool
capture_append(struct capture *capture, struct chunk *chunk, size_t offset, size_t length)
{
    if (length == 0) {
        return true;
    }
    struct slice *last = last_slice(capture);
    bool is_pinned = last != NULL && last->chunk == chunk;
    if (is_pinned && last->offset + last->length == offset) {
        last->length += length;
        capture->length += length;
        return true;
    }
    if (!is_pinned && length < chunk->capacity / 4) {
        return capture_copy(capture, chunk->bytes + offset, length);
    }
    if (!make_room(capture)) {
        return false;
    }
    add_slice(capture, chunk_ref(chunk), offset, length);
    capture->tail_is_private = false;
    if (!is_pinned) {
        capture->pinned += sizeof(*chunk) + chunk->capacity;
    }
    return true;
}

static struct chunk *
new_private_chunk(const struct capture *capture, size_t length)
{
    size_t capacity = capture->length;
    if (capacity < PRIVATE_MIN) {
        capacity = PRIVATE_MIN;
    }
    if (capacity > PRIVATE_MAX) {
        capacity = PRIVATE_MAX;
    }
    return chunk_new(length > capacity ? length : capacity);
}

static void
fill(struct chunk *chunk, const uint8_t *bytes, size_t length)
{
    memcpy(chunk->bytes + chunk->length, bytes, length);
    chunk->length += length;
}

bool
capture_copy(struct capture *capture, const void *bytes, size_t length)
{
    if (length == 0) {
        return true;
    }
    const uint8_t *from = bytes;
    struct slice *last = capture->tail_is_private ? last_slice(capture) : NULL;
    size_t fits = last != NULL ? last->chunk->capacity - last->chunk->length : 0;
    if (fits > length) {
        fits = length;
    }
    struct chunk *chunk = NULL;
    if (fits < length) { // all that can fail comes before the first change
        chunk = make_room(capture) ? new_private_chunk(capture, length - fits) : NULL;
        if (chunk == NULL) {
            return false;
        }
    }
    if (fits > 0) {
        last = last_slice(capture);
        fill(last->chunk, from, fits);
        last->length += fits;
        capture->length += fits;
    }
    if (chunk != NULL) {
        fill(chunk, from + fits, length - fits);
        add_slice(capture, chunk, 0, length - fits);
        capture->tail_is_private = true;
        capture->pinned += sizeof(*chunk) + chunk->capacity;
    }
    return true;
}

void
capture_take(struct capture *to, struct capture *from)
{
    capture_fini(to);
    *to = *from;
    if (from->slices == from->few) {
        to->slices = to->few;
    }
    capture_init(from);
}

void
capture_cursor_init(struct capture_cursor *cursor, const struct capture *capture)
{
    *cursor = (struct capture_cursor){.capture = capture};
}

void
capture_cursor_fini(struct capture_cursor *cursor)
{
    free(cursor->scratch);
    capture_cursor_init(cursor, NULL);
}

// Copies up to `wanted` bytes from the cursor on without moving it (`to` NULL: only counts them).
// Gives how many there are.
static size_t
peek(const struct capture_cursor *cursor, uint8_t *to, size_t wanted)
{
    size_t had = 0;
    size_t offset = cursor->offset;
    for (size_t i = cursor->slice; i < cursor->capture->count && had < wanted; i++, offset = 0) {
        const struct slice *slice = &cursor->capture->slices[i];
        size_t length = slice->length - offset;
        if (length > wanted - had) {
            length = wanted - had;
        }
        if (to != NULL) {
            memcpy(to + had, slice->chunk->bytes + slice->offset + offset, length);
        }
        had += length;
    }
    return had;
}

static void
advance(struct capture_cursor *cursor, size_t length)
{
    cursor->offset += length;
    while (cursor->slice < cursor->capture->count &&
           cursor->offset >= cursor->capture->slices[cursor->slice].length) {
        cursor->offset -= cursor->capture->slices[cursor->slice].length;
        cursor->slice++;
    }
}

static bool
grow_scratch(struct capture_cursor *cursor, size_t length)
{
    if (length <= cursor->scratch_capacity) {
        return true;
    }
    uint8_t *scratch = malloc(length);
    if (scratch == NULL) {
        return false;
    }
    free(cursor->scratch);
    cursor->scratch = scratch;
    cursor->scratch_capacity = length;
    return true;
}

enum capture_status
capture_cursor_next(struct capture_cursor *cursor, struct message *message)
{
    uint8_t header[HEADER];
    size_t had = peek(cursor, header, HEADER);
    if (had == 0) {
        return CAPTURE_END;
    }
    if (had < HEADER) {
        return CAPTURE_PARTIAL;
    }
    uint32_t length = (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 |
                      (uint32_t)header[3] << 8 | header[4];
    if (length < 4 || length > INT32_MAX) {
        return CAPTURE_JUNK;
    }
    size_t total = (size_t)length + 1;
    const struct slice *slice = &cursor->capture->slices[cursor->slice];
    const uint8_t *raw = slice->chunk->bytes + slice->offset + cursor->offset;
    if (total > slice->length - cursor->offset) {
        if (peek(cursor, NULL, total) < total) { // before the allocation: it bounds it
            return CAPTURE_PARTIAL;
        }
        if (!grow_scratch(cursor, total)) {
            return CAPTURE_NO_MEMORY;
        }
        peek(cursor, cursor->scratch, total);
        raw = cursor->scratch;
    }
    advance(cursor, total);
    *message = (struct message){.type = (char)raw[0],
                                .body = raw + HEADER,
                                .length = total - HEADER,
                                .raw = raw,
                                .raw_length = total};
    return CAPTURE_MESSAGE;
}
