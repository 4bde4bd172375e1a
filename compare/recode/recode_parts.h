// What the recode_*.c files share: the ways of putting values, one for a kind of type and a format.
#ifndef COMPARE_RECODE_RECODE_PARTS_H
#define COMPARE_RECODE_RECODE_PARTS_H

#include "compare/recode/recode.h"
#include "compare/sql/catalog_data.h"

struct recode_run {
    struct writer *writer;
    size_t limit; // of writer->length
};

// Adds bytes. False: no room.
bool recode_add(struct recode_run *run, const void *bytes, size_t length);
// The value of a part, as it is or by its recode.
bool recode_part_put(const struct recode_part *part, const uint8_t *bytes, size_t length,
                     struct recode_run *run);
// recode_integer.c
recode_function recode_integer_text, recode_integer_binary, recode_integer_of_numeric,
    recode_integer_of_boolean_text, recode_integer_of_boolean, recode_boolean_text,
    recode_boolean_binary;
// The value of a binary integer of whatever width. False: it is none.
bool recode_read_integer(const uint8_t *bytes, size_t length, int64_t *number);
// recode_numeric.c
recode_function recode_numeric_text, recode_numeric_binary, recode_numeric_of_integer;
// recode_float.c
recode_function recode_float_text, recode_float_binary;
// recode_text.c
recode_function recode_varchar, recode_bpchar, recode_name, recode_label, recode_bits_text,
    recode_bits_binary;
// recode_json.c
recode_function recode_json_binary, recode_jsonb_text, recode_jsonb_binary, recode_jsonb_parameter;
// recode_time.c
recode_function recode_time_text, recode_time_binary;
// recode_container.c, recode_container_text.c
recode_function recode_array_binary, recode_composite_binary, recode_range_binary,
    recode_multirange_binary, recode_array_text, recode_composite_text, recode_range_text,
    recode_multirange_text;

#endif
