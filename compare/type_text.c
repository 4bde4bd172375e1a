// Types that are compared by what they spell: texts, "char", boolean, uuid and bytea. Pure, any
// thread. Lower case is Unicode's simple one, by the C library's C.UTF-8; where that is missing,
// and in bytes that are no UTF-8, only ASCII has case.
#include "compare/type_family.h"
#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <wctype.h>

enum { UUID_BYTES = 16 };

static const char hexadecimal[] = "0123456789abcdef";

// bpchar is padded to its width on the way out; the blanks are no part of the value.
bool
type_read_bpchar(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *form)
{
    (void)reading;
    while (length > 0 && bytes[length - 1] == ' ')
        length--;
    writer_bytes(form, bytes, length);
    return true;
}

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool
type_read_trimmed(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *form)
{
    (void)reading;
    while (length > 0 && is_blank(bytes[length - 1]))
        length--;
    while (length > 0 && is_blank(bytes[0])) {
        bytes++;
        length--;
    }
    writer_bytes(form, bytes, length);
    return true;
}

static pthread_once_t unicode_once = PTHREAD_ONCE_INIT;
static locale_t unicode; // set once, then constant; zero: not to be had

static void
find_unicode(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

// The code point at `bytes` and its length; 0: no UTF-8.
static size_t
utf8_read(const uint8_t *bytes, size_t length, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = bytes[0] < 0x80   ? 1
                  : bytes[0] < 0xC0 ? 0
                  : bytes[0] < 0xE0 ? 2
                  : bytes[0] < 0xF0 ? 3
                  : bytes[0] < 0xF8 ? 4
                                    : 0;
    if (size == 0 || size > length)
        return 0;
    *point = size == 1 ? bytes[0] : bytes[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        *point = *point << 6 | (bytes[i] & 0x3F);
    }
    return *point < least[size] || *point > 0x10FFFF ? 0 : size;
}

void
type_write_utf8(uint32_t point, struct writer *form)
{
    if (point < 0x80) {
        writer_u8(form, (uint8_t)point);
        return;
    }
    if (point < 0x800) {
        writer_u8(form, (uint8_t)(0xC0 | point >> 6));
    } else {
        if (point < 0x10000) {
            writer_u8(form, (uint8_t)(0xE0 | point >> 12));
        } else {
            writer_u8(form, (uint8_t)(0xF0 | point >> 18));
            writer_u8(form, (uint8_t)(0x80 | (point >> 12 & 0x3F)));
        }
        writer_u8(form, (uint8_t)(0x80 | (point >> 6 & 0x3F)));
    }
    writer_u8(form, (uint8_t)(0x80 | (point & 0x3F)));
}

bool
type_read_caseless(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                   struct writer *form)
{
    (void)reading;
    pthread_once(&unicode_once, find_unicode);
    for (size_t i = 0; i < length;) {
        uint32_t point;
        size_t size = bytes[i] < 0x80 ? 0 : utf8_read(bytes + i, length - i, &point);
        if (size > 0 && unicode != (locale_t)0) {
            type_write_utf8((uint32_t)towlower_l((wint_t)point, unicode), form);
            i += size;
        } else {
            bool is_upper = bytes[i] >= 'A' && bytes[i] <= 'Z';
            writer_u8(form, (uint8_t)(is_upper ? bytes[i] + ('a' - 'A') : bytes[i]));
            i++;
        }
    }
    return true;
}

static bool
is_octal(const uint8_t *bytes)
{
    return bytes[0] >= '0' && bytes[0] <= '3' && bytes[1] >= '0' && bytes[1] <= '7' &&
           bytes[2] >= '0' && bytes[2] <= '7';
}

static uint8_t
octal(const uint8_t *bytes)
{
    return (uint8_t)((bytes[0] - '0') << 6 | (bytes[1] - '0') << 3 | (bytes[2] - '0'));
}

// "char": one byte; zero prints as nothing, and a high byte as \ooo from PostgreSQL 16 on.
bool
type_read_char(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *form)
{
    (void)reading;
    if (length == 4 && bytes[0] == '\\' && is_octal(bytes + 1))
        writer_u8(form, octal(bytes + 1));
    else if (length == 1)
        writer_u8(form, bytes[0]);
    else if (length == 0)
        writer_u8(form, 0);
    else
        return false;
    return true;
}

bool
type_print_char(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    (void)reading;
    if (length != 1)
        return false;
    if (bytes[0] != 0)
        writer_u8(text, bytes[0]);
    return true;
}

// What boolean takes as input, so that `as: boolean` reads text and numbers too.
bool
type_read_bool(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *form)
{
    static const struct {
        const char *word;
        uint8_t form;
    } words[] = {
        {"t", 't'},   {"f", 'f'},  {"true", 't'}, {"false", 'f'}, {"1", 't'}, {"0", 'f'},
        {"yes", 't'}, {"no", 'f'}, {"on", 't'},   {"off", 'f'},   {"y", 't'}, {"n", 'f'},
    };
    (void)reading;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i].word) == length &&
            strncasecmp(words[i].word, (const char *)bytes, length) == 0) {
            writer_u8(form, words[i].form);
            return true;
        }
    return false;
}

bool
type_read_bool_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      struct writer *form)
{
    return type_print_bool(reading, bytes, length, form);
}

bool
type_print_bool(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    (void)reading;
    if (length != 1)
        return false;
    writer_u8(text, bytes[0] != 0 ? 't' : 'f');
    return true;
}

static int
hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// Also as people write it: upper case, braces, hyphens left out.
bool
type_read_uuid(const struct type_reading *reading, const uint8_t *bytes, size_t length,
               struct writer *form)
{
    size_t nibbles = 0;
    uint8_t byte = 0;
    (void)reading;
    if (length >= 2 && bytes[0] == '{' && bytes[length - 1] == '}') {
        bytes++;
        length -= 2;
    }
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '-' && nibbles % 4 == 0 && nibbles > 0 && bytes[i - 1] != '-')
            continue;
        int value = hex_value(bytes[i]);
        if (value < 0 || nibbles == UUID_BYTES * 2)
            return false;
        byte = (uint8_t)(byte << 4 | value);
        if (++nibbles % 2 == 0)
            writer_u8(form, byte);
    }
    return nibbles == UUID_BYTES * 2 && bytes[length - 1] != '-';
}

bool
type_read_uuid_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                      struct writer *form)
{
    (void)reading;
    writer_bytes(form, bytes, length);
    return length == UUID_BYTES;
}

static void
print_hex(const uint8_t *bytes, size_t length, struct writer *text)
{
    for (size_t i = 0; i < length; i++) {
        writer_u8(text, (uint8_t)hexadecimal[bytes[i] >> 4]);
        writer_u8(text, (uint8_t)hexadecimal[bytes[i] & 15]);
    }
}

bool
type_print_uuid(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *text)
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    (void)reading;
    if (length != UUID_BYTES)
        return false;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (i > 0)
            writer_u8(text, '-');
        print_hex(bytes, groups[i], text);
        bytes += groups[i];
    }
    return true;
}

static bool
read_bytea_hex(const uint8_t *bytes, size_t length, struct writer *form)
{
    if (length % 2 != 0)
        return false;
    for (size_t i = 0; i < length; i += 2) {
        int high = hex_value(bytes[i]);
        int low = hex_value(bytes[i + 1]);
        if (high < 0 || low < 0)
            return false;
        writer_u8(form, (uint8_t)(high << 4 | low));
    }
    return true;
}

// Both of bytea_output's ways; in the escape one a backslash is always doubled, so \x is no doubt.
bool
type_read_bytea(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                struct writer *form)
{
    (void)reading;
    if (length >= 2 && bytes[0] == '\\' && bytes[1] == 'x')
        return read_bytea_hex(bytes + 2, length - 2, form);
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\\') {
            writer_u8(form, bytes[i]);
        } else if (length - i >= 2 && bytes[i + 1] == '\\') {
            writer_u8(form, '\\');
            i++;
        } else if (length - i >= 4 && is_octal(bytes + i + 1)) {
            writer_u8(form, octal(bytes + i + 1));
            i += 3;
        } else {
            return false;
        }
    }
    return true;
}

bool
type_print_bytea(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                 struct writer *text)
{
    (void)reading;
    writer_bytes(text, "\\x", 2);
    print_hex(bytes, length, text);
    return true;
}
