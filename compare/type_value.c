// Values to forms, forms to answers: what holds for every family alike. A form begins with a mark:
// NULL, read by its family, or raw bytes because it did not parse. Containers (arrays, ranges,
// records) have one shape of form, a head and then each element's form behind its length, so that
// comparing with tolerance walks them without knowing which they are. Pure, any thread; memory is
// the caller's writers.
#include "compare/type.h"
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MARK_NULL = 'n', MARK_READ = 'v', MARK_RAW = 'r', LENGTH_BYTES = 4 };

static bool
unprintable(const struct type_reading *reading, const uint8_t *bytes, size_t length,
            struct writer *text)
{
    (void)reading, (void)bytes, (void)length, (void)text;
    return false;
}
#define UNPRINTABLE unprintable

static const struct {
    type_read_function *read_text, *read_binary;
    type_print_function *print;
} families[] = {
#define FAMILY(NAME, read_text, read_binary, print, equality)                                      \
    [TYPE_FAMILY_##NAME] = {read_text, read_binary, print},
#include "compare/type_family.tbl"
#undef FAMILY
};

bool
type_read_bytes(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *form)
{
    (void)reading;
    writer_bytes(form, bytes, length);
    return true;
}

bool
type_print_value(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 int16_t format, struct writer *text)
{
    type_print_function *print = families[reading->own.family].print;
    if (format == 0 || print == NULL) {
        writer_bytes(text, bytes, length);
        return true;
    }
    return print(reading, bytes, length, text);
}

// A binary value that its partner's type makes read as another family: by way of its text.
static bool
read_printed(const struct type_reading *reading, const uint8_t *bytes, size_t length,
             struct writer *form)
{
    struct writer text;
    writer_init(&text);
    writer_u8(&text, 0); // so that empty text has bytes too
    bool is_read =
        type_print_value(reading, bytes, length, 1, &text) && !text.failed &&
        families[reading->family].read_text(reading, text.bytes + 1, text.length - 1, form);
    if (text.failed)
        form->failed = true;
    writer_fini(&text);
    return is_read;
}

static bool
family_is_float(enum type_family family)
{
    return family == TYPE_FAMILY_FLOAT4 || family == TYPE_FAMILY_FLOAT8;
}

// Timestamps differ from timestamptz in their text alone, float4 from float8 in the bytes alone; what
// is opaque is its bytes.
static bool
reads_directly(enum type_family family, enum type_family own)
{
    return family == own || family == TYPE_FAMILY_OPAQUE ||
           (family_is_float(family) && family_is_float(own)) ||
           (family == TYPE_FAMILY_TIMESTAMPTZ && own == TYPE_FAMILY_TIMESTAMP);
}

static bool
read_value(const struct type_reading *reading, const uint8_t *bytes, size_t length, int16_t format,
           struct writer *form)
{
    enum type_family family = reading->family;
    if (reading->depth > TYPE_DEPTH)
        return false;
    if (format == 0)
        return families[family].read_text(reading, bytes, length, form);
    enum type_family own = reading->own.family;
    if (families[own].read_binary == NULL) // binary output is text output
        return families[family].read_text(reading, bytes, length, form);
    if (reads_directly(family, own))
        return families[family].read_binary(reading, bytes, length, form);
    return read_printed(reading, bytes, length, form);
}

void
type_read_value(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                int16_t format, struct writer *form)
{
    if (bytes == NULL) {
        writer_u8(form, MARK_NULL);
        return;
    }
    size_t start = form->length;
    writer_u8(form, MARK_READ);
    if (!read_value(reading, bytes, length, format, form) && !form->failed) {
        form->length = start;
        writer_u8(form, MARK_RAW);
        writer_bytes(form, bytes, length);
    }
}

size_t
type_container_begin(struct writer *form)
{
    static const uint8_t head[TYPE_HEAD] = {0};
    size_t container = form->length;
    writer_bytes(form, head, sizeof head);
    return container;
}

uint8_t *
type_container_head(struct writer *form, size_t container)
{
    return form->failed ? NULL : form->bytes + container;
}

static void
set_length(struct writer *form, size_t at)
{
    if (form->failed)
        return;
    size_t length = form->length - at - LENGTH_BYTES;
    if (length > UINT32_MAX) {
        form->failed = true;
        return;
    }
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        form->bytes[at + i] = (uint8_t)(length >> (8 * (LENGTH_BYTES - 1 - i)));
}

void
type_container_add(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                   int16_t format, struct writer *form)
{
    size_t at = form->length;
    writer_u32(form, 0);
    type_read_value(reading, bytes, length, format, form);
    set_length(form, at);
}

struct element {
    const uint8_t *bytes;
    size_t length;
};

static int
element_order(const void *one, const void *other)
{
    const struct element *a = one;
    const struct element *b = other;
    int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

// The elements of a container that is the form's last part, in the order of their forms.
bool
type_container_sort(struct writer *form, size_t container)
{
    size_t start = container + TYPE_HEAD;
    size_t size = form->failed ? 0 : form->length - start;
    if (size == 0)
        return !form->failed;
    uint8_t *copy = malloc(size);
    struct element *elements = calloc(size / LENGTH_BYTES, sizeof *elements);
    size_t count = 0;
    if (copy == NULL || elements == NULL)
        goto out;
    memcpy(copy, form->bytes + start, size);
    struct reader reader = reader_over(copy, size);
    while (reader_left(&reader) > 0 && !reader.failed) {
        elements[count].length = reader_u32(&reader);
        elements[count].bytes = reader_bytes(&reader, elements[count].length);
        count++;
    }
    qsort(elements, count, sizeof *elements, element_order);
    form->length = start;
    for (size_t i = 0; i < count; i++) {
        writer_u32(form, (uint32_t)elements[i].length);
        writer_bytes(form, elements[i].bytes, elements[i].length);
    }
out:
    if (copy == NULL || elements == NULL)
        form->failed = true;
    free(copy);
    free(elements);
    return !form->failed;
}

static bool
floats_agree(double one, double other, const struct type_pair *pair)
{
    if (isnan(one) || isnan(other))
        return isnan(one) && isnan(other);
    if (one == other)
        return true;
    if (isinf(one) || isinf(other))
        return false;
    double distance = fabs(one - other);
    return distance <= pair->slack || distance <= pair->tolerance * fmax(fabs(one), fabs(other));
}

// `reading`: old's value. A record's fields differ from each other in what they are read as.
static bool
forms_agree(const struct type_reading *reading, struct reader old_form, struct reader new_form)
{
    size_t length = reader_left(&old_form);
    if (length == reader_left(&new_form) &&
        (length == 0 || memcmp(old_form.at, new_form.at, length) == 0))
        return true;
    uint8_t mark = reader_u8(&old_form);
    if (mark != reader_u8(&new_form) || mark != MARK_READ)
        return false;
    if (family_is_float(reading->family))
        return floats_agree(type_form_float(old_form.at), type_form_float(new_form.at),
                            reading->pair);
    bool is_record = reading->family == TYPE_FAMILY_RECORD && reading->own.field_count > 0;
    if (!is_record && reading->family != TYPE_FAMILY_ARRAY &&
        reading->family != TYPE_FAMILY_RANGE && reading->family != TYPE_FAMILY_MULTIRANGE)
        return false;
    const uint8_t *old_head = reader_bytes(&old_form, TYPE_HEAD);
    const uint8_t *new_head = reader_bytes(&new_form, TYPE_HEAD);
    if (old_head == NULL || new_head == NULL || memcmp(old_head, new_head, TYPE_HEAD) != 0)
        return false;
    struct type_reading inner;
    if (!is_record)
        inner = type_reading_element(reading);
    for (size_t i = 0; reader_left(&old_form) > 0 && reader_left(&new_form) > 0; i++) {
        if (is_record)
            inner = type_reading_field(reading, i);
        size_t old_length = reader_u32(&old_form);
        size_t new_length = reader_u32(&new_form);
        struct reader old_element = reader_over(reader_bytes(&old_form, old_length), old_length);
        struct reader new_element = reader_over(reader_bytes(&new_form, new_length), new_length);
        if (!forms_agree(&inner, old_element, new_element))
            return false;
    }
    return reader_is_done(&old_form) && reader_is_done(&new_form);
}

bool
type_pair_forms_agree(const struct type_pair *pair, const uint8_t *old_form, size_t old_length,
                      const uint8_t *new_form, size_t new_length)
{
    if (pair->is_exact)
        return old_length == new_length && memcmp(old_form, new_form, old_length) == 0;
    struct type_reading reading = type_reading_of(pair, false);
    return forms_agree(&reading, reader_over(old_form, old_length),
                       reader_over(new_form, new_length));
}

void
type_pair_form(const struct type_pair *pair, const struct cell *cell, bool is_new,
               struct writer *form)
{
    struct type_reading reading = type_reading_of(pair, is_new);
    type_read_value(&reading, cell->bytes, cell->length, cell->format, form);
}

bool
type_pair_form_is_bytes(const struct type_pair *pair, int16_t format, bool is_new, uint8_t *mark)
{
    enum type_family family = pair->family;
    enum type_family own = pair->shapes[is_new].family;
    *mark = MARK_READ;
    if (format == 0 || families[own].read_binary == NULL)
        return families[family].read_text == type_read_bytes;
    return reads_directly(family, own) && families[family].read_binary == type_read_bytes;
}

bool
type_pair_form_is_hex(const struct type_pair *pair, int16_t format, uint8_t *mark)
{
    *mark = MARK_READ;
    return format == 0 && families[pair->family].read_text == type_read_bytea;
}

bool
type_pair_equal(const struct type_pair *pair, const struct cell *old_value,
                const struct cell *new_value, struct writer forms[2])
{
    if (old_value->bytes == NULL || new_value->bytes == NULL)
        return old_value->bytes == new_value->bytes;
    // Text is read without regard to the type that it came from; binary is not.
    if (old_value->format == new_value->format && old_value->length == new_value->length &&
        (old_value->format == 0 || pair->is_alike) &&
        memcmp(old_value->bytes, new_value->bytes, old_value->length) == 0)
        return true;
    bool is_equal;
    if (type_quick_equal(pair, old_value, new_value, &is_equal))
        return is_equal;
    writer_clear(&forms[0]);
    writer_clear(&forms[1]);
    type_pair_form(pair, old_value, false, &forms[0]);
    type_pair_form(pair, new_value, true, &forms[1]);
    if (forms[0].failed || forms[1].failed)
        return false;
    return type_pair_forms_agree(pair, forms[0].bytes, forms[0].length, forms[1].bytes,
                                 forms[1].length);
}

bool
type_equal(const struct cell *old_value, const struct cell *new_value,
           const struct type_rules *rules)
{
    struct type_pair pair;
    struct writer forms[2];
    writer_init(&forms[0]);
    writer_init(&forms[1]);
    struct type_rules its_rules = *rules;
    its_rules.formats[0] = old_value->format;
    its_rules.formats[1] = new_value->format;
    type_pair_init(&pair, old_value->type, new_value->type, &its_rules);
    bool is_equal = type_pair_equal(&pair, old_value, new_value, forms);
    writer_fini(&forms[0]);
    writer_fini(&forms[1]);
    return is_equal; // without memory false: their bytes differ
}

bool
type_print(const struct cell *cell, const struct type_resolver *types, struct writer *text)
{
    struct type_reading reading = {.own = type_shape_of(cell->type, types), .types = types};
    size_t start = text->length;
    if (cell->bytes != NULL &&
        type_print_value(&reading, cell->bytes, cell->length, cell->format, text))
        return !text->failed;
    if (!text->failed)
        text->length = start;
    return false;
}
