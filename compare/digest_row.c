// One DataRow's body, as it comes, in pieces of any size (manual 55.7): the count of values, then each behind
// its length. Values up to DIGEST_CELL_LIMIT are read whole by their type. Longer ones are hashed piece
// by piece where the type's form is the bytes (text, bytea), so that a value of 1 GiB takes no more memory than one
// of a MiB; of other types their bytes are hashed, which says whether they are the same but not whether
// they differ, and only where both sides send them alike.
//
//     COUNT ──► LENGTH ◄──► VALUE, until the row has as many values as columns
//
// A row that a selection may keep is put together beside it; in it a value with a long form is replaced by
// a stand-in, a text of its form's length and hash, which is as equal as the values are.
#include "compare/digest_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_BYTES = 2, LENGTH_BYTES = 4, DECODED_BYTES = 1024, STAND_IN_SIZE = 80 };

static const char hexadecimal_head[] = "\\x";

static size_t
compared_column(const struct digest *digest)
{
    return digest->plan->compared[digest->side][digest->column];
}

static const struct reply_column *
head_of(const struct digest *digest, size_t side, size_t compared)
{
    const struct digest_plan *plan = digest->plan;
    return &plan->heads[side].columns[plan->rows.columns[compared].at[side]];
}

// --- what is kept -----------------------------------------------------------------------------

static void
keep_value(struct digest *digest, const void *bytes, size_t length)
{
    if (digest->selection == NULL)
        return;
    digest->is_row_too_long |= digest->row.length + length > DIGEST_KEPT_BYTES;
    if (!digest->is_row_too_long)
        writer_value(&digest->row, bytes, length);
}

static void
keep_stand_in(struct digest *digest, uint64_t length, XXH128_hash_t hash)
{
    char text[STAND_IN_SIZE];
    int written =
        snprintf(text, sizeof text, "(%llu bytes, hash %016llx%016llx)", (unsigned long long)length,
                 (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    keep_value(digest, text, (size_t)written);
}

// --- one value --------------------------------------------------------------------------------

// Of a compared column; `bytes` NULL: SQL NULL.
static enum digest_status
take_whole(struct digest *digest, size_t compared, const uint8_t *bytes, size_t length)
{
    const struct rows_column *column = &digest->plan->rows.columns[compared];
    const struct reply_column *head = head_of(digest, digest->side, compared);
    struct cell cell = {.bytes = bytes,
                        .length = length,
                        .type = head->type,
                        .format = head->format,
                        .type_modifier = head->type_modifier};
    struct writer *form = &digest->form;
    writer_clear(form);
    type_pair_form(&column->pair, &cell, digest->side == 1, form);
    if (form->failed)
        return DIGEST_NO_MEMORY;
    XXH128_hash_t hash = XXH3_128bits(form->bytes, form->length);
    digest->cells[compared] = hash;
    if (form->length <= DIGEST_KEPT_CELL) {
        keep_value(digest, bytes, length);
        return DIGEST_OK;
    }
    // A stand-in has no tolerance.
    digest->is_row_uncertain |= !column->pair.is_exact;
    keep_stand_in(digest, form->length - 1, hash);
    return DIGEST_OK;
}

// The value under way is all there.
static enum digest_status
end_value(struct digest *digest, const uint8_t *bytes)
{
    size_t compared = compared_column(digest);
    if (digest->way == CELL_WHOLE && compared != SIZE_MAX)
        return take_whole(digest, compared, bytes, digest->cell_length);
    if (digest->way == CELL_WHOLE || digest->way == CELL_SKIPPED) {
        keep_value(digest, digest->way == CELL_WHOLE ? bytes : NULL, digest->cell_length);
        return DIGEST_OK;
    }
    digest->is_row_uncertain |= digest->way == CELL_HEX && digest->has_half;
    XXH128_hash_t hash = XXH3_128bits_digest(digest->state);
    digest->cells[compared] = hash;
    keep_stand_in(digest, digest->form_length, hash);
    return DIGEST_OK;
}

static enum cell_way
way_of_long(struct digest *digest, size_t compared)
{
    const struct type_pair *pair = &digest->plan->rows.columns[compared].pair;
    const struct reply_column *heads[2] = {head_of(digest, 0, compared),
                                           head_of(digest, 1, compared)};
    int16_t format = heads[digest->side]->format;
    uint8_t mark;
    enum cell_way way = CELL_RAW;
    if (type_pair_form_is_bytes(pair, format, digest->side == 1, &mark)) {
        way = CELL_BYTES;
    } else if (type_pair_form_is_hex(pair, format, &mark)) {
        way = CELL_HEX;
    } else if (heads[0]->format != heads[1]->format || !pair->is_alike) {
        digest->is_unreadable = true;
        return CELL_SKIPPED;
    } else {
        digest->is_row_uncertain = true;
        mark = 0; // of no form
    }
    XXH3_128bits_reset(digest->state);
    XXH3_128bits_update(digest->state, &mark, 1);
    digest->form_length = 0;
    digest->has_half = 0;
    return way;
}

static void
begin_value(struct digest *digest, size_t length)
{
    size_t compared = compared_column(digest);
    digest->cell_length = digest->cell_left = length;
    digest->way = CELL_WHOLE;
    if (compared == SIZE_MAX)
        digest->way =
            digest->selection != NULL && length <= DIGEST_KEPT_CELL ? CELL_WHOLE : CELL_SKIPPED;
    else if (length > DIGEST_CELL_LIMIT)
        digest->way = way_of_long(digest, compared);
    writer_clear(&digest->value);
}

static int
hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// What is no digit makes the row uncertain: it is written in the escape way.
static void
hash_hex(struct digest *digest, const uint8_t *bytes, size_t length, size_t place)
{
    uint8_t decoded[DECODED_BYTES];
    size_t count = 0;
    for (size_t i = 0; i < length; i++, place++) {
        int digit = hex_digit(bytes[i]);
        if (place < strlen(hexadecimal_head)) {
            digest->is_row_uncertain |= bytes[i] != (uint8_t)hexadecimal_head[place];
            digit = -1;
        } else if (digit < 0) {
            digest->is_row_uncertain = true;
        }
        if (digit < 0) { // counts as it is
            XXH3_128bits_update(digest->state, decoded, count);
            digest->form_length += count;
            count = 0;
            if (place >= strlen(hexadecimal_head))
                XXH3_128bits_update(digest->state, &bytes[i], 1);
        } else if (digest->has_half) {
            decoded[count++] = (uint8_t)(digest->half << 4 | digit);
            digest->has_half = 0;
        } else {
            digest->half = (uint8_t)digit;
            digest->has_half = 1;
        }
        if (count == DECODED_BYTES || i + 1 == length) {
            XXH3_128bits_update(digest->state, decoded, count);
            digest->form_length += count;
            count = 0;
        }
    }
}

// A part of the value under way, or all of it.
static enum digest_status
take_value(struct digest *digest, const uint8_t **at, const uint8_t *end)
{
    size_t length =
        (size_t)(end - *at) < digest->cell_left ? (size_t)(end - *at) : digest->cell_left;
    const uint8_t *bytes = length > 0 ? *at : (const uint8_t *)"";
    size_t place = digest->cell_length - digest->cell_left;
    *at += length;
    digest->cell_left -= length;
    switch (digest->way) {
    case CELL_WHOLE:
        if (length == digest->cell_length)
            break;
        writer_bytes(&digest->value, bytes, length);
        if (digest->value.failed)
            return DIGEST_NO_MEMORY;
        bytes = digest->value.bytes;
        break;
    case CELL_BYTES:
    case CELL_RAW:
        XXH3_128bits_update(digest->state, bytes, length);
        digest->form_length += length;
        break;
    case CELL_HEX:
        hash_hex(digest, bytes, length, place);
        break;
    case CELL_SKIPPED:
        break;
    }
    if (digest->cell_left > 0)
        return DIGEST_OK;
    enum digest_status status = end_value(digest, bytes);
    digest->column++;
    digest->stage = ROW_LENGTH;
    return status;
}

// --- the row ----------------------------------------------------------------------------------

// Gathers a number of `size` bytes. False: there are more to come.
static bool
take_number(struct digest *digest, const uint8_t **at, const uint8_t *end, size_t size,
            uint32_t *number)
{
    while (*at < end && digest->head_seen < size)
        digest->head[digest->head_seen++] = *(*at)++;
    if (digest->head_seen < size)
        return false;
    *number = 0;
    for (size_t i = 0; i < size; i++)
        *number = *number << 8 | digest->head[i];
    digest->head_seen = 0;
    return true;
}

static void
begin_row(struct digest *digest)
{
    digest->stage = ROW_COUNT;
    digest->head_seen = 0;
    digest->column = 0;
    digest->width = SIZE_MAX;
    digest->is_row_uncertain = false;
    digest->is_row_too_long = false;
    writer_clear(&digest->row);
}

static enum digest_status
take_count(struct digest *digest, uint32_t number)
{
    if (number != digest->plan->heads[digest->side].column_count)
        return DIGEST_JUNK;
    digest->width = number;
    digest->stage = ROW_LENGTH;
    if (digest->selection != NULL)
        writer_count(&digest->row, number);
    return DIGEST_OK;
}

static enum digest_status
take_length(struct digest *digest, uint32_t number)
{
    enum digest_status status = DIGEST_OK;
    digest->keepable += LENGTH_BYTES;
    if (number <= INT32_MAX) {
        digest->keepable += number <= DIGEST_KEPT_CELL ? number : STAND_IN_SIZE;
        begin_value(digest, number);
        digest->stage = ROW_VALUE;
        return DIGEST_OK;
    }
    if (number != UINT32_MAX)
        return DIGEST_JUNK;
    if (compared_column(digest) != SIZE_MAX)
        status = take_whole(digest, compared_column(digest), NULL, 0);
    else
        keep_value(digest, NULL, 0);
    digest->column++;
    return status;
}

static enum digest_status
take_bytes(struct digest *digest, const uint8_t *at, const uint8_t *end)
{
    enum digest_status status = DIGEST_OK;
    uint32_t number;
    while (status == DIGEST_OK && (at < end || digest->stage == ROW_VALUE)) {
        switch (digest->stage) {
        case ROW_COUNT:
            if (take_number(digest, &at, end, COUNT_BYTES, &number))
                status = take_count(digest, number);
            break;
        case ROW_LENGTH:
            if (digest->column == digest->width)
                return DIGEST_JUNK; // more bytes than values
            if (take_number(digest, &at, end, LENGTH_BYTES, &number))
                status = take_length(digest, number);
            break;
        case ROW_VALUE:
            if (at == end && digest->cell_left > 0)
                return DIGEST_OK;
            status = take_value(digest, &at, end);
            break;
        }
    }
    return status;
}

enum digest_status
digest_row(struct digest *digest, const uint8_t *bytes, size_t length, bool is_first, bool is_last)
{
    digest->bytes += length;
    if (!digest->plan->is_comparable) {
        digest->count += is_last;
        return DIGEST_OK;
    }
    if (is_first)
        begin_row(digest);
    enum digest_status status = take_bytes(digest, bytes, bytes + length);
    if (status != DIGEST_OK || !is_last)
        return status;
    if (digest->stage != ROW_LENGTH || digest->head_seen > 0 || digest->column != digest->width)
        return DIGEST_JUNK;
    return digest->row.failed ? DIGEST_NO_MEMORY : digest_add(digest);
}
