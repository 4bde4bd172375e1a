// What the type_*.c files share: the readers that take a value to its form, a family each.
// Inside compare/ only; type.h is what others use.
#ifndef COMPARE_TYPE_FAMILY_H
#define COMPARE_TYPE_FAMILY_H

#include "compare/type.h"

enum {
    TYPE_DEPTH = 32, // of values in values: records in arrays in records
    TYPE_HEAD = 52,  // bytes before a container's elements; an array's dimensions fit
    TYPE_OID_BOX = 603,
    TYPE_OID_NUMERIC = 1700,
    TYPE_OID_JSONB = 3802,
    TYPE_OID_TIMESTAMPTZ = 1184,
};

struct type_reading {                  // one value being read, or printed
    enum type_family family;           // what it is read as; printing does not ask
    struct type_shape own, partner;    // its type, and the one that it is held against
    const struct type_resolver *types; // its side's
    const struct type_pair *pair;      // whose value this is, or is a part of; NULL: it is printed
    bool is_new;                       // its side
    bool is_unordered;
    unsigned depth;
};

// False: it does not parse; what was written is taken back by the caller. A failed writer needs no
// mention.
typedef bool type_read_function(const struct type_reading *reading, const uint8_t *bytes,
                                size_t length, struct writer *form);
typedef bool type_print_function(const struct type_reading *reading, const uint8_t *bytes,
                                 size_t length, struct writer *text);

type_read_function type_read_bytes, type_read_bpchar, type_read_char, type_read_trimmed,
    type_read_caseless;
type_read_function type_read_bool, type_read_bool_binary, type_read_uuid, type_read_uuid_binary,
    type_read_bytea;
type_read_function type_read_number, type_read_number_binary;
type_read_function type_read_float4, type_read_float4_binary, type_read_float8,
    type_read_float8_binary;
type_read_function type_read_date, type_read_date_binary, type_read_time, type_read_time_binary,
    type_read_timetz, type_read_timetz_binary, type_read_timestamp, type_read_timestamptz,
    type_read_timestamp_binary, type_read_interval, type_read_interval_binary;
type_read_function type_read_json, type_read_json_binary;
type_read_function type_read_network, type_read_network_binary;
type_read_function type_read_array, type_read_array_binary, type_read_range, type_read_range_binary,
    type_read_multirange, type_read_multirange_binary, type_read_record, type_read_record_binary;
type_read_function type_read_money, type_read_money_binary;
type_print_function type_print_char, type_print_bool, type_print_uuid, type_print_bytea,
    type_print_number, type_print_float, type_print_date, type_print_time, type_print_timetz,
    type_print_timestamp, type_print_interval, type_print_json, type_print_array;
type_print_function type_print_point, type_print_box, type_print_lseg, type_print_line,
    type_print_circle, type_print_path, type_print_polygon, type_print_network, type_print_macaddr,
    type_print_bit, type_print_lsn, type_print_tid, type_print_jsonpath, type_print_vector,
    type_print_snapshot, type_print_tsvector, type_print_tsquery, type_print_hstore;
type_print_function type_print_range, type_print_multirange, type_print_record;

// The form of a value of any type, with what marks it as NULL, as read or as not parsing.
void type_read_value(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                     int16_t format, struct writer *form);
bool type_print_value(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      int16_t format, struct writer *text);
// A value of one side, and a part of such a value: its element, its field, or a part whose own type its
// bytes say (of a partner that nothing is known of, so of the same).
struct type_reading type_reading_of(const struct type_pair *pair, bool is_new);
struct type_reading type_reading_element(const struct type_reading *reading);
struct type_reading type_reading_field(const struct type_reading *reading, size_t number);
struct type_reading type_reading_part(const struct type_reading *reading, uint32_t type);
// No part of it has a tolerance, whatever the tolerance is.
bool type_reading_is_exact(const struct type_reading *reading);
// What values of two types are read as. `is_part`: they are parts of others.
enum type_family type_meet(const struct type_pair *pair, const struct type_shape *old_shape,
                           const struct type_shape *new_shape, bool is_part);

// type_quoted.c: a part of a text up to one of the bytes that stop it; false: nothing stops it. Memory
// that lacks is `part->failed`.
bool type_quoted_take(const uint8_t **at, const uint8_t *end, const char *stops,
                      struct writer *part, bool *is_none);
// Writes a part, in quotes where it holds a blank, a comma, a quote, a backslash or a special.
void type_quoted_put(const struct writer *part, const char *specials, struct writer *text);
// The same with a value in binary output. False: it can't be printed.
bool type_quoted_print(const struct type_reading *part, const uint8_t *bytes, size_t length,
                       const char *specials, struct writer *text);

// type_quick.c: are two values equal, neither of them NULL? False: it takes forms to say.
bool type_quick_equal(const struct type_pair *pair, const struct cell *old_value,
                      const struct cell *new_value, bool *is_equal);

// The families that meet though they are not the same, one after another; false: there is none left.
bool type_meeting(size_t at, enum type_family *one, enum type_family *other, enum type_family *as);

// A container's form: TYPE_HEAD bytes, then each element behind its length. begin gives where.
size_t type_container_begin(struct writer *form);
uint8_t *type_container_head(struct writer *form, size_t container); // NULL once failed
void type_container_add(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                        int16_t format, struct writer *form);
bool type_container_sort(struct writer *form, size_t container); // false: no memory

void type_write_utf8(uint32_t point, struct writer *form);
double type_form_float(const uint8_t *form); // of a FLOAT4 or FLOAT8 form

#endif
