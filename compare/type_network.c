// inet, cidr and the MAC addresses: the form is the text output, which binary output is printed to.
// IPv6 is printed as the server does (port/inet_net_ntop.c): the longest run of two or more zero
// words is "::", an IPv4 address within is dotted. Pure, any thread.
#include "compare/type_family.h"
#include "protocol/reader.h"
#include <stdio.h>
#include <string.h>

enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 3, IPV4_BYTES = 4, IPV6_BYTES = 16, WORDS = 8 };

static void
print_ipv4(const uint8_t *bytes, struct writer *text)
{
    char buffer[16];
    int length =
        snprintf(buffer, sizeof buffer, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
    writer_bytes(text, buffer, (size_t)length);
}

// The longest run of zero words, the first of equally long ones: its length, 0 below two.
static int
find_zeros(const uint16_t words[WORDS], int *start)
{
    int best = 1;
    *start = -1;
    for (int i = 0, run = 0; i < WORDS; i++) {
        run = words[i] == 0 ? run + 1 : 0;
        if (run > best) {
            best = run;
            *start = i - run + 1;
        }
    }
    return *start < 0 ? 0 : best;
}

static void
print_ipv6(const uint8_t *bytes, struct writer *text)
{
    uint16_t words[WORDS];
    int start;
    for (int i = 0; i < WORDS; i++)
        words[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    int zeros = find_zeros(words, &start);
    bool has_ipv4 = start == 0 && (zeros == 6 || (zeros == 7 && words[7] != 1) ||
                                   (zeros == 5 && words[5] == 0xffff));
    for (int i = 0; i < WORDS; i++) {
        if (zeros > 0 && i >= start && i < start + zeros) {
            if (i == start)
                writer_u8(text, ':');
            continue;
        }
        if (i > 0)
            writer_u8(text, ':');
        if (i == 6 && has_ipv4) {
            print_ipv4(bytes + IPV6_BYTES - IPV4_BYTES, text);
            return;
        }
        char buffer[8];
        int length = snprintf(buffer, sizeof buffer, "%x", words[i]);
        writer_bytes(text, buffer, (size_t)length);
    }
    if (zeros > 0 && start + zeros == WORDS)
        writer_u8(text, ':');
}

// network_send: family, bits, whether it is a cidr, how many bytes, the bytes.
bool
type_print_network(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                   struct writer *text)
{
    struct reader reader = reader_over(bytes, length);
    (void)reading;
    uint8_t family = reader_u8(&reader), bits = reader_u8(&reader);
    bool is_cidr = reader_u8(&reader) != 0;
    size_t size = reader_u8(&reader);
    const uint8_t *address = reader_bytes(&reader, size);
    size_t expected = family == FAMILY_IPV4 ? IPV4_BYTES : IPV6_BYTES;
    if ((family != FAMILY_IPV4 && family != FAMILY_IPV6) || size != expected || address == NULL ||
        bits > size * 8 || !reader_is_done(&reader))
        return false;
    if (family == FAMILY_IPV4)
        print_ipv4(address, text);
    else
        print_ipv6(address, text);
    if (is_cidr || bits != size * 8) {
        char buffer[8];
        int count = snprintf(buffer, sizeof buffer, "/%u", bits);
        writer_bytes(text, buffer, (size_t)count);
    }
    return true;
}

// The form leaves out a mask of full length, which a cidr shows and an inet does not.
static size_t
without_full_mask(const uint8_t *bytes, size_t length)
{
    bool is_ipv6 = memchr(bytes, ':', length) != NULL;
    const char *full = is_ipv6 ? "/128" : "/32";
    size_t size = strlen(full);
    if (length > size && memcmp(bytes + length - size, full, size) == 0)
        length -= size;
    return length;
}

bool
type_read_network(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                  struct writer *form)
{
    (void)reading;
    writer_bytes(form, bytes, without_full_mask(bytes, length));
    return true;
}

bool
type_read_network_binary(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                         struct writer *form)
{
    size_t start = form->length;
    if (!type_print_network(reading, bytes, length, form))
        return false;
    if (!form->failed)
        form->length = start + without_full_mask(form->bytes + start, form->length - start);
    return true;
}

// macaddr and macaddr8: as many bytes in hexadecimal, with colons.
bool
type_print_macaddr(const struct type_reading *reading, const uint8_t *bytes, size_t length,
                   struct writer *text)
{
    static const char digits[] = "0123456789abcdef";
    (void)reading;
    for (size_t i = 0; i < length; i++) {
        if (i > 0)
            writer_u8(text, ':');
        writer_u8(text, (uint8_t)digits[bytes[i] >> 4]);
        writer_u8(text, (uint8_t)digits[bytes[i] & 15]);
    }
    return length == 6 || length == 8;
}
